"""Outputs that are no tensors, batches of a fixed size, and half precision."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain.errors import OptionError
from rdexplain.models.outputs import scores_of

SCORES, OTHER = torch.ones(2, 3), torch.zeros(2, 5)


@pytest.mark.parametrize(
    "output",
    [
        SCORES,
        {"out": SCORES, "aux": OTHER},
        OrderedDict(aux=OTHER, out=SCORES),
        {"logits": SCORES, "hidden": OTHER},
        {"scores": SCORES, "note": "text"},
        (SCORES, OTHER),
        [SCORES],
        SimpleNamespace(logits=SCORES),
    ],
)
def test_the_scores_are_found(output):
    assert scores_of(output) is SCORES
    assert rx.as_model(lambda images: output)(torch.zeros(2, 3, 4, 4)) is SCORES


@pytest.mark.parametrize("output", [None, {"a": SCORES, "b": OTHER}, [{"boxes": SCORES}], (), "text"])
def test_other_outputs_are_left_as_they_are(output):
    assert scores_of(output) is output


class OnlyThree(nn.Module):
    """As an exported network: a fixed number of images."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        assert len(images) == 3
        return (self.inner(images).view(3, -1),)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_a_network_for_a_fixed_number_of_images(count, smooth_network, make_photos):
    network, photos = smooth_network(), make_photos(count)
    model = rx.as_model(OnlyThree(network), batch_size=3)
    images = photos.requires_grad_()
    output = model(images)
    torch.testing.assert_close(output, network(photos))
    (slope,) = torch.autograd.grad(output[:, 1].sum(), images)
    (expected,) = torch.autograd.grad(network(images)[:, 1].sum(), images)
    torch.testing.assert_close(slope, expected)


def test_it_is_explained_as_the_network_itself_is(smooth_network, make_photos):
    network, photos = smooth_network(), make_photos(2)
    options = {"steps": 3, "draws": 2, "seed": 1}
    expected = rx.PixelRDE(network, **options).explain(photos, 1)
    got = rx.PixelRDE(rx.as_model(OnlyThree(network), batch_size=3), **options).explain(photos, 1)
    torch.testing.assert_close(got.mask[0], expected.mask[0], rtol=0, atol=1e-4)


def test_a_task_that_there_is_not(smooth_network):
    with pytest.raises(OptionError, match="task is one of classification, segmentation, detection"):
        rx.as_model(smooth_network(), task="depth")


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_where_asked(kind, smooth_network, make_photos):
    photos = make_photos(1)
    model = rx.as_model(smooth_network().to(kind))
    one = rx.PixelRDE(model, steps=3, draws=2).explain(photos, 1)
    assert one.mask[0].dtype == torch.float32
    assert one.mask[0].isfinite().all()
    expected = smooth_network()(photos).softmax(1)[0, 1].detach()
    assert float(one.probability) == pytest.approx(float(expected), abs=0.05)
