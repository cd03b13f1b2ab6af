"""The picture of repeated solutions: what is called sure, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from rdexplain import CartoonX, Explanation, PixelRDE, load_explanation
from rdexplain.errors import OptionError
from rdexplain.methods.repeats import separates
from rdexplain.render import repeats_panel

QUICK = {"draws": 2, "internal_batch_size": 8, "preset": "paper"}


def network(images: Tensor) -> Tensor:
    """Logits (n, 2)."""
    return 4 * torch.stack((images[..., :8, :].mean((1, 2, 3)), images[..., 8:, :].mean((1, 2, 3))), dim=1)


def photos(count: int = 1) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(3))


def words(figure: Figure) -> str:
    """All texts, line after line, with plain blanks."""
    return " ".join(text.get_text().replace("\N{NO-BREAK SPACE}", " ").replace("\n", " ") for text in figure.texts)


def solved(kept: float, method: type[PixelRDE] | type[CartoonX] = PixelRDE) -> Explanation:
    """Three solutions that keep every entry with a mask value of just that."""
    options = {"steps": 0, **QUICK, **({"levels": 1, "wavelet": "haar"} if method is CartoonX else {})}
    whole = method(network, **options, init="ones").explain(photos(), 1)
    start = [torch.full_like(band, kept) for band in whole.mask]
    return method(network, **options, init=start).explain(photos(), 1, repeats=3)


@pytest.mark.parametrize("method", [PixelRDE, CartoonX])
@pytest.mark.parametrize(("value", "kept"), [(1.0, "all {}"), (0.31, "all {}"), (0.0, "nothing"), (0.29, "nothing")])
def test_nothing_told_apart_is_not_called_sure(value, kept, method, tmp_path):
    one, things = solved(value, method), "pixels" if method is PixelRDE else "coefficients"
    assert one.agreement.isnan().all()
    assert (one.record()["repeats"], one.record()["agreement"]) == (3, None)
    one.save(tmp_path / "one")
    assert load_explanation(tmp_path / "one").agreement.isnan().all()
    said = words(repeats_panel(one))
    assert f"Solved 3 times with other noise: all of them keep {kept.format(things)}. " in said
    assert "With a mask value above 0.3 as kept, nothing is told apart, so none is sure." in said
    count = sum(band.numel() for band in one.mask) if kept != "nothing" else 0
    assert f"Kept by all: {count} {things} One of several ways: 0" in said
    assert "Sure: " not in said


@pytest.mark.parametrize(("method", "things"), [(PixelRDE, "pixels"), (CartoonX, "coefficients")])
def test_what_is_sure(method, things):
    options = {"levels": 1} if method is CartoonX else {}
    one = method(network, steps=8, step_size=0.3, **QUICK, **options).explain(photos(2), 1, repeats=2)
    first = one.selection_frequency[0]
    first[:, 0], first[:, 1], first[:, 2] = 1.0, 0.5, 0.0
    one = replace(one, agreement=torch.tensor([0.25, 0.5]))
    said = words(repeats_panel(one, 0))
    sure = sum(int((band[0] == 1).sum()) for band in one.selection_frequency)
    assert f"Sure: {sure} {things} One of several ways: " in said
    assert "two solutions have 25 % of what they keep in common. " in said
    assert "Sure is what 80 % of them keep, with a mask value above 0.3." in said


def test_each_row_by_itself():
    """One that keeps nothing in one of its solutions only is told apart, and so is one that keeps half in both."""
    frequency = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5], [0.0, 1.0]])
    assert separates(frequency).tolist() == [False, False, True, True]


def test_a_single_solution():
    with pytest.raises(OptionError, match=r"repeats=5"):
        repeats_panel(PixelRDE(network, steps=0, **QUICK).explain(photos(), 1))
