"""Images as people have them."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image
from tests.situations.conftest import difference, explained, plain_network, same, some_photos
from tests.situations.marks import situation
from torch import nn

import rdexplain as rx
from rdexplain.errors import ModelError, OptionError, PhotoError


@situation(
    "A tensor in channels-last memory, a transposed view or one with steps",
    source="xplique#66",
    right="the explanation of the same values in plain memory",
)
def test_memory_layouts(network, photo):
    expected = explained(network, photo)
    wide = torch.zeros(1, 3, 32, 64)
    wide[..., ::2] = photo
    for images in (
        photo.to(memory_format=torch.channels_last),
        photo.mT.contiguous().mT,
        wide[..., ::2],
    ):
        assert torch.equal(images, photo)
        same(explained(network, images), expected)


@situation(
    "The channels are the last axis, as NumPy and Keras have them",
    source="pytorch-grad-cam#51",
    right="a ModelError in one line with the shape",
)
def test_channels_last_axis(network, photo):
    with pytest.raises(ModelError, match=r"failed on images of shape \(1, 32, 32, 3\): .*expected input") as caught:
        explained(network, photo.permute(0, 2, 3, 1))
    assert "\n" not in str(caught.value)


@situation(
    "A photo that is not square",
    source="pytorch-grad-cam#51",
    right="a picture of the photo's own height and width, by every kind of method",
)
def test_not_square(network):
    photo = some_photos(1, (24, 40))
    assert explained(network, photo).picture.shape == (1, 1, 24, 40)
    assert rx.CartoonX(network, steps=1, draws=1, wavelet="haar").explain(photo).picture.shape == (1, 1, 24, 40)
    assert rx.GradCAM(network).explain(photo).picture.shape == (1, 1, 24, 40)


@situation(
    "Images that require gradients, as leaves or in the middle of a graph",
    source="shap#918",
    right="the same explanation; the images keep their flag and get no gradient",
)
def test_images_that_require_gradients(network, photo):
    expected = explained(network, photo)
    leaf = photo.clone().requires_grad_()
    same(explained(network, leaf), expected)
    same(explained(network, leaf * 1), expected)
    attribution = rx.PixelRDE(network, steps=1, draws=1).attribute(leaf)
    assert leaf.requires_grad
    assert leaf.grad is None
    assert not attribution.requires_grad


@situation(
    "Images whose .grad is used for something else",
    source="captum#597",
    right="it is the same afterwards, without a warning about leaves",
)
def test_the_gradient_of_the_images_is_not_touched(network, photo):
    leaf = photo.clone().requires_grad_()
    leaf.grad = torch.full_like(photo, 3.0)
    explained(network, leaf)
    rx.IntegratedGradients(network, steps=2, references=1).explain(leaf)
    assert torch.equal(leaf.grad, torch.full_like(photo, 3.0))


@situation(
    "An array of NumPy, a PIL image, a Photo, or a list of them in place of a tensor",
    source="pytorch-grad-cam#192",
    right="what the tensor gives, for arrays with the channels first or last, of 8 bits or of floats",
)
def test_what_people_have_in_place_of_tensors(network):
    first, second = (rx.load_photo(f"sample:{name}", 8) for name in ("cat", "coffee"))
    batch = torch.stack((first.pixels, second.pixels))
    eight_bits = (batch * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    expected = explained(network, batch).mask[0]
    exact = explained(network, torch.from_numpy(eight_bits).permute(0, 3, 1, 2) / 255).mask[0]
    assert torch.equal(explained(network, batch.numpy()).mask[0], expected)
    assert torch.equal(explained(network, batch.permute(0, 2, 3, 1).numpy()).mask[0], expected)
    assert torch.equal(explained(network, [first, second]).mask[0], expected)
    assert torch.equal(explained(network, first).mask[0], expected[:1])
    assert torch.equal(explained(network, eight_bits).mask[0], exact)
    assert torch.equal(explained(network, [Image.fromarray(one) for one in eight_bits]).mask[0], exact)
    assert torch.equal(explained(network, Image.fromarray(eight_bits[1])).mask[0], exact[1:])
    assert torch.equal(rx.Occlusion(network, window=2).explain(first).images, batch[:1])


@situation(
    "A list of tensors, one image without a batch, arrays of whole numbers or of another shape, images of two sizes",
    source="pytorch-grad-cam#192",
    right="an OptionError that says what it got, and what is taken",
)
@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([torch.zeros(3, 8, 8)], "got list"),
        ([], "the list of images is empty"),
        (torch.zeros(3, 8, 8), "got (3, 8, 8): images[None] is a batch of one"),
        (torch.zeros(0, 3, 8, 8), "got (0, 3, 8, 8)"),
        (np.zeros((8, 8), np.uint8), "not (8, 8)"),
        (np.zeros((8, 8, 3), np.int64), "not int64"),
        (np.full((8, 8, 3), 200.0), "must lie in [0, 1], got 200 to 200"),
        ([Image.new("RGB", (8, 8)), Image.new("RGB", (9, 8))], "not (3, 8, 8) and (3, 8, 9): resize them first"),
    ],
)
def test_what_is_no_batch_of_images(network, images, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        explained(network, images)


@situation(
    "Whole numbers from 0 to 255",
    source="lime#326",
    right="an OptionError that says to divide by 255",
)
def test_bytes(network, photo):
    with pytest.raises(OptionError, match="divide 8-bit values by 255"):
        explained(network, (photo * 255).to(torch.uint8))
    with pytest.raises(OptionError, match=r"must lie in \[0, 1\], got .* to 2\d\d"):
        explained(network, photo * 255)


@situation(
    "Images that are normalised already, so that the normalisation is done twice or not at all",
    source="lime#69",
    right="an OptionError that says where the normalisation belongs; with it there, the network sees what it expects",
)
def test_images_that_are_normalised_already(network, photo):
    with pytest.raises(OptionError, match="normalisation belongs to the model"):
        explained(network, (photo - 0.5) / 0.2)
    seen = rx.as_model(lambda images: images, mean=0.5, std=0.2)(photo)
    torch.testing.assert_close(seen, (photo - 0.5) / 0.2)


@situation(
    "Images in float64 or half precision beside a network in float32",
    source="pytorch-grad-cam#96",
    right="the explanation of the same values in float32, with a picture in at least float32",
)
def test_other_float_types(network, photo):
    expected = explained(network, photo)
    same(explained(network, photo.double()), expected)
    half = explained(network, photo.half())
    assert half.picture.dtype == torch.float32
    same(half, explained(network, photo.half().float()))


@situation(
    "An image with NaN",
    source="torch-cam#186",
    right="a PhotoError that says which image of the batch",
)
def test_nan_in_an_image(network):
    photos = some_photos(3)
    photos[1, 2, 3, 4] = torch.nan
    with pytest.raises(PhotoError, match="image 1 of the batch has values that are NaN"):
        explained(network, photos)


@situation(
    "A photo of one pixel",
    source="pytorch-grad-cam#452",
    right="a mask of one pixel; wavelets say how many pixels they need",
)
def test_one_pixel():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 4))
    photo = some_photos(1, (1, 1))
    assert [band.shape for band in explained(network, photo).mask] == [(1, 1, 1)]
    with pytest.raises(OptionError, match="1 x 1 is too small for db3: 6 pixels at least"):
        rx.CartoonX(network).explain(photo)


@situation(
    "Data of one column, 60 x 1, with 11 channels",
    source="pytorch-grad-cam#452",
    right="a mask of 60 x 1",
)
def test_one_column():
    network = nn.Sequential(nn.Conv2d(11, 4, (3, 1)), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    columns = torch.rand(1, 11, 60, 1, generator=torch.Generator().manual_seed(0))
    assert [band.shape for band in explained(network, columns).mask] == [(1, 60, 1)]


@situation(
    "A network for grey images of one channel",
    source="lime#661",
    right="it is explained by every method, with one number as mean and standard deviation too",
)
@pytest.mark.parametrize("method", [rx.CartoonX, rx.PixelRDE, rx.GradCAM, rx.LRP, rx.Lime, rx.Occlusion])
def test_grey_networks(method):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    model = rx.as_model(network, mean=0.5, std=0.25, activation="softmax")
    photo = some_photos()[:, :1]
    options = {"steps": 2, "draws": 2} if method in (rx.CartoonX, rx.PixelRDE) else {}
    found = method(model, **options).explain(photo)
    assert found.picture.shape == (1, 1, 32, 32)
    with torch.no_grad():
        expected = network((photo - 0.5) / 0.25).softmax(1).max(dim=1).values
    torch.testing.assert_close(found.probability, expected)


@situation(
    "Grey images for a network of three channels, or colour for one of one",
    source="pytorch-grad-cam#80",
    right="a ModelError in one line that says how many channels came and were expected",
)
def test_the_wrong_number_of_channels(network, photo):
    with pytest.raises(ModelError, match="to have 3 channels, but got 1 channels") as caught:
        explained(network, photo[:, :1])
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=r"takes \(n, 3, h, w\) images"):
        explained(rx.as_model(network, mean=(0.4, 0.5, 0.6)), photo[:, :1])


@situation(
    "A batch whose maps all look like the first photo's",
    source="pytorch-grad-cam#144",
    right="each row is the explanation of its own photo alone",
)
def test_a_batch_of_different_photos(network):
    photos = some_photos(3)
    together = explained(network, photos, 1)
    for position in range(3):
        alone = explained(network, photos[position : position + 1], 1)
        same(together[position], alone)
    assert difference(together[0], together[1]) > 0.05


@situation(
    "The same target object for all of a batch gives one map only",
    source="pytorch-grad-cam#322",
    right="one row a photo",
)
def test_one_target_for_a_batch(network):
    photos = some_photos(4)
    assert explained(network, photos, 2).target.flatten().tolist() == [2, 2, 2, 2]
    assert rx.GradCAM(network).explain(photos, 2).picture.shape == (4, 1, 32, 32)


@situation(
    "A photo for which nothing speaks: the map is 0 everywhere, and normalising it gives NaN",
    source="pytorch-grad-cam#107",
    right="a map of zeros",
)
def test_a_map_of_zeros(photo):
    network = plain_network()
    with torch.no_grad():
        network[7].weight[2] = -network[7].weight[2].abs()  # every feature speaks against class 2
    found = rx.GradCAM(network, layer="4").explain(photo, 2)
    assert torch.equal(found.scores[0], torch.zeros_like(found.scores[0]))
    assert bool(found.picture.isfinite().all())
