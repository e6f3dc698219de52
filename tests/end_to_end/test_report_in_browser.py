"""The report in a browser: opened from a file without a network, it is whole, silent, sorts and filters."""

import shutil
import time
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import report_run

from nanotrigger.report.write import write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (requirements-dev.in)")
from selenium.webdriver.common.by import By

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium with its driver (Debian: apt install chromium chromium-driver)"
)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A report with 60 rows of designs, alone in a folder: nothing lies beside it."""
    results, plan = tmp_path_factory.mktemp("results") / "made", report_run.plan()
    report_run.write_run(results, plan, models=5)
    path = tmp_path_factory.mktemp("mailed") / "report.html"
    write_report(report_run.source_of(results, plan), path)
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
        "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def look(browser, width=1280, height=1000, scheme="light"):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)


@pytest.fixture
def opened(browser, address):
    """The report at its first page, in a light window; gives the messages and requests of a test at its end."""
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    look(browser)
    browser.get("about:blank")
    browser.get(address)
    wait_for(lambda: browser.execute_script("return document.documentElement.dataset.ready") == "yes")
    return SimpleNamespace(browser=browser, go=lambda page: go(browser, page))


def go(browser, page):
    """Open a page by its entry in the navigation, or by its address."""
    links = browser.find_elements(By.CSS_SELECTOR, f'nav a[href="#{page}"]')
    if links:
        links[0].click()
    else:
        browser.execute_script("location.hash = arguments[0]", page)
    wait_for(lambda: visible(browser) == [page])


def visible(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('.page')].filter(p => !p.hidden).map(p => p.id)"
    )


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the page did not change"
        time.sleep(0.02)


def column(browser, table, title):
    """Texts of a column of a sortable table, as shown."""
    script = """
        const table = document.querySelector(`#${arguments[0]} table.sortable`);
        const heads = [...table.tHead.rows[0].cells].map(c => c.textContent.trim());
        const at = heads.indexOf(arguments[1]);
        return [...table.tBodies[0].rows].map(r => r.cells[at] ? r.cells[at].textContent : r.textContent);
    """
    return browser.execute_script(script, table, title)


def click_header(browser, table, title):
    heads = browser.find_elements(By.CSS_SELECTOR, f"#{table} table.sortable thead th")
    next(head for head in heads if head.text == title).click()


def pages(browser):
    return browser.execute_script("return [...document.querySelectorAll('.page')].map(p => p.id)")


def test_opens_without_a_network_and_without_a_word(opened):
    """Every page: no message of any level in the console, no request but for the file and what it carries."""
    import json

    browser = opened.browser
    assert "models" in pages(browser) and "model-hgq_1000" in pages(browser)
    for page in pages(browser):
        opened.go(page)
    assert browser.execute_script("return document.documentElement.dataset.ready") == "yes"
    assert browser.get_log("browser") == []
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    addresses = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert addresses and {urlsplit(a).scheme for a in addresses} <= {"file", "data"}
    assert len({a for a in addresses if a.startswith("file:")}) == 1


def test_the_silence_would_be_noticed(opened):
    """What the test above relies on: an error, and a request, are seen; and the page's own policy refuses the request."""
    opened.browser.execute_script("const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i)")
    wait_for(lambda: any("Content Security Policy" in e["message"] for e in opened.browser.get_log("browser")))


def test_every_picture_loads(opened):
    for page in pages(opened.browser):
        opened.go(page)
    widths = opened.browser.execute_script("return [...document.images].map(i => i.complete ? i.naturalWidth : 0)")
    assert widths == [80, 80]


def test_one_page_at_a_time(opened):
    browser = opened.browser
    assert visible(browser) == ["overview"] and "Overview" in browser.title
    opened.go("models")
    browser.find_element(By.LINK_TEXT, "hgq_3000").click()
    wait_for(lambda: visible(browser) == ["model-hgq_3000"])
    assert browser.title.startswith("hgq_3000")
    assert browser.find_element(By.CSS_SELECTOR, "nav a[aria-current]").text == "Models"
    browser.back()
    wait_for(lambda: visible(browser) == ["models"])
    # an address of a part opens the page that holds it
    browser.execute_script("location.hash = 'figure-jets'")
    wait_for(lambda: visible(browser) == ["dataset"])
    browser.execute_script("location.hash = '%E0%A4%A'")
    wait_for(lambda: visible(browser) == ["overview"])


def test_a_models_page_holds_the_chain(opened):
    opened.go("model-hgq_1000")
    (first, *_) = opened.browser.find_elements(By.CSS_SELECTOR, "#model-hgq_1000-seed0 .chain")
    steps = [step.text for step in first.find_elements(By.CSS_SELECTOR, ".step")]
    assert steps[:2] == ["Python", "QONNX file"] and all(step for step in steps)
    everything = opened.browser.find_element(By.ID, "model-hgq_1000-seed0").text
    for link in ("rtl: hardware description", "rtl: netlist", "hls4ml: hardware description", "0 of 4,000 differ"):
        assert link in everything
    curve = opened.browser.find_element(By.CSS_SELECTOR, "#model-hgq_1000-seed0 polyline")
    assert curve.size["width"] > 100 and curve.size["height"] > 20


