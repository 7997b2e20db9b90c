"""The dashboard in a browser: calendar, result, map and comparison, on a desk and on a phone."""

import re
import time
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from PIL import Image

from lightning_kedro.pipelines.reporting.report import read_template
from tests import test_browser as shared
from tests.dashboard.stored_results import Dashboard, run_dashboard, save_result
from tests.test_browser import errors_of, requests_of, wait_for

browser, phone, pytestmark = shared.browser, shared.phone, shared.pytestmark

HOUR = "G18_20240714T2200_20240714T2300"
OTHER = "G19_20240714T2200_20240715T0000"

STAGES = (
    "[...document.querySelectorAll('.map')].map((one) => one.shadowRoot?.getElementById('stage'))"
)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    path = tmp_path_factory.mktemp("data") / "lightning.duckdb"
    save_result(path, n=4000)
    save_result(path, satellite="G19", hours=2, n=3000, storms=False)
    with run_dashboard(path) as served:
        yield served


@pytest.fixture(params=["desk", "phone"])
def screen(request: pytest.FixtureRequest, browser: Any) -> Any:
    return request.getfixturevalue("phone") if request.param == "phone" else browser


def open_page(browser: Any, address: str) -> None:
    requests_of(browser)
    errors_of(browser)
    browser.execute_cdp_cmd("Network.enable", {})
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, **conditions})
    browser.get(address)


def wait_for_maps(browser: Any, count: int = 1) -> list[dict[str, str]]:
    """What each map says of itself once it is drawn."""
    drawn = f"{STAGES}.map((stage) => Object.assign({{}}, stage?.dataset))"

    def all_drawn() -> Any:
        states = browser.execute_script(f"return {drawn}")
        return len(states) == count and all(one.get("ready") for one in states) and states

    found: list[dict[str, str]] = wait_for(all_drawn, "a map is not drawn")
    return found


def canvas(browser: Any, name: str, number: int = 0) -> np.ndarray:
    """The pixels of a map's canvas, RGBA."""
    address = browser.execute_script(
        f"return {STAGES}[{number}].getRootNode().getElementById('{name}').toDataURL()"
    )
    with urllib.request.urlopen(address) as content:  # noqa: S310  (a data: address)
        return np.asarray(Image.open(BytesIO(content.read())).convert("RGBA"))


def follow(browser: Any, selector: str) -> None:
    """Go where a link or button leads, by the keyboard."""
    from selenium.webdriver import Keys

    found = browser.find_element("css selector", selector)
    before = browser.current_url
    found.send_keys(Keys.ENTER)
    wait_for(lambda: browser.current_url != before, f"{selector} leads nowhere")


def assert_fits(browser: Any) -> None:
    root = "document.documentElement"
    assert browser.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")


def query(browser: Any) -> dict[str, list[str]]:
    return parse_qs(urlparse(browser.current_url).query)


def test_calendar_leads_to_a_map_and_a_comparison(screen: Any, dashboard: Dashboard) -> None:
    open_page(screen, dashboard.address)
    assert_fits(screen)
    assert "simulated" in screen.find_element("tag name", "h1").text
    follow(screen, "a.day")
    assert query(screen) == {"day": ["2024-07-14"]}
    assert_fits(screen)
    assert len(screen.find_elements("css selector", ".hours")) == 2
    follow(screen, f"td a[href='/results/{HOUR}']")
    (state,) = wait_for_maps(screen)
    assert state["drawn"] == "4000"
    assert_fits(screen)
    base, points, marks = (canvas(screen, name) for name in ("base", "points", "marks"))
    assert len(np.unique(base.reshape(-1, 4), axis=0)) > 20, "the basemap is blank"
    assert 0.0005 < (points[..., 3] > 0).mean() < 0.5
    assert (marks[..., 3] > 0).any()
    screen.find_element("css selector", "form.inline button").click()
    states = wait_for_maps(screen, 2)
    assert [one["drawn"] for one in states] == ["4000", "3000"]
    assert query(screen) == {"left": [HOUR], "right": [OTHER]}
    assert_fits(screen)
    assert np.array_equal(canvas(screen, "base", 0), canvas(screen, "base", 1)), "the same extent"
    assert errors_of(screen) == []
    hosts = {urlparse(url).netloc for url in requests_of(screen)}
    assert hosts <= {urlparse(dashboard.address).netloc, ""}


