"""The page: what it does without a browser, and a browser that clicks through it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from functools import partial

import pytest
import torch

import rdexplain as rx
from rdexplain.core.path import follow_up
from rdexplain.core.solver import solve
from rdexplain.errors import OptionError, SolverError
from rdexplain.methods.registry import METHODS
from rdexplain.work.progress import Silent
from rdexplain.work.web.bench import Bench
from rdexplain.work.web.desk import Ask, Desk, said_of

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
SIZE = 32


class Halves(torch.nn.Module):
    """Class 0 for a bright left half, class 1 for a bright right one, class 2 for neither."""

    def forward(self, images):
        left, right = images[..., : SIZE // 2].mean((1, 2, 3)), images[..., SIZE // 2 :].mean((1, 2, 3))
        return 8 * torch.stack((left - 0.5, right - 0.5, torch.zeros_like(left)), dim=1)


@pytest.fixture
def desk(monkeypatch):
    model = rx.as_model(Halves(), name="halves", classes=["left", "right", "neither"], activation="softmax")
    monkeypatch.setattr("rdexplain.methods.outcome.FRESH_DRAWS", 8)
    return Desk(model, SIZE, "squash", "--model my.nets:halves")


def test_answers_are_the_networks(desk):
    photo = desk.read("sample:cat", None)
    seen = desk.look(photo)
    answers = seen.answers
    assert seen.regions is None
    chances = desk.model(photo.pixels[None]).softmax(1)[0]
    assert [one.label for one in answers] == [
        ["left", "right", "neither"][place] for place in chances.argsort().flip(0)
    ]
    assert [one.probability for one in answers] == pytest.approx(chances.sort(descending=True).values.tolist())


def test_an_explanation_is_the_commands(desk):
    """The page's mask is that of the lines that it shows; so are its figures."""
    photo = desk.read("sample:cat", None)
    ask = Ask(1, method="pixel_rde", seed=3, keep=2.0)
    result = desk.explain(photo, ask)
    said = desk.described(photo, ask, result)
    assert not said["contrast"]
    between = replace(ask, against=2)
    assert desk.described(photo, between, desk.explain(photo, between))["contrast"]
    assert said["command"] == (
        "rdexplain explain sample:cat --model my.nets:halves --target 1 --size 32 --method pixel_rde "
        "--preset fast --seed 3 --sparsity 2"
    )
    assert said["python"].splitlines()[-1] == (
        "rx.explain('sample:cat', model='my.nets:halves', target=1, size=32, method='pixel_rde', preset='fast', "
        "seed=3, sparsity=2)"
    )
    other = rx.PixelRDE(desk.model, seed=3, sparsity=2).explain(rx.load_photo("sample:cat", SIZE).pixels[None], 1)
    assert torch.equal(result.mask[0], other.mask[0])
    assert (said["kept"], said["probability"]) == (float(other.non_sparsity), float(other.probability))


class Bands(torch.nn.Module):
    """A segmenter: the top eighth is background, below it class 2, and class 1 in the lower half, the surer."""

    def forward(self, images):
        maps = images.new_zeros(len(images), 3, SIZE, SIZE) + 0 * images.mean()
        maps[:, 0, :4], maps[:, 2, 4:16], maps[:, 1, 16:] = 5, 2, 4
        return maps + images[:, :1] * 0


def test_regions_are_where_the_answers_are():
    """Runs of pixels, row by row, each with the place of its answer; the background is none."""
    names = ["background", "grass", "sky"]
    model = rx.as_model(Bands(), name="bands", classes=names, activation="softmax", task="segmentation")
    desk = Desk(model, SIZE, "squash")
    seen = desk.look(desk.read("sample:cat", None))
    assert [one.label for one in seen.answers] == ["grass", "sky"]
    assert seen.regions == {"height": SIZE, "width": SIZE, "runs": [-1, 4 * SIZE, 1, 12 * SIZE, 0, 16 * SIZE]}


