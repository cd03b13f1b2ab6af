"""The loop: the published update step by step, and what it promises about batches."""

from __future__ import annotations

import math
import re

import pytest
import torch

from rdexplain.core import philox
from rdexplain.core.groups import blocks
from rdexplain.core.noise import Noise
from rdexplain.core.philox import Stream, photo_key
from rdexplain.core.representations import Pixel, Wavelet
from rdexplain.core.smoothing import averages
from rdexplain.core.solver import Settings, solve
from rdexplain.errors import OptionError, SolverError
from rdexplain.methods.presets import PAPER

WAVELET = Wavelet("db3", levels=3)
REPRESENTATIONS = [pytest.param(WAVELET, id="wavelet"), pytest.param(Pixel(), id="pixel")]


def settings_of(**changes) -> Settings:
    settings = {"steps": 10, "draws": 4, "step_size": 0.2, "sparsity": 0.1, "schedule": "cosine", "betas": (0.5, 0.999)}
    return Settings(**{**settings, **changes})


def ones(objective) -> torch.Tensor:
    return torch.ones(objective.rows, objective.transform.count, dtype=objective.images.dtype)


@pytest.mark.parametrize(("representation", "clamp"), [(Wavelet("db3", levels=5), True), (Pixel(), False)])
def test_the_paper_s_update_is_adam_on_autograd_s_gradient(
    representation, clamp, make_photos, smooth_network, make_objective
):
    """The published procedure in a few lines: Adam on D + λk mean(s), then the clamp to [0, 1]."""
    image, network = make_photos(1, 32, torch.float64), smooth_network(torch.float64)
    steps, draws, target, sparsity, seed = 6, PAPER.draws, 2, 20.0, 7
    h = representation.analysis(image)
    sizes = [band.shape[2:].numel() for band in h]
    masks = [torch.ones(band.shape[:1] + band.shape[2:], dtype=torch.float64, requires_grad=True) for band in h]
    adam = torch.optim.Adam(masks, lr=PAPER.step_size, betas=PAPER.betas)
    with torch.no_grad():
        p = network(image).softmax(1)[0, target]
    losses = []
    for step in range(steps):
        streams = [Stream(seed, photo_key(image[0]), step, draw) for draw in range(draws)]
        noise = philox.normal(streams, 3 * sum(sizes), torch.float64).view(draws, 3, -1).split(sizes, dim=2)
        v = [x.mean() + x.std() * z.view(draws, *x.shape[1:]) for x, z in zip(h, noise, strict=True)]
        y = representation.synthesis(
            [s[:, None] * x + (1 - s[:, None]) * n for s, x, n in zip(masks, h, v, strict=True)]
        )
        distortion = (p - network(y.clamp(0, 1) if clamp else y).softmax(1)[:, target]).square().mean()
        loss = distortion + sparsity * sum(s.sum() for s in masks) / sum(sizes)
        adam.zero_grad()
        loss.backward()
        adam.step()
        for s in masks:
            s.data.clamp_(0, 1)
        losses.append(loss.item())

    objective = make_objective(
        representation, image, network, seed=seed, targets=[target], clamp=clamp, antithetic=PAPER.antithetic
    )
    settings = Settings(steps, draws, PAPER.step_size, sparsity, PAPER.schedule, PAPER.betas)
    solution = solve(objective, ones(objective), settings)
    expected = torch.cat([s.detach().flatten() for s in masks])
    assert (solution.mask[0] - expected).abs().max() < 1e-10
    assert 0.001 < float(1 - expected.mean()) < 0.01  # it moved
    found = solution.distortion[:, 0] + sparsity * solution.non_sparsity[:, 0]
    assert found.tolist() == pytest.approx(losses, rel=1e-9)


