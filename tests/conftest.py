"""Tests run side by side, and what they start runs beside them: each computes on one thread."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
TREES = "ganaug.curation.consistency.TREES"


@pytest.fixture(autouse=True, scope="module")
def fewer_trees():
    """A fifth of the trees that rows are selected by: all of them take half of the time that small tables take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TREES, 20)
        yield


@pytest.fixture
def all_trees(monkeypatch):
    """As many as in use, for tests of how good the rows are."""
    monkeypatch.setattr(TREES, 100)
