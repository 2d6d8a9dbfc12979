"""Arms of tables with a gate."""

import dataclasses
import sys
from typing import ClassVar

import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from sklearn.linear_model import LogisticRegression

from ganaug.bench import TableArm, run_suite
from ganaug.bench.cases.checking import check_suite
from ganaug.bench.execution.workers import make_case
from ganaug.bench.inputs.datasets import TableData
from ganaug.bench.methods.classifiers import Columns, fit_predict
from ganaug.bench.methods.gated import _OnTables
from ganaug.bench.methods.samplers import make_gate
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin
from ganaug.resampling import GANOverSampler


class Counting(RandomOverSampler):
    """Remembers the size of each table it was fitted on."""

    seen: ClassVar[list] = []

    def fit_resample(self, X, y):
        self.seen.append(len(X))
        return super().fit_resample(X, y)


@pytest.fixture
def suite(table_suite, monkeypatch):
    monkeypatch.setitem(sys.modules, "own_gated", sys.modules[__name__])
    Counting.seen.clear()
    return with_arm(table_suite, TableArm("gated", Plugin("own", "own_gated.Counting"), raw=True, gate=True))


def with_arm(suite, arm):
    tables = dataclasses.replace(
        suite.tables, datasets=suite.tables.datasets[:1], arms=(TableArm("none"), arm), repeats=1, baselines=("none",)
    )
    return dataclasses.replace(suite, tables=tables)


def records(suite, folder):
    store = Store(folder)
    tasks = [task for task in make_case(suite, 0, store).tasks() if task.arm == "gated"]
    return {(t.split, c): store.read(k) for t in tasks for k, c in zip(t.keys, t.classifiers, strict=True)}


def test_inner_samples_are_drawn_once_for_all_classifiers_and_never_from_test_rows(suite, tmp_path):
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    found = records(suite, tmp_path / "run")
    assert len(found) == 3 * 2
    ratios = {}
    for place, record in found.items():
        ratios[place] = float(record["note"].removeprefix("ratio ").removesuffix(" chosen"))
        counts = record["n_rows"] - (52 - 52 // 3)
        assert (counts <= 1) == (ratios[place] == 0)
    n_train = {52 - 18, 52 - 17}
    inner = [n for n in Counting.seen if n not in n_train]
    # Resumed, a cell comes out as it was.
    before = (tmp_path / "run" / "cells.csv").read_bytes()
    sorted((tmp_path / "run" / "cells").iterdir())[3].unlink()
    run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert (tmp_path / "run" / "cells.csv").read_bytes() == before
    assert len(inner) == 3 * 5 * 2  # splits, folds, repetitions: once for both classifiers
    assert max(inner) < min(n_train)


def test_the_gan_can_be_gated(suite):
    case = make_case(suite, 0, Store("."))
    arm = TableArm("gated", Plugin("gan", "gan", {"local_share": 0.3}), gate=True)
    gate = make_gate(arm, case.data, suite.tables, seed=3)
    sampler = gate._sampler.sampler
    assert isinstance(sampler, GANOverSampler)
    assert (sampler.local_share, sampler.random_state, gate._scoring) == (0.3, 3, "balanced_accuracy")


@pytest.mark.parametrize("sampler", [None, Plugin("smote", "smote"), Plugin("own", "own_gated.Counting")])
def test_samplers_that_cannot_be_gated_are_refused(suite, sampler):
    with pytest.raises(ValueError, match="arm 'gated' has a gate, which takes the sampler 'gan'"):
        check_suite(with_arm(suite, TableArm("gated", sampler, gate=True)))


class Weighted(LogisticRegression):
    """Remembers the class weights of each fit."""

    seen: ClassVar[list] = []

    def fit(self, X, y):
        self.seen.append(self.class_weight)
        return super().fit(X, y)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gate_of_an_arm_with_class_weights_judges_a_classifier_with_them(suite, weighted):
    case = make_case(suite, 0, Store("."))
    data = TableData(case.data.X, case.targets, case.data.nominal)
    arm = dataclasses.replace(suite.tables.arms[1], class_weight=weighted)
    Weighted.seen.clear()
    make_gate(arm, data, suite.tables, 0).resample(Plugin("w", "own_gated.Weighted"), Columns(data))
    assert set(Weighted.seen) == {"balanced" if weighted else None}
    assert len(Weighted.seen) > 5


@pytest.mark.parametrize("target", ["sklearn.naive_bayes.GaussianNB", "sklearn.svm.LinearSVC"])
def test_the_gate_of_an_arm_with_prior_correction_judges_corrected_probabilities(suite, target):
    case = make_case(suite, 0, Store("."))
    encode = Columns(case.data)
    arm, classifier = TableArm("a", prior_correction=True), Plugin("c", target)
    judged = _OnTables(arm, classifier, case.data.nominal, None, 0).fit(case.data.X, case.targets)
    rows = encode(case.data.X)
    expected, _, _ = fit_predict(arm, classifier, (rows, case.targets), rows, 2, 0)
    np.testing.assert_allclose(judged.predict_proba(case.data.X), expected)
    np.testing.assert_array_equal(judged.predict(case.data.X), expected.argmax(1))
