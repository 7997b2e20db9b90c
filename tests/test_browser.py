"""What a person sees in a browser: the report without a network, and the pipeline in Kedro-Viz."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lightning_kedro.pipelines.reporting.report import PICTURES
from tests.conftest import Project
from tests.made_once import made_once
from tests.pipelines.reported_results import draw_all, make_tables, write_page
from tests.pipelines.storm_results import make_stormy
from tests.pipelines.test_reporting_run import reported_project, reports

CANDIDATES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, CANDIDATES)), "")
DRIVER = shutil.which("chromedriver") or ""
WAIT_SECONDS = 30.0

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER),
    reason="needs Chromium and ChromeDriver (Debian: apt-get install chromium chromium-driver)",
)

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1000",
)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """Wait until a condition holds, and return what it returned."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"waited {seconds:.0f} s in vain: {what}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    yield driver
    driver.quit()


def errors_of(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def requests_of(browser: Any) -> list[str]:
    """The addresses asked for since the last look."""
    messages = [json.loads(one["message"])["message"] for one in browser.get_log("performance")]
    sent = [one for one in messages if one["method"] == "Network.requestWillBeSent"]
    return [one["params"]["request"]["url"] for one in sent]


def open_report(browser: Any, path: Path, *, offline: bool = True) -> None:
    requests_of(browser)
    errors_of(browser)
    browser.execute_cdp_cmd("Network.enable", {})
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": offline, **conditions})
    browser.get(path.as_uri())
    wait_for(lambda: state(browser).get("ready"), "the map is not drawn")


def state(browser: Any) -> dict[str, str]:
    """What the map says of itself: frame, number of flashes drawn, milliseconds to draw."""
    found: dict[str, str] = browser.execute_script(
        "return Object.assign({}, document.getElementById('stage').dataset)"
    )
    return found


def canvas(browser: Any, name: str) -> np.ndarray:
    """The pixels of one of the map's canvases, RGBA."""
    address = browser.execute_script(f"return document.getElementById('{name}').toDataURL()")
    with urllib.request.urlopen(address) as content:  # noqa: S310  (a data: address)
        return np.asarray(Image.open(BytesIO(content.read())).convert("RGBA"))


def act(browser: Any, script: str) -> None:
    """Do something to the page, and wait until the map is drawn again."""
    browser.execute_script(f"delete document.getElementById('stage').dataset.ready; {script}")
    wait_for(lambda: state(browser).get("ready"), f"the map is not drawn again after {script}")


def slide_to(browser: Any, frame: int) -> None:
    act(
        browser,
        f"const hour = document.getElementById('hour'); hour.value = {frame};"
        "hour.dispatchEvent(new Event('input'))",
    )


@pytest.fixture(scope="module")
def day_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a day with 20,000 flashes on both sides of 180 degrees."""
    return made_once(tmp_path_factory, "day-report", write_day_report) / "report.html"


def write_day_report(folder: Path) -> None:
    tables = make_tables(hours=24, n=20_000, k=10, simulated=True)
    page = write_page(tables, draw_all(tables))
    (folder / "report.html").write_text(page, encoding="utf-8")


def test_report_draws_its_map_without_a_network(browser: Any, day_report: Path) -> None:
    open_report(browser, day_report)
    assert errors_of(browser) == []
    asked = {url.partition(":")[0] for url in requests_of(browser)}
    assert asked <= {"file", "data"}
    assert state(browser)["drawn"] == "20000"
    base, points, marks = (canvas(browser, name) for name in ("base", "points", "marks"))
    assert len(np.unique(base.reshape(-1, 4), axis=0)) > 20, "the basemap is blank"
    land = (base[..., :3] == [0x17, 0x1D, 0x25]).all(axis=2).mean()
    assert 0.03 < land < 0.9
    assert 0.0005 < (points[..., 3] > 0).mean() < 0.5
    assert len(np.unique(points[points[..., 3] > 0], axis=0)) == 10, "a color for each cluster"
    assert (marks[..., 3] > 0).any()
    images = browser.execute_script(
        "return [...document.images].map((one) => one.complete && one.naturalWidth)"
    )
    assert images == [900 if name.endswith("_animation") else 1440 for name in PICTURES]


def test_hour_slider_changes_the_map(browser: Any, day_report: Path) -> None:
    open_report(browser, day_report)
    whole = canvas(browser, "points")
    seen = []
    for frame in (0, 12, 23):
        slide_to(browser, frame)
        assert state(browser)["frame"] == str(frame)
        assert 300 < int(state(browser)["drawn"]) < 2000
        seen.append(canvas(browser, "points"))
        clock = browser.execute_script("return document.getElementById('clock').textContent")
        assert re.search(r"1[45] Jul 2024, \d\d:00\N{EN DASH}\d\d:00 UTC", clock)
    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[1], seen[2])
    act(browser, "document.getElementById('all').click()")
    assert np.array_equal(canvas(browser, "points"), whole)
    assert errors_of(browser) == []


def test_map_zooms_pans_plays_and_changes_colours(browser: Any, day_report: Path) -> None:
    from selenium.webdriver import ActionChains

    open_report(browser, day_report)
    stage = browser.find_element("id", "stage")
    before = canvas(browser, "base")
    act(browser, "document.getElementById('in').click()")
    zoomed = canvas(browser, "base")
    assert not np.array_equal(before, zoomed)
    ActionChains(browser).drag_and_drop_by_offset(stage, 120, 40).perform()
    wait_for(lambda: not np.array_equal(canvas(browser, "base"), zoomed), "dragging moves nothing")
    act(browser, "document.getElementById('home').click()")
    assert np.array_equal(canvas(browser, "base"), before)
    coloured = canvas(browser, "points")
    act(
        browser,
        "const colour = document.getElementById('colour'); colour.value = 'age';"
        "colour.dispatchEvent(new Event('change'))",
    )
    assert not np.array_equal(canvas(browser, "points"), coloured)
    browser.execute_script("document.getElementById('play').click()")
    wait_for(lambda: int(state(browser)["frame"]) >= 2, "playing does not move on")
    browser.execute_script("document.getElementById('play').click()")
    assert errors_of(browser) == []


def test_pointing_at_a_flash_tells_what_it_is(browser: Any, day_report: Path) -> None:
    from selenium.webdriver import ActionChains

    open_report(browser, day_report)
    points, marks = canvas(browser, "points"), canvas(browser, "marks")
    free = (points[..., 3] > 0) & (marks[..., 3] == 0)
    rows, columns = np.nonzero(free[20:-20, 20:-120])
    row, column = rows[len(rows) // 2] + 20, columns[len(rows) // 2] + 20
    stage = browser.find_element("id", "stage")
    size = stage.size
    right, down = column - size["width"] // 2, row - size["height"] // 2
    ActionChains(browser).move_to_element_with_offset(stage, int(right), int(down)).perform()
    tip = wait_for(lambda: browser.find_element("id", "tip").text, "no hint appears")
    assert re.match(r"2024-07-1[45] \d\d:\d\d:\d\d UTC\n.*° [NS], .*° [EW]\ncluster \d", tip)


def touch(browser: Any, kind: str, *points: tuple[float, float]) -> None:
    """Put fingers on the screen, move or lift them."""
    fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


@pytest.fixture
def phone(browser: Any) -> Iterator[Any]:
    """A screen of 390 x 844 pixels that is touched."""
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    enabled = {"enabled": True, "maxTouchPoints": 2}
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", enabled)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_report_fits_a_phone(phone: Any, day_report: Path) -> None:
    open_report(phone, day_report)
    assert phone.execute_script("return document.documentElement.scrollWidth") == 390
    slide_to(phone, 3)
    boxes = phone.execute_script(
        "return ['shown', 'clock'].map((id) => document.getElementById(id).getBoundingClientRect())"
        ".map((box) => [box.left, box.top, box.right, box.bottom])"
    )
    (left, top, right, bottom), other = boxes
    apart = other[0] >= right or other[1] >= bottom or other[2] <= left or other[3] <= top
    assert apart, "number and clock are printed over each other"
    assert all(box[0] >= 0 and box[2] <= 390 for box in boxes)
    table = "document.querySelector('.scroll')"
    assert phone.execute_script(f"return {table}.scrollWidth > {table}.clientWidth"), "it scrolls"
    assert errors_of(phone) == []


def test_a_finger_scrolls_past_the_map_and_taps_flashes(phone: Any, day_report: Path) -> None:
    open_report(phone, day_report)
    phone.execute_script("document.getElementById('stage').scrollIntoView({block: 'center'})")
    before = phone.execute_script("return scrollY")
    touch(phone, "touchStart", (195, 600))
    for y in range(590, 300, -20):
        touch(phone, "touchMove", (195, y))
    touch(phone, "touchEnd")
    wait_for(lambda: phone.execute_script("return scrollY") > before + 150, "the page is trapped")
    rest(phone)  # a tap while the page still glides only stops it
    phone.execute_script("document.getElementById('stage').scrollIntoView({block: 'center'})")
    rest(phone)
    x, y = center_of(phone, 0)
    touch(phone, "touchStart", (x, y))
    touch(phone, "touchEnd")
    tip = wait_for(lambda: phone.find_element("id", "tip").text, "no hint appears")
    assert tip.startswith("cluster 0\n")
    base = canvas(phone, "base")
    touch(phone, "touchStart", (x - 20, y), (x + 20, y))
    touch(phone, "touchMove", (x - 60, y), (x + 60, y))
    touch(phone, "touchEnd")
    wait_for(lambda: not np.array_equal(canvas(phone, "base"), base), "two fingers zoom nothing")
    assert errors_of(phone) == []


def rest(browser: Any) -> None:
    """Wait until the page has come to rest."""
    seen: list[float] = []

    def is_still() -> bool:
        seen.append(browser.execute_script("return scrollY"))
        return len(seen) > 5 and len(set(seen[-5:])) == 1

    wait_for(is_still, "the page glides on")


def center_of(browser: Any, cluster: int) -> tuple[float, float]:
    """Where the label of a cluster is on the screen."""
    found = browser.execute_script(
        "const box = document.getElementById('stage').getBoundingClientRect();"
        f"const [x, y] = JSON.parse(document.getElementById('stage').dataset.labels)[{cluster}];"
        "return [box.left + x, box.top + y]"
    )
    return float(found[0]), float(found[1])


@pytest.fixture(scope="module")
def storm_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of an hour with four storms on both sides of 180 degrees, and a gap."""
    tables = make_stormy(n=4000)
    lost = tables.granules["granule_start"].dt.minute.between(40, 44)
    page = write_page(replace(tables, granules=tables.granules[~lost]))
    path = tmp_path_factory.mktemp("storms") / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def pressed(browser: Any) -> list[str]:
    """Which of storms and clusters the map shows."""
    found = browser.find_elements("css selector", "[data-kind][aria-pressed=true]")
    return [one.get_attribute("data-kind") for one in found]


def colours_of(picture: np.ndarray) -> set[tuple[int, ...]]:
    drawn = picture[picture[..., 3] > 0]
    return {tuple(one) for one in np.unique(drawn, axis=0).tolist()}


def test_map_shows_storms_or_clusters(browser: Any, storm_report: Path) -> None:
    open_report(browser, storm_report)
    assert pressed(browser) == ["storms"]
    assert state(browser)["shows"] == "storms"
    storms, marks = canvas(browser, "points"), canvas(browser, "marks")
    assert len(colours_of(storms)) == 5, "a color for each storm, and one for no storm"
    assert browser.find_element("id", "key").is_displayed()
    act(browser, "document.querySelector('[data-kind=clusters]').click()")
    assert pressed(browser) == ["clusters"]
    assert len(colours_of(canvas(browser, "points"))) == 4, "a color for each cluster"
    assert not np.array_equal(canvas(browser, "marks"), marks), "outlines and tracks are gone"
    assert not browser.find_element("id", "key").is_displayed()
    act(browser, "document.querySelector('[data-kind=storms]').click()")
    assert np.array_equal(canvas(browser, "points"), storms)
    for frame in (0, 5, 11):
        slide_to(browser, frame)
        assert set(json.loads(state(browser)["labels"])) == {"0", "1", "2", "3"}
    assert errors_of(browser) == []


def test_results_without_storms_show_clusters_alone(browser: Any, day_report: Path) -> None:
    open_report(browser, day_report)
    assert state(browser)["shows"] == "clusters"
    assert browser.find_elements("css selector", "[data-kind]") == []
    assert not browser.find_element("id", "chart").is_displayed()
    told = browser.find_element("css selector", "#storms + p").text
    assert told.startswith("No storms have been looked for in this window.")


def test_table_of_storms_leads_to_the_map_and_the_chart_and_back(
    browser: Any, storm_report: Path
) -> None:
    from selenium.webdriver import ActionChains

    open_report(browser, storm_report)
    chart = browser.find_element("id", "chart")
    assert chart.get_attribute("data-storm") == "0", "the largest one is shown first"
    act(browser, "document.querySelector('[data-kind=clusters]').click()")
    base = canvas(browser, "base")
    act(browser, "document.querySelector('[data-storm=\"2\"]').click()")
    assert pressed(browser) == ["storms"], "the map shows what was asked for"
    assert not np.array_equal(canvas(browser, "base"), base)
    assert chart.get_attribute("data-storm") == "2"
    assert browser.find_element("css selector", "tr.found").get_attribute("id") == "storm2"
    assert browser.switch_to.active_element.get_attribute("id") == "stage"
    act(browser, "document.getElementById('home').click()")
    stage = browser.find_element("id", "stage")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    x, y = json.loads(state(browser)["labels"])["1"]
    right, down = (round(at - stage.rect[side] / 2) for at, side in ((x, "width"), (y, "height")))
    ActionChains(browser).move_to_element_with_offset(stage, right, down).perform()
    tip = wait_for(lambda: browser.find_element("id", "tip").text, "no hint appears")
    assert tip.startswith("storm 1\n")
    assert "15 m/s to E" in tip
    ActionChains(browser).click().perform()
    wait_for(lambda: chart.get_attribute("data-storm") == "1", "the chart does not follow")
    assert browser.find_element("css selector", "tr.found").get_attribute("id") == "storm1"
    assert errors_of(browser) == []


def test_chart_shows_minutes_jumps_and_gaps_and_obeys_the_keys(
    browser: Any, storm_report: Path
) -> None:
    from selenium.webdriver import Keys

    open_report(browser, storm_report)
    svg = browser.find_element("id", "series")
    find = browser.find_elements
    assert len(find("css selector", "#series path.mark")) == 2, "a jump by each algorithm"
    assert len(find("css selector", "#series path.mark.other")) == 1
    assert find("css selector", "#series rect[fill='url(#hatch)']"), "the gap"
    label = svg.get_attribute("aria-label")
    assert re.match(r"Flashes per minute of storm 0: 9\d\d flashes, at most \d+ a minute", label)
    svg.send_keys(Keys.ARROW_RIGHT)
    readout = browser.find_element("id", "readout")
    assert re.match(r"14 Jul 22:00 UTC \S \d+ flash", readout.text)
    svg.send_keys(Keys.ARROW_RIGHT)
    assert "22:01 UTC" in readout.text
    svg.send_keys(Keys.ESCAPE)
    assert "UTC" not in readout.text
    chart = browser.find_element("id", "chart")
    for by, storm in ((1, "1"), (1, "2"), (-1, "1")):
        act(browser, f"document.querySelector('[data-step=\"{by}\"]').click()")
        assert chart.get_attribute("data-storm") == storm
    base = canvas(browser, "base")
    act(browser, "document.getElementById('locate').click()")
    assert not np.array_equal(canvas(browser, "base"), base)
    slide_to(browser, 3)
    assert find("css selector", "#series rect.span"), "the step of the map is marked"
    assert errors_of(browser) == []


def test_storms_fit_a_phone(phone: Any, storm_report: Path) -> None:
    open_report(phone, storm_report)
    assert phone.execute_script("return document.documentElement.scrollWidth") == 390
    svg = phone.find_element("id", "series")
    ends = phone.execute_script(
        "return [...document.querySelectorAll('#series text')].map((one) => "
        "{ const box = one.getBoundingClientRect(); return [box.left, box.right]; })"
    )
    assert all(0 <= left < right <= 390 for left, right in ends), "a tick is cut"
    assert svg.rect["width"] > 300
    phone.execute_script("arguments[0].scrollIntoView({block: 'center'})", svg)
    rest(phone)
    box = phone.execute_script("return arguments[0].getBoundingClientRect().toJSON()", svg)
    touch(phone, "touchStart", (box["left"] + 200, box["top"] + 120))
    touch(phone, "touchEnd")
    wait_for(lambda: "UTC" in phone.find_element("id", "readout").text, "a tap reads nothing")
    assert errors_of(phone) == []


def test_wheel_scrolls_the_page_and_zooms_with_ctrl(browser: Any, day_report: Path) -> None:
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    open_report(browser, day_report)
    stage = browser.find_element("id", "stage")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    base = canvas(browser, "base")
    before = browser.execute_script("return scrollY")
    origin = ScrollOrigin.from_element(stage)
    ActionChains(browser).scroll_from_origin(origin, 0, 200).perform()
    wait_for(lambda: browser.execute_script("return scrollY") > before, "the page is trapped")
    assert np.array_equal(canvas(browser, "base"), base)
    chain = ActionChains(browser).key_down(Keys.CONTROL).scroll_from_origin(origin, 0, -200)
    chain.key_up(Keys.CONTROL).perform()
    wait_for(lambda: not np.array_equal(canvas(browser, "base"), base), "Ctrl does not zoom")


def test_table_leads_to_the_map_and_back(browser: Any, day_report: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    open_report(browser, day_report)
    base = canvas(browser, "base")
    act(browser, "document.querySelector('[data-cluster=\"2\"]').click()")
    assert not np.array_equal(canvas(browser, "base"), base)
    assert browser.switch_to.active_element.get_attribute("id") == "stage"
    assert browser.find_element("css selector", "tr.found").get_attribute("id") == "cluster2"
    stage = browser.find_element("id", "stage")
    zoomed = canvas(browser, "base")
    stage.send_keys(Keys.ARROW_LEFT)
    wait_for(lambda: not np.array_equal(canvas(browser, "base"), zoomed), "the keys move nothing")
    stage.send_keys(Keys.HOME)
    wait_for(lambda: np.array_equal(canvas(browser, "base"), base), "Home does not lead back")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    box = stage.rect
    x, y = json.loads(state(browser)["labels"])["5"]
    right, down = round(x - box["width"] / 2), round(y - box["height"] / 2)
    ActionChains(browser).move_to_element_with_offset(stage, right, down).perform()
    tip = wait_for(lambda: browser.find_element("id", "tip").text, "no hint appears")
    assert tip.startswith("cluster 5\n")
    assert browser.find_element("id", "place").text, "the place under the pointer is told"
    ActionChains(browser).click().perform()
    found = wait_for(lambda: browser.find_elements("css selector", "tr.found"), "no row is found")
    assert found[0].get_attribute("id") == "cluster5"
    assert errors_of(browser) == []


def test_labels_hide_no_center_and_no_other_label(browser: Any, day_report: Path) -> None:
    open_report(browser, day_report)
    places = [*json.loads(state(browser)["labels"]).values()]
    assert len(places) == 10
    for number, (x, y) in enumerate(places):
        for other_x, other_y in places[:number]:
            assert abs(x - other_x) > 20 or abs(y - other_y) > 20


def test_pictures_enlarge_and_download(browser: Any, day_report: Path) -> None:
    open_report(browser, day_report)
    saved = browser.execute_script(
        "const files = [];"
        "HTMLAnchorElement.prototype.click = function () {"
        " files.push([this.download, this.href.slice(0, 22)]); };"
        "document.querySelectorAll('.download').forEach((button) => button.click()); return files;"
    )
    assert saved[0] == ["cluster_map.png", "data:image/png;base64,"]
    assert saved[2] == ["cluster_animation.gif", "data:image/gif;base64,"]
    assert len(saved) == len(PICTURES)
    browser.execute_script("document.querySelector('.enlarge').click()")
    image = browser.find_element("css selector", "dialog[open] img")
    wait_for(lambda: image.get_property("naturalWidth") == 1440, "the picture is not shown")
    browser.find_element("id", "close").click()
    assert not browser.find_elements("css selector", "dialog[open]")
    assert errors_of(browser) == []


def test_report_is_dark_where_that_is_wanted(browser: Any, day_report: Path) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        open_report(browser, day_report)
        seen[scheme] = browser.execute_script(
            "return getComputedStyle(document.body).backgroundColor"
        )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert seen == {"light": "rgb(245, 247, 250)", "dark": "rgb(11, 14, 19)"}


def test_hidden_map_raises_nothing_and_is_drawn_when_shown(browser: Any, day_report: Path) -> None:
    open_report(browser, day_report)
    browser.execute_script("document.getElementById('map').style.display = 'none'")
    time.sleep(0.3)
    browser.execute_script(
        "delete document.getElementById('stage').dataset.ready;"
        "document.getElementById('map').style.display = ''"
    )
    wait_for(lambda: state(browser).get("ready"), "the map is not drawn again")
    assert errors_of(browser) == []


def test_bars_of_gaps_are_not_those_of_quiet_steps(browser: Any, tmp_path: Path) -> None:
    tables = make_tables(n=0)
    lost = tables.granules["granule_start"].dt.minute.between(20, 39)
    path = tmp_path / "report.html"
    path.write_text(write_page(replace(tables, granules=tables.granules[~lost])), encoding="utf-8")
    open_report(browser, path)
    bars = canvas(browser, "rate")
    step = bars.shape[1] / 12
    middles = [slice(round((at + 0.2) * step), round((at + 0.8) * step)) for at in range(12)]
    drawn = [(bars[:-6, middle, 3] > 0).mean() for middle in middles]
    assert all(share > 0.9 for share in drawn[4:8]), "hatched where there are no data"
    assert all(share == 0.0 for share in drawn[:4] + drawn[8:])
    slide_to(browser, 5)
    assert browser.find_element("id", "clock").text.endswith(", no data")


def test_half_a_million_flashes_stay_usable(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    tables = make_tables(hours=24, n=500_000, k=10)
    path.write_text(write_page(tables), encoding="utf-8")
    open_report(browser, path)
    shown = browser.execute_script("return document.getElementById('shown').textContent")
    assert shown == "500,000 flashes (200,000 drawn)"
    act(browser, "document.getElementById('in').click()")
    assert float(state(browser)["milliseconds"]) < 500
    assert errors_of(browser) == []


def test_report_without_flashes_says_so(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    page = write_page(make_tables(n=0))
    path.write_text(page, encoding="utf-8")
    open_report(browser, path)
    shown = browser.execute_script("return document.getElementById('shown').textContent")
    assert shown == "No flashes in this window"
    assert errors_of(browser) == []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with reported_project(tmp_path_factory) as made:
        yield made


@pytest.fixture(scope="module")
def viz(project: Project) -> Iterator[str]:
    """The address of Kedro-Viz, as ``kedro viz`` serves it."""
    port = find_port()
    log = project.folder / "viz.log"
    command = ("viz", "run", "--no-browser", "--port", str(port), "--env", "sample")
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "kedro", *command],
            cwd=project.folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: ask(f"{address}/api/main"), "Kedro-Viz does not answer", 120)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)


def find_port() -> int:
    """A free port; Kedro-Viz takes none above 49151."""
    for port in random.sample(range(20_000, 49_000), 100):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    pytest.fail("there is no free port")


def ask(address: str) -> Any:
    """What the server answers, None while it does not."""
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310  (loopback)
            return json.loads(answer.read())
    except OSError:
        return None


def test_viz_shows_every_node_by_layers(browser: Any, viz: str) -> None:
    from kedro.framework.project import pipelines

    main = ask(f"{viz}/api/main")
    names = {node["name"] for node in main["nodes"] if node["type"] == "task"}
    whole = pipelines["__default__"]
    assert names == {node.name for node in whole.nodes}
    expected = ["archive", "raw", "intermediate", "primary", "feature", "models", "model_output"]
    assert [layer for layer in main["layers"] if layer in expected] == expected
    assert main["layers"][-1] == "reporting"
    open_viz(browser, viz)
    drawn = wait_for(
        lambda: browser.find_elements("css selector", ".pipeline-node"), "no node is drawn"
    )
    assert len(drawn) >= len(names)
    shown = {element.text for element in browser.find_elements("css selector", ".pipeline-node")}
    assert {"extract", "kmeans_cluster", "cluster_map", "report"} <= {
        text.strip().lower().replace(" ", "_") for text in shown
    }


def open_viz(browser: Any, address: str) -> None:
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, **conditions})
    browser.get(address)


