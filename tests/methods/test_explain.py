"""`explain`: it does not depend on the batch, leaves everything as it was, and says what is wrong."""

from __future__ import annotations

import copy
import random
import re
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

import rdexplain as rx
from rdexplain import CartoonX, Explanation, PixelRDE, as_model
from rdexplain.core import philox
from rdexplain.core.philox import Stream
from rdexplain.core.solver import Solution
from rdexplain.errors import ModelError, OptionError, PhotoError, SolverError, TargetError
from rdexplain.methods import base, outcome

WAVELETS = {"wavelet": "db2", "levels": 2}
QUICK = {"steps": 3, "draws": 4, "sparsity": 0.1, "step_size": 0.1}
METHODS = [pytest.param(CartoonX, WAVELETS, id="CartoonX"), pytest.param(PixelRDE, {}, id="PixelRDE")]


@pytest.fixture(autouse=True)
def _few_fresh_draws(monkeypatch, request):
    """Most tests are about other things than the measurement at the end."""
    if "full_measurement" not in request.fixturenames:
        monkeypatch.setattr(outcome, "FRESH_DRAWS", 12)
        monkeypatch.setattr(outcome, "EMPTY_DRAWS", 4)


@pytest.fixture
def full_measurement():
    """For the tests that need it."""


def flat(explanation: Explanation) -> torch.Tensor:
    return torch.cat([band.flatten(1) for band in explanation.mask], dim=1)


def zero_mask(method) -> list[torch.Tensor]:
    transform = method.representation.transform((32, 32), torch.float32)
    return transform.split(torch.zeros(transform.count))


class Batchy(nn.Module):
    """Batch normalisation, dropout, an in-place activation and a hook: everything that could change."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Dropout(0.5))
            self.head = nn.Linear(6, 4)

    def forward(self, images):
        return self.head(self.body(images).mean((2, 3))) * 5


# --- the same whatever the batch


@pytest.fixture
def shape_dependent():
    """A network whose sums depend on how many images it sees, as a library's kernels may; and where the image lies."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        linear = nn.Linear(3 * 32 * 32, 4)

    def network(images):
        order = torch.arange(len(linear.weight[0])).roll(97 * len(images))
        scores = [
            (image.flatten()[order.roll(31 * place)] @ linear.weight[:, order.roll(31 * place)].mT)
            for place, image in enumerate(images)
        ]
        return torch.stack(scores) * 3

    return network


@pytest.mark.parametrize(("method", "options"), METHODS)
@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_a_photo_s_mask_is_the_same_to_the_last_bit_in_any_batch(method, options, preset, make_photos, shape_dependent):
    photos = make_photos(8, 32)
    settings = {**options, "preset": preset, "steps": 12, "draws": 4, "sparsity": 0.5, "seed": 7, "step_size": 0.1}
    targets = [[1, 0], [2], [1], [3], [0], [2], [1], [0]]

    def explained(places, **changes):
        explainer = method(shape_dependent, **settings, **changes)
        return explainer.explain(photos[places], [targets[place] for place in places], samples=2, repeats=2)

    alone = [explained([place]) for place in range(8)]
    for places in ([1, 0], [4, 3, 2], list(range(8))):
        together = explained(places)
        for place in range(len(places)):
            rows = (together.photo == place).nonzero().flatten().tolist()
            assert_equal(together[rows], alone[places[place]])
    apart = explained(list(range(8)), batch_invariant=False)
    assert not torch.equal(
        flat(apart), torch.cat([flat(one) for one in alone])
    )  # the network is as bad as it should be


def assert_equal(found, expected):
    """Two explanations are the same, but for their photos' places and the time."""
    for field in fields(expected):
        mine, other = getattr(found, field.name), getattr(expected, field.name)
        if field.name in ("photo", "seconds"):
            continue
        for one, two in zip(tensors_in(mine), tensors_in(other), strict=True):
            assert torch.equal(one.nan_to_num(-1), two.nan_to_num(-1)), field.name  # an agreement may be NaN
    mine, other = found.record(), expected.record()
    assert mine | {"seconds": 0} == other | {"seconds": 0}


