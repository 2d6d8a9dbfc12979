"""Scripts of benchmarks/ and benchmarks/speed/, which import each other as they do when they are run."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    """Import a script by its name; the folders are on the path as long as tests of the module run."""
    with pytest.MonkeyPatch.context() as patch:
        for folder in (BENCHMARKS, BENCHMARKS / "speed"):
            patch.syspath_prepend(folder)
        yield importlib.import_module
