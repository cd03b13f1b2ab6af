"""``python -m benchmarks [--json FILE]``: the figures, with the machine they were measured on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from benchmarks import step
from benchmarks.machine import machine


def main() -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=step.NETWORKS, default=list(step.NETWORKS))
    parser.add_argument("--draws", type=int, default=16, help="noise draws a step (default 16)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds; the median is printed (default 7)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items() if key != "versions"))
    print(", ".join(f"{key} {value}" for key, value in where["versions"].items()))
    rows = step.measure(options.draws, options.rounds, torch.device(options.device), options.networks)
    print(f"\n{'network':<20} {'method':<10} {'floor ms':>9} {'step ms':>9} {'step/floor':>11}   (an image)")
    for row in rows:
        print(
            f"{row['model']:<20} {row['method']:<10} {row['floor_ms_per_image']:>9.2f} "
            f"{row['step_ms_per_image']:>9.2f} {row['step_over_floor']:>11.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "step": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
