"""The report in a browser, opened from the disk."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import rdexplain as rx


class Mean(torch.nn.Module):
    def forward(self, images):
        weight = torch.randn(4, images[0].numel(), generator=torch.Generator().manual_seed(5))
        return images.flatten(1) @ weight.T


@pytest.fixture
def report(tmp_path):
    """30 explanations of 30 photos, of falling distortion; every third is of an owl."""
    model = rx.as_model(Mean(), name="mean", activation="softmax")
    images = torch.rand(30, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    found = rx.PixelRDE(model, steps=1, draws=1).explain(images, photos=[f"{number:02}.png" for number in range(30)])
    found = replace(
        found,
        labels=tuple("owl" if number % 3 == 0 else "cat" for number in range(30)),
        distortion=torch.linspace(0.9, 0.1, 30),
    )
    for number in range(30):
        found[number].save(tmp_path / f"{number:02}")
    return rx.report(tmp_path).page


def test_a_report(report, browser, faultless):
    """Filter, sort, pages, the larger view by keyboard; nothing is asked for that is not in its folder."""
    page = browser.new_page(viewport={"width": 900, "height": 700})
    asked, faults = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(report.as_uri())
    cards, count = page.locator("#cards > li"), page.locator("#count")
    assert (cards.count(), count.inner_text()) == (30, "30 of 30 explanations")
    page.locator("[name=size]").select_option("24")
    assert cards.count() == 24
    page.get_by_role("button", name="Next page").first.click()
    assert cards.count() == 6
    page.locator("[name=text]").fill("owl")
    assert (cards.count(), count.inner_text()) == (10, "10 of 30 explanations")
    page.locator("[name=sort]").select_option("distortion")
    assert "27.png" in cards.first.inner_text()
    page.locator("[name=order]").select_option("down")
    assert "00.png" in cards.first.inner_text()
    faultless(page)
    cards.first.get_by_role("button").focus()
    page.keyboard.press("Enter")
    larger = page.get_by_role("dialog")
    assert "00.png" in larger.inner_text()
    page.keyboard.press("ArrowRight")
    assert "03.png" in larger.inner_text()
    drawn = "all => all.every((one) => one.complete && one.naturalWidth > 0)"
    assert page.locator("#larger img").evaluate_all(drawn)
    faultless(page)
    page.keyboard.press("Escape")
    assert larger.count() == 0
    assert len(asked) > 8
    assert all(url.startswith((report.parent.as_uri(), "data:")) for url in asked)
    assert not faults
    page.close()
