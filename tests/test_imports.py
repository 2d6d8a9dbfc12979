import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ganaug

PACKAGE = Path(ganaug.__file__).parent
ROOMS = ["data", "training", "gans", "quality", "curation", "transforms", "resampling", "bench", "cli"]


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "ganaug" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_point_towards_data(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in ROOMS:
        assert all(ROOMS.index(other) <= ROOMS.index(room) for other in imported_rooms(path) if other in ROOMS)


def test_public_names_are_there_and_others_are_not():
    assert set(ganaug.__all__) <= set(dir(ganaug))
    for name in ganaug.__all__:
        assert getattr(ganaug, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'ImageGun'"):
        ganaug.ImageGun  # noqa: B018


@pytest.mark.parametrize("code", ["import ganaug", "import ganaug.cli; ganaug.cli.main(['--help'])"])
def test_nothing_heavy_is_imported_before_it_is_used(code):
    watch = (
        "import sys, atexit; atexit.register(lambda: print('HEAVY', 'torch' in sys.modules, 'sklearn' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", f"{watch}\n{code}"], capture_output=True, text=True, check=False)
    assert "HEAVY False False" in done.stdout, done.stderr