def test_the_path_goes_on_from_a_mask(desk):
    """A step to another λ starts from the mask that is there, and takes a quarter of the steps."""
    photo = desk.read("sample:cat", None)
    first = desk.explain(photo, Ask(1, method="pixel_rde", keep=512))
    ask = Ask(1, method="pixel_rde", keep=8, start=first)
    after = desk.explain(photo, ask)
    assert float(after.sparsity) == pytest.approx(64 * float(first.sparsity))
    assert after.steps == -(-first.steps // 4)
    assert float(after.non_sparsity) < float(first.non_sparsity)
    # What `core.path` does for the second of two weights.
    method = rx.PixelRDE(desk.model)
    with method.problem(photo.pixels[None], 1) as problem:
        start = problem.objective.transform.join(first.mask)
        settings = replace(follow_up(method.options.settings), steps=after.steps)
        settings = replace(settings, sparsity=float(after.sparsity))
        (mask,) = problem.objective.transform.split(solve(problem.objective, start, settings).mask)
    assert torch.equal(mask, after.mask[0])
    said = desk.described(photo, ask, after)
    assert said["went_on"]
    assert "--sparsity" in said["command"]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("cartoonx", partial(rx.CartoonX, levels=2)),
        ("shearletx", partial(rx.ShearletX, scales=2, sparsity=0, spatial=0)),
    ],
)
def test_scales_alone(desk, name, method):
    """All scales are the explanation; none is noise; a scale that there is not is refused."""
    photo = desk.read("sample:cat", None)
    ask = Ask(0, method=name)
    desk.size = SIZE
    made = method(desk.model, steps=3, draws=2)
    desk._method = lambda ask: made
    result = desk.explain(photo, ask)
    chance, picture = desk.with_scales(photo, ask, result, {0, 1, 2})
    assert picture == desk.pictures(photo, result)["grey.png"]
    assert chance == pytest.approx(float(result.kept_probability), abs=0.05)
    nothing, _ = desk.with_scales(photo, ask, result, set())
    assert nothing != chance
    with pytest.raises(OptionError, match="scales 0 to 2"):
        desk.with_scales(photo, ask, result, {3})


def test_work_is_done_in_turn_and_can_be_stopped():
    bench, events, going = Bench(), [], threading.Event()

    def wait(work):
        going.set()
        for _ in range(1000):
            if work.look():
                return {"what": "stopped"}
            time.sleep(0.005)
        return {"what": "full"}

    first = bench.put("a", wait, events.append)
    going.wait(5)
    second = bench.put("b", wait, events.append)
    third = bench.put("a", lambda work: {"what": "quick"}, events.append)
    assert bench.waiting("a") == 2
    assert bench.stop(third.number, "b") is False  # of another tab
    assert bench.stop(third.number, "a")
    assert {"kind": "dropped", "job": third.number} in events
    bench.leave("b")
    assert bench.stop(first.number, "a")
    done = {"kind": "done", "job": first.number, "what": "stopped"}
    until(lambda: done in events)
    assert not any(event["job"] == second.number and event["kind"] in ("started", "done") for event in events)

    def fail(work):
        raise SolverError("the loss is not finite: try another `seed`")

    failed = bench.put("a", fail, events.append)
    until(lambda: events[-1]["job"] == failed.number and events[-1]["kind"] == "failed")
    assert events[-1]["error"] == "the loss is not finite: try another seed"


def test_a_bug_says_nothing_of_this_machine():
    assert said_of(FileNotFoundError(2, "No such file", "/home/me/secret")) == (
        "unexpected error (FileNotFoundError): see the terminal"
    )


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder of the network's module."""
    return tmp_path_factory.mktemp("page")


NETS = """
import torch

class Halves(torch.nn.Module):
    def forward(self, images):
        left, right = images[..., :16].mean((1, 2, 3)), images[..., 16:].mean((1, 2, 3))
        return 8 * torch.stack((left - 0.5, right - 0.5, torch.zeros_like(left)), dim=1)

class Bands(torch.nn.Module):
    def forward(self, images):
        grey = images.mean(1)
        maps = torch.stack((0 * grey, grey, grey), dim=1)
        maps[:, 0, :4], maps[:, 2, 4:16], maps[:, 1, 16:] = 5, 2 + grey[:, 4:16], 4 + grey[:, 16:]
        return maps

def bands():
    import rdexplain as rx
    names = ["background", "grass", "sky"]
    return rx.as_model(Bands(), task="segmentation", classes=names, activation="softmax")
"""