class Fickle(nn.Module):
    """Loses its decision with the first noise that the solver shows it, and not with the second."""

    def __init__(self, tries):
        super().__init__()
        self.tries, self.solves = tries, 0

    def forward(self, images):
        return torch.stack((images.mean((1, 2, 3)), 1 - images.mean((1, 2, 3))), dim=1) * 8


def test_a_row_worse_than_nothing_is_tried_once_more(make_photos, monkeypatch, full_measurement):
    """The second solution, on noise of its own, is taken where it is better, and both are counted."""
    seeds = []

    def solve(objective, start, settings, progress=None, weights=None, watch=None):
        seeds.append((objective.seed, settings.emphasis))
        objective.evaluations += 10 * len(seeds)
        kept = 0.01 if len(seeds) == 2 else 0.9
        mask, curve = torch.full_like(start, kept), start.new_zeros((0, len(start)))
        return Solution(mask, start.new_full((len(start),), 50.0), curve, curve)

    monkeypatch.setattr(base, "solve", solve)
    photo = make_photos(1)
    one = PixelRDE(Fickle(2), seed=5, sparsity=50.0).explain(photo)
    assert seeds == [(5, 3.0), (6, 1.0)]
    assert one.network_evaluations.tolist() == [30 + 2]  # and each asks for the sensitivity once
    assert one.measurements.tolist() == [2 * (256 + 32)]
    assert float(one.mask[0].max()) == pytest.approx(0.01)
    assert bool(one.worse_than_empty) == bool(one.objective > one.empty_distortion)
    seeds.clear()
    PixelRDE(Fickle(2), preset="paper", sparsity=50.0, steps=1).explain(photo)
    assert len(seeds) == 1  # the published procedure has no second try
    seeds.clear()
    PixelRDE(Fickle(2), sparsity=0.001).explain(photo)
    assert len(seeds) == 1 or seeds[1][0] == 1


def test_repeats_count_how_often_a_coefficient_is_kept(make_photos, smooth_network):
    photos, network = make_photos(2), smooth_network()
    settings = {**WAVELETS, **QUICK, "steps": 6, "step_size": 0.3}
    found = CartoonX(network, seed=3, **settings).explain(photos, 1, repeats=3)
    masks = [flat(CartoonX(network, seed=seed, **settings).explain(photos, 1)) for seed in (3, 4, 5)]
    assert torch.equal(flat(found), masks[0])
    kept = torch.stack(masks).numpy() > 0.3
    frequency = torch.cat([band.flatten(1) for band in found.selection_frequency], dim=1)
    np.testing.assert_allclose(frequency, kept.mean(axis=0), rtol=0, atol=1e-6)
    for row in range(2):
        sets = [set(np.flatnonzero(one[row])) for one in kept]
        pairs = [(sets[0], sets[1]), (sets[0], sets[2]), (sets[1], sets[2])]
        expected = np.mean([len(one & other) / len(one | other) for one, other in pairs])
        assert float(found.agreement[row]) == pytest.approx(expected, abs=1e-6)
    once = CartoonX(network, seed=3, **settings).explain(photos, 1)
    assert (once.repeats, once.agreement, once.selection_frequency) == (1, None, None)
    assert torch.equal(found.network_evaluations, 3 * once.network_evaluations)


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return list(value.values()) if all(isinstance(one, torch.Tensor) for one in value.values()) else []
    return value if isinstance(value, list) else []


@pytest.mark.parametrize(("method", "options"), METHODS)
@pytest.mark.parametrize("steps", [0, 1])
def test_what_the_model_sees_is_the_same_in_any_batch(method, options, steps, make_photos, smooth_network, recorder):
    """At the mask zero the obfuscated image is the noise alone."""
    photos = make_photos(4)
    network = smooth_network()

    def seen(images, batch):
        eyes = recorder(network)
        settings = {**options, "preset": "paper", "steps": steps, "draws": 5, "internal_batch_size": batch}
        settings |= {"batch_invariant": False}
        model = as_model(eyes, activation="softmax")
        method(model, **settings, init=zero_mask(method(model, **settings))).explain(images, 1)
        # The clean images come first; then the step's draws, in order, row by row.
        return torch.cat(eyes.seen)[len(images) :][: len(images) * (5 * steps or 12)].unflatten(0, (len(images), -1))

    def assert_same(found, expected):
        if method is PixelRDE:
            assert torch.equal(found, expected)
        else:  # the noise is the same bit for bit; a matrix product of another shape may sum in another order
            assert (found - expected).abs().max() < 2e-6

    whole = seen(photos, 1000)
    assert whole.shape[1] == (5 if steps else 12)
    for batch in (1, 3, 7, 100):
        assert_same(seen(photos, batch), whole)
    for number in range(4):
        for batch in (2, 1000):
            assert_same(seen(photos[number : number + 1], batch)[0], whole[number])
    assert not torch.equal(whole[0, 0], whole[1, 0])
    assert not torch.equal(whole[0, 0], whole[0, 1])