def test_a_table_sorts_by_number_with_empty_cells_last(opened):
    browser = opened.browser
    before = column(browser, "table-summary", "LUT")
    click_header(browser, "table-summary", "LUT")
    rising = column(browser, "table-summary", "LUT")
    click_header(browser, "table-summary", "LUT")
    falling = column(browser, "table-summary", "LUT")
    assert before != rising != falling and len(before) == len(rising) == len(falling) == 50, "the first 50 of 60 rows"
    values = [int(text.replace(",", "")) for text in rising if text != "\N{EN DASH}"]
    assert values == sorted(values) and set(values) == {976, 977, 29096, 29097}
    assert rising == [f"{v:,}" for v in values] + ["\N{EN DASH}"] * (50 - len(values))
    assert [t for t in falling if t != "\N{EN DASH}"] == [f"{v:,}" for v in sorted(values, reverse=True)]
    assert falling[-1] == "\N{EN DASH}", "empty cells stay last"


def test_search_keeps_the_rows_that_match(opened):
    browser = opened.browser
    opened.go("designs")
    field = browser.find_element(By.CSS_SELECTOR, "#table-hardware input[type=search]")
    assert field.get_attribute("aria-label") == "Search in Designs"
    for typed, expected in (("hgq_3000 rtl", {"hgq_3000"}), ("29096", {"hgq_1000"}), ("29,096", {"hgq_1000"})):
        field.clear()
        field.send_keys(typed)
        wait_for(lambda expected=expected: set(column(browser, "table-hardware", "model")) == expected)
    field.clear()
    field.send_keys("nothing has this")
    wait_for(lambda: "No matching records" in "".join(column(browser, "table-hardware", "model")))


def test_the_same_from_the_keyboard(opened):
    """A header is sorted by with Enter; the link that skips the navigation leads to the page that is open."""
    opened.go("designs")
    opener = "document.querySelector('#table-hardware th .dt-column-order').focus()"
    opened.browser.execute_script(opener)
    opened.browser.switch_to.active_element.send_keys("\ue007")
    wait_for(lambda: opened.browser.find_elements(By.CSS_SELECTOR, "#table-hardware th[aria-sort=ascending]"))
    opened.browser.execute_script("document.querySelector('.skip').click()")
    time.sleep(0.1)
    assert visible(opened.browser) == ["designs"]


def test_narrow_screens_do_not_scroll_sideways(opened):
    look(opened.browser, width=360, height=800)
    for page in pages(opened.browser):
        opened.go(page)
        assert opened.browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), page


def contrast(browser, selector):
    """Contrast of a text with its page, as WCAG counts it."""
    script = """
        const text = getComputedStyle(document.querySelector(arguments[0])).color;
        const paper = getComputedStyle(document.documentElement).backgroundColor;
        return [text, paper].map(c => c.match(/[0-9.]+/g).slice(0, 3).map(Number));
    """
    light = []
    for colour in browser.execute_script(script, selector):
        linear = [v / 255 / 12.92 if v / 255 <= 0.04045 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
        light.append(sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))
    return (max(light) + 0.05) / (min(light) + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_in_light_and_dark(opened, scheme):
    look(opened.browser, scheme=scheme)
    for selector in ("#overview p", "#overview a", "#overview td", "#overview td .empty", "#overview .hint", "nav a"):
        assert contrast(opened.browser, selector) >= 4.5, selector
    background = opened.browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    # the tables' library brings a look of its own, and follows the page's
    script = "return getComputedStyle(document.querySelector('#overview .dt-container')).backgroundColor"
    assert opened.browser.execute_script(script) in ("rgba(0, 0, 0, 0)", background)


def test_without_scripts_every_page_is_there(opened):
    """For printers and text browsers: the pages follow each other."""
    opened.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened.browser.refresh()
        shown = [page.is_displayed() for page in opened.browser.find_elements(By.CSS_SELECTOR, ".page")]
    finally:
        opened.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert len(shown) == len(pages(opened.browser)) and all(shown)


@pytest.mark.parametrize("scheme, width", [("light", 1280), ("dark", 1280), ("light", 390)])
def test_screenshots_are_kept(opened, tmp_path_factory, scheme, width):
    """In the folder `screenshots` of pytest's temporary ones, the last three of which it keeps."""
    folder = tmp_path_factory.getbasetemp() / "screenshots"
    folder.mkdir(exist_ok=True)
    look(opened.browser, width=width, scheme=scheme)
    for page in ("overview", "model-hgq_1000"):
        opened.go(page)
        path = folder / f"{page}_{scheme}_{width}.png"
        assert opened.browser.save_screenshot(str(path)) and path.stat().st_size > 20_000
