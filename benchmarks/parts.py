"""The parts of ``python -m benchmarks``: what each is measured with, and the lines that show its rows."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import rdexplain as rx
from benchmarks import growth, orders, peers, quality, stability, step, tables, transform
from rdexplain.photos.sample_files import SAMPLE, sample_names

Row = dict[str, Any]
Rows = list[Row]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """A part of the benchmarks.

    Attributes:
        title: what its table shows, in one line.
        measure: from the options, and rows that are there already, to the other rows, ready for JSON; says what it has
            done.
        lines: the rows as a table.
        reads: the options that it reads.
    """

    title: str
    measure: Callable[[argparse.Namespace, Say, Rows], Iterable[Row]]
    lines: Callable[[Rows], Iterator[str]]
    reads: tuple[str, ...]


def _step(options: argparse.Namespace, say: Say, known: Rows) -> Iterator[Row]:
    for network in options.networks:
        if network not in {row["model"].split()[0] for row in known}:  # the name may go on with " (random)"
            yield from step.measure(options.draws, options.rounds, torch.device(options.device), [network])
            say(f"step: {network}")


def _transform(options: argparse.Namespace, say: Say, known: Rows) -> Rows:
    return transform.measure(options.rounds, torch.device(options.device))


def _growth(options: argparse.Namespace, say: Say, known: Rows) -> Iterator[Row]:
    for row in growth.measure(options.device, known):
        say(f"growth: {row['method']}, {row['photos']} photos, {row['draws']} draws, {row['size']} px")
        yield row


def _quality(options: argparse.Namespace, say: Say, known: Rows) -> Rows:
    rows = quality.measure(
        options.photos,
        options.settings,
        options.seeds,
        options.size,
        quality.Results(options.results),
        say,
        options.method,
        device=options.device,
        together=options.together,
    )
    return quality.summary(rows, options.reference or options.settings[-1])


def _stability(options: argparse.Namespace, say: Say, known: Rows) -> Rows:
    with tempfile.TemporaryDirectory() as temporary:
        return stability.measure(
            options.photos,
            options.settings,
            options.seeds if len(options.seeds) > 1 else [0, 1],
            options.size,
            quality.Results(options.results),
            options.keep or Path(temporary),
            say,
            options.method,
            options.device,
        )


def _peers(options: argparse.Namespace, say: Say, known: Rows) -> Iterator[Row]:
    cases = [(photo, size) for size, photos in _sizes(options.peers) for photo in photos]
    return peers.measure(cases, options.device, known, say)


def _sizes(given: list[str]) -> Iterator[tuple[int, list[str]]]:
    """``128 sample:cat sample:rocket 256 sample:cat`` as sizes, each with the photos that follow it."""
    size, photos = 256, list[str]()
    for one in given:
        if one.isdecimal():
            yield size, photos
            size, photos = int(one), []
        else:
            photos.append(one)
    yield size, photos


def _orders(options: argparse.Namespace, say: Say, known: Rows) -> Rows:
    model = rx.load_model("efficientnet_lite0", device=options.device)
    return orders.summary(orders.measure(options.folders, model, options.results, say))


_SEEDED = ("photos", "settings", "seeds", "size", "method", "device")
PARTS = {
    "step": Part(
        "a step of the optimiser over the floor, the network alone: forward, and backward to its input",
        _step,
        tables.step,
        ("networks", "draws", "rounds", "device"),
    ),
    "transform": Part("wavelet analysis and synthesis", _transform, tables.transform, ("rounds", "device")),
    "growth": Part(
        "a step of the optimiser as its work grows, and the memory that it takes beside the loaded network",
        _growth,
        tables.growth,
        ("device",),
    ),
    "quality": Part(
        "the objective, distortion + λk x mean mask: less is better", _quality, tables.quality, (*_SEEDED, "reference")
    ),
    "stability": Part(
        "how alike the explanations of two seeds are: 1 is the same", _stability, tables.stability, _SEEDED
    ),
    "peers": Part(
        "the area under the distortion as an explanation's first components are kept: less is better",
        _peers,
        tables.peers,
        ("peers", "device"),
    ),
    "orders": Part(
        "areas under curves, and what they are more than with a random order [95 % interval]",
        _orders,
        tables.orders,
        ("folders", "device"),
    ),
}

SAMPLES = [f"{SAMPLE}{name}" for name in sample_names()]
SHORT: dict[str, dict[str, Any]] = {
    "step": {"networks": ["efficientnet_lite0", "mobilenet_v3_small"], "draws": 4, "rounds": 3},
    "transform": {"rounds": 5},
    "growth": {},
    "quality": {"photos": SAMPLES, "settings": ["best", "fast", "paper,draws=2"]},
    "stability": {"photos": SAMPLES, "settings": ["fast"], "seeds": [0, 1]},
    "peers": {"peers": ["128", "sample:cat", "sample:coffee", "256", "sample:cat"]},
}
"""What the bare command measures, and where it takes less than a part by name does; the longest last, in case it is cut
off. ``paper,draws=2`` is the published optimiser with a few more evaluations than ``best``. ``orders`` is of
explanations that were made before, so it is measured by name alone."""