def test_the_noise_is_philox_s(make_photos, smooth_network, recorder):
    photo = make_photos(1)
    eyes = recorder(smooth_network())
    model = as_model(eyes, activation="softmax")
    PixelRDE(model, steps=2, draws=3, seed=5, preset="paper", init=torch.zeros(32, 32), step_size=1e-12).explain(
        photo, 1
    )
    seen = torch.cat(eyes.seen)[1:7]
    streams = [Stream(5, philox.photo_key(photo[0]), step, draw) for step in range(2) for draw in range(3)]
    noise = philox.normal(streams, 3072, torch.float32).view(6, 3, 32, 32)
    torch.testing.assert_close(seen, photo.mean() + photo.std() * noise, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_masks_are_the_same_in_any_batch(method, options, make_photos, smooth_network):
    photos, network = make_photos(5, 32, torch.float64), smooth_network(torch.float64)

    def masks(images, **changes):
        return flat(method(network, **options, **{**QUICK, "steps": 10, **changes}).explain(images, 1))

    whole = masks(photos, internal_batch_size=100)
    assert whole.std() > 0.01
    for batch in (1, 3, 7):
        assert (masks(photos, internal_batch_size=batch) - whole).abs().max() < 1e-9
    assert (masks(photos[2:3]) - whole[2:3]).abs().max() < 1e-9
    assert (masks(photos.flip(0)) - whole.flip(0)).abs().max() < 1e-9


def test_rows_of_several_targets(make_photos, smooth_network):
    photos, network = make_photos(2, 32, torch.float64), smooth_network(torch.float64)
    method = PixelRDE(network, **QUICK)
    several = method.explain(photos, [[0, 3, 4], [2, 1, 0]])
    assert several.photo.tolist() == [0, 0, 0, 1, 1, 1]
    assert several.target.tolist() == [0, 3, 4, 2, 1, 0]
    for row, (photo, target) in enumerate([(0, 0), (0, 3), (0, 4), (1, 2), (1, 1), (1, 0)]):
        one = method.explain(photos[photo : photo + 1], target)
        assert (flat(one)[0] - flat(several)[row]).abs().max() < 1e-9
        assert float(one.distortion) == pytest.approx(float(several.distortion[row]), rel=1e-9)
    best = method.explain(photos, top_k=3)
    order = network(photos).softmax(1).argsort(1, descending=True)[:, :3]
    assert torch.equal(best.target.view(2, 3), order)
    assert (best.probability.view(2, 3).diff(dim=1) <= 0).all()


def test_seeds_and_ids(make_photos, smooth_network):
    photos, network = make_photos(2), smooth_network()
    base = flat(PixelRDE(network, **QUICK).explain(photos, 1))
    assert torch.equal(flat(PixelRDE(network, **QUICK).explain(photos, 1)), base)
    assert not torch.equal(flat(PixelRDE(network, **QUICK, seed=1).explain(photos, 1)), base)
    named = flat(PixelRDE(network, **QUICK).explain(photos, 1, ids=["a", "b"]))
    assert not torch.equal(named, base)
    keys = [philox.photo_key(photo) for photo in photos]
    assert torch.equal(flat(PixelRDE(network, **QUICK).explain(photos, 1, ids=keys)), base)
    same = PixelRDE(network, **QUICK).explain(photos[:1].expand(2, -1, -1, -1), 1, ids=[7, 7])
    torch.testing.assert_close(flat(same)[0], flat(same)[1], rtol=0, atol=1e-6)
    with pytest.raises(OptionError, match="1 ids for 2 images"):
        PixelRDE(network).explain(photos, ids=["a"])


def test_the_photo_s_key_is_that_of_eight_bits(make_photos, smooth_network, recorder):
    """A change below half a level changes the image, not its noise: the masks stay close."""
    photo = (make_photos(1, 32, torch.float64) * 255).round() / 255
    network = smooth_network(torch.float64)
    near = (photo + 1e-5).clamp(0, 1)
    one, two = (flat(PixelRDE(network, **QUICK).explain(images, 1)) for images in (photo, near))
    far = flat(PixelRDE(network, **QUICK).explain(photo, 1, ids=[0]))
    assert 0 < float((one - two).abs().mean()) < 0.1 * float((one - far).abs().mean())


# --- everything stays as it was


def state_of(network: nn.Module) -> dict[str, object]:
    return {
        "training": [module.training for module in network.modules()],
        "requires_grad": [parameter.requires_grad for parameter in network.parameters()],
        "grad": [parameter.grad for parameter in network.parameters()],
        "hooks": [
            len(getattr(module, kind))
            for module in network.modules()
            for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        ],
        "attributes": [sorted(vars(module)) for module in network.modules()],
        "tensors": {name: tensor.clone() for name, tensor in network.state_dict().items()},
    }


def assert_same_state(before, after):
    tensors, others = before.pop("tensors"), after.pop("tensors")
    assert before == after
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


@pytest.mark.parametrize("accelerate", [True, False])
@pytest.mark.parametrize("fails", [True, False])
@pytest.mark.parametrize("hooked", [True, False])
def test_the_network_comes_back_as_it_came(accelerate, fails, hooked, make_photos, monkeypatch):
    network = Batchy().train()
    network.body[1].eval()
    network.head.bias.requires_grad_(False)
    if hooked:
        network.body.register_forward_hook(lambda *_: None)
    before = state_of(network)
    method = CartoonX(network, **WAVELETS, **QUICK, accelerate=accelerate)
    photos = make_photos(2)
    if fails:

        def stop(step, loss):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            method.explain(photos, progress=stop)
        with pytest.raises(TargetError):
            method.explain(photos, 99)
    else:
        method.explain(photos, samples=2)
    assert_same_state(before, state_of(network))


def test_a_network_in_train_mode_is_explained_in_eval_mode(make_photos):
    photos = make_photos(2)
    network = Batchy()
    with torch.no_grad():
        network.train()(photos)  # so that the running statistics are not the ones at the start
    trained, evaluated = (copy.deepcopy(network).train(mode) for mode in (True, False))
    found, expected = (PixelRDE(one, **QUICK).explain(photos, 1) for one in (trained, evaluated))
    assert torch.equal(flat(found), flat(expected))
    assert torch.equal(found.distortion, expected.distortion)
    assert trained.training


def test_acceleration_changes_only_rounding(make_photos):
    network = Batchy()
    photos = make_photos(2, 32, torch.float64)
    with torch.no_grad():
        network.double().train()(photos)
    network.eval()
    fast, plain = (CartoonX(network, **WAVELETS, **QUICK, accelerate=flag).explain(photos, 1) for flag in (True, False))
    assert (flat(fast) - flat(plain)).abs().max() < 1e-8
    torch.testing.assert_close(fast.distortion, plain.distortion, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_global_random_states_are_not_touched(method, options, make_photos):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002  # the global state is what this is about
    random.seed(3)
    network, photos = Batchy().train(), make_photos(2)
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    method(network, **options, **QUICK, init="random").explain(photos, samples=1)
    method(network, **options, **QUICK).attribute(photos)
    after = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1][0] == after[1][0]
    assert all(np.array_equal(one, other) for one, other in zip(before[1][1:], after[1][1:], strict=True))
    assert before[2] == after[2]


@pytest.mark.parametrize(("method", "options"), METHODS)
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_works_without_autograd_around_it(method, options, context, smooth_network, make_photos):
    network, photos = smooth_network(), make_photos(2)
    method = method(network, **options, **QUICK)
    expected = method.explain(photos, 1)
    with context():
        found = method.explain(photos, 1)
        # Images that were made inside, too.
        inside = method.explain(photos * 1, 1)
        assert torch.is_grad_enabled() is False
    assert torch.equal(flat(found), flat(expected))
    assert torch.equal(flat(inside), flat(expected))
    assert not any(band.is_inference() or band.requires_grad for band in found.mask)
    assert torch.is_grad_enabled()


def test_further_arguments_may_come_from_inference_mode(smooth_network, make_photos):
    network, photos = smooth_network(), make_photos(2)
    method = PixelRDE(lambda images, factor: network(images * factor), **QUICK)
    with torch.inference_mode():
        found = method.explain(photos, 1, additional_forward_args=torch.full((2, 1, 1, 1), 0.9))
    expected = method.explain(photos, 1, additional_forward_args=torch.full((2, 1, 1, 1), 0.9))
    assert torch.equal(flat(found), flat(expected))


def test_images_are_not_changed(smooth_network, make_photos):
    photos = make_photos(2).requires_grad_()
    copied = photos.detach().clone()
    for method in (CartoonX(smooth_network(), **WAVELETS, **QUICK), PixelRDE(smooth_network(), **QUICK)):
        method.explain(photos, samples=1)
        method.attribute(photos)
    assert torch.equal(photos, copied)
    assert photos.grad is None


def test_a_method_can_be_used_again_and_copied(smooth_network, make_photos):
    method = CartoonX(smooth_network(), **WAVELETS, **QUICK)
    small, large = make_photos(1, 32), make_photos(1, (40, 35))
    first = method.explain(small)
    assert method.explain(large).images.shape[-2:] == (40, 35)
    assert torch.equal(flat(method.explain(small)), flat(first))
    assert torch.equal(flat(copy.deepcopy(method).explain(small)), flat(first))


# --- memory


@pytest.mark.parametrize(("method", "options"), METHODS)
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_halves_the_batch(method, options, error, smooth_network, make_photos):
    network, photos = smooth_network(torch.float64), make_photos(2, 32, torch.float64)

    def narrow(images):
        if len(images) > 3:
            raise error
        return network(images)

    def backwards(images):
        """Fits forward only."""
        if len(images) > 3 and images.requires_grad:
            raise error
        return network(images)

    settings = {**options, **QUICK, "draws": 16}
    expected = method(network, **settings, internal_batch_size=2).explain(photos, 1, samples=5)
    for model, start in ((narrow, 16), (backwards, 8)):
        with pytest.warns(RuntimeWarning, match="out of memory: going on with") as warned:
            found = method(model, **settings, internal_batch_size=start).explain(photos, 1, samples=5)
        assert str(warned[-1].message) == "out of memory: going on with 2 instead of 4 images in a batch"
        assert (flat(found) - flat(expected)).abs().max() < 1e-9
        torch.testing.assert_close(found.distortion, expected.distortion, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(found.samples, expected.samples, rtol=0, atol=1e-9)
        assert torch.equal(found.network_evaluations, expected.network_evaluations)


def test_a_single_image_that_does_not_fit(make_photos):
    def full(images):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with (
        pytest.raises(SolverError, match="out of memory with a single image"),
        pytest.warns(RuntimeWarning, match="going on with 1 instead of 2"),
    ):
        PixelRDE(full, internal_batch_size=2).explain(make_photos(2))


def test_internal_batch_size_bounds_the_batches(make_photos, smooth_network, recorder):
    for batch in (1, 3, 5):
        eyes = recorder(smooth_network())
        CartoonX(eyes, **WAVELETS, **QUICK, internal_batch_size=batch, init="gradient").explain(
            make_photos(4), samples=7
        )
        assert max(len(images) for images in eyes.seen) == min(batch, 4)  # whole rows of 4 draws where they fit


# --- what is wrong


def test_a_loss_that_is_not_finite(make_photos, smooth_network):
    """Photo 1 has two rows; it is the photo that is named, and the step."""
    network, calls = smooth_network(), 0

    def breaking(images, bad):
        nonlocal calls
        calls += 1
        return network(images).masked_fill(bad[:, None] & (calls > 5), float("nan"))

    model = as_model(breaking, activation="softmax")
    method = PixelRDE(model, steps=5, draws=2, internal_batch_size=100, batch_invariant=False)
    with pytest.raises(SolverError, match=r"image 1 of the batch.* not finite at step 2") as caught:
        method.explain(
            make_photos(3), [[0, 1], [2, 3], [0, 1]], additional_forward_args=torch.tensor([False, True, False])
        )
    assert caught.value.photos == (1,)
    assert "\n" not in str(caught.value)


def test_every_photo_whose_loss_is_not_finite_is_named(make_photos, smooth_network):
    """Rows that are solved one after the other are all seen before the error."""
    network, calls = smooth_network(), 0

    def breaking(images, bad):
        nonlocal calls
        calls += 1
        return network(images).masked_fill(bad[:, None] & (calls > 10), float("nan"))

    method = PixelRDE(breaking, steps=5, draws=2)
    with pytest.raises(SolverError, match=r"image 1, 3 of the batch: the loss is not finite at step 0") as caught:
        method.explain(make_photos(4), 1, additional_forward_args=torch.tensor([False, True, False, True]), repeats=2)
    assert caught.value.photos == (1, 3)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), OptionError, "torch.uint8: divide 8-bit values by 255"),
        (torch.zeros(3, 8, 8), OptionError, "shape (n, 3, h, w), got (3, 8, 8)"),
        (torch.zeros(0, 3, 8, 8), OptionError, "got (0, 3, 8, 8)"),
        (torch.zeros(1, 3, 0, 8), OptionError, "got (1, 3, 0, 8)"),
        (None, OptionError, "got NoneType"),
        (torch.full((1, 3, 8, 8), 1.5), OptionError, "[0, 1], got 1.5 to 1.5"),
        (torch.full((1, 3, 8, 8), -0.1), OptionError, "[0, 1], got -0.1 to -0.1"),
        (torch.full((1, 3, 8, 8), 255.0), OptionError, "normalisation belongs to the model"),
    ],
)
def test_images_that_cannot_be(images, error, message):
    with pytest.raises(error, match=re.escape(message)):
        PixelRDE(lambda x: x.mean((2, 3)), steps=1).explain(images)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_image_that_is_not_finite_is_named(value, make_photos):
    photos = make_photos(3)
    photos[2, 1, 5, 5] = value
    with pytest.raises(PhotoError, match="image 2 of the batch has values that are NaN or infinite"):
        PixelRDE(lambda x: x.mean((2, 3)), steps=1).explain(photos)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda x: x.mean((2, 3))[:1], "shape (1, 3) for 2 images"),
        (lambda x: {"a": x, "b": x}, "returned a dict"),
        (lambda x: x.mean((2, 3)).argmax(1, keepdim=True), "not floating-point"),
        (lambda x: x.mean((2, 3)) * float("nan"), "not finite"),
    ],
)
def test_models_whose_output_does_not_fit(output, message, make_photos):
    with pytest.raises(ModelError, match=re.escape(message)):
        PixelRDE(output, steps=1).explain(make_photos(2))


