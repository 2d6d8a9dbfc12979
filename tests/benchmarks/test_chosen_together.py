"""Synthetic rows that are chosen together with the classifier."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier


@pytest.fixture(scope="module")
def module(script):
    return script("chosen_together")


@pytest.fixture
def few(module, monkeypatch):
    """Few candidates, as many by either way, and samplers that take no training."""
    plain, neighbours = module.both(LogisticRegression(max_iter=1000)), module.trees(KNeighborsClassifier(3))
    monkeypatch.setattr(module, "FIRST", [*plain, *module.trees(DummyClassifier())])
    monkeypatch.setattr(module, "FURTHER", neighbours * 3)
    monkeypatch.setattr(module, "SHORTLIST", 1)
    monkeypatch.setattr(module, "SAMPLERS", {"local": ({"local_share": 1.0, "selection": False}, (2, 5, 9))})
    monkeypatch.setattr(module, "ADDED", ["local 2", "local 5", "local 9"])
    return module


def test_both_ways_try_as_many_candidates(module):
    assert len(module.FIRST) == 12
    assert len(module.FURTHER) == module.SHORTLIST * len(module.ADDED) == 12
    settings = {(repr(each.classifier), each.columns) for each in module.FIRST + module.FURTHER}
    assert len(settings) == 24


def test_a_trial_adds_as_many_rows_of_each_class_and_judges_by_others(few):
    data, train, test = few.balanced_rows("wine", 60, 0)
    trial = few.Trial(data.X.iloc[train].reset_index(drop=True), data.y[train], data.X.iloc[test], data.y[test], (), 0)
    rows, labels = trial._rows["local 5"]
    assert len(rows) == len(labels) == 60 + 3 * 5
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(data.y[train]) + 5)
    np.testing.assert_array_equal(rows[:60], data.X.iloc[train])
    dummy = few.Candidate(DummyClassifier(), few.STANDARD)
    assert trial.judged(dummy) == (50, pytest.approx(100 / 3))
    good = few.Candidate(LogisticRegression(max_iter=1000), few.NORMAL, "local 9")
    assert trial.judged(good)[0] == trial.area(good) > 95


def test_the_best_in_the_folds_is_chosen(few):
    class Fold:
        def __init__(self, areas):
            self.areas = areas

        def area(self, candidate):
            return self.areas.get((candidate.columns, candidate.added, type(candidate.classifier)), 60)

    normal = (few.NORMAL, "none", LogisticRegression)
    added = (few.NORMAL, "local 5", LogisticRegression)
    other = (few.STANDARD, "none", KNeighborsClassifier)
    folds = [Fold({normal: 80, added: 81, other: 85}), Fold({normal: 80, added: 83, other: 79})]
    alone, together, control = few.chosen(folds)
    assert isinstance(alone.classifier, KNeighborsClassifier)  # 82 in the mean
    assert (together.columns, together.added) == (few.NORMAL, "local 5")
    assert (control.columns, control.added) == (few.NORMAL, "none")


def test_a_split_is_measured_and_reported(few):
    values, added = few.of_split("wine", 60, 0)
    assert values.shape == (2, 3)
    assert (values > 80).all()
    assert added in ["none", *few.ADDED]
    worse = values - np.array([[0, 1, 0], [0, 2, 0]])
    found = {60: {"wine": [(values, "none")], "b": [(worse, "local 5")], "c": [(worse, "local 5")]}}
    text = "\n".join(few.report(found))
    assert "Chosen with synthetic rows, of 3: none: 1, local 2: 0, local 5: 2, local 9: 0." in text
    gap = (values[0, 1] - values[0, 0]) - 2 / 3
    assert f"| 60 | {gap:+.2f} [" in text
