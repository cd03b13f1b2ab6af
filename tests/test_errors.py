"""The nearest names in errors."""

import pytest

from rdexplain.errors import unknown

ANIMALS = ("Egyptian cat", "Persian cat", "tiger cat", "coat", "vat", "crate", "catamaran", "terrapin")


@pytest.mark.parametrize(
    ("name", "first"),
    [("cat", "tiger cat"), ("CAT", "tiger cat"), ("Persain cat", "Persian cat"), ("terapin", "terrapin")],
)
def test_names_that_hold_the_word_come_before_names_that_look_alike(name, first):
    assert unknown("class", name, ANIMALS).startswith(f"unknown class {name!r}: did you mean {first}")


def test_few_names_are_listed_and_many_counted():
    assert unknown("noise", "zzz", ["gaussian", "zero"]) == "unknown noise 'zzz': choose from gaussian, zero"
    many = [f"name{number:02}" for number in range(20)]
    assert unknown("thing", "zzz", many) == "unknown thing 'zzz': there are 20, such as name00, name01, name02"
    assert unknown("thing", "", many).startswith("unknown thing '': there are 20")