def test_photos_of_another_number(make_photos, smooth_network):
    with pytest.raises(OptionError, match="1 photo names for 2 images"):
        PixelRDE(smooth_network(), **QUICK).explain(make_photos(2), photos=["a"])
    with pytest.raises(OptionError, match="one string"):  # a string is a sequence, too
        PixelRDE(smooth_network(), **QUICK).explain(make_photos(2), photos="ab")


def test_too_many_levels(make_photos, smooth_network):
    with pytest.raises(OptionError, match="9 levels of db3 are too many for an image of 32 x 32"):
        CartoonX(smooth_network(), levels=9, **QUICK).explain(make_photos(1))


@pytest.mark.parametrize("samples", [-1, 1.5, None])
def test_samples_that_cannot_be(samples, make_photos, smooth_network):
    with pytest.raises(OptionError, match="samples"):
        PixelRDE(smooth_network(), **QUICK).explain(make_photos(1), samples=samples)


# --- what is found


@pytest.mark.parametrize("preset", ["paper", "fast"])
def test_no_steps_leave_the_mask_that_was_given(preset, make_photos, smooth_network):
    mask = torch.rand(32, 32, generator=torch.Generator().manual_seed(0))
    found = PixelRDE(smooth_network(), preset=preset, steps=0, init=mask, sparsity=1000).explain(make_photos(1))
    assert torch.equal(found.mask[0][0], mask)


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_collapse(method, options, make_photos, smooth_network, full_measurement):
    settings = {**options, "steps": 40, "draws": 2, "step_size": 0.1}
    photos, network = make_photos(2), smooth_network()
    empty = method(network, **settings, sparsity=1000).explain(photos)
    assert empty.collapsed.tolist() == [True, True]
    assert empty.non_sparsity.max() < 0.1
    torch.testing.assert_close(empty.distortion, empty.empty_distortion, rtol=0.5, atol=0)
    full = method(network, **settings, sparsity=0, init="ones").explain(photos)
    assert full.collapsed.tolist() == [False, False]
    assert full.distortion.max() < 0.1 * full.empty_distortion.min()


