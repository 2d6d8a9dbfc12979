"""Tests run side by side, and what they start runs beside them: each computes on one thread."""

import gc
import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish():
    """Leave the modules and tests that are loaded by now out of each search for what can be freed."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure():
    """Give it back, since extension modules look at the end for what was never freed."""
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="module")
def fewer_trees():
    """A fifth of the trees that rows are selected by: all of them take half of the time that small tables take."""
    from ganaug.curation import consistency

    in_use = consistency.TREES
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consistency, "TREES", in_use // 5)
        yield in_use


@pytest.fixture
def all_trees(fewer_trees, monkeypatch):
    """As many as in use, for tests of how good the rows are."""
    monkeypatch.setattr("ganaug.curation.consistency.TREES", fewer_trees)
