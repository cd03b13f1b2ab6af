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
from rdexplain.core.noise import Draws, Noise
from rdexplain.core.philox import MEASURE, OPTIMISE, Stream, Streams, streams_on
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
        graph: whether a step's work on a batch is captured as a CUDA graph, where there is a GPU.
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

    def coefficients(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """h, and h - mean v, of the rows `first` to `last` of these, each (last - first, c, k)."""
        photos = self.photos[first:last]
        return self._coefficients[photos], self._centred[photos]

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
        return self.some(row, row + 1)

    def some(self, row: int, end: int) -> Objective:
        """The objective of the rows `row` to `end`."""
        photos = self.photos[row:end]
        return replace(
            self,
            images=self.images[photos],
            photos=torch.arange(len(photos), device=photos.device),
            output=self.output[row:end],
            keys=self.keys[row:end],
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
                rows = slice(batch.row, batch.row_end)
                part, values = self._slope_of(*self._given(mask, batch, step, OPTIMISE), self.rows_of(batch))
                gradient[rows] += part / draws
                distortion[rows] += values / draws
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
        _, images = self._obfuscate(*self._given(mask, batch, step, purpose))
        return images.clamp_(0, 1) if self.clamp else images

    def _given(self, mask: Tensor, batch: Batch, step: int, purpose: int) -> tuple[Draws, Tensor, Tensor, Streams]:
        """What a batch's images depend on: its draws, its rows' masks and photos, and its noise's streams."""
        mirrored = self.antithetic and purpose == OPTIMISE
        numbers = range(batch.draw, batch.draw_end)
        sources = range(numbers.start // 2, (numbers.stop + 1) // 2) if mirrored else numbers
        keys = self.keys[batch.row : batch.row_end]
        streams = [Stream(self.seed, key, step, number, purpose) for key in keys for number in sources]
        rows = slice(batch.row, batch.row_end)
        draws = Draws(len(numbers), mirrored, numbers.start % 2)
        return draws, mask[rows], self.photos[rows], streams_on(self.images.device, streams)

    def _obfuscate(self, draws: Draws, mask: Tensor, photos: Tensor, streams: Streams) -> tuple[Tensor, Tensor]:
        """w = h - v (b, c, k), and the synthesis of h - (1 - s) w, of rows with a mask each, (r, k)."""
        if self._fused:
            spread, coefficients = self._obfuscate_at_once(draws, mask, photos, streams)
            return spread, self.transform.synthesis(coefficients)
        original = self._coefficients[photos].unsqueeze(1)
        rows, _, channels, count = original.shape
        drawn = 1 if self.noise.grey else channels
        noise = self._noise(draws, streams, drawn * count).view(rows, draws.count, drawn, count)
        # w = (h - mean) - std * noise, in the noise's place where it has one for each channel.
        centred, deviation = self._centred[photos].unsqueeze(1), self._deviation[photos].unsqueeze(1)
        spread = torch.addcmul(centred, deviation, noise, out=noise if drawn == channels else None)
        away = (mask - 1)[:, None, None]
        coefficients = torch.addcmul(original, away, spread)
        return spread.flatten(0, 1), self.transform.synthesis(coefficients.flatten(0, 1))

    @cached_property
    def _fused(self) -> bool:
        """Whether one kernel draws the noise and applies it; see `kernels`."""
        plain = self.noise.grey or not self.noise.is_random or self.images.dtype != torch.float32
        return not plain and fused(self.images.device)

    def _obfuscate_at_once(self, draws: Draws, mask: Tensor, photos: Tensor, streams: Streams) -> tuple[Tensor, Tensor]:
        from rdexplain.core.noise_kernels import obfuscate

        count = self._coefficients[0].numel()
        return obfuscate(
            self._coefficients,
            self._centred,
            self._deviation,
            mask,
            photos,
            philox.uniform(streams, count + count % 2, torch.float32, mask.device),
            draws,
            gaussian=self.noise.kind == "gaussian",
        )

    def _noise(self, draws: Draws, streams: Streams, count: int) -> Tensor:
        noise = self.noise.draw(streams, count, self.images.dtype, self.images.device)
        if not draws.mirrored:
            return noise
        half = noise.view(-1, draws.sources, 1, count)
        both = torch.cat((half, -half), dim=2).flatten(1, 2)
        return both[:, draws.first : draws.first + draws.count].flatten(0, 1)

    @cached_property
    def _slope_of(self) -> Callable[..., Any]:
        return Captured(self._slope_by_mask) if self.graph else self._slope_by_mask

    def _slope_by_mask(
        self, draws: Draws, mask: Tensor, photos: Tensor, streams: Streams, rows: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The slope of the distortion by each row's mask, (r, k), and the distortion, (r,), summed over the draws."""
        spread, images = self._obfuscate(draws, mask, photos, streams)
        inside = (images >= 0) & (images <= 1) if self.clamp else None
        if self.clamp:
            images.clamp_(0, 1)
        values, slope = self.slope(images, rows)
        if inside is not None:
            # Not a product: a slope that is infinite at 0 or 1 would make it NaN.
            slope = slope.where(inside, 0)
        part = spread.mul_(self.transform.adjoint(slope))
        shape = (len(mask), draws.count)
        return part.unflatten(0, shape).sum(dim=(1, 2)), values.to(mask.dtype).view(shape).sum(dim=1)

    def slope(self, images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The distortions (b,) of images (b, c, h, w) of rows (b,), and their slope by the images (b, c, h, w)."""
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
