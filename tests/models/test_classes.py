import pytest

from rdexplain.errors import ModelError, TargetError
from rdexplain.models import ClassName
from rdexplain.models.classes import ClassIndex
from rdexplain.models.imagenet import imagenet_classes
from rdexplain.models.known_classes import read_classes


@pytest.fixture(scope="module")
def imagenet():
    return ClassIndex(imagenet_classes())


def test_imagenet_has_its_thousand_classes_in_order():
    classes = imagenet_classes()
    assert len(classes) == len({entry.wnid for entry in classes}) == 1000
    assert classes[281] == ClassName("tabby", "n02123045", ("tabby", "tabby cat"))
    assert (classes[0].name, classes[999].name) == ("tench", "toilet tissue")
    assert [entry.wnid for entry in classes] == sorted(entry.wnid for entry in classes)


def test_imagenet_names_are_torchvisions():
    import torchvision

    categories = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    assert [entry.name for entry in imagenet_classes()] == categories


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (281, 281),
        ("281", 281),
        (" 281 ", 281),
        ("n02123045", 281),
        ("N02123045", 281),
        ("tabby", 281),
        ("tabby cat", 281),
        ("Tabby-Cat", 281),
        ("tiger_cat", 282),
        ("EGYPTIAN  CAT", 285),
        ("crane bird", 134),
        ("partridge", 86),  # also a synonym of the ruffed grouse
        ("tank suit", 639),
    ],
)
def test_a_class_is_found(imagenet, query, index):
    assert imagenet.find(query) == index


@pytest.mark.parametrize(
    ("query", "candidates"),
    [
        ("crane", ["134 n02012849", "517 n03126707"]),
        ("maillot", ["638 n03710637", "639 n03710721"]),
        ("cardigan", ["264 n02113186", "474 n02963159"]),
        ("panther", ["286 n02125311", "290 n02128925"]),
    ],
)
def test_an_ambiguous_name_lists_the_candidates(imagenet, query, candidates):
    with pytest.raises(TargetError) as caught:
        imagenet.find(query)
    assert all(candidate in str(caught.value) for candidate in candidates)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("tabbi", "did you mean tabby"),
        ("n00000000", "no class has the WordNet id"),
        (1000, "no class 1000"),
        ("1000", "0 to 999"),
        (-1, "no class -1"),
        ("-1", "no class -1"),
        (2.5, "an index or a name"),
        ("", "unknown class"),
    ],
)
def test_an_unknown_class_is_an_error(imagenet, query, text):
    with pytest.raises(TargetError, match=text):
        imagenet.find(query)


def test_without_names_any_index_is_good_and_no_name_is():
    index = ClassIndex(None)
    assert index.find("5000") == 5000
    assert index.find("class 17") == index.find("Class-17") == 17  # as a class without a name is called
    with pytest.raises(TargetError, match="no class names"):
        index.find("tabby")


def test_names_from_a_list_a_file_and_imagenet(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("cat\n dog\n\n", encoding="utf-8")
    assert read_classes(file) == read_classes(str(file)) == read_classes(["cat", "dog"])
    assert read_classes([ClassName("cat", "n02121808")]) == (ClassName("cat", "n02121808"),)
    assert read_classes("imagenet") is imagenet_classes()


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, "No such file"), (b"", "is empty"), (b"cat\n\ndog\n", "line 2 is empty"), (b"\xff\xfe", "not UTF-8")],
)
def test_a_bad_file_of_names_is_an_error(tmp_path, content, text):
    file = tmp_path / "classes.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=text):
        read_classes(file)