def test_the_update_with_momentum_and_schedule_by_hand(make_photos, smooth_network, make_objective):
    """Adam as Kingma and Ba write it, on the objective's own gradients, with the cosine schedule."""
    objective = make_objective(WAVELET, make_photos(2, 32, torch.float64), smooth_network(torch.float64))
    settings = settings_of(steps=7, step_size=0.5)
    s = ones(objective)
    first, second = torch.zeros_like(s), torch.zeros_like(s)
    for step in range(7):
        gradient = objective.gradient(s, step, 4)[0] + settings.sparsity / s.shape[1]
        first = 0.5 * first + 0.5 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        rate = 0.5 * (1 + math.cos(math.pi * step / 7)) / 2
        update = (first / (1 - 0.5 ** (step + 1))) / ((second / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
        s = (s - rate * update).clamp(0, 1)
    solution = solve(objective, ones(objective), settings)
    assert (solution.mask - s).abs().max() < 1e-9
    assert (solution.mask == 0).any()  # so that the clamp was met
    assert ((solution.mask > 0) & (solution.mask < 1)).any()


def test_a_mask_that_is_a_square_by_autograd(make_photos, smooth_network, make_objective):
    """Adam on u with s = u², the gradient by u from autograd's chain rule, and a rate that rises before it falls."""
    objective = make_objective(WAVELET, make_photos(2, 32, torch.float64), smooth_network(torch.float64))
    settings = settings_of(steps=9, step_size=0.3, power=2, warmup=1 / 3, emphasis=2.0)
    u = ones(objective).requires_grad_()
    adam = torch.optim.Adam([u], betas=settings.betas)
    for step in range(9):
        square = u.square()
        gradient = (
            objective.gradient(square.detach(), step, 4)[0] + (2 if step < 6 else 1) * settings.sparsity / u.shape[1]
        )
        adam.zero_grad()
        square.backward(gradient)
        adam.param_groups[0]["lr"] = 0.3 * min(1, (step + 1) / 3) * 0.5 * (1 + math.cos(math.pi * step / 9))
        adam.step()
        u.data.clamp_(0, 1)
    solution = solve(objective, ones(objective), settings)
    assert (solution.mask - u.detach().square()).abs().max() < 1e-9
    assert ((solution.mask > 0.01) & (solution.mask < 0.99)).any()


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_blocks_and_weights_by_autograd(representation, make_photos, smooth_network, make_objective):
    """Adam on u and on a factor U of each block, s = u U, the gradients from autograd's chain rule; the pull of the
    sparsity at each entry is its own in the first two thirds."""
    objective = make_objective(representation, make_photos(2, 32, torch.float64), smooth_network(torch.float64))
    settings = settings_of(steps=9, step_size=0.3, power=2, block=2, emphasis=2.0)
    generator = torch.Generator().manual_seed(0)
    start = 0.1 + 0.9 * torch.rand(ones(objective).shape, generator=generator, dtype=torch.float64)
    pulls = 0.5 + start.flip(1)
    block = blocks(objective.transform, 2, torch.device("cpu"))
    most = [start[:, block == number].amax(dim=1) for number in range(int(block.max()) + 1)]
    shared = torch.stack(most, dim=1).sqrt().requires_grad_()
    u = (start / shared.detach()[:, block]).requires_grad_()
    adam = torch.optim.Adam([u, shared], betas=settings.betas)
    mask = start
    for step in range(9):
        pull = settings.sparsity / u.shape[1] * (2 * pulls if step < 6 else 1)
        gradient = objective.gradient(mask, step, 4)[0] + pull
        adam.zero_grad()
        (u * shared[:, block]).backward(gradient)
        adam.param_groups[0]["lr"] = 0.3 * 0.5 * (1 + math.cos(math.pi * step / 9))
        adam.step()
        u.data.clamp_(0, 1)
        shared.data.clamp_(0, 1)
        mask = (u * shared[:, block]).detach()
    solution = solve(objective, start, settings, weights=pulls)
    assert (solution.mask - mask).abs().max() < 1e-9
    assert ((solution.mask > 0.01) & (solution.mask < 0.99)).any()


def test_a_square_leaves_a_start_at_zero(make_photos, smooth_network, make_objective):
    objective = make_objective(WAVELET, make_photos(1, 32, torch.float64), smooth_network(torch.float64))
    found = solve(objective, torch.zeros_like(ones(objective)), settings_of(power=2, sparsity=0.0)).mask
    assert (found > 0.1).any()


@pytest.mark.parametrize(("power", "block"), [(1, 0), (2, 0), (3, 0), (2, 2), (2, 4)])
def test_it_starts_where_it_is_told_to(power, block, make_photos, smooth_network, make_objective):
    """With steps of almost nothing the mask stays, also where Adam moves a root of it."""
    objective = make_objective(WAVELET, make_photos(2, 32, torch.float64), smooth_network(torch.float64))
    start = torch.linspace(0, 1, objective.transform.count, dtype=torch.float64).expand(2, -1)
    found = solve(objective, start, settings_of(power=power, block=block, step_size=1e-9)).mask
    # What is given as zero starts a little above, or it could not rise.
    assert (found - start.clamp_min(1e-4 if power > 1 else 0)).abs().max() < 1e-6


def test_the_guard_keeps_a_decision_that_sparsity_would_lose(make_photos, smooth_network, make_objective):
    """Under a pull far stronger than the distortion the mask empties; with a guard it stays where the limit is."""
    objective = make_objective(WAVELET, make_photos(2, 32, torch.float64), smooth_network(torch.float64))
    options = {"steps": 40, "step_size": 0.05, "sparsity": 100.0, "schedule": "constant"}
    empty, _ = objective.measure(torch.zeros_like(ones(objective)), 64)
    lost = solve(objective, ones(objective), settings_of(**options))
    assert float(lost.mask.max()) == 0
    before = objective.evaluations
    kept = solve(objective, ones(objective), settings_of(**options, guard=0.5))
    assert objective.evaluations - before == 2 * (40 * 4 + 8)  # the empty mask is looked at too
    assert (objective.measure(kept.mask, 64)[0] < 0.9 * empty).all()


def test_a_guard_that_nothing_trips_changes_nothing(make_photos, smooth_network, make_objective):
    objective = make_objective(WAVELET, make_photos(1, 32, torch.float64), smooth_network(torch.float64))
    plain = solve(objective, ones(objective), settings_of(sparsity=1e-6))
    assert torch.equal(plain.mask, solve(objective, ones(objective), settings_of(sparsity=1e-6, guard=100.0)).mask)


def test_the_guard_of_a_row_is_its_own(make_photos, smooth_network, make_objective):
    """One row's pull is far too strong and is held; the other's is nothing and never is."""
    photos, network = make_photos(2, 32, torch.float64), smooth_network(torch.float64)
    options = {"steps": 12, "guard": 0.2, "schedule": "constant"}
    both = make_objective(WAVELET, photos, network)
    weights = torch.tensor([100.0, 0.05], dtype=torch.float64)
    together = solve(both, ones(both), settings_of(**options), sparsity=weights)
    for row, sparsity in enumerate((100.0, 0.05)):
        one = make_objective(WAVELET, photos[row : row + 1], network)
        alone = solve(one, ones(one), settings_of(**options, sparsity=sparsity))
        assert (alone.mask[0] - together.mask[row]).abs().max() < 1e-9
    unguarded = solve(both, ones(both), settings_of(**{**options, "guard": None}), sparsity=weights)
    changed = (unguarded.mask - together.mask).abs().amax(dim=1)
    assert changed[0] > 0.1
    assert changed[1] < 1e-9


def test_the_guard_by_hand(make_photos, smooth_network, make_objective):
    """Without noise, where there is nothing to estimate: the pull is there while the distortion, a mean in which each
    step has half the weight of the next, is at most the share of the empty mask's."""
    photos, network = make_photos(2, 32, torch.float64), smooth_network(torch.float64)
    objective = make_objective(WAVELET, photos, network, noise=Noise("zero"))
    settings = settings_of(steps=30, step_size=0.1, sparsity=5.0, schedule="constant", guard=0.3)
    with torch.no_grad():
        p, q = (network(images).softmax(1)[:, 1] for images in (photos, torch.zeros_like(photos)))
    limit = 0.3 * (p - q).square()
    s = ones(objective).requires_grad_()
    adam = torch.optim.Adam([s], lr=0.1, betas=settings.betas)
    recent, held = None, []
    for step in range(30):
        slope, distortion = objective.gradient(s.detach(), step, 1)
        recent = distortion if recent is None else (recent + distortion) / 2
        held.append(recent > limit)
        s.grad = slope + (5.0 / s.shape[1]) * (recent <= limit).unsqueeze(1)
        adam.step()
        s.data.clamp_(0, 1)
    solution = solve(objective, ones(objective), settings)
    assert (solution.mask - s.detach()).abs().max() < 1e-6
    assert torch.stack(held).any()
    assert not torch.stack(held).all(dim=0).any()


def test_what_the_solver_looked_at_is_not_measured_again(make_photos, smooth_network, recorder, make_objective):
    """The guard sees the empty mask and the cut sees the mask that is found: neither on the draws of a measurement."""
    eyes = recorder(smooth_network(torch.float64))
    objective = make_objective(Pixel(), make_photos(1, 32, torch.float64), eyes, clamp=False)
    solution = solve(objective, ones(objective), settings_of(steps=6, guard=0.5, cut=True, sparsity=2.0))
    seen = torch.cat(eyes.seen)
    assert objective.evaluations == 6 * 4 + 8 + 64  # the steps, the guard, the cut
    for mask in (torch.zeros_like(solution.mask), solution.mask):
        eyes.seen.clear()
        objective.measure(mask, 24)
        measured = torch.cat(eyes.seen)
        assert (measured.unsqueeze(1) - seen).abs().amax(dim=(2, 3, 4)).min() > 1e-3


def test_each_row_may_have_its_own_sparsity(make_photos, smooth_network, make_objective):
    photo, network = make_photos(1, 32, torch.float64), smooth_network(torch.float64)
    both = make_objective(WAVELET, photo, network, photos=torch.tensor([0, 0]), targets=[1, 1])
    weights = torch.tensor([0.01, 0.5], dtype=torch.float64)
    together = solve(both, ones(both), settings_of(), sparsity=weights).mask
    for row, sparsity in enumerate((0.01, 0.5)):
        one = make_objective(WAVELET, photo, network, targets=[1])
        assert (solve(one, ones(one), settings_of(sparsity=sparsity)).mask[0] - together[row]).abs().max() < 1e-9
    assert together[0].mean() > together[1].mean() + 0.05


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_masks_do_not_depend_on_the_batch(representation, make_photos, smooth_network, make_objective):
    photos, network = make_photos(5, 32, torch.float64), smooth_network(torch.float64)

    def masks(images, batch):
        objective = make_objective(representation, images, network, clamp=False, batch=batch)
        return solve(objective, ones(objective), settings_of())

    whole = masks(photos, 100)
    assert float(whole.mask.std()) > 0.1
    for batch in (1, 3, 7):
        assert (masks(photos, batch).mask - whole.mask).abs().max() < 1e-9
    for number in range(5):
        alone = masks(photos[number : number + 1], 100)
        assert (alone.mask[0] - whole.mask[number]).abs().max() < 1e-9
        torch.testing.assert_close(alone.distortion[:, 0], whole.distortion[:, number], rtol=1e-7, atol=1e-12)


def test_rows_of_several_targets_are_those_of_single_targets(make_photos, smooth_network, make_objective):
    photos, network = make_photos(2, 32, torch.float64), smooth_network(torch.float64)
    rows = torch.tensor([0, 0, 0, 1, 1])
    several = make_objective(WAVELET, photos, network, photos=rows, targets=[0, 1, 4, 2, 0], batch=6)
    together = solve(several, ones(several), settings_of()).mask
    for row, (photo, target) in enumerate([(0, 0), (0, 1), (0, 4), (1, 2), (1, 0)]):
        one = make_objective(WAVELET, photos[photo : photo + 1], network, targets=[target])
        assert (solve(one, ones(one), settings_of()).mask[0] - together[row]).abs().max() < 1e-9
    assert (together[0] - together[1]).abs().max() > 0.1


def test_it_minimises(make_photos, smooth_network, make_objective):
    """The loss of the solution on fresh draws is far below that of ones, of zeros, and of as many random entries."""
    objective = make_objective(WAVELET, make_photos(2, 32, torch.float64), smooth_network(torch.float64))
    sparsity = 0.2
    solution = solve(objective, ones(objective), settings_of(steps=80, sparsity=sparsity))

    def loss(mask):
        return objective.measure(mask, 200)[0] + sparsity * mask.mean(1)

    found = loss(solution.mask)
    order = torch.randperm(solution.mask.shape[1], generator=torch.Generator().manual_seed(0))
    for other in (ones(objective), ones(objective) * 0, solution.mask[:, order]):
        assert (found < 0.8 * loss(other)).all()
    assert ((solution.mask >= 0) & (solution.mask <= 1)).all()


@pytest.mark.parametrize("power", [1, 2])
def test_history_is_before_each_step(power, make_photos, smooth_network, make_objective):
    objective = make_objective(WAVELET, make_photos(2, 32, torch.float64), smooth_network(torch.float64))
    solution = solve(objective, ones(objective), settings_of())
    assert solution.distortion.shape == solution.non_sparsity.shape == (10, 2)
    assert torch.equal(solution.non_sparsity[0], torch.ones(2, dtype=torch.float64))
    shorter = solve(objective, ones(objective), settings_of(steps=3, schedule="constant", power=power))
    longer = solve(objective, ones(objective), settings_of(steps=4, schedule="constant", power=power))
    assert torch.equal(shorter.mask.mean(1), longer.non_sparsity[3])
    assert torch.equal(shorter.distortion, longer.distortion[:3])
    assert torch.equal(objective.gradient(shorter.mask, 3, 4)[1], longer.distortion[3])


def test_no_steps_leave_the_start(make_photos, smooth_network, make_objective):
    objective = make_objective(Pixel(), make_photos(2), smooth_network())
    start = torch.rand(2, 1024)
    solution = solve(objective, start, settings_of(steps=0))
    assert torch.equal(solution.mask, start)
    assert solution.distortion.shape == solution.non_sparsity.shape == (0, 2)
    assert objective.evaluations == 0


def test_the_start_is_not_changed(make_photos, smooth_network, make_objective):
    objective = make_objective(Pixel(), make_photos(1), smooth_network())
    start = torch.ones(1, 1024)
    solve(objective, start, settings_of(steps=2))
    assert (start == 1).all()
    assert start.grad is None


def test_progress_is_told(make_photos, smooth_network, make_objective):
    objective = make_objective(Pixel(), make_photos(2), smooth_network())
    told = []
    solution = solve(objective, ones(objective), settings_of(steps=4), lambda step, loss: told.append((step, loss)))
    losses = (solution.distortion + 0.1 * solution.non_sparsity).mean(1)
    assert [step for step, _ in told] == [1, 2, 3, 4]
    assert [loss for _, loss in told] == pytest.approx(losses.tolist())


def test_a_loss_that_is_not_finite(make_photos, smooth_network, make_objective):
    """Row 1 gives NaN from step 2 on."""
    network, calls = smooth_network(), 0

    def breaking(images):
        nonlocal calls
        calls += 1
        output = network(images)
        if calls > 3:  # the clean images, and steps 0 and 1
            output[len(output) // 3] = float("nan")
        return output

    objective = make_objective(Pixel(), make_photos(3), breaking)
    with pytest.raises(SolverError, match="not finite at step 2") as caught:
        solve(objective, ones(objective), settings_of(draws=4))
    assert caught.value.photos == (1,)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_gradient_that_is_not_finite_is_no_silent_nan(steps, make_photos, make_objective):
    """The distortion can be finite and its slope infinite: the mask would be NaN after the last step."""

    def rooted(images):
        means = images.mean((2, 3))
        flat = (means - means.detach()).abs().sqrt()  # 0 with an infinite slope
        return torch.cat((means + flat, -means), 1)

    objective = make_objective(Pixel(), make_photos(2), rooted)
    with pytest.raises(SolverError, match="not finite"):
        solve(objective, torch.full((2, 1024), 0.5), settings_of(steps=steps))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": -1}, "steps must be at least 0, got -1"),
        ({"draws": 0}, "draws must be at least 1, got 0"),
        ({"step_size": 0.0}, "step size must be a positive number, got 0.0"),
        ({"step_size": math.nan}, "step size must be a positive number, got nan"),
        ({"step_size": math.inf}, "step size"),
        ({"sparsity": -1.0}, "sparsity must be a number of at least 0, got -1.0"),
        ({"sparsity": math.inf}, "sparsity"),
        ({"schedule": "linear"}, "schedule must be one of constant, cosine, got 'linear'"),
    ],
)
def test_settings_that_cannot_be(change, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        settings_of(**change)


def test_rates():
    constant = settings_of(schedule="constant", step_size=0.3)
    assert [constant.rate(step) for step in (0, 5, 9)] == [0.3] * 3
    cosine = settings_of(schedule="cosine", step_size=0.4)
    assert cosine.rate(0) == 0.4
    assert cosine.rate(5) == pytest.approx(0.2)
    assert 0 < cosine.rate(9) < 0.01


def test_the_spatial_penalty_by_autograd(make_photos, smooth_network, make_objective):
    """Adam on D + λk mean(s) + l2 B(s), the slope of B from autograd; both pulls have the emphasis."""
    images = make_photos(2, 32, torch.float64)
    objective = make_objective(WAVELET, images, smooth_network(torch.float64))
    settings = settings_of(steps=9, step_size=0.3, power=2, emphasis=2.0, spatial=0.4)
    grey = objective.transform.analysis(images.mean(dim=1, keepdim=True))
    u = ones(objective).requires_grad_()
    adam = torch.optim.Adam([u], betas=settings.betas)
    losses = []
    for step in range(9):
        square = u.square()
        brightness = objective.transform.synthesis(grey * square.unsqueeze(1)).clamp(0, 1).abs().mean(dim=(1, 2, 3))
        emphasis = 2 if step < 6 else 1
        penalty = emphasis * (settings.sparsity * square.mean(dim=1) + 0.4 * brightness)
        slope, distortion = objective.gradient(square.detach(), step, 4)
        losses.append(float((distortion + penalty.detach() / emphasis).mean()))
        adam.zero_grad()
        ((square * slope).sum() + penalty.sum()).backward()
        adam.param_groups[0]["lr"] = 0.3 * 0.5 * (1 + math.cos(math.pi * step / 9))
        adam.step()
        u.data.clamp_(0, 1)
    told = []
    solution = solve(objective, ones(objective), settings, lambda step, loss: told.append(loss))
    assert (solution.mask - u.detach().square()).abs().max() < 1e-9
    assert told == pytest.approx(losses, rel=1e-9)
    assert solution.spatial.tolist() == [0.4, 0.4]


@pytest.mark.parametrize("power", [1, 2])
def test_a_smooth_mask_by_autograd(power, make_photos, smooth_network, make_objective):
    """Adam on u, and s = G u^power with G the mean under a Gaussian along both axes."""
    objective = make_objective(Pixel(), make_photos(2, (32, 24), torch.float64), smooth_network(torch.float64))
    settings = settings_of(steps=9, step_size=0.3, power=power, smooth=1 / 12)
    down, across = averages(32, 2.0), averages(24, 2.0)
    u = ones(objective).requires_grad_()
    adam = torch.optim.Adam([u], betas=settings.betas)
    for step in range(9):
        mask = (down @ (u**power).unflatten(1, (32, 24)) @ across.mT).flatten(1)
        gradient = objective.gradient(mask.detach(), step, 4)[0] + settings.sparsity / u.shape[1]
        adam.zero_grad()
        mask.backward(gradient)
        adam.param_groups[0]["lr"] = 0.3 * 0.5 * (1 + math.cos(math.pi * step / 9))
        adam.step()
        u.data.clamp_(0, 1)
    expected = (down @ (u.detach() ** power).unflatten(1, (32, 24)) @ across.mT).flatten(1)
    solution = solve(objective, ones(objective), settings)
    assert (solution.mask - expected).abs().max() < 1e-9
    assert solution.mask.std() > 0.01


def test_smooth_masks_are_of_pixels_and_have_no_blocks(make_photos, smooth_network, make_objective):
    objective = make_objective(WAVELET, make_photos(1, 32, torch.float64), smooth_network(torch.float64))
    with pytest.raises(OptionError, match="only a mask of pixels can be smooth"):
        solve(objective, ones(objective), settings_of(smooth=0.1))
    for options in ({"block": 2, "power": 2}, {"cut": True}):
        with pytest.raises(OptionError, match="a smooth mask has no blocks"):
            settings_of(smooth=0.1, **options)


def test_a_guarded_row_is_not_pulled_at_by_the_spatial_penalty(make_photos, smooth_network, make_objective):
    objective = make_objective(Pixel(), make_photos(1, 32, torch.float64), smooth_network(torch.float64))
    start = torch.zeros_like(ones(objective)) + 1e-3
    free, held = (
        solve(objective, start, settings_of(steps=3, sparsity=0.0, spatial=100.0, guard=guard)).mask
        for guard in (None, 0.2)
    )
    plain = solve(objective, start, settings_of(steps=3, sparsity=0.0)).mask
    assert torch.equal(held, plain)
    assert free.mean() < held.mean()
