"""Rows of each part as lines of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Rows = list[dict[str, Any]]


def step(rows: Rows) -> Iterator[str]:
    yield f"{'network':<20} {'method':<10} {'floor ms':>9} {'step ms':>9} {'step/floor':>11}   (an image)"
    for row in rows:
        yield (
            f"{row['model']:<20} {row['method']:<10} {row['floor_ms_per_image']:>9.2f} "
            f"{row['step_ms_per_image']:>9.2f} {row['step_over_floor']:>11.2f}"
        )


def transform(rows: Rows) -> Iterator[str]:
    yield f"{'there and back':<20} {'ms an image':>12} {'over ours':>10}"
    for row in rows:
        yield f"{row['library']:<20} {row['ms_per_image']:>12.2f} {row['over_rdexplain']:>10.2f}"


def growth(rows: Rows) -> Iterator[str]:
    yield f"{'method':<10} {'photos':>6} {'draws':>6} {'size':>6} {'batch':>6} {'step ms an image':>17} {'peak MiB':>9}"
    for row in rows:
        yield (
            f"{row['method']:<10} "
            f"{row['photos']:>6} {row['draws']:>6} {row['size']:>6} {row['internal_batch_size']:>6} "
            f"{row['step_ms_per_image']:>17.2f} {row['peak_mib']:>9.0f}"
        )


def quality(rows: Rows) -> Iterator[str]:
    yield (
        f"{'setting':<28} {'runs':>5} {'evaluations':>12} {'objective':>10} {'95 % interval':>18}"
        f" {'of reference':>13} {'worst':>6} {'collapsed':>10}"
    )
    for row in rows:
        ratio, worst = ("-" if row[key] is None else f"{row[key]:.2f}" for key in ("ratio_of_means", "worst_ratio"))
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        yield (
            f"{row['setting']:<28} {row['runs']:>5} {row['evaluations']:>12.0f} {row['objective']:>10.4f} "
            f"{interval:>18} {ratio:>13} {worst:>6} {row['collapsed']:>10}"
        )


def stability(rows: Rows) -> Iterator[str]:
    yield (
        f"{'setting':<28} {'photos':>6} {'evaluations':>12} {'objective':>10} {'IoU':>6} {'95 % interval':>16}"
        f" {'rank':>6} {'SSIM':>6}   (between two seeds)"
    )
    for row in rows:
        yield (
            f"{row['setting']:<28} {row['photos']:>6} {row['evaluations']:>12.0f} {row['objective']:>10.4f} "
            f"{row['iou']:>6.2f} {row['low']:>7.2f} to {row['high']:.2f} {row['rank']:>7.2f} {row['ssim']:>6.2f}"
        )


def peers(rows: Rows) -> Iterator[str]:
    yield f"{'photo':<16} {'size':>5} {'way':<22} {'seconds':>9} {'images sent':>12} {'objective':>10}   in"
    for row in rows:
        objective = "-" if row["objective"] is None else f"{row['objective']:.3f}"
        note = f", {row['share']:.0%} kept" if "share" in row else ""
        if "seconds_a_step" in row:
            note = f", from {row['timed_steps']} steps of {row['seconds_a_step']:.2f} s"
        yield (
            f"{row['photo']:<16} {row['size']:>5} {row['way']:<22} {row['seconds']:>9.1f} {row['evaluations']:>12} "
            f"{objective:>10}   {row['domain']}{note}"
        )


def orders(rows: Rows) -> Iterator[str]:
    figures = [key.removesuffix(" difference") for key in rows[0] if key.endswith(" difference")]
    titles = "".join(f"{figure:>32}" for figure in figures)
    yield f"{'method':<10} {'domain':<8} {'zero':>6} {'photos':>6} {'order':<18}{titles}   (minus random, 95 %)"
    for row in rows:
        cells = ""
        for figure in figures:
            mean, low, high, *_ = row[f"{figure} difference"]
            cells += f"{row[figure]:>10.3f} {mean:+.3f} [{low:+.3f}, {high:+.3f}]".rjust(32)
        head = f"{row['method']:<10} {row['domain']:<8} {row['zero']:>6.1%} {row['photos']:>6}"
        yield f"{head} {row['order']:<18}{cells}"