def test_the_part_that_matters_is_kept(make_photos):
    """The network looks at one corner only: so does the mask."""

    def corner(images):
        brightness = images[:, :, :8, :8].mean((1, 2, 3))
        return torch.stack((20 * (brightness - 0.5), torch.zeros_like(brightness)), dim=1)

    photos = make_photos(2)
    photos[:, :, :8, :8] = 0.9
    mask = PixelRDE(corner, steps=100, draws=8, step_size=0.1, sparsity=0.5).explain(photos, 0).mask[0]
    inside, everywhere = mask[:, :8, :8].mean(), mask.mean()
    assert inside > 0.2
    assert everywhere < 0.1
    outside = mask.clone()
    outside[:, :8, :8] = 0
    assert outside.max() < 0.02


@pytest.mark.parametrize("distortion", ["l2", "l2_root", "weighted_l2", "weighted_l2_root", "kl", "maximise_label"])
def test_every_distortion(distortion, make_photos, smooth_network):
    photos, network = make_photos(2), smooth_network()
    found = PixelRDE(network, **QUICK, distortion=distortion).explain(photos, 2)
    label = PixelRDE(network, **QUICK).explain(photos, 2)
    assert flat(found).isfinite().all()
    assert found.distortion.isfinite().all()
    # The probability on the same draws is read from all of them, the mask being another.
    start = {"steps": 0, "init": torch.full((32, 32), 0.5)}
    one, other = (PixelRDE(network, distortion=name, **start).explain(photos, 2) for name in (distortion, "label"))
    torch.testing.assert_close(one.kept_probability, other.kept_probability)
    assert torch.equal(one.probability, label.probability)


