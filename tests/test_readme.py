import json
import re
from pathlib import Path

import pytest

from ganaug.bench import available_suites, load_suite
from ganaug.classifiers.image_classifier import ClassifierConfig

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def shortened(block):
    """The block with shorter trainings where several are compared, which is most of the time that it takes."""
    return re.sub(r"TableGAN\(steps=\d+", "TableGAN(steps=20", block).replace("gate={", 'gate={"training": SHORT, ')


def test_python_blocks_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert blocks
    names: dict = {"SHORT": ClassifierConfig(steps=100)}
    for block in blocks:
        exec(compile(shortened(block), "README.md", "exec"), names)
    (verdict,) = re.findall(r'print\(audit\(.*# ends with "(.*?)"', README)
    assert f"\n{verdict}\n" in capsys.readouterr().out
    assert names["images"].shape == (100, 1, 8, 8)
    assert (tmp_path / "samples.png").is_file()


def test_both_set_up_commands_are_there():
    assert "pip install . && ganaug bench run quick" in README
    assert 'pip install -e ".[dev]" && pytest' in README


def test_suites_named_exist():
    named = set(re.findall(r"ganaug bench run ([\w-]+)(?= |`|\n)", README)) - {"--data"}
    assert named == {"quick", "keel"}
    for table_row in re.findall(r"^\| `([a-z0-9-]+)`(?:, `([a-z-]+)`, `([a-z-]+)`)? \|", README, re.M):
        assert set(filter(None, table_row)) <= set(available_suites())


@pytest.mark.parametrize(("suite", "experiment", "case"), [("quick", 0, 0), ("quick", 1, 0)])
def test_figures_are_those_that_are_kept(suite, experiment, case):
    summary = json.loads((ROOT / "benchmarks" / "results" / suite / "summary.json").read_text())
    kind = summary["experiments"][experiment]["kind"]
    for arm in summary["experiments"][experiment]["cases"][case]["arms"]:
        assert f"{arm['mean']:.2f} ({arm['deviation']:.2f})" in README
        for difference in arm["differences"].values():
            interval = f"{difference['mean']:+.2f} [{difference['low']:+.2f}, {difference['high']:+.2f}]"
            assert interval in README or arm["name"] in summary["suite"][kind]["baselines"]


def test_the_suite_in_it_can_be_read(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.S)
    (tmp_path / "mine.toml").write_text(text)
    suite = load_suite(tmp_path / "mine.toml")
    assert [arm.name for arm, _ in suite.tables.pairs()] == ["gan", "gan"]


def test_figures_on_tables_are_those_that_are_kept():
    summary = json.loads((ROOT / "benchmarks" / "results" / "keel" / "summary.json").read_text())
    for arm in summary["experiments"][0]["overall"]:
        metrics = ("AP", "balanced accuracy", "F1", "MCC")
        cells = [f"{arm['metrics'][m]:.1f} ({arm['ranks'][m]:.2f})" for m in metrics]
        assert re.search(rf"^\| {re.escape(arm['name'])}(: .*)? \| {re.escape(' | '.join(cells))} \|$", README, re.M)
