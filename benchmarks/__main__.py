"""``python -m benchmarks [PART ...] [--json FILE]``: the figures, with the machine they were measured on."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

import rdexplain as rx
from benchmarks import growth, orders, quality, stability, step, transform
from benchmarks.compare import compare
from benchmarks.machine import machine

PARTS = ("step", "transform", "growth", "quality", "stability")
OTHERS = ("orders",)  # of what was made before, so not among all


def main() -> None:
    """Measure, print tables, and write JSON where asked."""
    if sys.argv[1:2] == ["compare"]:
        parser = argparse.ArgumentParser(prog="python -m benchmarks compare")
        parser.add_argument("files", nargs=2, type=Path, metavar="FILE")
        for line in compare(*parser.parse_args(sys.argv[2:]).files):
            print(line)
        return
    options = _options()
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items() if key != "versions"))
    print(", ".join(f"{key} {value}" for key, value in where["versions"].items()))
    found: dict[str, Any] = {"machine": where}
    for part in options.parts or PARTS:
        measured = {"step": _step, "transform": _transform, "growth": _growth, "quality": _quality}
        found[part] = (measured | {"stability": _stability, "orders": _orders})[part](options)
        if options.json:
            options.json.write_text(json.dumps(found, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default all), orders, or compare A B"
    )
    parser.add_argument("--networks", nargs="+", choices=step.NETWORKS, default=list(step.NETWORKS))
    parser.add_argument("--draws", type=int, default=16, help="noise draws of a timed step (default 16)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds; the median is printed (default 7)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--photos", nargs="+", default=["sample:cat"], help="quality: photos (default sample:cat)")
    parser.add_argument("--size", type=int, default=128, help="quality: pixels (default 128)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="quality: seeds (default 0)")
    parser.add_argument("--method", choices=quality.METHODS, default="cartoonx", help="quality: the method")
    parser.add_argument(
        "--settings",
        nargs="+",
        default=["fast", "best", "paper,steps=500,draws=8"],
        help="quality: presets, changed by key=value (default fast best paper,steps=500,draws=8)",
    )
    parser.add_argument("--reference", help="quality: the setting that ratios are taken to (default the last)")
    parser.add_argument("--results", type=Path, help="quality: a JSON file of runs; those in it are not run again")
    parser.add_argument("--keep", type=Path, help="stability: a folder for the explanations (default a temporary one)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--folders", nargs="+", type=Path, help="orders: explanations of the same masks")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in (*PARTS, *OTHERS)]
    if "orders" in options.parts and not options.folders:
        parser.error("orders is measured on explanations: give --folders")
    if unknown:
        parser.error(f"no part {unknown[0]!r}: choose from {', '.join(PARTS)}, or compare A B")
    return options


def _step(options: argparse.Namespace) -> list[dict[str, Any]]:
    print(f"\n{'network':<20} {'method':<10} {'floor ms':>9} {'step ms':>9} {'step/floor':>11}   (an image)")
    rows = []
    for network in options.networks:
        for row in step.measure(options.draws, options.rounds, torch.device(options.device), [network]):
            rows.append(row)
            print(
                f"{row['model']:<20} {row['method']:<10} {row['floor_ms_per_image']:>9.2f} "
                f"{row['step_ms_per_image']:>9.2f} {row['step_over_floor']:>11.2f}",
                flush=True,
            )
    return rows


def _transform(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = transform.measure(options.rounds, torch.device(options.device))
    print(f"\n{'there and back':<20} {'ms an image':>12} {'over ours':>10}")
    for row in rows:
        print(f"{row['library']:<20} {row['ms_per_image']:>12.2f} {row['over_rdexplain']:>10.2f}", flush=True)
    return rows


def _orders(options: argparse.Namespace) -> list[dict[str, Any]]:
    print()
    model = rx.load_model("efficientnet_lite0", device=options.device)
    rows = orders.measure(options.folders, model, options.results, lambda text: print(text, flush=True))
    table = orders.summary(rows)
    titles = "".join(f"{figure:>32}" for figure in orders.FIGURES)
    print(f"\n{'method':<10} {'domain':<8} {'zero':>6} {'photos':>6} {'order':<18}{titles}   (minus random, 95 %)")
    for line in table:
        cells = ""
        for figure in orders.FIGURES:
            mean, low, high, *_ = line[f"{figure} difference"]
            cells += f"{line[figure]:>10.3f} {mean:+.3f} [{low:+.3f}, {high:+.3f}]".rjust(32)
        head = f"{line['method']:<10} {line['domain']:<8} {line['zero']:>6.1%} {line['photos']:>6}"
        print(f"{head} {line['order']:<18}{cells}")
    return table


def _growth(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    print(
        f"\n{'method':<10} {'photos':>6} {'draws':>6} {'size':>6} {'batch':>6} {'step ms an image':>17} {'peak MiB':>9}"
    )
    for row in growth.measure(options.device):
        rows.append(row)
        print(
            f"{row['method']:<10} "
            f"{row['photos']:>6} {row['draws']:>6} {row['size']:>6} {row['internal_batch_size']:>6} "
            f"{row['step_ms_per_image']:>17.2f} {row['peak_mib']:>9.0f}",
            flush=True,
        )
    return rows


def _quality(options: argparse.Namespace) -> list[dict[str, Any]]:
    print()
    rows = quality.measure(
        options.photos,
        options.settings,
        options.seeds,
        options.size,
        quality.Results(options.results),
        lambda text: print(text, flush=True),
        options.method,
        device=options.device,
    )
    table = quality.summary(rows, options.reference or options.settings[-1])
    print(f"\n{'setting':<28} {'runs':>5} {'evaluations':>12} {'objective':>10} {'95 % interval':>18}", end="")
    print(f" {'of reference':>13} {'worst':>6} {'collapsed':>10}")
    for row in table:
        ratio, worst = ("-" if row[key] is None else f"{row[key]:.2f}" for key in ("ratio_of_means", "worst_ratio"))
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        print(
            f"{row['setting']:<28} {row['runs']:>5} {row['evaluations']:>12.0f} {row['objective']:>10.4f} "
            f"{interval:>18} {ratio:>13} {worst:>6} {row['collapsed']:>10}"
        )
    return table


def _stability(options: argparse.Namespace) -> list[dict[str, Any]]:
    print()
    with tempfile.TemporaryDirectory() as temporary:
        table = stability.measure(
            options.photos,
            options.settings,
            options.seeds if len(options.seeds) > 1 else [0, 1],
            options.size,
            quality.Results(options.results),
            options.keep or Path(temporary),
            lambda text: print(text, flush=True),
            options.method,
            options.device,
        )
    print(
        f"\n{'setting':<28} {'photos':>6} {'evaluations':>12} {'objective':>10} {'IoU':>6} {'95 % interval':>16}",
        end="",
    )
    print(f" {'rank':>6} {'SSIM':>6}   (between two seeds)")
    for row in table:
        print(
            f"{row['setting']:<28} {row['photos']:>6} {row['evaluations']:>12.0f} {row['objective']:>10.4f} "
            f"{row['iou']:>6.2f} {row['low']:>7.2f} to {row['high']:.2f} {row['rank']:>7.2f} {row['ssim']:>6.2f}"
        )
    return table


if __name__ == "__main__":
    main()
