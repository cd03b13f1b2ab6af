"""The rate-distortion objective of a batch of rows, its gradient in closed form, and its value on fresh draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.captured import Captured
from rdexplain.core.gradients import differentiating
from rdexplain.core.kernels import fused
from rdexplain.core.memory import Batch, BatchLimit, batches
from rdexplain.core.noise import Noise
from rdexplain.core.philox import MEASURE, OPTIMISE, Stream
from rdexplain.core.representations import Transform
from rdexplain.models.decisions import Decision
from rdexplain.models.decisions.distortions import Distortion


@dataclass
class Objective:
    """D(s) for R rows; a row is a photo with a target.

    Attributes:
        images: (n, c, h, w) in [0, 1].
        photos: (R,) the photo of each row.
        keys: the R noise keys of the rows' photos.
        forward: from images (b, c, h, w) and rows (b,) to the model's output.
        decision: reads the model's output.
        distortion: compares two readings.
        output: the model's output on the rows' clean images, such as (R, classes).
        transform: where the mask lives.
        noise: what replaces what is masked away.
        seed: of the noise.
        clamp: whether the obfuscated image is clamped to [0, 1].
        limit: how many images go through the network at once.
        antithetic: whether every second draw is the mirror image of the one before.
        first: the number of the first row, by which `forward` and `decision` know it; the others follow.
        graph: whether the network's pass is captured as a CUDA graph, where there is a GPU.
        evaluations: images sent through the network so far, for all rows together.
        clean: (R, m) the reading of the clean images.
    """

    images: Tensor
    photos: Tensor
    keys: tuple[int, ...]
    forward: Callable[[Tensor, Tensor], Any]
    decision: Decision
    distortion: Distortion
    output: Any
    transform: Transform
    noise: Noise
    seed: int
    clamp: bool
    limit: BatchLimit
    antithetic: bool = False
    first: int = 0
    graph: bool = False
    evaluations: int = 0
    clean: Tensor = field(init=False, repr=False)
    _coefficients: Tensor = field(init=False, repr=False)
    _centred: Tensor = field(init=False, repr=False)
    _deviation: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        numbers = torch.arange(self.first, self.first + self.rows, device=self.images.device)
        with torch.no_grad():
            self.clean = self.decision.read(self.output, numbers)
        coefficients = self.transform.analysis(self.images)
        mean, deviation = self.noise.statistics(self.noise.seen(coefficients), self.transform)
        self._coefficients = coefficients
        self._centred = coefficients - mean
        self._deviation = -deviation

    @property
    def rows(self) -> int:
        return len(self.keys)

    @property
    def spread(self) -> Tensor:
        """|h - mean v|, mean over the channels, (R, k): how far noise moves each coefficient on average."""
        return self._centred.abs().mean(dim=1)[self.photos]

    def brightness(self, mask: Tensor) -> Tensor:
        """B of a mask (R, k), (R,): the mean of clamp(f(s * h_grey), 0, 1), how bright the picture of what is kept is.

        h_grey are the coefficients of the mean of the channels. Source: Kolek et al., CVPR 2023, arXiv 2211.12857,
        whose spatial penalty is l2 · ||f(s * h)||_1 / (H W): without it what is kept may draw what is not there.
        """
        with torch.no_grad():
            return self._picture(mask).clamp_(0, 1).mean(dim=(1, 2, 3))

    def brightness_and_slope(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """B of a mask, (R,), and dB/ds, (R, k).

        The slope is h_grey times the adjoint of the synthesis of 1 / (H W) where 0 < f(s * h_grey) <= 1: that of
        ||clamp(.)||_1, whose entries are never negative, so none where the clamp holds, and at 0.
        """
        with torch.no_grad():
            picture = self._picture(mask)
            pattern = ((picture > 0) & (picture <= 1)).to(picture.dtype).div_(picture[0].numel())
            value = picture.clamp_(0, 1).mean(dim=(1, 2, 3))
            return value, (self._grey * self.transform.adjoint(pattern)).squeeze(1)

    @cached_property
    def _grey(self) -> Tensor:
        """h_grey of each row, (R, 1, k)."""
        return self._coefficients.mean(dim=1, keepdim=True)[self.photos]

    def _picture(self, mask: Tensor) -> Tensor:
        """f(s * h_grey), (R, 1, h, w), without the clamp."""
        return self.transform.synthesis(self._grey * mask.unsqueeze(1))

    def alone(self, row: int) -> Objective:
        """The objective of one row, whose every tensor has the shape that it has for a single photo.

        So its numbers are the same to the last bit, whatever other rows there are: kernels for other shapes may sum in
        another order.
        """
        photo = int(self.photos[row])
        return replace(
            self,
            images=self.images[photo : photo + 1],
            photos=torch.zeros_like(self.photos[:1]),
            output=self.output[row : row + 1],
            keys=self.keys[row : row + 1],
            first=self.first + row,
            evaluations=0,
        )

    def gradient(self, mask: Tensor, step: int, draws: int) -> tuple[Tensor, Tensor]:
        """Gradient of D at a mask (R, k), and D itself (R,), both estimated with `draws` draws of a step.

        With w = h - v the obfuscated coefficients are h - (1 - s) w, so dD/ds is the mean over draws, and sum over
        channels, of w times the adjoint of the synthesis applied to dd/dy. Autograd runs through the network alone.
        Without noise all draws are the same, so one is taken.
        """
        draws = draws if self.noise.is_random else 1

        def work(limit: int) -> tuple[Tensor, Tensor]:
            gradient, distortion = torch.zeros_like(mask), mask.new_zeros(self.rows)
            for batch in batches(self.rows, draws, limit):
                spread, images = self._obfuscate(mask, batch, step, OPTIMISE)
                inside = (images >= 0) & (images <= 1) if self.clamp else None
                if self.clamp:
                    images.clamp_(0, 1)
                values, slope = self.pass_through(images, self.rows_of(batch))
                if inside is not None:
                    # Not a product: a slope that is infinite at 0 or 1 would make it NaN.
                    slope = slope.where(inside, 0)
                part = spread.mul_(self.transform.adjoint(slope))
                rows = slice(batch.row, batch.row_end)
                shape = (batch.row_end - batch.row, batch.draw_end - batch.draw)
                gradient[rows] += part.unflatten(0, shape).sum(dim=(1, 2)) / draws
                distortion[rows] += values.to(mask.dtype).view(shape).sum(dim=1) / draws
            return gradient, distortion

        with torch.no_grad():
            result = self.limit.run(work)
        self.evaluations += self.rows * draws
        return result

    def measure(self, mask: Tensor, draws: int, step: int = 0) -> tuple[Tensor, Tensor]:
        """D of a mask (R, k) on fresh draws that no optimisation step saw; another `step` gives other draws.

        Returns:
            D (R,), and the mean reading (R, m).
        """
        distortions, reading = self.measure_draws(mask, draws, step)
        return distortions.mean(dim=1), reading

    def measure_draws(self, mask: Tensor, draws: int, step: int = 0) -> tuple[Tensor, Tensor]:
        """The distortion of each draw (R, draws), and the mean reading (R, m); see `measure`.

        The first draws are the same however many there are.
        """

        def work(limit: int) -> tuple[Tensor, Tensor]:
            distortions, mean = mask.new_zeros(self.rows, draws), torch.zeros_like(self.clean)
            for batch in batches(self.rows, draws, limit):
                images = self.obfuscated(mask, batch, step, MEASURE)
                reading = self._read(images, batch)
                rows, columns = slice(batch.row, batch.row_end), slice(batch.draw, batch.draw_end)
                shape = (batch.row_end - batch.row, batch.draw_end - batch.draw)
                values = self.distortion.compare(self._clean_of(batch), reading)
                distortions[rows, columns] = values.to(mask.dtype).view(shape)
                mean[rows] += reading.unflatten(0, shape).sum(dim=1) / draws
            return distortions, mean

        with torch.no_grad():
            return self.limit.run(work)

    def sensitivity(self, decision: Decision) -> Tensor:
        """|d reading / d h| of a decision at the clean images, mean over the channels, (R, k).

        The distortion itself has no gradient there, so it can rank nothing.
        """

        def work(limit: int) -> Tensor:
            parts = []
            for batch in batches(self.rows, 1, limit):
                images = self.images[self.photos[batch.row : batch.row_end]]
                with differentiating():
                    rows = self.rows_of(batch)
                    reading = decision.read(self.forward(images.requires_grad_(), rows), rows)
                    (slope,) = torch.autograd.grad(reading.sum(), images)
                parts.append(self.transform.adjoint(slope).abs().mean(dim=1))
            return torch.cat(parts)

        with torch.no_grad():
            result = self.limit.run(work)
        self.evaluations += self.rows
        return result

    def obfuscated(self, mask: Tensor, batch: Batch, step: int, purpose: int) -> Tensor:
        """The obfuscated images y (rows * draws, c, h, w) of a batch, clamped where the method clamps."""
        _, images = self._obfuscate(mask, batch, step, purpose)
        return images.clamp_(0, 1) if self.clamp else images

    def _obfuscate(self, mask: Tensor, batch: Batch, step: int, purpose: int) -> tuple[Tensor, Tensor]:
        """w = h - v (b, c, k), and the synthesis of h - (1 - s) w."""
        if self._fused:
            spread, coefficients = self._obfuscate_at_once(mask, batch, step, purpose)
            return spread, self.transform.synthesis(coefficients)
        photos = self.photos[batch.row : batch.row_end]
        original = self._coefficients[photos].unsqueeze(1)
        rows, _, channels, count = original.shape
        draws = batch.draw_end - batch.draw
        drawn = 1 if self.noise.grey else channels
        noise = self._noise(batch, step, purpose, drawn * count).view(rows, draws, drawn, count)
        # w = (h - mean) - std * noise, in the noise's place where it has one for each channel.
        centred, deviation = self._centred[photos].unsqueeze(1), self._deviation[photos].unsqueeze(1)
        spread = torch.addcmul(centred, deviation, noise, out=noise if drawn == channels else None)
        away = (mask[batch.row : batch.row_end] - 1)[:, None, None]
        coefficients = torch.addcmul(original, away, spread)
        return spread.flatten(0, 1), self.transform.synthesis(coefficients.flatten(0, 1))

    @cached_property
    def _fused(self) -> bool:
        """Whether one kernel draws the noise and applies it; see `kernels`."""
        plain = self.noise.grey or not self.noise.is_random or self.images.dtype != torch.float32
        return not plain and fused(self.images.device)

    def _obfuscate_at_once(self, mask: Tensor, batch: Batch, step: int, purpose: int) -> tuple[Tensor, Tensor]:
        from rdexplain.core.noise_kernels import obfuscate

        count = self._coefficients[0].numel()
        draws, sources = self._sources(batch, purpose)
        rows = slice(batch.row, batch.row_end)
        return obfuscate(
            self._coefficients,
            self._centred,
            self._deviation,
            mask[rows].contiguous(),
            self.photos[rows],
            philox.uniform(self._streams(batch, step, purpose, sources), count + count % 2, torch.float32, mask.device),
            draws,
            gaussian=self.noise.kind == "gaussian",
            antithetic=draws != sources,
        )

    def _sources(self, batch: Batch, purpose: int) -> tuple[range, range]:
        """The numbers of a batch's draws, and of the streams that they come from."""
        draws = range(batch.draw, batch.draw_end)
        mirrored = self.antithetic and purpose == OPTIMISE
        return draws, range(draws.start // 2, (draws.stop + 1) // 2) if mirrored else draws

    def _noise(self, batch: Batch, step: int, purpose: int, count: int) -> Tensor:
        draws, sources = self._sources(batch, purpose)
        dtype, device = self.images.dtype, self.images.device
        noise = self.noise.draw(self._streams(batch, step, purpose, sources), count, dtype, device)
        if not (self.antithetic and purpose == OPTIMISE):
            return noise
        half = noise.view(-1, len(sources), 1, count)
        both = torch.cat((half, -half), dim=2).flatten(1, 2)
        offset = draws.start - 2 * sources.start
        return both[:, offset : offset + len(draws)].flatten(0, 1)

    def _streams(self, batch: Batch, step: int, purpose: int, numbers: range) -> list[Stream]:
        keys = self.keys[batch.row : batch.row_end]
        return [Stream(self.seed, key, step, number, purpose) for key in keys for number in numbers]

    def pass_through(self, images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The distortions (b,) of images (b, c, h, w) of rows (b,), and their slope by the images (b, c, h, w).

        With `graph` they are overwritten by the next call.
        """
        return self._captured(images, rows) if self.graph else self._slope(images, rows)

    @cached_property
    def _captured(self) -> Captured:
        return Captured(self._slope)

    def _slope(self, images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        images = images.detach().requires_grad_()
        with differentiating():
            reading = self.decision.read(self.forward(images, rows), rows)
            values = self.distortion.compare(self.clean[rows - self.first], reading)
            (slope,) = torch.autograd.grad(values.sum(), images)
        return values.detach(), slope

    def _read(self, images: Tensor, batch: Batch) -> Tensor:
        rows = self.rows_of(batch)
        return self.decision.read(self.forward(images, rows), rows)

    def _clean_of(self, batch: Batch) -> Tensor:
        return self.clean[self.rows_of(batch) - self.first]

    def rows_of(self, batch: Batch) -> Tensor:
        """The number of the row of each image of a batch."""
        rows = torch.arange(self.first + batch.row, self.first + batch.row_end, device=self.images.device)
        return rows.repeat_interleave(batch.draw_end - batch.draw)