def test_models_that_give_probabilities(make_photos, smooth_network):
    network = smooth_network()
    logits = PixelRDE(network, **QUICK).explain(make_photos(2), 1)
    wrapped = as_model(lambda images: network(images).softmax(1), activation="none")
    probabilities = PixelRDE(wrapped, **QUICK).explain(make_photos(2), 1)
    torch.testing.assert_close(flat(probabilities), flat(logits), rtol=0, atol=1e-5)


def test_normalisation_belongs_to_the_model(make_photos, smooth_network):
    network = smooth_network()
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)

    def by_hand(images):
        return network((images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1))

    one = PixelRDE(as_model(network, mean=mean, std=std), **QUICK, accelerate=False).explain(make_photos(2), 1)
    other = PixelRDE(by_hand, **QUICK).explain(make_photos(2), 1)
    torch.testing.assert_close(flat(one), flat(other), rtol=0, atol=1e-5)


def test_outputs_with_axes_and_tuples(make_photos):
    """A segmenter: one place's class."""

    def segmenter(images):
        return torch.cat((images, 1 - images), dim=1) * 4

    found = PixelRDE(segmenter, steps=60, draws=4, step_size=0.1, sparsity=0.02).explain(make_photos(2), (0, 5, 6))
    assert found.target.tolist() == [[0, 5, 6]] * 2
    expected = segmenter(make_photos(2)).softmax(1)[:, 0, 5, 6]
    torch.testing.assert_close(found.probability, expected)
    for mask in found.mask[0]:
        assert int(mask.argmax()) == 5 * 32 + 6


