"""Scripts of benchmarks/speed/, which import each other as they do when they are run."""

import importlib
from pathlib import Path

import pytest

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"


@pytest.fixture(scope="module")
def speed_script():
    """Import a script by its name; the folder is on the path as long as tests of the module run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SPEED)
        yield importlib.import_module
