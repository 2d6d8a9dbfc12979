"""The report in a real browser: nothing is fetched or run, all can be read, sorted and reached by keyboard."""

import itertools
import os
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from ganaug.bench import ImageArm, ImageExperiment, Suite, TableArm, TableExperiment
from ganaug.bench.cases.case import Task, case_specs, heading, scored
from ganaug.bench.records.store import Store
from ganaug.bench.results.report import read_summary, write_report
from ganaug.bench.suite.plugins import Plugin
from ganaug.data.images.pictures import png_bytes

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
SCRIPT, BOLD = "<script>alert(1)</script>", "<b>bold</b>"
IMAGE = """<img src="https://example.com/x" onerror="alert('x')">"""
LONG = "W" * 120
TIMED_OUT = ("<i>slow</i>", LONG)  # an arm whose cells are given up in all cases, and one in the first only
KEEL = Path(__file__).parents[2] / "benchmarks" / "results" / "keel" / "summary.json"
GREYS = {
    "#000000",
    "#555555",
    "#999999",
    "#dddddd",
    "#e3e8ef",
    "#ffffff",
}  # axes, bands and letters of files
TEXT, GRAPHIC = 4.5, 3.0  # contrasts that WCAG 2.2 asks for: 1.4.3 and 1.4.11
SECONDS = (9.0, 10.0, 100.0, 11.5, 2.0)

IMAGE_ARMS = (
    ImageArm("real"),
    ImageArm("classical", transform="affine"),
    ImageArm("gan 25 %", 0.25),
    ImageArm(SCRIPT, 0.5),
    ImageArm(LONG, 0.75),
    ImageArm(TIMED_OUT[0], transform="flip"),
)
TABLE_ARMS = (
    TableArm("none"),
    TableArm(BOLD, Plugin("smote", "smote"), against=("none",)),
    TableArm(LONG, class_weight=True, against=("none",)),
    TableArm(r"$\frac$", threshold=True, against=(BOLD,)),
)


def declared():
    """A suite that makes the page show everything it can."""
    networks = Plugin("small-cnn", "small-cnn"), Plugin(f"net {BOLD}", "small-cnn")
    images = ImageExperiment(
        datasets=(Plugin(f"digits {BOLD}", "digits"),),
        n_per_class=(9, 10, 100),
        splits=3,
        arms=IMAGE_ARMS,
        baselines=("real", "classical"),
        classifiers=networks,
    )
    tables = TableExperiment(
        datasets=tuple(Plugin(name, "t") for name in (IMAGE, LONG, "c", "d", "e", "f", "g")),
        arms=TABLE_ARMS,
        baselines=("none",),
        classifiers=(Plugin("logistic", "logistic"), Plugin("knn", "knn")),
        metrics=("balanced accuracy", "log-loss"),
    )
    return Suite("page", f"All of it {SCRIPT}{LONG}", images=images, tables=tables)


def described(spec, experiment):
    """What the harness says of the data of a case, as in ``run._grid``."""
    folded = spec.kind == "tables"
    return {
        "name": spec.name,
        "kind": spec.kind,
        "dataset": spec.dataset.name,
        "n_per_class": spec.n_per_class,
        "splits": experiment.folds if folded else experiment.splits,
        "correlation": 0.2 if folded else None,
        "imbalance": spec.imbalance,
        "classes": [SCRIPT, "no"] if folded else [IMAGE, LONG, "two"],
        "shape": "4 columns" if folded else "1x28x28",
        "n_train": 80,
        "n_test": 20,
        "n_rarest": 6,
        "duplicates": 1,
        "sha256": "0" * 64,
    }


