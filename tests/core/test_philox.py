"""Philox against NumPy's, against the published test vectors, and what its streams and keys depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rdexplain.core import philox
from rdexplain.core.philox import Stream, name_key, normal, photo_key, random_bits, uniform

WORD = 2**64
integers = st.one_of(st.integers(-3, 3), st.integers(-(2**70), 2**70))


def unsigned(bits: torch.Tensor) -> list[list[int]]:
    return [[number % WORD for number in row] for row in bits.tolist()]


def reference_block(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """Philox4x64-10 of the paper (Salmon et al. 2011) in Python's whole numbers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(c0 * 0xD2E7470EE14C6C93, WORD)
        high1, low1 = divmod(c2 * 0xCA5A826395121157, WORD)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) % WORD, (k1 + 0xBB67AE8584CAA73B) % WORD
    return c0, c1, c2, c3


def reference(stream: Stream, count: int) -> list[int]:
    seed, photo, *rest = (number % WORD for number in stream)
    blocks = (reference_block((number, *rest), (seed, photo)) for number in range(1, count // 4 + 2))
    return [word for block in blocks for word in block][:count]


@pytest.mark.parametrize(
    ("counter", "key", "block"),
    [
        (
            (0, 0, 0, 0),
            (0, 0),
            (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
        ),
        (
            (WORD - 1,) * 4,
            (WORD - 1,) * 2,
            (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
        ),
        (
            (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
            (0x452821E638D01377, 0xBE5466CF34E90C6C),
            (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
        ),
    ],
)
def test_the_oracle_gives_the_published_vectors_of_random123(counter, key, block):
    assert reference_block(counter, key) == block


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (
            Stream(0, 0, 0, 0, 0),
            [0x2F4BA6408E4D89B, 0x3DD62B0B9CA8C5B2, 0x1C8667A55D902E79, 0x907D7A052FD5B4DC, 0x809BF322883987C3],
        ),
        (
            Stream(7, 123456789, 3, 5, 2),
            [0xA42C0D6759B63414, 0x5E05ADE88EBD7E98, 0xA3721864E2410D65, 0x23C29E1B65D0E868, 0x1044D3ADF032DE2B],
        ),
        (
            Stream(-1, 2**63, 2**40, 1, 3),
            [0xD20B944AAD883D23, 0xC2714FACFD9BE521, 0xCEF0ED709563CFE8, 0xE70BB23394418364, 0x3B43DF9E1E6E3D76],
        ),
    ],
)
def test_golden_values(stream, words):
    assert unsigned(random_bits([stream], 5)) == [words]
    assert unsigned(philox._bits_by_tensors([stream], 5, torch.device("cpu"))) == [words]


@settings(max_examples=60, deadline=None)
@given(st.tuples(integers, integers, integers, integers, integers), st.integers(1, 23))
def test_bits_are_those_of_the_oracle_and_of_numpy_on_both_paths(numbers, count):
    stream = Stream(*numbers)
    seed, photo, *rest = (number % WORD for number in stream)
    generator = np.random.Philox(key=np.array([seed, photo], np.uint64), counter=np.array([0, *rest], np.uint64))
    expected = generator.random_raw(count).tolist()
    assert expected == reference(stream, count)
    assert unsigned(random_bits([stream], count)) == [expected]
    assert unsigned(philox._bits_by_tensors([stream], count, torch.device("cpu"))) == [expected]


def test_tensor_path_is_the_numpy_path_for_many_rows():
    streams = [Stream(-5, 2**63 + row, row, 2**64 - 1, row % 4) for row in range(9)]
    fast = random_bits(streams, 4099)
    assert torch.equal(fast, philox._bits_by_tensors(streams, 4099, torch.device("cpu")))
    assert fast.dtype == torch.int64
    assert fast.shape == (9, 4099)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_integers():
    streams = [Stream(3, -7, row, 1, 2) for row in range(5)]
    assert torch.equal(random_bits(streams, 1001), random_bits(streams, 1001, "cuda").cpu())
    near = normal(streams, 1001, torch.float64, "cuda").cpu() - normal(streams, 1001, torch.float64)
    assert near.abs().max() < 1e-12


@pytest.mark.parametrize("field", ["seed", "photo", "step", "draw", "purpose"])
@pytest.mark.parametrize("other", [2, -1, 2**63, 2**32 + 1])
def test_every_number_of_a_stream_matters(field, other):
    stream = Stream(1, 1, 1, 1, 1)
    one, two = random_bits([stream, stream._replace(**{field: other})], 64)
    assert not (one == two).any()


def test_numbers_are_taken_modulo_two_to_the_64():
    assert torch.equal(
        random_bits([Stream(-1, -2, -3, -4, -5)], 9), random_bits([Stream(*(WORD - n for n in range(1, 6)))], 9)
    )


def test_no_two_purposes_are_equal():
    """Nor do they change: another number of a purpose is other noise in all that it is used for."""
    purposes = (philox.OPTIMISE, philox.MEASURE, philox.SHOW, philox.START)
    assert (*purposes, philox.EVALUATE, philox.TIES, philox.PERTURB) == (0, 1, 2, 3, 4, 5, 6)
    assert Stream(1, 2, 3, 4).purpose == philox.OPTIMISE


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 1001])
def test_a_longer_row_starts_with_the_bits_of_a_shorter_one(count):
    stream = [Stream(4, 5, 6, 7)]
    assert torch.equal(random_bits(stream, count + 13)[:, :count], random_bits(stream, count))


@pytest.mark.parametrize("function", [normal, uniform])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 7, 210, 3 * 1087, 3 * 23277])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_is_the_same_bit_for_bit_alone_and_among_others(function, dtype, count, threads):
    streams = [Stream(0, photo, 3, draw) for photo in (11, -12) for draw in range(3)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = function(streams, count, dtype)
        alone = [function([stream], count, dtype) for stream in streams]
    finally:
        torch.set_num_threads(before)
    assert torch.equal(together, torch.cat(alone))


def test_uniform_is_within_zero_and_one():
    for dtype in (torch.float32, torch.float64):
        numbers = uniform([Stream(0, 0, 0, draw) for draw in range(8)], 100_001, dtype)
        assert numbers.shape == (8, 100_001)
        assert numbers.dtype == dtype
        assert numbers.min() > 0
        assert numbers.max() < 1 if dtype == torch.float64 else numbers.max() <= 1


def test_uniform_at_the_ends_of_its_range(monkeypatch):
    def ends(streams, count, device):
        return torch.tensor([[0, -1]])  # all bits unset, all bits set

    monkeypatch.setattr(philox, "random_bits", ends)
    least, _, greatest, _ = uniform([Stream(0, 0, 0, 0)], 4, torch.float64)[0].tolist()
    assert least == 2.0**-25
    assert greatest == 1 - 2.0**-25
    assert normal([Stream(0, 0, 0, 0)], 4, torch.float64).isfinite().all()
    assert normal([Stream(0, 0, 0, 0)], 4, torch.float32).isfinite().all()


def test_uniform_is_flat():
    numbers = uniform([Stream(9, 9, 9, draw) for draw in range(10)], 100_000, torch.float64).flatten()
    counts = torch.histc(numbers, 100, 0, 1)
    chi_squared = float(((counts - 10_000).square() / 10_000).sum())
    assert 50 < chi_squared < 160  # 99 degrees of freedom: mean 99, standard deviation 14


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_are_those_of_the_words_by_hand(dtype):
    """The upper 24 bits of each half of a word, the lower half first; Box and Muller from the halves of a row: its
    cosines, then its sines. A change here changes every explanation."""
    stream = Stream(5, 6, 7, 8)
    halves = [half for word in reference(stream, 6) for half in (word % 2**32, word // 2**32)]
    flat = np.array([(half // 2**8 + 0.5) / 2**24 for half in halves])
    assert uniform([stream], 12, torch.float64)[0].tolist() == flat.tolist()
    assert uniform([stream], 11, dtype)[0].tolist() == torch.tensor(flat[:11], dtype=dtype).tolist()
    radius, angle = np.sqrt(-2 * np.log(flat[:6])), 2 * np.pi * flat[6:]
    expected = np.concatenate((radius * np.cos(angle), radius * np.sin(angle)))
    for count in (11, 12):
        found = normal([stream], count, dtype)[0]
        np.testing.assert_allclose(found.numpy(), expected[:count], rtol=0, atol=2e-6 if dtype.itemsize == 4 else 1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_moments_and_tails(dtype):
    numbers = normal([Stream(1, 2, 3, draw) for draw in range(10)], 100_001, dtype).double().flatten()
    n = numbers.numel()
    assert abs(float(numbers.mean())) < 5 / math.sqrt(n)
    assert abs(float(numbers.var()) - 1) < 5 * math.sqrt(2 / n)
    assert abs(float(numbers.pow(3).mean())) < 5 * math.sqrt(15 / n)
    assert abs(float(numbers.pow(4).mean()) - 3) < 5 * math.sqrt(96 / n)
    for bound in (1.0, 2.0, 3.0, 4.0):
        share = math.erfc(bound / math.sqrt(2))
        found = float((numbers.abs() > bound).double().mean())
        assert abs(found - share) < 5 * math.sqrt(share / n), bound
    assert 4.4 < float(numbers.abs().max()) < 5.91


def test_normal_agrees_between_float_types():
    streams = [Stream(1, 2, 3, draw) for draw in range(4)]
    single, double = normal(streams, 20_001, torch.float32), normal(streams, 20_001, torch.float64)
    assert (single.double() - double).abs().max() < 1e-4
    assert (single.double() - double).abs().mean() < 1e-6


def test_draws_positions_and_halves_are_not_correlated():
    numbers = normal([Stream(1, 2, step, draw) for step in range(3) for draw in range(5)], 40_000, torch.float64)
    correlation = torch.corrcoef(numbers) - torch.eye(15)
    assert correlation.abs().max() < 5 / math.sqrt(40_000)
    for lag in (1, 2, 20_000):  # a pair of Box and Muller lies half a row apart
        row = numbers.flatten()
        assert abs(float((row[lag:] * row[:-lag]).mean())) < 5 / math.sqrt(row.numel())
    squares = numbers.square() - 1
    assert abs(float((squares[:, :20_000] * squares[:, 20_000:]).mean())) < 5 * 2 / math.sqrt(300_000)


def test_photo_key_is_the_same_for_all_float_types_and_tiny_changes(make_photos):
    levels = torch.randint(0, 256, (3, 17, 12), generator=torch.Generator().manual_seed(0))
    double = levels.double() / 255
    key = photo_key(double)
    assert photo_key(double.float()) == key
    assert photo_key(double.half()) == key
    assert 0 <= key < WORD
    noise = torch.rand(double.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert photo_key(double + noise * 0.49 / 255) == key
    assert photo_key(double + 0.51 / 255) != key
    assert photo_key(double.requires_grad_()) == key


def test_photo_key_of_different_images_differs(make_photos):
    photos = make_photos(6)
    keys = {photo_key(photo) for photo in photos} | {photo_key(photo.mT) for photo in photos}
    assert len(keys) == 12
    one = photos[0].clone()
    one[2, 31, 31] = 1 - one[2, 31, 31].round()
    assert photo_key(one) != photo_key(photos[0])
    # The same bytes in another shape are another image.
    assert photo_key(torch.zeros(3, 4, 8)) != photo_key(torch.zeros(3, 8, 4))
    # A view that is not contiguous is hashed by what it shows.
    assert photo_key(photos[0].mT.contiguous().mT) == photo_key(photos[0])


def test_golden_keys():
    """They are written in results: a change of the key changes every explanation."""
    ramp = torch.arange(48).view(3, 4, 4) / 47
    assert photo_key(ramp) == 7963028212278459399
    assert name_key("cat") == 3429664268601861939
    assert name_key("cat") != name_key("Cat")
