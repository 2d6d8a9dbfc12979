"""Positive and negative controls: whole benchmarks on data whose truth is known; equal arms are in test_summary.py."""

import functools
import sys

import numpy as np
import pytest
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.naive_bayes import GaussianNB

from ganaug.bench import Suite, TableArm, TableExperiment, run_suite
from ganaug.bench.plugins import Plugin

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
