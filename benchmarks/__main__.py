"""``python -m benchmarks [PART ...]``: the figures on one page, with the machine they were measured on."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks import quality, step
from benchmarks.compare import compare
from benchmarks.machine import machine
from benchmarks.parts import PARTS, SHORT
from rdexplain.text.times import span

RESULTS = Path(__file__).parent / "results"
DEFAULTS: dict[str, Any] = {
    "networks": list(step.NETWORKS),
    "draws": 16,
    "rounds": 7,
    "photos": ["sample:cat"],
    "size": 128,
    "seeds": [0],
    "method": "cartoonx",
    "settings": ["fast", "best", "paper,steps=500,draws=8"],
    "peers": ["sample:cat"],
    "together": 1,
}


def main() -> None:
    """Measure, print tables, and write JSON."""
    if sys.argv[1:2] == ["compare"]:
        parser = argparse.ArgumentParser(prog="python -m benchmarks compare")
        parser.add_argument("files", nargs=2, type=Path, metavar="FILE")
        for line in compare(*parser.parse_args(sys.argv[2:]).files):
            print(line)
        return
    given = _options()
    where = machine()
    file = given.json or (None if given.parts else RESULTS / f"{name_of(where)}.json")
    # By name a part is measured when it is asked for; the bare command goes on where it was.
    found = {} if given.parts or given.again else kept(file, where)
    found["machine"] = where
    print(", ".join(f"{key} {value}" for key, value in where.items() if key != "versions"))
    print(", ".join(f"{key} {value}" for key, value in where["versions"].items()))
    for part in given.parts or SHORT:
        measure_part(part, filled(given, {} if given.parts else SHORT[part]), found, file)
    if file is not None:
        say(f"kept in {file}")


def measure_part(part: str, options: argparse.Namespace, found: dict[str, Any], file: Path | None) -> None:
    """Measure a part, unless it is found with the same options; keep it, and print its table."""
    record = json.loads(json.dumps({key: getattr(options, key) for key in PARTS[part].reads}, default=str))
    for key in ("photos", "peers", "folders"):  # no paths of this machine
        if record.get(key):
            record[key] = [Path(one).stem for one in record[key]]
    same = found.get("options", {}).get(part) == record
    rows, begun = (found[part] if same else []), time.perf_counter()
    seconds, old = (found["seconds"][part] if same else 0.0), same and part not in found.get("unfinished", [])

    def keep(unfinished: bool) -> None:
        found.setdefault("options", {})[part], found[part] = record, rows
        found.setdefault("seconds", {})[part] = round(seconds + time.perf_counter() - begun, 1)
        others = [one for one in found.get("unfinished", []) if one != part]
        found["unfinished"] = others + [part] * unfinished
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(found, indent=1) + "\n")
            partial.replace(file)

    if not old:
        for row in PARTS[part].measure(options, say, list(rows)):
            rows.append(row)
            keep(unfinished=True)
        keep(unfinished=False)
    took = f"{'measured before, ' if old else ''}in {span(found['seconds'][part])}"
    print(f"\n{part}: {PARTS[part].title} ({took})")
    for line in PARTS[part].lines(found[part]):
        print(line, flush=True)


def kept(file: Path | None, where: dict[str, Any]) -> dict[str, Any]:
    """What a file holds, if it is of this machine with these versions."""
    if file is None or not file.exists():
        return {}
    found: dict[str, Any] = json.loads(file.read_text())
    return found if found.get("machine") == where else {}


def name_of(where: dict[str, Any]) -> str:
    """A file's name for a machine: its GPU or processor, and its threads."""
    return re.sub(r"\W+", "-", f"{where['gpu'] or where['processor']} {where['threads']} threads".lower()).strip("-")


def filled(given: argparse.Namespace, short: dict[str, Any]) -> argparse.Namespace:
    """The options with their defaults, which are those of the short selection first."""
    values = {key: value for key, value in vars(given).items() if value is not None}
    return argparse.Namespace(**dict.fromkeys(vars(given)) | DEFAULTS | short | values)


def say(text: str) -> None:
    """How far it is. Not on the page, which is the standard output."""
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    """What the user gave; None for what was not given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}, or compare A B (default a short page of all)"
    )
    parser.add_argument("--networks", nargs="+", choices=step.NETWORKS, help="step: networks (default all)")
    parser.add_argument("--draws", type=int, help="step: noise draws (default 16)")
    parser.add_argument("--rounds", type=int, help="step, transform: rounds; the median is printed (default 7)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--photos", nargs="+", help="quality, stability: photos (default sample:cat)")
    parser.add_argument("--size", type=int, help="quality, stability: pixels (default 128)")
    parser.add_argument("--seeds", nargs="+", type=int, help="quality, stability: seeds (default 0)")
    parser.add_argument("--method", choices=quality.METHODS, help="quality, stability: the method (default cartoonx)")
    parser.add_argument(
        "--settings",
        nargs="+",
        help="quality, stability: presets, changed by key=value (default fast best paper,steps=500,draws=8)",
    )
    parser.add_argument("--together", type=int, help="quality: photos that are solved at once (default 1)")
    parser.add_argument("--reference", help="quality: the setting that ratios are taken to (default the last)")
    parser.add_argument(
        "--peers", nargs="+", metavar="SIZE|PHOTO", help="peers: photos, each after its size (default 256 sample:cat)"
    )
    parser.add_argument("--results", type=Path, help="quality: a JSON file of runs; those in it are not run again")
    parser.add_argument("--keep", type=Path, help="stability: a folder for the explanations (default a temporary one)")
    parser.add_argument("--json", type=Path, help="where the figures go (without parts, benchmarks/results/)")
    parser.add_argument("--again", action="store_true", help="measure what is kept, too")
    parser.add_argument("--folders", nargs="+", type=Path, help="orders: explanations of the same masks")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}: choose from {', '.join(PARTS)}, or compare A B")
    if "orders" in options.parts and not options.folders:
        parser.error("orders is measured on explanations: give --folders")
    return options


if __name__ == "__main__":
    main()
