"""No pickle on any path by which something is read."""

import ast
from pathlib import Path

import pytest

import ganaug

ROOT = Path(ganaug.__file__).parent
UNPICKLING = {"pickle", "cloudpickle", "dill", "joblib", "jsonpickle", "loky", "marshal", "shelve"}
LOADING = {"load", "load_state_dict_from_url", "load_url", "read_array", "read_pickle", "unpickle"}
RUNNING = {"eval", "exec", "compile", "__import__"}
# Named here are calls that are allowed, and why.
ALLOWED = {
    # Only the name of its exception, which torch.hub raises for weights that it refuses.
    ("classifiers/pretrained.py", "import pickle"),
    # Calls and results between processes of one run, on one user's machines; nothing is read from a file.
    ("bench/execution/executors.py", "import joblib"),
    ("bench/execution/processes.py", "import loky"),
    ("bench/execution/processes.py", "import loky.process_executor"),
    ("bench/execution/scheduling.py", "import joblib"),
    ("bench/run.py", "import joblib"),
    ("resampling/safe.py", "import joblib"),
    # A hash of arrays in memory.
    ("bench/methods/gated.py", "import joblib"),
}


def findings(source):
    """What a module imports or calls that may unpickle."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found |= {f"import {name}" for name in names if name.partition(".")[0] in UNPICKLING}
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
            if name in RUNNING and isinstance(node.func, ast.Name):
                found.add(name)
            if name in LOADING:
                called = ast.unparse(node.func)
                options = {option.arg: ast.unparse(option.value) for option in node.keywords}
                if called.startswith(("np.", "numpy.")) and options.get("allow_pickle") != "False":
                    found.add(f"{called} without allow_pickle=False")
                if called.startswith("torch.") and options.get("weights_only") != "True":
                    found.add(f"{called} without weights_only=True")
                if "pickle" in name or called.startswith("joblib."):
                    found.add(called)
    return found


MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def test_nothing_unpickles_but_what_is_named():
    found = {(name, what) for name in MODULES for what in findings((ROOT / name).read_text(encoding="utf-8"))}
    assert found == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "from joblib import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.lib.format.read_array(file)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "pd.read_pickle(path)",
        "eval(text)",
    ],
)
def test_what_unpickles_is_found(source):
    assert findings(source)
