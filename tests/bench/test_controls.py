"""Positive and negative controls: whole benchmarks on data whose truth is known, and on arms that are the same.

Equal arms with simulated results are in test_summary.py.
"""

import functools
import sys

import numpy as np
import pytest
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.datasets import load_breast_cancer
from sklearn.naive_bayes import GaussianNB

from ganaug.bench import Suite, TableArm, TableExperiment, run_suite
from ganaug.bench.cases import case as cases
from ganaug.bench.methods.scores import METRICS
from ganaug.bench.suite.plugins import Plugin

COLUMNS = 8


def draw(labels, randomness):
    """Two classes of one mixture: the rare one is stretched along a direction of its own and shifted."""
    rows = randomness.normal(size=(len(labels), COLUMNS))
    rare = labels == 1
    rows[rare] *= np.linspace(0.6, 1.6, COLUMNS)
    rows[rare, 0] += 0.5
    return rows


def mixture(seed):
    y = np.repeat([0, 1], 1000)
    return draw(y, np.random.default_rng(seed)), y


class _Sampler(BaseOverSampler):
    def __init__(self, *, sampling_strategy="auto", random_state=None):
        super().__init__(sampling_strategy=sampling_strategy)
        self.random_state = random_state

    def _fit_resample(self, X, y):
        randomness = np.random.default_rng(self.random_state)
        labels = np.repeat(list(self.sampling_strategy_), list(self.sampling_strategy_.values()))
        return np.concatenate([X, self._rows(X, labels, randomness)]), np.concatenate([y, labels])


class Oracle(_Sampler):
    """Draws from the true mixture."""

    def _rows(self, X, labels, randomness):
        return draw(labels, randomness)


class ShuffledLabels(_Sampler):
    """Draws real rows, whatever their class."""

    def _rows(self, X, labels, randomness):
        return X[randomness.integers(len(X), size=len(labels))] + 0.01 * randomness.normal(size=(len(labels), COLUMNS))


class Noise(_Sampler):
    """Draws all over the place."""

    def _rows(self, X, labels, randomness):
        return randomness.uniform(-6, 6, size=(len(labels), COLUMNS))


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setitem(sys.modules, "controls", sys.modules[__name__])


def benchmarks(n, arms, classifier, folder):
    """As many benchmarks, on tables of their own, in one run; the verdicts on each arm against the first."""
    experiment = TableExperiment(
        datasets=tuple(Plugin(f"table {i}", "controls.mixture", {"seed": i}) for i in range(n)),
        n_per_class=(100,),
        imbalance=(10.0,),
        splits=8,
        arms=arms,
        baselines=(arms[0].name,),
        classifiers=(classifier,),
        metrics=("AUC", "balanced accuracy"),
    )
    summary = run_suite(Suite("controls", "Controls", tables=experiment), folder, jobs=1, verbose=False)
    assert summary["failed"] == []
    (found,) = summary["experiments"]
    of_arms = [{arm["name"]: arm for arm in case["arms"]} for case in found["cases"]]
    verdicts = {
        arm.name: [by_name[arm.name]["differences"][arms[0].name]["verdict"] for by_name in of_arms] for arm in arms[1:]
    }
    return verdicts, {(test["arm"], test["metric"]): test for test in found["tests"]}


@pytest.mark.usefixtures("own")
def test_an_oracle_is_found_and_shuffled_labels_and_noise_never_are(tmp_path):
    arm = functools.partial(TableArm, against=("none",))
    arms = (
        TableArm("none"),
        arm("oracle", Plugin("oracle", "controls.Oracle")),
        arm("shuffled", Plugin("shuffled", "controls.ShuffledLabels")),
        arm("noise", Plugin("noise", "controls.Noise")),
    )
    classifier = Plugin("bayes", f"{GaussianNB.__module__}.GaussianNB")
    verdicts, tests = benchmarks(7, arms, classifier, tmp_path / "run")
    assert np.mean([verdict == "gain" for verdict in verdicts["oracle"]]) >= 0.8
    for bad in ("shuffled", "noise"):
        assert "gain" not in verdicts[bad]
        assert verdicts[bad].count("harm") >= 4
    assert tests["oracle", "AUC"]["low"] > 0
    assert tests["oracle", "AUC"]["won"] == 7
    assert tests["oracle", "AUC"]["harm"] <= 0.1
    for bad in ("shuffled", "noise"):
        assert tests[bad, "AUC"]["high"] < 0
        assert tests[bad, "AUC"]["harm"] >= 0.9


def patients(seed):
    """A few rows and columns of a real table."""
    X, y = load_breast_cancer(return_X_y=True)
    chosen = np.random.default_rng(seed).permutation(len(y))[:120]
    return X[chosen, :6], y[chosen]


@pytest.mark.usefixtures("own")
def test_two_real_arms_are_called_different_as_seldom_as_alpha_says(tmp_path, monkeypatch):
    """200 benchmarks of one arm against itself with other seeds: trees on real rows, through the whole harness."""
    # Of the metrics only what is compared is computed.
    monkeypatch.setattr(
        cases, "scores", lambda y, _, predicted, positive: dict.fromkeys(METRICS, float((predicted == y).mean()))
    )
    experiment = TableExperiment(
        datasets=tuple(Plugin(f"table {i}", "controls.patients", {"seed": i}) for i in range(20)),
        n_per_class=(6,),
        splits=3,
        arms=(TableArm("real"), TableArm("real again", against=("real",))),
        baselines=("real",),
        classifiers=tuple(Plugin(f"tree {i}", "forest", {"n_estimators": 1}) for i in range(10)),
        metrics=("accuracy",),
    )
    summary = run_suite(Suite("aa", "A/A", tables=experiment), tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    again = [case["arms"][1]["classifiers"].values() for case in summary["experiments"][0]["cases"]]
    differences = [classifier["differences"]["real"] for classifiers in again for classifier in classifiers]
    assert len(differences) == 200
    assert sum(difference["mean"] != 0 for difference in differences) > 180  # no arm shares a start with its like
    called = np.mean([difference["verdict"] in ("gain", "harm") for difference in differences])
    assert called <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    assert 0.42 < np.mean([difference["p"] for difference in differences]) < 0.58  # no more certain than chance is
    (verdict,) = summary["verdicts"]
    assert "no gain" in verdict