def test_tensors_with_one_entry_a_photo_follow_the_images(make_photos, smooth_network):
    network, photos = smooth_network(torch.float64), make_photos(3, 32, torch.float64)

    def scaled(images, factor, power, name):
        assert name == "x"
        assert factor.shape[0] == images.shape[0]
        return network(images * factor**power)

    factor = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64).view(3, 1, 1, 1)
    arguments = (factor, torch.tensor(1.0), "x")
    together = PixelRDE(scaled, **QUICK, internal_batch_size=5).explain(
        photos, [[1, 2]], additional_forward_args=arguments
    )
    for photo in range(3):
        alone = PixelRDE(lambda images, p=photo: network(images * factor[p]), **QUICK).explain(
            photos[photo : photo + 1], [[1, 2]]
        )
        assert (flat(alone) - flat(together)[2 * photo : 2 * photo + 2]).abs().max() < 1e-9


def test_a_callable_sees_the_images_own_float_type(make_photos):
    seen = set()

    def network(images):
        seen.add(images.dtype)
        return images.mean((2, 3)) * 5

    found = PixelRDE(network, **QUICK).explain(make_photos(1, 32, torch.float64), 1)
    assert seen == {torch.float64}
    assert found.distortion.dtype == found.mask[0].dtype == torch.float64


