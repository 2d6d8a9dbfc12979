import ast
import importlib.util
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
CLIENTS = ("lightning", "optuna", "skorch", "transformers")  # of the extra "clients": their examples need them


def lacking(path):
    """Clients that an example imports and that are not installed."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    wanted = {name.partition(".")[0] for name in names} & {*CLIENTS}
    return sorted(name for name in wanted if importlib.util.find_spec(name) is None)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # of torch, for how Lightning 2.6 calls it
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path, tmp_path, monkeypatch, capsys):
    if missing := lacking(path):
        pytest.skip(f"needs {', '.join(missing)}; pip install ganaug[clients]")
    monkeypatch.chdir(tmp_path)
    short = ["--steps", "2"] if "--steps" in path.read_text() else []
    monkeypatch.setattr(sys, "argv", [str(path), *short])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
