"""README and docs/: what they show runs, figures are those that are kept, every public name has a page."""

import importlib
import inspect
import json
import re
from itertools import chain
from pathlib import Path

import pytest

import ganaug
from ganaug.bench import available_suites, load_suite
from ganaug.classifiers.image_classifier import ClassifierConfig

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
START = ROOT / "docs" / "get_started.md"  # whose data and models the other pages go on with
# In this order; a page may use names of those before it, as it says.
ORDER = re.findall(r"^[a-z_]+$", (ROOT / "docs" / "how_to" / "index.md").read_text(encoding="utf-8"), re.M)
HOW_TO = [ROOT / "docs" / "how_to" / f"{name}.md" for name in ORDER]
PAGES = {path: path.read_text(encoding="utf-8") for path in [START, *HOW_TO, ROOT / "docs" / "benchmarks.md"]}
ALL_TEXT = "\n".join([README, *PAGES.values()])
EXAMPLE = r"Examples\n--------\n(.*\n)*?>>> "
PACKAGE = Path(ganaug.__file__).parent
ROOMS = [
    ".".join(path.parent.relative_to(PACKAGE).parts)
    for path in chain(PACKAGE.glob("*/__init__.py"), PACKAGE.glob("*/*/__init__.py"))  # deeper ones are for suites
    if "__all__" in path.read_text(encoding="utf-8") and path.parent.name != "cli"
]


def shortened(block):
    """The block with shorter trainings where several are compared, which is most of the time that it takes."""
    block = block.replace("SafeOverSampler(model[0], ", "SafeOverSampler(model[0], cv=2, ")
    return re.sub(r"TableGAN\(steps=\d+", "TableGAN(steps=20", block).replace("gate={", 'gate={"training": SHORT, ')


def run_blocks(name, text, names):
    names.setdefault("SHORT", ClassifierConfig(steps=100))
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(compile(shortened(block), name, "exec"), names)


def test_blocks_of_the_readme_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    run_blocks("README.md", README, names)
    assert names["images"].shape == (100, 1, 8, 8)
    assert (tmp_path / "samples.png").is_file()


def test_blocks_of_the_site_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for path, text in PAGES.items():
        run_blocks(path.name, text, names)
    (verdict,) = re.findall(r'print\(audit\(.*# ends with "(.*?)"', ALL_TEXT)
    assert f"\n{verdict}\n" in capsys.readouterr().out


def test_the_readme_is_short_and_has_both_set_up_commands():
    assert len(README.splitlines()) <= 150
    assert "pip install . && ganaug bench run quick" in README
    assert 'pip install -e ".[dev]" && pytest' in README


def test_links_between_files_lead_somewhere():
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]:
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", path.read_text(encoding="utf-8")):
            if "gallery/" not in target:
                assert (path.parent / target).exists(), f"{path}: {target}"


def test_suites_named_exist():
    named = set(re.findall(r"ganaug bench run ([\w-]+)(?= |`|\n)", ALL_TEXT)) - {"--data"}
    assert named == {"quick", "keel"}
    for table_row in re.findall(r"^\| `([a-z0-9-]+)`(?:, `([a-z-]+)`, `([a-z-]+)`)? \|", ALL_TEXT, re.M):
        assert set(filter(None, table_row)) <= set(available_suites())


@pytest.mark.parametrize(("suite", "experiment", "case"), [("quick", 0, 0), ("quick", 1, 0)])
def test_figures_are_those_that_are_kept(suite, experiment, case):
    summary = json.loads((ROOT / "benchmarks" / "results" / suite / "summary.json").read_text())
    kind = summary["experiments"][experiment]["kind"]
    for arm in summary["experiments"][experiment]["cases"][case]["arms"]:
        assert f"{arm['mean']:.2f} ({arm['deviation']:.2f})" in ALL_TEXT
        for difference in arm["differences"].values():
            interval = f"{difference['mean']:+.2f} [{difference['low']:+.2f}, {difference['high']:+.2f}]"
            assert interval in ALL_TEXT or arm["name"] in summary["suite"][kind]["baselines"]


def test_figures_on_tables_are_those_that_are_kept():
    summary = json.loads((ROOT / "benchmarks" / "results" / "keel" / "summary.json").read_text())
    for arm in summary["experiments"][0]["overall"]:
        metrics = ("AP", "balanced accuracy", "F1", "MCC")
        cells = [f"{arm['metrics'][m]:.1f} ({arm['ranks'][m]:.2f})" for m in metrics]
        assert re.search(rf"^\| {re.escape(arm['name'])}(: .*)? \| {re.escape(' | '.join(cells))} \|$", ALL_TEXT, re.M)


def test_the_suite_that_is_shown_can_be_read(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", ALL_TEXT, re.S)
    (tmp_path / "mine.toml").write_text(text)
    suite = load_suite(tmp_path / "mine.toml")
    assert [arm.name for arm, _ in suite.tables.pairs()] == ["gan", "gan"]


def public_objects():
    for room in ("", *ROOMS):
        module = importlib.import_module(f"ganaug.{room}".rstrip("."))
        for name in set(module.__all__) - {"__version__"}:
            yield f"{module.__name__}.{name}", getattr(module, name)


def test_every_public_name_has_an_example_that_runs():
    without = [name for name, value in public_objects() if not re.search(EXAMPLE, inspect.getdoc(value) or "")]
    assert without == []  # the doctests of the package run them


def test_every_figure_names_its_command():
    pages = {"README.md": README, "benchmarks.md": PAGES[ROOT / "docs" / "benchmarks.md"]}
    for name, text in pages.items():
        overview = text.split("## The measurements")[0]
        for row in re.findall(r"^\|.*\[[+-]?\d+\.\d.*\|$", overview, re.M):
            assert commands(row), f"{name}: {row}"
    for section in re.split(r"^### ", pages["benchmarks.md"], flags=re.M)[1:]:
        assert commands(section), section[:200]


def commands(text):
    """What in the text makes figures: scripts that are there, and suites that are there, by name or as a file."""
    found = re.findall(r"(?:`|&& )python\s(benchmarks/\S+?\.py)(?:\s([a-z0-9./-]+))?", text)
    for script, suite in found:
        assert (ROOT / script).is_file(), script
        if script == "benchmarks/run.py":
            assert suite in available_suites() or (suite.endswith(".toml") and (ROOT / suite).is_file()), suite
    return found


def test_every_public_name_has_a_page():
    api = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "api").glob("*.rst"))
    listed = set(re.findall(r"^   ([A-Za-z][\w.]*)$", api, re.M))
    missing = {
        f"{room}.{name}"
        for room in ROOMS
        for name in importlib.import_module(f"ganaug.{room}").__all__
        if f"{room}.{name}" not in listed and name not in listed.intersection(ganaug.__all__)
    }
    assert missing == set()
    assert set(ganaug.__all__) - {"__version__"} <= listed