def test_linked_maps_move_together_and_the_address_remembers(
    browser: Any, dashboard: Dashboard
) -> None:
    open_page(browser, f"{dashboard.address}/compare?left={HOUR}&right={OTHER}")
    wait_for_maps(browser, 2)
    before = canvas(browser, "base", 1)
    browser.execute_script(f"{STAGES}[0].getRootNode().getElementById('in').click()")
    wait_for(lambda: not np.array_equal(canvas(browser, "base", 1), before), "B does not follow")
    wait_for(lambda: "view" in query(browser), "the address does not remember")
    zoomed = [canvas(browser, "base", number) for number in range(2)]
    assert np.array_equal(*zoomed)
    browser.get(browser.current_url)
    wait_for_maps(browser, 2)
    wait_for(
        lambda: np.mean(canvas(browser, "base", 0) != zoomed[0]) < 0.02, "it is not shown again"
    )
    for number in range(2):
        browser.execute_script(f"{STAGES}[{number}].getRootNode().getElementById('home').click()")
    wait_for(lambda: "view" not in query(browser), "the address does not forget")
    assert errors_of(browser) == []


def test_table_leads_to_the_map_of_storms(browser: Any, dashboard: Dashboard) -> None:
    open_page(browser, f"{dashboard.address}/results/{HOUR}?by=storm&frame=3")
    wait_for_maps(browser)
    wait_for(lambda: wait_for_maps(browser)[0]["frame"] == "3", "the step of time is not shown")
    before = canvas(browser, "base")
    browser.find_element("css selector", "[data-storm='2']").click()
    wait_for(lambda: not np.array_equal(canvas(browser, "base"), before), "it leads nowhere")
    assert browser.find_element("css selector", "tr.found").get_attribute("id") == "storm2"
    assert wait_for_maps(browser)[0]["shows"] == "storms"
    browser.find_element("css selector", "[data-cluster='1']").click()
    wait_for(lambda: wait_for_maps(browser)[0]["shows"] == "clusters", "clusters are not shown")
    wait_for(lambda: query(browser).get("by") == ["cluster"], "the address does not remember")
    assert errors_of(browser) == []


def test_wheel_over_a_map_scrolls_the_page(browser: Any, dashboard: Dashboard) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    open_page(browser, f"{dashboard.address}/results/{HOUR}")
    wait_for_maps(browser)
    host = browser.find_element("css selector", ".map")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", host)
    before = browser.execute_script("return scrollY")
    ActionChains(browser).scroll_from_origin(ScrollOrigin.from_element(host), 0, 200).perform()
    wait_for(lambda: browser.execute_script("return scrollY") > before, "the page is trapped")


def test_pages_are_dark_where_that_is_wanted(browser: Any, dashboard: Dashboard) -> None:
    seen = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        open_page(browser, f"{dashboard.address}/?day=2024-07-14")
        seen.append(
            browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert seen == ["rgb(245, 247, 250)", "rgb(11, 14, 19)"]


def test_map_is_read_once_the_run_lets_go(browser: Any, dashboard: Dashboard) -> None:
    open_page(browser, dashboard.address)
    # The first answer is what the server says while a run has the database.
    script = browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {
            "source": """
                const real = window.fetch, busy = '{"error": "a run"}';
                let first = true;
                window.fetch = (address) => {
                    if (!first || !address.startsWith("/api/")) return real(address);
                    first = false;
                    const headers = { "Retry-After": "1" };
                    return Promise.resolve(new Response(busy, { status: 503, headers }));
                };
            """
        },
    )
    try:
        browser.get(f"{dashboard.address}/results/{HOUR}")
        state = browser.find_element("css selector", ".state")
        wait_for(lambda: "A run is under way" in state.text, "the run is not told")
        began = time.monotonic()
        wait_for_maps(browser)
        assert time.monotonic() - began < 10
        wait_for(lambda: not state.text, "the run is told for ever")
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    assert errors_of(browser) == []


def test_scripts_take_no_name_that_the_page_lacks() -> None:
    section, script = read_template("map.html"), read_template("map.js")
    wanted = set(re.findall(r'\$\("(\w+)"\)', script))
    assert wanted <= set(re.findall(r'id="(\w+)"', section))
