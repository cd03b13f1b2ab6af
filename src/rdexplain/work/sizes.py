"""Checks that the square that is explained is large enough for the wavelets, the shearlets and the scores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
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
    methods: Mapping[str, Mapping[str, Any] | None],
    wavelets: Iterable[Wavelet] = (),
    scores: Collection[str] = (),
) -> None:
    """Check a `size`, as far as that is possible before the model is loaded.

    Args:
        size: in pixels; None for that of the model, or the default.
        methods: names of the methods, with their options; None where the job has no such options.
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
    for name, options in methods.items():
        given = options or {}
        if name in WAVELETS:
            one = Wavelet(**{key: given[key] for key in ("wavelet", "levels", "padding") if key in given})
            _fits("`size`" if options is None else "`levels` or `size`", check_levels, size, one.wavelet, one.levels)
        elif name in SHEARLETS:
            scales = given.get("scales", Shearlet().scales)
            _fits("`size`" if options is None else "`scales` or `size`", check_scales, size, scales)
    for one in wavelets:
        _fits("`size`", check_levels, size, one.wavelet, one.levels)
    least = {f"`window` {one['window']}": one["window"] for one in methods.values() if one and "window" in one}
    structural = {"randomisation": LEAST_SIZE, "cascade": LEAST_SIZE, "small_changes": LEAST_SIZE + SHIFT}
    least |= {name: pixels for name, pixels in structural.items() if name in scores}
    for what, pixels in least.items():
        if size < pixels:
            raise OptionError(f"`size` {size} is too small for {what}: {pixels} pixels at least")


def _fits(advice: str, check: Callable[..., None], size: int, *given: Any) -> None:
    """Check a square of `size` pixels; the error names the options that mend it."""
    try:
        check((size, size), *given)
    except OptionError as error:
        raise OptionError(f"{error}: set {advice}") from error
