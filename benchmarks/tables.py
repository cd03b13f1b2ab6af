"""Rows of each part as lines of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rdexplain.text.times import span

Rows = list[dict[str, Any]]


def aligned(headings: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> Iterator[str]:
    """Lines with columns as wide as their widest text; the first `names` of them to the left, others to the right."""
    lines = [tuple(headings), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        places = enumerate(zip(line, widths, strict=True))
        yield "  ".join(text.ljust(width) if place < names else text.rjust(width) for place, (text, width) in places)


def step(rows: Rows) -> Iterator[str]:
    return aligned(
        ("network", "method", "px", "floor, ms an image", "step, ms an image", "step over floor"),
        (
            (
                row["model"],
                row["method"],
                str(row["size"]),
                f"{row['floor_ms_per_image']:.2f}",
                f"{row['step_ms_per_image']:.2f}",
                f"{row['step_over_floor']:.2f}",
            )
            for row in rows
        ),
        names=2,
    )


def transform(rows: Rows) -> Iterator[str]:
    return aligned(
        ("there and back", "px", "ms an image", "over ours"),
        (
            (row["library"], str(row["size"]), f"{row['ms_per_image']:.2f}", f"{row['over_rdexplain']:.2f}")
            for row in rows
        ),
    )


def growth(rows: Rows) -> Iterator[str]:
    return aligned(
        ("method", "px", "photos", "draws", "images in a batch", "step, ms an image", "peak, MiB"),
        (
            (
                row["method"],
                *(str(row[key]) for key in ("size", "photos", "draws", "internal_batch_size")),
                f"{row['step_ms_per_image']:.2f}",
                f"{row['peak_mib']:.0f}",
            )
            for row in rows
        ),
    )


def quality(rows: Rows) -> Iterator[str]:
    return aligned(
        ("setting", "runs", "images sent", "objective", "95 % interval", "over the reference", "worst", "empty"),
        (
            (
                *_solved(row, "runs"),
                _interval(row, 3),
                _number(row["ratio_of_means"], 2),
                _number(row["worst_ratio"], 2),
                str(row["collapsed"]),
            )
            for row in rows
        ),
    )


def stability(rows: Rows) -> Iterator[str]:
    return aligned(
        ("setting", "photos", "images sent", "objective", "overlap (IoU)", "95 % interval", "rank correlation", "SSIM"),
        (
            (
                *_solved(row, "photos"),
                _number(row["iou"], 2),
                _interval(row, 2),
                _number(row["rank"], 2),
                _number(row["ssim"], 2),
            )
            for row in rows
        ),
    )


def peers(rows: Rows) -> Iterator[str]:
    yield from aligned(
        ("photo", "px", "way", "images sent", "time", "area, pixels", "area, wavelets"),
        (
            (
                row["photo"],
                str(row["size"]),
                row["way"],
                f"{row['evaluations']:,}",
                span(row["seconds"]) + ("*" if "timed_steps" in row else " "),
                _number(row["area_pixels"], 3),
                _number(row["area_wavelets"], 3),
            )
            for row in rows
        ),
        names=3,
    )
    timed = {row["timed_steps"] for row in rows if "timed_steps" in row}
    if timed:
        yield f"* all steps, reckoned from {max(timed)}"


def orders(rows: Rows) -> Iterator[str]:
    figures = [key.removesuffix(" difference") for key in rows[0] if key.endswith(" difference")]
    return aligned(
        ("method", "domain", "order", "zero", "photos", *figures),
        (
            (
                *(row[key] for key in ("method", "domain", "order")),
                f"{row['zero']:.1%}",
                str(row["photos"]),
                *(_differing(row, figure) for figure in figures),
            )
            for row in rows
        ),
        names=3,
    )


def _solved(row: dict[str, Any], count: str) -> tuple[str, str, str, str]:
    """What a setting was solved on, `count` being what is counted, and came to."""
    return row["setting"], str(row[count]), f"{row['evaluations']:,.0f}", f"{row['objective']:.3f}"


def _differing(row: dict[str, Any], figure: str) -> str:
    mean, low, high, *_ = row[f"{figure} difference"]
    return f"{row[figure]:.3f} {mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _interval(row: dict[str, Any], digits: int) -> str:
    """One photo bears no interval."""
    return "-" if row["low"] is None else f"{row['low']:.{digits}f} to {row['high']:.{digits}f}"
