import pytest

from rdexplain.text.times import span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-0.7, "0.0 s"),
        (0, "0.0 s"),
        (59.4, "59.4 s"),
        (59.7, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7260, "2 h 1 min"),
        (97200, "1 d 3 h"),
    ],
)
def test_span(seconds, words):
    assert span(seconds) == words
