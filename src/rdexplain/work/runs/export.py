"""The explanations of a run in forms that other tools read."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from rdexplain.errors import OptionError, RDExplainError, unknown
from rdexplain.results.storage import whole_file
from rdexplain.text.extras import RUNS, needed
from rdexplain.work.outputs import Outputs
from rdexplain.work.runs.shards import flush_folder
from rdexplain.work.runs.view import Run


def export(run: Run, form: str, folder: Path) -> int:
    """Write all finished explanations of a run; an export that fails leaves nothing.

    - ``pictures``: `PHOTO.CLASS.METHOD.png`, the explanation's picture in grey, at the size that was explained;
    - ``panels``: the same names, photo, explanation and figures as `render.save_panel` draws them;
    - ``numpy``: for each method `METHOD.mask.npy` (n, k), the mask's bands joined from the coarsest, and
      `METHOD.picture.npy` (n, 1, h, w), both float32, and `METHOD.csv` with the figures of the n rows;
    - ``quantus``: for each method `METHOD.x_batch.npy` (n, 3, h, w) float32 in [0, 1], `METHOD.y_batch.npy` (n,) int64
      and `METHOD.a_batch.npy` (n, 1, h, w) float32, what Quantus' metrics take under these names.

    Args:
        form: one of `FORMS`.
        folder: created if it does not exist; it must be empty.

    Returns:
        the number of explanations.

    Raises:
        OptionError: an unknown form.
        RDExplainError: the folder is not empty; a photo is not where it was; nothing is finished.
        OSError: the disk is full.
    """
    if form not in FORMS:
        raise OptionError(unknown("format", form, FORMS))
    if not len(run):
        raise RDExplainError(f"{run.folder} has no finished explanations yet")
    with staged(folder) as staging:
        FORMS[form](run, staging)
    return len(run)


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """An empty folder whose files are those of `folder` when the block ends, and vanish when it fails.

    Raises:
        RDExplainError: the folder is not empty.
    """
    outputs = Outputs(folder, "export")
    if outputs.others():
        raise RDExplainError(f"{folder} is not empty: choose another `out`")
    with outputs.staged() as staging:
        yield staging
        for file in sorted(staging.iterdir()):
            file.replace(folder / file.name)
    flush_folder(folder)


def _pictures(run: Run, folder: Path) -> None:
    from rdexplain.render import save_picture

    names = _names(run)
    for name, one in zip(names, run, strict=True):
        save_picture(folder / f"{name}.png", one.picture[0])


def _panels(run: Run, folder: Path) -> None:
    from rdexplain.render import save_panel

    for place, name in enumerate(_names(run)):
        save_panel(run[place], folder / f"{name}.png", original=run.undistorted(place))


def _numpy(run: Run, folder: Path) -> None:
    table = run.table()
    csv = needed("pyarrow.csv", "an export", RUNS)
    for method, places in _by_method(run).items():
        with whole_file(folder / f"{method}.csv") as path:
            csv.write_csv(table.take(places), path)
        _array(folder / f"{method}.mask.npy", places, lambda place: run.mask(place))
        _array(folder / f"{method}.picture.npy", places, lambda place: run[place].picture[0])


def _quantus(run: Run, folder: Path) -> None:
    if any(axes is not None for axes in run.table().column("target_axes").to_pylist()):
        raise RDExplainError("Quantus' metrics take one class for each photo: this run has targets of several indices")
    for method, places in _by_method(run).items():
        _array(folder / f"{method}.x_batch.npy", places, lambda place: run[place].images[0])
        _array(folder / f"{method}.y_batch.npy", places, lambda place: run[place].target[0])
        _array(folder / f"{method}.a_batch.npy", places, lambda place: run[place].picture[0])


FORMS: dict[str, Callable[[Run, Path], None]] = {
    "pictures": _pictures,
    "panels": _panels,
    "numpy": _numpy,
    "quantus": _quantus,
}


def _array(path: Path, places: list[int], value: Callable[[int], torch.Tensor]) -> None:
    """Write an array (n, ...) row by row, so that it is never whole in memory."""
    first = value(places[0]).numpy()
    with whole_file(path) as temporary:
        array = np.lib.format.open_memmap(temporary, "w+", dtype=first.dtype, shape=(len(places), *first.shape))
        for row, place in enumerate(places):
            array[row] = value(place).numpy()
        array.flush()
        del array


def _by_method(run: Run) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, method in enumerate(run.table().column("method").to_pylist()):
        places.setdefault(method, []).append(place)
    return places


def _names(run: Run) -> list[str]:
    """A file name for each explanation; a number is added to those that would be equal."""
    columns = run.table().select(["photo", "label", "method"]).to_pylist()
    names, taken = [], set()
    for place, row in enumerate(columns):
        stem = re.sub(r"\.\w{1,4}$", "", row["photo"])
        slug = [re.sub(r"[^\w.-]+", "-", part).strip("-")[:80] for part in (stem, row["label"], row["method"])]
        name = ".".join(filter(None, slug))
        if name.casefold() in taken:
            name = f"{name}.{place}"
        taken.add(name.casefold())
        names.append(name)
    return names
