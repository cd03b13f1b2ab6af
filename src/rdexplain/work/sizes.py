"""Checks that the square that is explained is large enough for the wavelets, the shearlets and the scores."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from rdexplain.core.representations import Shearlet, Wavelet
from rdexplain.core.representations.dwt import check_levels
from rdexplain.core.representations.meyer import check_scales
from rdexplain.errors import OptionError
from rdexplain.evaluation.likeness import LEAST_SIZE
from rdexplain.evaluation.stability import SHIFT
from rdexplain.photos.images import MAX_SIZE
from rdexplain.work.settings import SHEARLETS, WAVELETS


def check_size(
    size: int | None,
    methods: Mapping[str, Mapping[str, Any]],
    wavelets: Iterable[Wavelet] = (),
    scores: Collection[str] = (),
) -> None:
    """Check a `size`, as far as that is possible before the model is loaded.

    Args:
        size: in pixels; None for that of the model, or the default.
        methods: names of the methods, with their options.
        wavelets: further wavelet transforms of the photos.
        scores: names of the scores of an evaluation.

    Raises:
        OptionError: it is too large, or too small for the wavelets or shearlets, a score or a window; or an
            unknown wavelet.
    """
    if size is None:
        return
    if size > MAX_SIZE:
        raise OptionError(f"`size` must be at most {MAX_SIZE} pixels, not {size}")
    own = [options for name, options in methods.items() if name in WAVELETS]
    keys = ("wavelet", "levels", "padding")
    for one in (*(Wavelet(**{key: given[key] for key in keys if key in given}) for given in own), *wavelets):
        check_levels((size, size), one.wavelet, one.levels)
    for name, given in methods.items():
        if name in SHEARLETS:
            check_scales((size, size), given.get("scales", Shearlet().scales))
    least = {f"`window` {given['window']}": given["window"] for given in methods.values() if "window" in given}
    structural = {"randomisation": LEAST_SIZE, "cascade": LEAST_SIZE, "small_changes": LEAST_SIZE + SHIFT}
    least |= {name: pixels for name, pixels in structural.items() if name in scores}
    for what, pixels in least.items():
        if size < pixels:
            raise OptionError(f"`size` {size} is too small for {what}: {pixels} pixels at least")
