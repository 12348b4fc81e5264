"""The page as a reader sees it, in headless Chromium: all charts drew, nothing overlaps, nothing is fetched."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.page import to_html
from orchestrator.report_model import Report
from tests.orchestrator.page.browser import CHROMIUM, Browser, chromium
from tests.orchestrator.page.reports import (
    crossing,
    eventful,
    fan_in,
    latency,
    mesh,
    pairs,
    phase,
    quickstart,
    small,
    stack,
    tangle,
    violation,
)
from tests.orchestrator.page.test_page import evil

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian package `chromium`)"
)

SHAPES: dict[str, Callable[[], Report]] = {
    "two nodes": small,
    "quickstart": quickstart,
    "eventful": eventful,
    "phased": lambda: phased(),
    "three nodes": lambda: stack(
        {"bulk": "traffic", "mid": "pass-through", "nic": "miniport"}, ["bulk -> mid", "mid -> nic"]
    ),
    "fan-in of 57": lambda: fan_in(57),
    "ten pairs": lambda: pairs(10),
    "two pairs": lambda: pairs(2),
    "tangle": tangle,
    "crossing": crossing,
    "mesh of 40": lambda: mesh(40),
}
LEAST_COLOURS = 4
LEAST_INK = 200
BOXES = """JSON.stringify([...document.querySelectorAll(%s)].map((element) => {
  const box = element.getBoundingClientRect();
  return [element.textContent, box.left, box.top, box.right, box.bottom];
}))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Callable[..., Path]:
    """Write the page of a report and open it in a colour scheme."""

    def opened(report: Report, scheme: str = "light", **size: int) -> Path:
        path = tmp_path / "report.html"
        path.write_text(to_html(report), "utf-8")
        browser.media(scheme)
        browser.open(path, **size)
        return path

    return opened


Box = tuple[str, float, float, float, float]


def boxes(browser: Browser, selector: str) -> list[Box]:
    return [tuple(box) for box in json.loads(browser.value(BOXES % json.dumps(selector)))]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3)


