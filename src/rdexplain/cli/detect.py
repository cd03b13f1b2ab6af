"""``rdexplain detect``: what a detector sees in photos, numbered, for ``explain --object``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rdexplain.cli.command import Command, Parser
from rdexplain.cli.options import CONFIDENCE, MODEL, PHOTOS, Group, Option, add

_RESULTS = Group(
    "results",
    (
        CONFIDENCE,
        Option("--out", "folder for the pictures (default explanations)", Path, "DIR", Path("explanations")),
        Option("--device", "auto, cpu, cuda, cuda:1, ... (default auto: a GPU if there is one)", str, "DEVICE", "auto"),
    ),
)


def _declare(parser: Parser) -> None:
    add(parser, (PHOTOS, MODEL, _RESULTS))


def _run(arguments: argparse.Namespace) -> int:
    from rdexplain.cli.bar import Bar
    from rdexplain.cli.guard import ERROR, FINE, SOME_FAILED
    from rdexplain.cli.outputs import Outputs, stems
    from rdexplain.cli.report import Report
    from rdexplain.errors import PhotoError
    from rdexplain.photos.images import find_photos

    failed = 0
    with Bar(shown=True) as bar:
        bar.stage("loading PyTorch")
        from rdexplain.cli.explaining import find_model, photo_fit, photo_size
        from rdexplain.cli.sizes import check_size

        check_size(arguments.size, {})
        names = stems(find_photos(arguments.photos))
        model = find_model(arguments, bar)
        size, fit = photo_size(arguments.size, model), photo_fit(arguments.fit, model)
        report = Report(bar, list(names.values()), [], quiet=False)
        with Outputs(arguments.out, "detected").open():
            for source, name in names.items():
                bar.stage(f"looking at {name}")
                try:
                    found = _detect(model, source, size, fit, arguments.confidence)
                except PhotoError as error:
                    report.failed(str(error))
                    failed += 1
                    continue
                _show(model, source, name, found, bar, arguments)
    return FINE if not failed else SOME_FAILED if failed < len(names) else ERROR


def _detect(model: Any, source: str, size: int, fit: str, confidence: float) -> Any:
    """The objects in a photo, with boxes as shares of its width and height."""
    import torch

    from rdexplain.models import frozen
    from rdexplain.models.decisions.objects import detected
    from rdexplain.photos.images import load_photo

    photo = load_photo(source, size, fit)
    with frozen(model), torch.no_grad():
        (objects,) = detected(model, photo.pixels[None].to(model.device), confidence=confidence)
    top, left, height, width = photo.frame or (0, 0, size, size)
    return [
        (
            one,
            (
                *((one.box[0] - left) / width, (one.box[1] - top) / height),
                *((one.box[2] - left) / width, (one.box[3] - top) / height),
            ),
        )
        for one in objects
    ]


def _show(model: Any, source: str, name: str, found: Any, bar: Any, arguments: argparse.Namespace) -> None:
    from rdexplain.cli.tables import Column, print_table
    from rdexplain.photos.images import load_photo
    from rdexplain.render import boxes_panel, save_figure

    photo = load_photo(source, None)
    height, width = photo.original_size
    boxes = [tuple(min(max(side, 0.0), 1.0) for side in box) for _, box in found]
    labels = [f"{one.number} {model.class_name(one.category)} {one.confidence:.0%}" for one, _ in found]
    with bar.paused():
        count = f"{len(found) or 'no'} object{'s' * (len(found) != 1)}"
        print(f"{name}: {count} with a confidence of {arguments.confidence:g} or more", flush=True)
        if not found:
            return
        columns = (
            Column("object", "bold", True),
            Column("class"),
            Column("confidence", numbers=True),
            Column("pixels"),
        )
        rows = [
            (
                str(one.number),
                model.class_name(one.category),
                f"{one.confidence:.1%}",
                f"{box[0] * width:.0f}, {box[1] * height:.0f} to {box[2] * width:.0f}, {box[3] * height:.0f}",
            )
            for (one, _), box in zip(found, boxes, strict=True)
        ]
        print_table(columns, rows)
        figure = boxes_panel(photo.pixels, boxes, labels, title=f"{count} in {name}", note=f"{model.name}, {source}")
        print(save_figure(figure, arguments.out / f"{name}.detected.png"), flush=True)


COMMAND = Command(
    "detect",
    "List and draw what a detector sees",
    "PHOTO ...",
    _declare,
    _run,
    "  rdexplain detect street.jpg --model yolov5s --weights yolov5s.pt\n"
    "  rdexplain explain street.jpg --model yolov5s --weights yolov5s.pt --object 0",
)
