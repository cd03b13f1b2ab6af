"""The 1000 ImageNet (ILSVRC 2012) classes, in the index order that published classifiers use.

The names are those of torchvision's weights (``meta["categories"]``). The WordNet ids, in order, and the
lemmas of each synset are those of timm (``imagenet_synsets.txt`` and ``imagenet_synset_to_lemma.txt``), which
has them from WordNet and the ImageNet challenge.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

from rdexplain.models.classes import ClassName


@cache
def imagenet_classes() -> tuple[ClassName, ...]:
    """The 1000 classes: ``imagenet_classes()[281]`` is the tabby cat, n02123045."""
    table = resources.files("rdexplain.models").joinpath("imagenet_classes.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(table.splitlines())
    return tuple(ClassName(row["name"], row["wnid"], tuple(row["lemmas"].split("|"))) for row in rows)