def node_of(address: str, name: str) -> dict[str, Any]:
    """What Kedro-Viz knows of a catalog entry."""
    nodes_ = ask(f"{address}/api/main")["nodes"]
    (found,) = (one["id"] for one in nodes_ if one["name"] == name and one["type"] == "data")
    return {"id": found, **ask(f"{address}/api/nodes/{found}")}


@pytest.mark.parametrize(
    "name", ["cluster_map", "storm_map", "cluster_animation", "density_map", "flash_rate"]
)
def test_viz_previews_the_pictures(viz: str, project: Project, name: str) -> None:
    import base64

    node = node_of(viz, name)
    assert node["preview_type"] == "ImagePreview"
    (file,) = (path for path in reports(project).iterdir() if path.stem == name)
    assert base64.b64decode(node["preview"]) == file.read_bytes()


@pytest.mark.parametrize("name", ["clustered_flashes", "cluster_centers", "flashes", "coverage"])
def test_viz_previews_the_tables(viz: str, name: str) -> None:
    node = node_of(viz, name)
    assert node["preview_type"] == "TablePreview"
    assert "platform" in node["preview"]["columns"]
    assert node["preview"]["data"]


def test_viz_previews_the_evaluation_as_a_chart(viz: str) -> None:
    node = node_of(viz, "k_evaluation_chart")
    assert node["preview_type"] == "PlotlyPreview"
    assert len(node["preview"]["data"]) == 2


def test_viz_shows_a_picture_in_its_panel(browser: Any, viz: str) -> None:
    node = node_of(viz, "cluster_map")
    open_viz(browser, f"{viz}/?pid=__default__&sid={node['id']}")
    image = wait_for(
        lambda: browser.find_elements("css selector", ".pipeline-metadata img"), "no preview"
    )[0]
    wait_for(lambda: image.get_property("naturalWidth") == 1440, "the preview stays empty")
