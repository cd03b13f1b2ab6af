"""Squares that are too small are refused before a photo is explained, with the least size that will do."""

from __future__ import annotations

from pathlib import Path

import pytest

TOO_SMALL = "an image of 5 x 5 is too small for db3: 6 pixels at least, 21 for 5 levels"
TOO_MANY = "5 levels of db3 are too many for an image of 20 x 20: at most 4 fit, or give 21 pixels"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("explain photos --size 5", TOO_SMALL),
        ("compare photos --size 5", TOO_SMALL),
        ("evaluate photos --size 5", TOO_SMALL),
        ("evaluate photos --size 5 --methods pixel_rde", TOO_SMALL),
        ("run --photos photos --size 5", TOO_SMALL),
        ("run small.yaml", TOO_MANY),
        ("reproduce all --photos photos --out reproduction --size 5", TOO_SMALL),
        ("explain photos --size 20", f"{TOO_MANY}: set --levels or --size"),
        ("evaluate photos --size 20", f"{TOO_MANY}: set --size"),
        (
            "explain photos --size 64 --method shearletx",
            "4 scales of shearlets are too many for an image of 64 x 64: at most 3 fit, or give 128 pixels: "
            "set --scales or --size",
        ),
        ("explain photos --size 4 --wavelet haar --levels 4", "at most 2 fit, or give 9 pixels"),
        (
            "explain photos --size 7 --method occlusion --window 8",
            "--size 7 is too small for --window 8: 8 pixels at least",
        ),
        (
            "evaluate photos --size 2 --methods pixel_rde --domains own,pixel --scores randomisation",
            "--size 2 is too small for randomisation: 3 pixels at least",
        ),
        (
            "evaluate photos --size 3 --methods pixel_rde --domains own,pixel --scores small_changes",
            "--size 3 is too small for small_changes: 4 pixels at least",
        ),
        ("detect photos --size 8193", "--size must be at most 8192 pixels, not 8193"),
    ],
)
def test_before_the_model_is_loaded(command, message, run, place):
    (place / "small.yaml").write_text("photos: photos\nsize: 20\nmodel: no_such_module:net\n")
    model = "" if "yaml" in command else "--model no_such_module:net"
    found = run(command, model, small=False)
    assert (found.status, len(found.err)) == (2, 1)
    assert message in found.err[0]
    assert not [name for name in ("explanations", "evaluation", "run", "reproduction") if Path(name).exists()]
