import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    short = ["--steps", "2"] if "--steps" in path.read_text() else []
    monkeypatch.setattr(sys, "argv", [str(path), *short])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