def recorded(suite, data):
    """Records as the cells would have made them, with results drawn at random."""
    rng = np.random.default_rng(0)
    for index, about in enumerate(data):
        experiment = suite.experiment(about["kind"])
        n_classes = len(about["classes"])
        targets = np.arange(60) % n_classes
        predictions = scored(targets, rng.dirichlet(np.ones(n_classes), 60), positive=1 if n_classes == 2 else None)
        for split in range(about["splits"]):
            if about["kind"] == "images":
                audit = (
                    {"audit": {"verdict": "fail", "text": f"Copies: {SCRIPT}\n  {LONG} {LONG}"}} if split == 0 else {}
                )
                made = {"fit_seconds": 12.5, "consistency": [0.9, 0.8, 1.0], "steps": 1000, **audit}
                yield {**heading(Task(index, 0, split, None, 0, ("k",), ("",)), "k"), "status": "done", **made}
            for (number, arm), network in itertools.product(enumerate(experiment.arms), experiment.classifiers):
                record = heading(Task(index, 1, split, arm.name, 0, ("k",), (network.name,)), "k")
                if arm.name == TIMED_OUT[0] or (arm.name == TIMED_OUT[1] and index == 0):
                    yield {**record, "status": "timed out", "reason": f"not finished after {IMAGE}\n# nor later"}
                    continue
                level = 0.01 * number + 0.02 * index + rng.normal(0, 0.01)
                metrics = {name: value + level for name, value in predictions["metrics"].items()}
                note = {"note": f"fewer rows {SCRIPT}"} if arm.amount and split == 0 else {}
                result = {**predictions, "metrics": metrics, **note}
                yield {**record, "status": "done", "seconds": SECONDS[number % len(SECONDS)], **result}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    suite = declared()
    data = [described(spec, suite.experiment(spec.kind)) for spec in case_specs(suite)]
    store = Store(root)
    store.open(suite, ["k"], {about["name"]: about["sha256"] for about in data})
    store.sheet(0).write_bytes(png_bytes(Image.new("L", (1200, 120), 128)))
    write_report(root, suite, list(recorded(suite, data)), data, f"ganaug bench run '{SCRIPT}{LONG}'")
    return root / "report.html"


