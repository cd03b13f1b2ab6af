"""A data set for FiftyOne (`fiftyone.types.FiftyOneDataset`), as plain files: FiftyOne is not needed to write it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from rdexplain.work.exporting.coco import box_of, category_of, inside_of
from rdexplain.work.exporting.photos import Album, Shown, at_size
from rdexplain.work.reporting.items import Item

FORMAT = "1.0.0"
"""The version of FiftyOne whose format this is; later ones convert it when they import it."""
FIGURES = ("kept_probability", "distortion", "non_sparsity", "agreement", "network_evaluations", "seconds")
FIELDS = "fields"
_FLOAT, _TEXT = "FloatField", "StringField"
_LABELS = {
    "Heatmap": {"map_path": _TEXT},
    "Classification": {"label": _TEXT, "confidence": _FLOAT},
    "Detections": {},
}


class FiftyOne:
    """A sample for each photo, with the fields

    - ``explained``: the explained class and its probability; ``ground_truth``: the true class, if it is known;
    - ``METHOD``: the explanation as a heatmap, from 0 to 255;
    - ``METHOD_distortion`` and the other figures; ``METHOD_collapsed``;
    - ``METHOD_objects``: the box of the explained object or region, with ``inside`` and so on, see `coco.Coco`.

    Further targets of a photo have fields that end in ``_2``, ``_3`` and so on. Samples are tagged ``collapsed``,
    ``right`` or ``wrong``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._album = folder, Album(folder)
        self._samples: dict[int, dict[str, Any]] = {}
        self._fields: dict[str, dict[str, Any]] = {}

    def add(self, item: Item) -> bool:
        """Add an explanation; False, and nothing is added, if its photo is missing."""
        photo = self._album.of(item)
        if photo is None:
            return False
        sample = self._samples.setdefault(photo.number, _sample(photo))
        place = photo.place(item)
        suffix = f"_{place + 1}" if place else ""
        explained = {"label": item.label, "confidence": item.figures.get("probability")}
        self._label(sample, f"explained{suffix}", "Classification", explained)
        if item.true is not None:
            self._label(sample, "ground_truth", "Classification", {"label": item.true})
        if item.picture is not None:
            path = f"{FIELDS}/{item.method}{suffix}/{photo.stem}.png"
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            at_size(item.picture, photo.width, photo.height).save(self._folder / path)
            self._label(sample, f"{item.method}{suffix}", "Heatmap", {"map_path": path})
        for name in (*FIGURES, "collapsed"):
            if name in item.figures:
                self._figure(sample, f"{item.method}{suffix}_{name}", item.figures[name])
        if item.box is not None or item.region is not None:
            self._objects(sample, f"{item.method}_objects", item)
        if item.figures.get("collapsed"):
            _tag(sample, "collapsed")
        if item.right is not None and not place:
            _tag(sample, "right" if item.right else "wrong")
        return True

    def end(self) -> None:
        """Write `metadata.json` and `samples.json`."""
        metadata = {
            "version": FORMAT,
            "name": "explanations",
            "media_type": "image",
            "sample_fields": [*_OWN, *self._fields.values()],
        }
        for name, value in (("metadata", metadata), ("samples", {"samples": list(self._samples.values())})):
            (self._folder / f"{name}.json").write_text(json.dumps(value, allow_nan=False) + "\n")

    def _label(self, sample: dict[str, Any], name: str, kind: str, values: dict[str, Any]) -> None:
        self._fields.setdefault(name, _field(name, "EmbeddedDocumentField", f"labels.{kind}", _LABELS[kind]))
        sample.setdefault(name, {"_id": _id(sample, name), "_cls": kind, "tags": [], **values})

    def _figure(self, sample: dict[str, Any], name: str, value: Any) -> None:
        kind = "BooleanField" if isinstance(value, bool) else _FLOAT
        self._fields.setdefault(name, _field(name, kind))
        sample[name] = value if isinstance(value, bool) else float(value)

    def _objects(self, sample: dict[str, Any], name: str, item: Item) -> None:
        if name not in self._fields:
            self._fields[name] = _field(name, "EmbeddedDocumentField", "labels.Detections", {})
            self._fields[name]["fields"] = [_DETECTIONS]
        found = sample.setdefault(name, {"_cls": "Detections", "detections": []})["detections"]
        found.append(
            {
                "_id": _id(sample, f"{name} {len(found)}"),
                "_cls": "Detection",
                "attributes": {},
                "tags": [],
                "label": category_of(item),
                "bounding_box": list(box_of(item)),
                "confidence": item.figures.get("probability"),
                **inside_of(item),
            }
        )


def _sample(photo: Shown) -> dict[str, Any]:
    # FiftyOne draws samples at random by sorting them by this number.
    chance = int(hashlib.sha256(photo.stem.encode()).hexdigest()[:12], 16) / 16**12
    return {"filepath": photo.file, "tags": [], "_media_type": "image", "_rand": chance}


def _tag(sample: dict[str, Any], tag: str) -> None:
    if tag not in sample["tags"]:
        sample["tags"].append(tag)


def _id(sample: dict[str, Any], name: str) -> dict[str, str]:
    """A label's MongoDB id, a function of its photo and its name."""
    return {"$oid": hashlib.sha256(f"{sample['filepath']} {name}".encode()).hexdigest()[:24]}


def _field(
    name: str,
    kind: str,
    document: str | None = None,
    fields: dict[str, str] | None = None,
    subfield: str | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """The declaration of a field in `metadata.json`."""
    inner = [] if fields is None else [_ID, _TAGS, *(_field(one, of) for one, of in fields.items())]
    return {
        "name": name,
        "ftype": f"fiftyone.core.fields.{kind}",
        "embedded_doc_type": None if document is None else f"fiftyone.core.{document}",
        "subfield": None if subfield is None else f"fiftyone.core.fields.{subfield}",
        "fields": inner,
        "db_field": key or name,
    }


_ID = _field("id", "ObjectIdField", key="_id")
_TAGS = _field("tags", "ListField", subfield=_TEXT)
_INSIDE = dict.fromkeys(("inside", "inside_photo", "inside_area"), _FLOAT)
_DETECTION = _field("", "", fields={"label": _TEXT, "confidence": _FLOAT, **_INSIDE})["fields"]
_BOX = _field("bounding_box", "ListField", subfield=_FLOAT)
_DETECTIONS = _field("detections", "ListField", "labels.Detection", subfield="EmbeddedDocumentField")
_DETECTIONS["fields"] = [*_DETECTION, _BOX]
_OWN = [
    _ID,
    _field("filepath", _TEXT),
    _TAGS,
    _field("metadata", "EmbeddedDocumentField", "metadata.ImageMetadata"),
    _field("created_at", "DateTimeField"),
    _field("last_modified_at", "DateTimeField"),
    _field("_media_type", _TEXT),
    _field("_rand", _FLOAT),
    _field("_dataset_id", "ObjectIdField"),
]
