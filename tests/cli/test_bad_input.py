"""What goes wrong: one line on stderr, the right exit status, and nothing half-written."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import rdexplain
from rdexplain.cli import main
from rdexplain.results import storage

NOT_A_PHOTO = "is not an image that can be read"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("explain photos/cta.jpg", "no such file or folder: photos/cta.jpg (did you mean photos/cat.jpg?)"),
        ("explain photos/*.webp", "no file matches photos/*.webp"),
        ("explain empty", "no photos in folder empty (folders inside it are not searched)"),
        ("explain broken.jpg", "cannot read broken.jpg: "),
        ("explain nothing.jpg", "nothing.jpg is empty (0 bytes)"),
        ("explain names.txt", f"names.txt {NOT_A_PHOTO}"),
        ("explain sample:cats", "unknown sample 'cats': did you mean cat?"),
        ("explain photos --model resnet5", "unknown model 'resnet5': did you mean resnet50 or "),
        ("explain photos --model no_such_module:net", "no module no_such_module for the model no_such_module:net"),
        ("explain photos --model cli_test_nets:tinny", "unknown factory of cli_test_nets 'tinny': did you mean tiny"),
        ("explain photos --weights gone.pt", "no weights file gone.pt"),
        ("explain photos --weights names.txt", "cannot read the weights in names.txt: "),
        ("explain photos --classes gone.txt", "cannot read the class names in gone.txt: No such file or directory"),
        ("explain photos --classes names.txt --target zebras", "unknown class 'zebras': did you mean zebra?"),
        ("explain photos --classes names.txt --target crane", "'crane' may be 2 crane, 3 Crane: give the index"),
        ("explain photos --classes names.txt --target 4", "no class 4: the model has 4, 0 to 3"),
        ("explain photos --target 4", "target 4 is outside the model's 4 outputs (0 to 3)"),
        ("explain photos --target -1", "no class -1: the first one is 0"),
        ("explain photos --target zebra", "no class 'zebra': the model has no class names"),
        ("explain photos --top-k 5", "--top-k must lie between 1 and the model's 4 classes, got 5"),
        ("explain photos --top-k 2 --target 1", "give either --target or --top-k, not both"),
        ("explain photos --method cartoonx --wavelet bd3", "unknown wavelet 'bd3': did you mean db3"),
        ("explain photos --method cartoonx --padding zeros", "unknown padding 'zeros': did you mean zero?"),
        ("explain photos --method cartoonx --levels 5", "5 levels of db3 are too many for an image of 16 x 16"),
        (
            "explain photos --wavelet haar",
            "--wavelet is an option of cartoonx, waveletx and random_wavelet, not of pixel_rde",
        ),
        ("explain photos --layer conv", "--layer is an option of grad_cam, not of pixel_rde"),
        (
            "explain photos --method grad_cam",
            "--steps is an option of cartoonx, pixel_rde, waveletx, shearletx, smooth_pixel_rde and "
            "integrated_gradients, not of grad_cam",
        ),
        ("explain photos --method cartonx", "unknown method 'cartonx': did you mean cartoonx?"),
        ("explain photos --preset papper", "unknown preset 'papper': did you mean paper?"),
        ("explain photos --noise gausian", "unknown noise 'gausian': did you mean gaussian?"),
        ("explain photos --distortion l3", "unknown distortion 'l3': did you mean l2"),
        ("explain photos --init onse", "unknown init 'onse': did you mean ones"),
        ("explain photos --init gone.safetensors", "no such explanation: gone.safetensors"),
        ("explain photos --steps many", "--steps must be a whole number of at least 1, not 'many'"),
        ("explain photos --draws 0", "--draws must be a whole number of at least 1, not '0'"),
        ("explain photos --sparsity -1", "--sparsity must be a number of at least 0, not '-1'"),
        ("explain photos --sparsity nan", "--sparsity must be a number of at least 0, not 'nan'"),
        ("explain photos --step-size 0", "--step-size must be above 0, not '0'"),
        ("explain photos --size 0", "--size must be a whole number of at least 1, not '0'"),
        ("explain photos --size 9000", "--size must be at most 8192 pixels, not 9000"),
        ("explain photos --mean 0.1,0.2", "--mean must be a number, or three such as 0.485,0.456,0.406"),
        ("explain photos --std 0", "std must be above 0, not 0"),
        ("explain photos --no-normalise --mean 0.5", "--no-normalise leaves no use for --mean and --std"),
        ("explain photos --device gpu", "no device 'gpu' here: choose auto, cpu, cuda or cuda:1"),
        ("explain photos --model cli_test_nets:Map", "the model's output has the shape"),
        ("explain photos --model cli_test_nets:Flat", "the model returned a tensor of shape"),
        (
            "explain photos --model cli_test_nets:broken",
            "broken failed: RuntimeError: this factory is broken",
        ),
        ("explain photos --out names.txt", "cannot write to --out names.txt: it is no folder"),
        ("explain photos --out names.txt/out", "cannot write to --out names.txt/out: Not a directory"),
        ("explain photos --out /proc/out", "cannot write to --out /proc/out: "),
    ],
)
def test_one_line(run, command, message):
    Path("empty").mkdir()
    Path("broken.jpg").write_bytes(Path("photos/cat.jpg").read_bytes()[:400])
    Path("nothing.jpg").touch()
    before = sorted(Path().rglob("*"))
    done = run(command)
    assert done.status == 2
    assert done.out == []
    (line,) = done.err
    assert line.startswith(("rdexplain: error: ", "rdexplain: unexpected error "))
    assert message in line
    assert [path for path in sorted(Path().rglob("*")) if "__pycache__" not in path.parts] == before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("explian photos", "unknown command 'explian': did you mean explain?"),
        ("explain", "name the photos: files, folders, glob patterns or sample:NAME"),
        ("explain photos --stepz 5", "unknown option '--stepz': did you mean --steps"),
        ("explain photos --lr 0.1", "unknown option '--lr': did you mean --step-size?"),
        ("explain photos --learning_rate 0.1", "unknown option '--learning_rate': did you mean --step-size?"),
        ("explain photos --output there", "unknown option '--output': did you mean --out?"),
        ("explain photos --model-name resnet50", "unknown option '--model-name': did you mean --model?"),
        ("explain photos --zzz 5", "unknown option '--zzz': --help lists what there is"),
        ("explain photos --step 5", "unknown option '--step': did you mean --step-size or --steps"),
        ("explain photos --seed", "--seed: expected one argument"),
        ("--steps 5", "unknown option '--steps'"),
        ("models resnet55", "unknown model 'resnet55': did you mean resnet50"),
        ("models resnet vgg", "'vgg' is one argument too many"),
        ("methods --all", "unknown option '--all'"),
        ("explain photos --out=", "--out is empty: is a shell variable not set?"),
        ("explain photos --steps 0", "--steps must be a whole number of at least 1, not '0'"),
        ("compare photos --models resnet18,mobilenet_v9", "unknown model 'mobilenet_v9'"),
    ],
)
def test_the_command_line_itself(run, command, message):
    done = run(command, small=False)
    assert (done.status, done.out, len(done.err)) == (2, [], 1)
    assert message in done.err[0]


@pytest.mark.parametrize(
    ("argv", "name"), [(["explain", "photos", "--out", ""], "--out"), (["explain", ""], "an argument")]
)
def test_an_empty_argument(run, place, capsys, argv, name):
    assert main(argv) == 2
    assert capsys.readouterr().err == f"rdexplain: error: {name} is empty: is a shell variable not set?\n"
    assert not Path("explanations").exists()


def test_all_photos_bad(run):
    done = run("explain names.txt cli_test_nets.py")
    assert done.status == 2
    assert [NOT_A_PHOTO in line for line in done.err] == [True, True, False]
    assert done.err[2] == "rdexplain: explained none of 2 photos, 2 failed"
    assert not Path("explanations").exists()


def test_debug_shows_the_traceback(run):
    done = run("explain gone.jpg --debug")
    assert done.status == 2
    assert done.err[0].startswith("Traceback")
    assert done.err[-1] == "rdexplain: error: no such file or folder: gone.jpg"


def test_a_photo_that_the_network_cannot_take(run):
    from PIL import Image

    Image.new("RGB", (16, 16)).save("photos/black.png")
    options = "--model cli_test_nets:Fragile --noise zero --init random --sparsity 0"
    done = run(f"explain photos {options}")
    assert done.status == 1
    assert len(done.err) == 2
    assert done.err[0].startswith("rdexplain: error: photos/black.png: ")
    assert "not finite at step 0" in done.err[0]
    assert done.err[1] == "rdexplain: explained 3 of 4 photos, 1 failed"
    done = run(f"explain photos/black.png {options} --out alone")
    assert (done.status, len(done.err)) == (2, 1)


def fails_after(monkeypatch: pytest.MonkeyPatch, calls: int, error: BaseException) -> None:
    """The file system, or the user, fails in the middle of the writing of a file."""
    count = 0
    original = storage.whole_file

    def whole(path: Path, data: bytes) -> None:
        nonlocal count
        with original(path) as temporary:
            count += 1
            temporary.write_bytes(data[: len(data) // 2])
            if count > calls:
                raise error
            temporary.write_bytes(data)

    monkeypatch.setattr(storage, "write_whole", whole)


def test_a_full_disk_keeps_what_is_finished(run, monkeypatch):
    fails_after(monkeypatch, 3, OSError(errno.ENOSPC, "No space left on device"))
    done = run("explain photos --photos-per-batch 2 --sparsity 0")
    assert done.status == 2
    assert done.err == [
        "rdexplain: error: cannot write explanations/cat.pixel_rde.json: No space left on device "
        "(1 of 3 photos are explained, in explanations)"
    ]
    assert len(done.out) == 1
    assert {path.name.split(".")[0] for path in Path("explanations").iterdir()} == {"bird"}
    assert len(list(Path("explanations").iterdir())) == 3


def test_a_full_disk_leaves_no_folder(run, monkeypatch):
    fails_after(monkeypatch, 0, OSError(errno.ENOSPC, "No space left on device"))
    assert run("explain photos --out a/b/c").status == 2
    assert not Path("a").exists()


def test_a_full_disk_keeps_the_results_of_before(run, monkeypatch):
    assert run("explain photos/cat.jpg").status == 0
    before = {path: path.read_bytes() for path in Path("explanations").iterdir()}
    fails_after(monkeypatch, 1, OSError(errno.ENOSPC, "No space left on device"))
    assert run("explain photos/cat.jpg --seed 1 --overwrite").status == 2
    assert {path: path.read_bytes() for path in Path("explanations").iterdir()} == before


def test_interrupted_while_writing(run, monkeypatch):
    fails_after(monkeypatch, 2, KeyboardInterrupt())
    done = run("explain photos --photos-per-batch 1 --sparsity 0")
    assert done.status == 130
    assert done.err == ["rdexplain: interrupted (1 of 3 photos are explained, in explanations)"]
    assert len(list(Path("explanations").iterdir())) == 3


def test_interrupted_while_optimising(run, monkeypatch):
    done = run("explain photos --model cli_test_nets:Interrupted --no-accelerate")
    assert (done.status, done.out, done.err) == (130, [], ["rdexplain: interrupted"])
    assert not Path("explanations").exists()


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(rdexplain.__file__).parent.parent), "OMP_NUM_THREADS": "1"}


def start(command: str, **options: object) -> subprocess.Popen:
    arguments = [sys.executable, "-m", "rdexplain", *command.split()]
    return subprocess.Popen(arguments, env=environment(), text=True, **options)  # type: ignore[call-overload]


def test_control_c(place, heeds_control_c):
    command = "explain photos --model cli_test_nets:Slow --method pixel_rde --size 16 --steps 100000 --no-accelerate"
    with start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not Path("reached").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (130, "", "rdexplain: interrupted\n")
    assert not Path("explanations").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_nobody_can_take(tmp_path):
    with open("/dev/full", "w") as full:
        process = start("methods", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (2, "rdexplain: error: No space left on device\n")


def test_output_that_nobody_reads(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    process = start("methods", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 141


def test_the_global_state_comes_back(run):
    state = torch.get_rng_state()
    hidden = sys.stdout.errors
    assert run("explain photos/cat.jpg").status == 0
    assert torch.equal(torch.get_rng_state(), state)
    assert sys.stdout.errors == hidden
    assert main(["--version"]) == 0


@pytest.mark.parametrize("command", ["explain", "compare --methods pixel_rde", "evaluate --methods pixel_rde"])
def test_a_name_that_is_no_text_is_one_photos_error(command, place, quick_panels, capsys):
    try:
        os.rename("photos/cat.jpg", os.fsdecode(b"photos/bad\xff.jpg"))
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    small = "--model cli_test_nets:tiny --size 64 --steps 2 --out results"
    small += " --method pixel_rde" * (command == "explain")
    small += " --percentages 0,100 --draws 1 --scores none" * command.startswith("evaluate")
    assert main(f"{command} photos {small}".split()) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert errors == ["rdexplain: error: photos/bad\\udcff.jpg: its name is not valid UTF-8: rename it"]
    assert any(Path("results").iterdir())