@contextlib.contextmanager
def serving(place, options):
    """The page, in a process of its own; its address."""
    (place / "app_test_nets.py").write_text(NETS)
    (place / "names.txt").write_text("left\nright\nneither\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "rdexplain", *f"app --no-browser --port 0 --size 32 {options}".split()],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("the page is at http://127.0.0.1:"), process.stderr.read()
        yield line.split()[4]
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


@pytest.fixture(scope="module")
def server(place):
    """The page of a small network."""
    with serving(place, "--model app_test_nets:Halves --classes names.txt --activation softmax") as address:
        yield address


def get(address, data=None, headers=None):
    request = urllib.request.Request(address, data, headers or {})
    with contextlib.closing(urllib.request.urlopen(request, timeout=30)) as answer:
        return answer.status, dict(answer.headers), answer.read()


def refused(address, data=None, headers=None):
    try:
        get(address, data, headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    raise AssertionError("it was not refused")


def test_the_page_and_what_it_refuses(server, tmp_path):
    status, headers, page = get(server)
    assert (status, b"<!doctype html>" in page) == (200, True)
    assert "default-src 'self'" in headers["content-security-policy"]
    about = json.loads(get(f"{server}api/about")[2])
    assert (about["model"], about["size"], about["task"]) == ("app_test_nets:Halves", 32, "classification")
    assert {"cartoonx", "grad_cam"} <= {one["name"] for one in about["methods"]} <= set(METHODS)
    efforts = {one["name"]: [effort["preset"] for effort in one["efforts"]] for one in about["methods"]}
    assert (efforts["cartoonx"], efforts["pixel_rde"]) == (["draft", "fast", "best"], ["fast", "best"])
    assert efforts["grad_cam"] == []
    for path in ("page/../server.py", "page/%2e%2e/server.py", "page/nope", "api/none/result/1/explanation.json"):
        assert refused(server + path)[0] == 404
    assert refused(f"{server}api/none/photo?name=x", b"x")[0] == 404
    assert refused(server, headers={"Host": "evil.example"})[0] == 400
    with contextlib.closing(urllib.request.urlopen(f"{server}api/events", timeout=30)) as events:
        tab = json.loads(events.readline().removeprefix(b"data: "))["tab"]
        place = f"{server}api/{tab}/"
        for content, text in ((b"", "empty"), (b"nothing", "not an image"), (b"<html>", "")):
            code, said = refused(f"{place}photo?name=a.jpg", content)
            assert code == 400
            assert text in said
            assert str(tmp_path) not in said
        assert refused(f"{place}photo?name=/etc/passwd", b"x")[0] == 400
        for question in (b"{}", b"[]", b"x", b'{"photo": 9, "target": 0}'):
            assert refused(f"{place}explain", question)[0] == 400
        found = json.loads(get(f"{place}photo?name=sample:cat", b"")[2])
        assert found["picture"].startswith("data:image/png;base64,")
        for bad in (
            {"keep": 1e9},
            {"keep": "x"},
            {"preset": "paper"},
            {"target": "x"},
            {"method": "pixel_rde", "preset": "draft"},
            {"method": "grad_cam", "preset": "paper"},
        ):
            question = json.dumps({"photo": found["photo"], "target": 0, **bad}).encode()
            assert refused(f"{place}explain", question)[0] == 400
    until(lambda: forgotten(place))


def forgotten(place):
    """Whether what a tab had is gone."""
    try:
        get(f"{place}photo?name=sample:cat", b"")
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 404
    return False


def test_the_address_is_taken(server):
    port = int(server.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(OptionError, match=f"cannot listen at 127.0.0.1, `port` {port}"):
        rx.app(port=port, progress=Silent())


def test_clicking_through(server, browser, faultless, place, tmp_path):
    """Sample, class, preview, stop, result, scales, download: which is the mask that the command line makes."""
    page = browser.new_page(viewport={"width": 360, "height": 800}, accept_downloads=True)
    asked, faults = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(server)
    page.get_by_role("button", name="cat", exact=True).focus()
    page.keyboard.press("Enter")
    why = page.get_by_role("button", name="Why").first
    why.wait_for()
    label = page.locator(".answer .name").first.inner_text()
    why.focus()
    page.keyboard.press("Enter")
    page.locator("#live-picture[src^='data:image/png']").wait_for()
    assert page.locator("#live-title").text_content() == f"Why {label}? The explanation forms"
    page.locator(".card").wait_for(timeout=120_000)
    assert page.locator("#live-text").text_content() == "The mask is measured, with fresh noise."
    assert page.locator(".card h3").inner_text() == f"Why {label}?"
    boxes = page.locator(".scales input")
    said = page.locator(".scales-said")
    boxes.first.uncheck()
    page.locator(".scales-said", has_text="alone:").wait_for()
    one = said.inner_text()
    boxes.nth(1).uncheck()
    page.wait_for_timeout(200)
    page.locator(".scales-said", has_text="alone:").wait_for()
    assert said.inner_text() != one
    page.get_by_text("Take it with you").click()
    with page.expect_download() as download:
        page.get_by_text("mask (safetensors)").click()
    download.value.save_as(tmp_path / "page.safetensors")
    command = page.locator(".command").inner_text().split()
    subprocess.run(
        [sys.executable, "-m", *command, "--out", str(tmp_path / "made")], cwd=place, check=True, capture_output=True
    )
    (made,) = (tmp_path / "made").glob("*.safetensors")
    ours, theirs = rx.load_explanation(tmp_path / "page.safetensors"), rx.load_explanation(made)
    assert all(map(torch.equal, ours.mask, theirs.mask))
    assert page.locator("body").bounding_box()["width"] <= 360
    assert page.locator(".answer .bar").first.bounding_box()["width"] > 250
    faultless(page)
    assert all(url.startswith((server, "data:", "blob:")) for url in asked)
    assert not faults
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"nothing")
    page.locator("#file").set_input_files(bad)
    page.locator("#error", has_text="bad").wait_for()
    assert page.locator("#photo-picture").get_attribute("src").startswith("data:image/png")  # the photo stays
    page.close()


def test_two_users_at_once(server, browser):
    """The second waits for its turn; one that closes its page frees the network."""
    first, second = browser.new_page(), browser.new_page()
    for page, sample in ((first, "cat"), (second, "coffee")):
        page.goto(server)
        page.get_by_role("button", name=sample, exact=True).click()
        page.get_by_role("button", name="Why").first.wait_for()
    first.get_by_text("Settings").click()
    first.locator("#preset").select_option("draft")
    first.locator("#method").select_option("pixel_rde")
    assert first.locator("#preset").input_value() == "fast"  # Pixel RDE has no draft
    first.locator("#preset").select_option("best")
    first.locator("#method").select_option("grad_cam")  # has none
    first.locator("#method").select_option("cartoonx")
    assert first.locator("#preset").input_value() == "best"  # what was chosen stays
    first.get_by_role("button", name="Why").first.click()
    first.locator("#live-text", has_text="Step").wait_for()
    second.get_by_role("button", name="Why").first.click()
    second.locator("#live-text", has_text="Waiting").wait_for()
    first.close()
    second.locator(".card").wait_for(timeout=120_000)
    second.get_by_role("button", name="Other noise").click()
    second.locator("#stop").click()
    second.locator(".card").nth(1).wait_for(timeout=120_000)
    second.close()


def test_less_and_more_is_kept(server, browser):
    """Each λ of the slider goes on from the nearest mask, at a part of the cost, and is there when slid back to."""
    page = browser.new_page()
    page.goto(server)
    page.get_by_role("button", name="cat", exact=True).click()
    page.get_by_role("button", name="Why").first.click()
    page.locator(".card").wait_for(timeout=120_000)
    cost = page.locator(".figures dt").last
    whole, picture, record = int(cost.inner_text()), page.locator(".card .over"), page.get_by_text("record (JSON)")
    first = picture.get_attribute("src")
    slider, said = page.get_by_label("Less or more is kept"), page.locator(".path-said")
    sparsity = page.request.get(server + record.get_attribute("href")).json()["sparsity"]
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.locator(".path-said", has_text="on from the nearest mask").wait_for(timeout=60_000)
    assert slider.get_attribute("aria-valuetext") == "λ \u00d7 2"
    step = int(cost.inner_text())
    assert step < whole / 2
    assert f"λ \u00d7 2: {step} images" in said.inner_text()
    assert f"{whole + step} along the whole path" in said.inner_text()
    assert page.request.get(server + record.get_attribute("href")).json()["sparsity"] == pytest.approx(2 * sparsity)
    assert "not to the last bit" in page.locator(".lines-said").text_content()
    assert picture.get_attribute("src") != first
    page.keyboard.press("ArrowRight")
    assert picture.get_attribute("src") == first
    assert "λ as it was" in said.inner_text()
    assert page.locator(".card").count() == 1
    page.close()


def test_a_click_on_a_region(place, browser):
    """It asks for the region under the pointer, which is coloured; the buttons beside ask for the same."""
    with serving(place, "--model app_test_nets:bands") as address:
        page = browser.new_page()
        page.goto(address)
        page.get_by_role("button", name="coffee", exact=True).click()
        page.get_by_role("button", name="Why is this grass?").wait_for()
        regions = page.locator("#regions")
        box = regions.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.05)  # background
        assert regions.get_attribute("title") is None
        for down, name in ((0.3, "sky"), (0.8, "grass")):
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * down)
            assert regions.get_attribute("title") == f"Why is this {name}?"
        page.get_by_role("button", name="Why is this sky?").focus()
        assert regions.get_attribute("title") == "Why is this sky?"
        regions.click(position={"x": box["width"] / 2, "y": box["height"] * 0.8})
        page.locator(".card").wait_for(timeout=120_000)
        assert page.locator(".card h3").inner_text() == "Why grass?"
        page.close()