def test_images_in_another_float_type_than_the_network(make_photos, smooth_network):
    single = PixelRDE(smooth_network(), **QUICK).explain(make_photos(2), 1)
    mixed = PixelRDE(smooth_network(), **QUICK).explain(make_photos(2, 32, torch.float64), 1)
    torch.testing.assert_close(flat(mixed).float(), flat(single), rtol=0, atol=1e-3)


def test_progress(make_photos, smooth_network, capsys):
    told = []
    PixelRDE(smooth_network(), **QUICK).explain(make_photos(1), progress=lambda *call: told.append(call))
    assert [step for step, _ in told] == [1, 2, 3]
    PixelRDE(smooth_network(), **QUICK).explain(make_photos(1), show_progress=True)
    assert capsys.readouterr().err == ""  # no terminal


def test_class_names_that_are_not_as_many_as_the_outputs():
    model = rx.as_model(lambda images: images.flatten(1)[:, :5], classes=["a", "b", "c"], activation="softmax")
    with pytest.raises(ModelError, match="3 class names for the 5 outputs"):
        rx.PixelRDE(model, steps=1).explain(torch.rand(1, 3, 8, 8))


def test_a_network_without_a_gradient():
    model = rx.as_model(lambda images: images.detach().mean((2, 3)), activation="softmax")
    with pytest.raises(ModelError, match="not differentiable"):
        rx.PixelRDE(model, steps=1).explain(torch.rand(1, 3, 8, 8))


def test_a_network_that_fails_on_the_images():
    model = rx.as_model(torch.nn.Linear(5, 3))
    with pytest.raises(ModelError, match=r"Linear failed on images of shape \(1, 3, 8, 8\): RuntimeError"):
        rx.PixelRDE(model, steps=1).explain(torch.rand(1, 3, 8, 8))


def test_an_unknown_init_is_refused_at_once():
    with pytest.raises(OptionError, match="unknown init 'zz'"):
        rx.PixelRDE(lambda images: images.mean((2, 3)), init="zz")


def test_half_precision_images_are_explained_in_float32():
    model = rx.as_model(lambda images: images.mean((2, 3)), activation="softmax")
    explanation = rx.PixelRDE(model, steps=1).explain(torch.rand(1, 3, 8, 8).half())
    assert explanation.mask[0].dtype == torch.float32


@pytest.mark.parametrize("size", [(0, 4), (-3, 4), ("x", 2), (2.5, 2)])
def test_a_picture_at_no_size(size):
    model = rx.as_model(lambda images: images.mean((2, 3)), activation="softmax")
    explanation = rx.PixelRDE(model, steps=0).explain(torch.rand(1, 3, 8, 8))
    with pytest.raises(OptionError, match="whole numbers above 0"):
        explanation.picture_at(*size)