@pytest.fixture(scope="module")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _lacking("pip install playwright")
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None) or _lacking("apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def _lacking(remedy):
    (pytest.fail if os.environ.get("GANAUG_REQUIRE_BROWSER") else pytest.skip)(f"no browser to test with: {remedy}")


@pytest.fixture(params=[(390, "light"), (1280, "dark"), (390, "dark"), (1280, "light")], ids=lambda p: f"{p[0]}-{p[1]}")
def page(browser, report, request):
    """The report, opened; what it asked for and complained of is told at the end."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: (errors.append(dialog.message), dialog.dismiss()))
    page.goto(report.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    yield page
    context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]


OUTSIDE = """() => {
  const width = document.documentElement.clientWidth + 1;
  return [...document.querySelectorAll("body *")]
    .filter((e) => !e.closest(".wide, svg") && e.getBoundingClientRect().right > width)
    .map((e) => e.outerHTML.slice(0, 80));
}"""


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(OUTSIDE) == []


def test_names_are_shown_as_they_are_and_run_nothing(page):
    text = page.inner_text("body")
    for name in (SCRIPT, BOLD, IMAGE, LONG, r"$\frac$"):
        assert name in text
    assert page.locator("script").count() == 1
    assert page.locator("body b, body i, img[src^='http']").count() == 0


CONTRAST = """(elements) => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
  };
  return elements.map((e) => {
    const style = getComputedStyle(e);
    const ink = light(channels(e.namespaceURI.endsWith("svg") ? style.fill : style.color)), paper = light(behind(e));
    return [(Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05), e.outerHTML.slice(0, 90)];
  });
}"""


def test_markdown_holds_no_tags_of_names_either(report):
    text = report.with_suffix(".md").read_text()
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in prose
    assert not re.search(r"<(script|b|img)", prose)
    assert "Failed:" in prose
    assert all(line.startswith("- ") for line in prose.split("Failed:")[1].split("\n\n")[0].strip().splitlines())


def test_text_stands_out_from_what_is_behind_it(page):
    found = page.eval_on_selector_all("p, td, th, h1, h2, h3, li, caption, figcaption, summary, svg text", CONTRAST)
    assert len(found) > 100
    assert [where for contrast, where in found if contrast < TEXT] == []
    lines = page.eval_on_selector_all(".legend span", CONTRAST)
    assert lines
    assert [where for contrast, where in lines if contrast < GRAPHIC] == []


def column(table, number):
    return [row.strip() for row in table.locator(f"tbody tr td:nth-child({number})").all_inner_texts()]


def test_tables_sort_by_number_both_ways_with_gaps_last(page):
    table = page.locator("details.case table.sortable").first
    heads = table.locator("thead th")
    seconds = heads.all_inner_texts().index("classifier (s)") + 1
    before = column(table, seconds)
    assert "" in before
    expected = sorted((value for value in before if value), key=float)
    button = heads.nth(seconds - 1).locator("button")
    button.click()
    assert heads.nth(seconds - 1).get_attribute("aria-sort") == "descending"
    assert [value for value in column(table, seconds) if value] == expected[::-1]
    assert column(table, seconds)[-1] == ""
    button.focus()
    page.keyboard.press("Enter")
    assert heads.nth(seconds - 1).get_attribute("aria-sort") == "ascending"
    assert [value for value in column(table, seconds) if value] == expected
    assert column(table, seconds)[-1] == ""
    # Names sort as text, and only one column says that it is sorted.
    heads.first.locator("button").click()
    down = column(table, 1)
    heads.first.locator("button").click()
    assert column(table, 1) == down[::-1]
    assert table.locator("th[aria-sort]").count() == 1


def test_everything_that_can_be_shown_is(page):
    text = page.inner_text("body")
    for heading_text in (
        "Tests over datasets",
        "Mean ranks",
        "dataset by dataset",
        "accuracy against real samples a class",
        "gain over real against real samples a class",
        "gain over classical against real samples a class",
        "by share of synthetic samples",
        "By classifier",
        "Are the samples of their class?",
        "Are they copies? Fail",
        "Recall per class",
        "Calibration",
        "Samples of the first split",
        "Notes",
        "Failed",
        "How it was made",
    ):
        assert heading_text in text
    assert page.locator(".chart svg polyline").count() >= 6
    assert page.locator("figure img").evaluate("(image) => image.naturalWidth") == 1200


def test_it_opens_with_the_verdict_and_one_chart_of_each_kind_with_an_axis(page):
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = false; })")
    shown = page.locator(".forest:visible")
    assert shown.count() == 2
    for chart in (shown.nth(0), shown.nth(1)):
        assert "0" in chart.locator(".axis text").all_text_contents()
        values = chart.locator(".value").all_inner_texts()[:-1]
        assert values
        assert all(re.match(r"[+-]\d+\.\d\d \[[+-]\d", value) for value in values)
    page.locator("#unfold").click()
    assert page.locator("details:not([open])").count() == 0


def test_a_caption_stays_beside_its_table_that_is_scrolled(page):
    found = page.evaluate("""() => [...document.querySelectorAll(".wide")].map((part) => {
      part.scrollLeft = 10000;
      const caption = part.querySelector("caption");
      if (!caption) return 0;
      const [inner, outer] = [caption.getBoundingClientRect(), part.getBoundingClientRect()];
      return Math.max(outer.left - inner.left, inner.right - outer.right);
    })""")
    assert len(found) > 10
    assert max(found) <= 1


def test_tables_of_a_large_benchmark_fit_into_a_window_of_1280_pixels(browser, tmp_path):
    shutil.copy(KEEL, tmp_path)
    read_summary(tmp_path)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((tmp_path / "report.html").as_uri())
    page.locator("#unfold").click()
    widths = page.eval_on_selector_all(".wide", "(parts) => parts.map((part) => [part.scrollWidth, part.clientWidth])")
    page.close()
    assert len(widths) > 50
    assert [pair for pair in widths if pair[0] > pair[1]] == []


def test_charts_and_files_have_the_same_colours(report):
    page = report.read_text()
    (light, _) = re.findall(r":root \{(.*?)\}", page)
    colours = dict(re.findall(r"--(\w+): (#\w+);", light))
    drawn = {colour for path in (report.parent / "figures").iterdir() for colour in _strokes(path.read_text())}
    assert {colours["gain"], colours["line0"], colours["line1"]} <= drawn
    assert drawn <= {*colours.values(), *GREYS}


def _strokes(svg):
    return re.findall(r'(?:stroke|fill)="(#\w{6})"', svg)


def test_details_are_folded_at_first(report):
    assert re.findall(r"<details[^>]*\bopen\b", report.read_text()) == []


def test_charts_are_files_too(report):
    names = {path.name for path in (report.parent / "figures").iterdir()}
    assert {f"{name}.svg" for name in ("gain-images", "gain-tables", "curve-images-1", "calibration-images-1")} <= names
    for name in names:
        shown = ElementTree.parse(report.parent / "figures" / name).getroot()
        assert shown.tag == "{http://www.w3.org/2000/svg}svg"
        assert not {"{http://www.w3.org/2000/svg}script", "{http://www.w3.org/2000/svg}img"} & {
            e.tag for e in shown.iter()
        }
    text = " ".join(ElementTree.parse(report.parent / "figures" / "gain-images.svg").getroot().itertext())
    assert SCRIPT in text