def test_the_bench_is_closed_before_the_program_ends():
    """What forms is cancelled at its next step, what waits never begins, and the thread ends."""
    bench, begun = Bench(), []

    def do(work):
        begun.append(work.number)
        while True:
            work.look()
            time.sleep(0.001)

    for _ in range(2):
        bench.put("tab", do, lambda event: None)
    while not begun:
        time.sleep(0.001)
    assert bench.close()
    assert begun == [1]


@pytest.mark.usefixtures("heeds_control_c")
def test_ctrl_c_while_a_page_is_open_and_an_explanation_forms(tmp_path):
    """One line on stderr, whoever looks on."""
    given = [sys.executable, "-m", "rdexplain", "app", "--no-browser", "--port", "0", "--size", "64"]
    program = subprocess.Popen(given, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = program.stdout.readline().split("page is at ")[1].split()[0]
        with urllib.request.urlopen(address + "api/events") as events:
            heard = (json.loads(line.removeprefix(b"data: ")) for line in events if line.startswith(b"data: "))
            tab = next(heard)["tab"]

            def post(path, data):
                asked = urllib.request.Request(f"{address}api/{tab}/{path}", data=data, method="POST")
                return json.loads(urllib.request.urlopen(asked).read())

            photo = post("photo?name=sample:cat", b"")["photo"]
            question = {"photo": photo, "target": 0, "method": "cartoonx", "preset": "best", "keep": 1, "seed": 0}
            post("explain", json.dumps(question).encode())
            next(event for event in heard if event["kind"] == "preview")
            program.send_signal(signal.SIGINT)
            assert program.communicate(timeout=60)[1] == "rdexplain: interrupted\n"
        assert program.returncode == 130
    finally:
        program.kill()
