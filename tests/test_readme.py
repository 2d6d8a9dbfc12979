import json
import re
from pathlib import Path

import pytest

from ganaug.bench import available_suites

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_blocks_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert blocks
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["images"].shape == (100, 1, 8, 8)
    assert (tmp_path / "samples.png").is_file()


def test_both_set_up_commands_are_there():
    assert "pip install . && ganaug bench run quick" in README
    assert 'pip install -e ".[dev]" && pytest' in README


def test_suites_named_exist():
    assert set(re.findall(r"ganaug bench run (\w+)", README)) <= set(available_suites())


@pytest.mark.parametrize("suite", ["quick", "mnist5k"])
def test_figures_are_those_that_are_kept(suite):
    summary = json.loads((ROOT / "benchmarks" / "results" / suite / "summary.json").read_text())
    for arm in summary["arms"]:
        assert f"{arm['accuracy']:.2f} ({arm['deviation']:.2f})" in README
        for difference in arm["differences"].values():
            interval = f"{difference['mean']:+.2f} [{difference['low']:+.2f}, {difference['high']:+.2f}]"
            assert interval in README or arm["name"] in summary["suite"]["baselines"]


def test_figures_on_tables_are_those_that_are_kept():
    kept = (ROOT / "benchmarks" / "results" / "keel.md").read_text().partition("against others")[0]
    rows = {}
    for line in kept.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 8 and cells[0] != "arm" and "---" not in cells[0]:
            rows[cells[0]] = [cells[i] for i in (1, 3, 4, 6)]
    for name, arm in {
        "nothing": "none",
        "nothing, but a tuned threshold": "none + threshold",
        "class weights": "class weight",
        "random over-sampling": "random",
        "SMOTE": "smote",
        "Gaussian copula": "copula",
        "the same with a copula in the GAN's place": "ganaug (copula for GAN)",
    }.items():
        assert f"| {name} | {' | '.join(rows[arm])} |" in README
    assert "| `GANOverSampler()` | " + " | ".join(f"**{cell}**" for cell in rows["ganaug"]) + " |" in README