def overlap(one: Box, other: Box) -> bool:
    slack = 1.0
    return (
        one[1] < other[3] - slack
        and other[1] < one[3] - slack
        and one[2] < other[4] - slack
        and other[2] < one[4] - slack
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_drew(browser: Browser, show: Callable[..., Path], scheme: str) -> None:
    show(quickstart(), scheme)
    assert browser.value("document.documentElement.dataset.drawn") == "6"
    places = boxes(browser, "[data-chart] canvas")
    assert len(places) == 6
    for _, left, top, right, bottom in places:
        clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        colours, counts = np.unique(pixels(browser.screenshot(clip)), axis=0, return_counts=True)
        assert len(colours) >= LEAST_COLOURS
        assert counts.sum() - counts.max() > LEAST_INK


def hue(browser: Browser, name: str) -> np.ndarray:
    """Return a colour of the page's as three values of 0 to 255."""
    text = browser.value(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()")
    return np.array([int(text[at : at + 2], 16) for at in (1, 3, 5)])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_chart_has_a_band_where_a_fault_was_in_force_and_a_line_where_a_rule_was_broken(
    browser: Browser, show: Callable[..., Path], scheme: str
) -> None:
    show(eventful(), scheme)
    places = boxes(browser, "[data-chart] .u-over")
    assert len(places) == 6
    for _, left, top, right, bottom in places:
        clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        drawn = np.asarray(Image.open(io.BytesIO(browser.screenshot(clip))).convert("RGB")).astype(int)
        usual = np.median(drawn[:-8], axis=0)  # of each column, what is in most of its rows

        def column(second: float, of: np.ndarray = usual) -> np.ndarray:
            return of[round(second / 12 * (len(of) - 1))]

        within, without = column(3.0), column(6.0)
        orange = hue(browser, "orange") - without
        assert (within - without) @ orange / (orange @ orange) > 0.08
        near = slice(round(4.05 / 12 * len(usual)), round(4.15 / 12 * len(usual)) + 1)
        red = np.abs(usual[near] - hue(browser, "bad")).sum(axis=1)
        assert red.min() < 90
    assert browser.complaints == []


def phased() -> Report:
    """Return twelve seconds in three phases."""
    names = {"warm-up": 0.0, "peak": 6.05e6, "3": 9.05e6}
    return quickstart().model_copy(
        update={"phases": [phase(name, ["bulk"], began=at, ended=at + 3e6) for name, at in names.items()]}
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_chart_has_a_dashed_line_where_a_phase_began(
    browser: Browser, show: Callable[..., Path], scheme: str
) -> None:
    show(phased(), scheme)
    soft = hue(browser, "soft")
    for _, left, top, right, bottom in boxes(browser, "[data-chart] .u-over"):
        clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        drawn = np.asarray(Image.open(io.BytesIO(browser.screenshot(clip))).convert("RGB")).astype(int)
        like = np.abs(drawn - soft).sum(axis=2) < 120

        def share(second: float, like: np.ndarray = like) -> float:
            """Return how much of a column, or of one beside it, has the colour of the line."""
            column = round(second / 12 * (like.shape[1] - 1))
            return float(like[:, max(column - 1, 0) : column + 2].mean(axis=0).max())

        assert 0.3 < share(6.05) < 0.8
        assert 0.3 < share(9.05) < 0.8
        assert share(7.5) < 0.2
    assert browser.complaints == []


@pytest.mark.parametrize("shape", SHAPES)
def test_opening_a_page_fetches_nothing_and_complains_of_nothing(
    browser: Browser, show: Callable[..., Path], shape: str
) -> None:
    path = show(SHAPES[shape]())
    assert (browser.requests, browser.complaints) == ([path.as_uri()], [])


@pytest.mark.parametrize("shape", SHAPES)
def test_no_words_of_the_picture_overlap_and_cards_hold_theirs(
    browser: Browser, show: Callable[..., Path], shape: str
) -> None:
    show(SHAPES[shape]())
    words = boxes(browser, ".stack text")
    assert len(words) >= 6
    assert [
        (one[0], other[0])
        for index, one in enumerate(words)
        for other in words[:index]
        if overlap(one, other)
    ] == []
    (whole,) = boxes(browser, ".stack")
    assert [
        of for of in words if of[1] < whole[1] or of[2] < whole[2] or of[3] > whole[3] or of[4] > whole[4]
    ] == []
    for place, _ in enumerate(boxes(browser, ".stack .card")):
        nth = f".stack .card:nth-of-type({place + 1})"
        (box,) = boxes(browser, f"{nth} .box")
        inside = [
            box[1] < of[1] and of[3] < box[3] and of[4] < box[4] for of in boxes(browser, f"{nth} text")
        ]
        assert inside
        assert all(inside)
        labels = boxes(browser, ".stack .label")
        assert [label for label in labels if overlap(label, box)] == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [1280, 1440])
def test_a_laptop_needs_no_scrolling_sideways(
    browser: Browser, show: Callable[..., Path], shape: str, width: int
) -> None:
    show(SHAPES[shape](), width=width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    wide = (
        "[...document.querySelectorAll('.wide')].filter((of) => of.scrollWidth > of.clientWidth + 1).length"
    )
    assert browser.value(wide) == 0


def test_a_phone_shows_the_page_in_its_width(browser: Browser, show: Callable[..., Path]) -> None:
    show(quickstart(), width=390, height=844)
    assert browser.value("document.documentElement.scrollWidth") == 390


def test_light_and_dark_are_what_they_say(browser: Browser, show: Callable[..., Path]) -> None:
    brightness = []
    for scheme in ("light", "dark"):
        show(quickstart(), scheme)
        brightness.append(float(np.median(pixels(browser.screenshot()).mean(axis=1))))
    assert brightness[0] > 200
    assert brightness[1] < 60


def test_paper_is_light_with_all_details_open_and_the_screen_is_as_before(
    browser: Browser, show: Callable[..., Path]
) -> None:
    report = quickstart().model_copy(
        update={"violations": [violation(number) for number in range(4)], "violation_count": 4}
    )
    show(report, "dark")
    look = (
        "JSON.stringify([document.querySelectorAll('details:not([open])').length, "
        "getComputedStyle(document.documentElement).getPropertyValue('--card')])"
    )
    before = json.loads(browser.value(look))
    browser.value("dispatchEvent(new Event('beforeprint'))")
    assert json.loads(browser.value(look)) == [0, "#ffffff"]
    browser.value("dispatchEvent(new Event('afterprint'))")
    assert json.loads(browser.value(look)) == before
    assert before[0] > 0
    assert browser.pdf().startswith(b"%PDF-")
    assert browser.complaints == []


def test_nothing_in_a_report_takes_hold_of_the_page(browser: Browser, show: Callable[..., Path]) -> None:
    path = show(evil())
    assert browser.value("document.title") != "taken"
    assert browser.value("document.images.length") == 0
    assert (browser.requests, browser.complaints) == ([path.as_uri()], [])


def test_what_is_saved_from_the_page_is_the_report(browser: Browser, show: Callable[..., Path]) -> None:
    report = quickstart().model_copy(update={"latency_us": latency()})
    show(report)
    saved = browser.value(
        "new Promise((done) => {"
        " const make = URL.createObjectURL;"
        " URL.createObjectURL = (blob) => { blob.text().then(done); return make(blob); };"
        " document.getElementById('save').click(); })"
    )
    assert Report.model_validate_json(saved) == report
