"""One page about a GPU, in less than 8 minutes: ``python -m benchmarks.gpu [--json FILE]``.

For each network and variant (`gpu_variants`):

- **fast**: photos a second, solved and measured, of one batch with the preset `fast`, without second tries: random
  weights would ask for many;
- **paper**: minutes for 100 photos, 2000 steps of 64 draws, from as many steps as fit into some seconds;
- **network**: the time of the network's own kernels, forward and backward, over the time of such a step; **busy** the
  same of all kernels, so that what is missing to 1 is a GPU that waits;
- **objective**: what the masks of `fast` come to in float32, over float32's own, mean over the photos. Of random
  weights it says little: every class has about the same small probability.

Without a GPU there is nothing to measure. ``--device cpu --quick`` tries the script itself, with sizes that say
nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import rdexplain as rx
from benchmarks import quality
from benchmarks.gpu_variants import VARIANTS, Variant, load, problem_of, products_in
from benchmarks.machine import machine
from rdexplain.core.solver import Settings, solve
from rdexplain.photos.sample_files import sample_names

NETWORKS = {"mobilenet_v3_small": (64, 100), "efficientnet_lite0": (32, 32), "resnet50": (8, 8)}
"""How many photos `fast` and `paper` explain at once: the larger the network, the sooner it fills a GPU."""
COMPILED = "mobilenet_v3_small"
"""The one network that is compiled: that takes a minute each."""
CAPTURING = 3
"""Steps before the clock runs: a graph is captured at the first and compared at the second."""
PAPER_STEPS, PAPER_DRAWS, PAPER_PHOTOS = 2000, 64, 100
Row = dict[str, Any]


def main() -> int:
    """Measure and print the page; 1 without a GPU."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="One page about a GPU.")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--minutes", type=float, default=7.0, help="no variant is begun later (default 7)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="try the script: tiny sizes, no measurement")
    options = parser.parse_args()
    if options.device != "cpu" and not torch.cuda.is_available():
        print("nothing was measured: PyTorch finds no GPU here (--device cpu --quick tries the script)")
        return 1
    if options.device == "cpu" and not options.quick:
        print("nothing was measured: on a CPU this script can only be tried, with --quick")
        return 1
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items() if key != "versions"))
    print(", ".join(f"{key} {value}" for key, value in where["versions"].items()))
    if options.quick:
        print("NO MEASUREMENT: sizes are tiny, to try the script")
    print(_HEAD)
    rows = []
    for row in measure(options.device, options.minutes * 60, options.quick):
        rows.append(row)
        print(_line(row), flush=True)
        if options.json is not None:  # after each, in case the time is cut
            found = {"machine": where, "measurement": not options.quick, "gpu": rows}
            options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def measure(device: str, seconds: float, quick: bool = False) -> Iterator[Row]:
    """A row for each network and variant, float32 of all networks first; what was left out says why."""
    started = time.perf_counter()
    networks = {"mobilenet_v3_small": (2, 2)} if quick else NETWORKS
    yardsticks: dict[str, list[float]] = {}
    first, *others = VARIANTS
    for variant, name in [(first, name) for name in networks] + [(one, name) for name in networks for one in others]:
        row = {"network": name, "variant": variant.name}
        if variant.compiled and (quick or name != COMPILED):
            continue
        if time.perf_counter() - started > seconds:
            yield {**row, "left_out": "out of time"}
            continue
        try:
            figures, objectives = _measured(name, variant, device, networks[name], quick)
        except Exception as error:  # one variant that fails must not cost the others their figures
            yield {**row, "left_out": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
            continue
        yardstick = yardsticks.setdefault(name, objectives)
        yield {
            **row,
            **figures,
            "objective": statistics.mean(objectives),
            "over_float32": statistics.mean(objectives) / statistics.mean(yardstick),
        }


def _measured(
    name: str, variant: Variant, device: str, counts: tuple[int, int], quick: bool
) -> tuple[Row, list[float]]:
    """The figures of a network and variant, and the objectives in float32 of its masks of `fast`."""
    on = torch.device(device)
    images = photos(max(counts), 64 if quick else 256).to(on)
    model = load(name, variant, device)
    preset = quality.preset_of("fast,retry=0" + (",steps=2,draws=2" if quick else ""), rx.CartoonX.presets)
    explainer = type("CartoonX", (rx.CartoonX,), {"presets": {"fast": preset}})
    method = explainer(model, accelerate=variant.accelerate, batch_invariant=False)
    if on.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with problem_of(model, variant, images[: counts[0]], method) as problem:
        # Kernels are chosen, graphs captured and networks compiled before the clock runs.
        mask = torch.ones(counts[0], problem.objective.transform.count, device=on)
        for step in range(CAPTURING):
            problem.objective.gradient(mask, step, method.options.settings.draws)
        problem.objective.measure(mask, 4)
        problem.objective.sensitivity(problem.label)
        seconds, found = timed(lambda: method._explain(problem, time.perf_counter()), on)
        accelerated = problem.run.model.network is not model.network
    masks = problem.objective.transform.join(found.mask).to(on)
    with problem_of(model, variant, images[: counts[1]], method) as problem:
        row = _paper(problem, on, PAPER_DRAWS if not quick else 2, 0.0 if quick else 3.0)
    return {
        "accelerated": accelerated,
        "photos": counts[0],
        "fast_photos_a_second": counts[0] / seconds,
        **row,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if on.type == "cuda" else None,
    }, _objectives(name, images[: counts[0]], masks, device)


def _paper(problem: Any, device: torch.device, draws: int, least: float) -> Row:
    """The published procedure's time, and the shares of it that kernels take."""
    objective, count = problem.objective, len(problem.run.targets)
    mask = torch.ones(count, objective.transform.count, device=device)

    def steps(number: int) -> Callable[[], Any]:
        return lambda: solve(objective, mask, Settings(number, draws, 0.001, 20.0))

    steps(CAPTURING)()
    once, _ = timed(steps(1), device)
    number = max(2, min(50, int(least / once)))
    seconds, _ = timed(steps(number), device)
    step = seconds / number
    images = objective.images[objective.photos].repeat_interleave(draws, 0)
    rows = torch.arange(count, device=device).repeat_interleave(draws)
    size = objective.limit.size

    def network() -> None:
        for part, row in zip(images.split(size), rows.split(size), strict=True):
            with torch.no_grad():
                objective.slope(part, row)

    return {
        "paper_photos": count,
        "paper_steps_timed": number,
        "paper_minutes_for_100": step / count * PAPER_PHOTOS * PAPER_STEPS / 60,
        "network_share": kernel_seconds(network, device) / step,
        "busy_share": kernel_seconds(steps(1), device) / step,
    }


def _objectives(name: str, images: Tensor, masks: Tensor, device: str) -> list[float]:
    """The objective of masks (n, k) in float32, on the draws on which every explanation is measured."""
    with products_in(False):
        method = rx.CartoonX(load(name, VARIANTS[0], device), batch_invariant=False)
        with method.problem(images) as problem:
            distortion, _ = problem.objective.measure(masks, 256)
            return (distortion + method.options.settings.sparsity * masks.mean(dim=1)).tolist()


def photos(count: int, size: int) -> Tensor:
    """Different photos (n, 3, size, size): the samples, shifted around their edges."""
    samples = [rx.load_photo(f"sample:{name}", size).pixels for name in sample_names()]
    shifts = range(0, size, max(1, size * len(samples) // max(count, len(samples))))
    return torch.stack([sample.roll(shift, dims=2) for shift in shifts for sample in samples])[:count]


def timed(work: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    """Seconds of a work, and its result."""
    _wait(device)
    started = time.perf_counter()
    result = work()
    _wait(device)
    return time.perf_counter() - started, result


def kernel_seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds that kernels run, one after the other; on a CPU those of PyTorch's operations."""
    from torch.profiler import ProfilerActivity, profile

    gpu = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if gpu else ProfilerActivity.CPU]) as profiler:
        work()
        _wait(device)
    events = profiler.key_averages()
    return sum(event.self_device_time_total if gpu else event.self_cpu_time_total for event in events) / 1e6


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


_HEAD = (
    f"{'network':<20} {'variant':<19} {'folded':>6} {'fast photos/s':>14} {'paper min/100':>14} "
    f"{'network':>8} {'busy':>6} {'GiB':>6} {'objective':>10} {'of float32':>11}"
)


def _line(row: Row) -> str:
    head = f"{row['network']:<20} {row['variant']:<19}"
    if "left_out" in row:
        return f"{head} not measured: {row['left_out']}"
    peak = "-" if row["peak_gib"] is None else f"{row['peak_gib']:.1f}"
    return (
        f"{head} {'yes' if row['accelerated'] else 'no':>6} {row['fast_photos_a_second']:>14.2f} "
        f"{row['paper_minutes_for_100']:>14.1f} {row['network_share']:>8.0%} {row['busy_share']:>6.0%} {peak:>6} "
        f"{row['objective']:>10.4f} {row['over_float32']:>11.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
