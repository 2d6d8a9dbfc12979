"""Classifiers and samplers that return what is no result, or that change what they are handed."""

import dataclasses
import random
import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import RandomOverSampler
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import MinMaxScaler
from torch import nn

from ganaug.bench import ImageArm, TableArm, run_suite
from ganaug.bench.inputs.datasets import TableData
from ganaug.bench.methods.classifiers import Columns, fit_predict
from ganaug.bench.methods.drawn import leaked_rows
from ganaug.bench.methods.samplers import make_gate, resample
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import TableExperiment

Y = np.repeat([0, 1], [30, 12])
X = np.random.default_rng(0).normal(size=(42, 2)) + 1.5 * Y[:, None]
TABLE = TableData(pd.DataFrame(X, columns=["a", "b"]), Y, ())


@pytest.fixture(autouse=True)
def own(monkeypatch):
    monkeypatch.setitem(sys.modules, "hostile", sys.modules[__name__])


def plugin(name, **params):
    return Plugin(name, f"hostile.{name}", params)


class Returning(GaussianNB):
    """Its results, by a function that makes something else of them."""

    def __init__(self, what="nan", var_smoothing=1e-9):
        super().__init__(var_smoothing=var_smoothing)
        self.what = what

    def predict_proba(self, X):
        return PROBABILITIES[self.what](super().predict_proba(X))


PROBABILITIES = {
    "nan": lambda p: np.where(np.arange(len(p))[:, None] == 3, np.nan, p),
    "infinite": lambda p: p / 0.0 if p.min() > 1 else np.where(p == p.max(), np.inf, p),
    "sums": lambda p: 2 * p / 3,
    "negative": lambda p: np.stack([-p[:, 0], 1 + p[:, 0]], axis=1),
    "decision values": lambda p: 8 * (p - 0.5),
    "log": lambda p: np.log(p + 1e-9),
    "one column": lambda p: p[:, 1:],
    "flat": lambda p: p[:, 1],
    "a column more": lambda p: np.concatenate([p, 0 * p[:, :1]], axis=1),
    "rows": lambda p: p[:-1],
    "strings": lambda p: p.astype(str),
    "objects": lambda p: p.astype(object),
    "ragged": lambda p: [[1.0], *p[1:].tolist()],
    "of every class": lambda p: [p, p],
    "nothing": lambda p: None,
}


@pytest.mark.parametrize("what", PROBABILITIES)
def test_what_is_no_probability_is_refused_in_one_sentence(what):
    with pytest.raises(ValueError, match=r"^classifier 'Returning' must return (finite )?probabilities") as raised:
        fit_predict(TableArm("a"), plugin("Returning", what=what), (X, Y), X, 2, 0)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 150


class Renaming(GaussianNB):
    def __init__(self, names=(0, 1)):
        super().__init__()
        self.names = names

    def fit(self, X, y):
        super().fit(X, y)
        order = np.argsort(self.names) if sorted(map(str, self.names)) == ["0", "1"] else [0, 1]
        self._inner = GaussianNB().fit(X, y)
        self.order_ = np.asarray(order)
        self.classes_ = None if self.names == () else np.asarray(self.names)
        return self

    def predict_proba(self, X):
        return self._inner.predict_proba(X)[:, self.order_]


@pytest.mark.parametrize(
    "names", [(-1, 1), (1, 2), (0, 2), ("0", "1"), (0, 0), (0,), (0.5, 1), (0, 1, 2), ((0, 1), (1, 0)), (), (0, np.nan)]
)
def test_classes_that_the_labels_do_not_have_are_refused(names):
    with pytest.raises(ValueError, match=r"must have the labels that it was trained on, \[0, 1\], in classes_"):
        fit_predict(TableArm("a"), plugin("Renaming", names=names), (X, Y), X, 2, 0)


@pytest.mark.parametrize("names", [(0, 1), (1, 0), (0.0, 1.0), (False, True)])
def test_classes_in_any_order_and_dtype_are_taken_as_the_columns_they_name(names):
    found, _, _ = fit_predict(TableArm("a"), plugin("Renaming", names=names), (X, Y), X, 2, 0)
    np.testing.assert_array_equal(found, GaussianNB().fit(X, Y).predict_proba(X))


class Deciding(LogisticRegression):
    """Has scores alone, of a shape of its own; and predicts what it likes."""

    def __init__(self, shape="two", predicted=1):
        super().__init__()
        self.shape, self.predicted = shape, predicted

    predict_proba = property()

    def decision_function(self, X):
        scores = super().decision_function(X)
        return {"two": np.stack([scores, scores], axis=1), "nan": scores * np.nan, "rows": scores[1:]}[self.shape]


@pytest.mark.parametrize("shape", ["two", "nan", "rows"])
def test_scores_of_another_shape_and_without_a_value_are_refused(shape):
    with pytest.raises(ValueError, match=r"classifier 'Deciding' must return (finite )?scores"):
        fit_predict(TableArm("a"), plugin("Deciding", shape=shape), (X, Y), X, 2, 0)


def test_a_classifier_that_fails_takes_no_other_one_down(table_suite, tmp_path):
    bad = [dataclasses.replace(plugin("Returning", what=what), name=what) for what in ("nan", "one column")]
    classifiers = (*bad, plugin("Renaming", names=(-1, 1)), *table_suite.tables.classifiers)
    tables = dataclasses.replace(
        table_suite.tables,
        arms=table_suite.tables.arms[:2],
        classifiers=classifiers,
        datasets=table_suite.tables.datasets[:1],
        folds=2,
        repeats=1,
    )
    summary = run_suite(dataclasses.replace(table_suite, tables=tables), tmp_path / "run", jobs=1, verbose=False)
    assert {f["classifier"] for f in summary["failed"]} == {"nan", "one column", "Renaming"}
    assert len(summary["failed"]) == 2 * 2 * 3
    for failed in summary["failed"]:
        assert re.match(r"ValueError: classifier '.*' must [^\n]*$", failed["reason"])


class Resampling(RandomOverSampler):
    def __init__(self, what="-1", sampling_strategy="auto", random_state=None):
        super().__init__(sampling_strategy=sampling_strategy, random_state=random_state)
        self.what = what

    def fit_resample(self, X, y):
        rows, labels = super().fit_resample(X, y)
        return RESAMPLED[self.what](rows, labels)


def changed(rows, value):
    rows = rows.copy()
    if isinstance(rows, pd.DataFrame):
        rows.iloc[2, 1] = value
    else:
        rows[2, 1] = value
    return rows


LABELS = "must return labels that the training rows have"
RESAMPLED = {
    "-1": lambda rows, y: (rows, np.where(y == 1, 1, -1)),
    "unknown": lambda rows, y: (rows, y + 1),
    "halves": lambda rows, y: (rows, y + 0.5),
    "missing": lambda rows, y: (rows, np.where(y == 1, np.nan, y)),
    "strings": lambda rows, y: (rows, y.astype(str)),
    "few labels": lambda rows, y: (rows, y[:-1]),
    "column": lambda rows, y: (rows, y[:, None]),
    "one hot": lambda rows, y: (rows, np.eye(2)[y]),
    "few rows": lambda rows, y: (rows[:-1], y),
    "no rows": lambda rows, y: (rows[:0], y[:0]),
    "few columns": lambda rows, y: (np.asarray(rows)[:, :1], y),
    "more columns": lambda rows, y: (np.concatenate([rows, rows], axis=1), y),
    "rows alone": lambda rows, y: rows,
    "three": lambda rows, y: (rows, y, y),
}


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("what", RESAMPLED)
def test_what_are_no_rows_with_known_labels_is_refused_in_one_sentence(what, raw):
    arm = TableArm("a", plugin("Resampling", what=what), raw=raw)
    with pytest.raises(ValueError, match=r"^sampler 'Resampling' must return [^\n]*$") as raised:
        resample(arm, TABLE, Columns(TABLE), 0)
    assert (LABELS in str(raised.value)) == (what in ("-1", "unknown", "halves", "missing", "strings"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_of_numbers_are_finite(value, monkeypatch):
    monkeypatch.setitem(RESAMPLED, "changed", lambda rows, y: (changed(rows, value), y))
    with pytest.raises(ValueError, match="must return finite rows, got NaN or infinity in 1 of 60 rows"):
        resample(TableArm("a", plugin("Resampling", what="changed")), TABLE, Columns(TABLE), 0)


@pytest.mark.parametrize(
    "same",
    [
        lambda rows, y: (rows, y.astype(float)),
        lambda rows, y: (rows, pd.Series(y, index=y + 5)),
        lambda rows, y: [np.asarray(rows), y.astype(object)],
        lambda rows, y: (pd.DataFrame(np.asarray(rows), columns=["a", "b"])[["b", "a"]][["a", "b"]], y),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_rows_and_labels_of_other_types_mean_the_same(same, raw, monkeypatch):
    monkeypatch.setitem(RESAMPLED, "same", same)
    arm = TableArm("a", plugin("Resampling", what="same"), raw=raw)
    (rows, y), _ = resample(arm, TABLE, Columns(TABLE), 0)
    plain = TableArm("a", Plugin("r", "imblearn.over_sampling.RandomOverSampler"), raw=raw)
    (expected, of_expected), _ = resample(plain, TABLE, Columns(TABLE), 0)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(y, of_expected)
    assert y.dtype == np.int64


def test_a_gate_refuses_the_same(monkeypatch):
    arm = TableArm("a", plugin("Resampling", what="-1"), raw=True, gate=True)
    gate = make_gate(arm, TABLE, TableExperiment((), (arm,), ()), 0)
    with pytest.raises(ValueError, match=LABELS):
        gate.resample(Plugin("knn", "knn"), Columns(TABLE))


class InPlace(LogisticRegression):
    """Scales its input where it stands, and wipes the labels."""

    def fit(self, X, y):
        self._scaler = MinMaxScaler(copy=False).fit(X)
        super().fit(self._scaler.transform(X), y)
        y[:] = 0
        return self

    def predict_proba(self, X):
        return super().predict_proba(self._scaler.transform(X))


class Drawing(GaussianNB):
    """Draws from the global states."""

    def fit(self, X, y):
        noise = np.random.rand(*X.shape) + random.random() + torch.rand(1).item()
        return super().fit(X + noise, y)


class Wiping(RandomOverSampler):
    def fit_resample(self, X, y):
        rows, labels = super().fit_resample(X, y)
        rows, labels = rows.copy(), labels.copy()
        if isinstance(X, pd.DataFrame):
            X.loc[:, "a"] = 0.0
        else:
            X[:] = 0
        y[:] = 1 - y
        return rows, labels


@pytest.mark.parametrize("arm", [TableArm("a"), TableArm("a", threshold=True), TableArm("a", prior_correction=True)])
def test_a_classifier_that_works_in_place_is_right_and_changes_nothing(arm):
    given = X.copy(), Y.copy()
    test = X.copy()
    found = fit_predict(arm, plugin("InPlace"), given, test, 2, 0)
    np.testing.assert_array_equal(given[0], X)
    np.testing.assert_array_equal(given[1], Y)
    np.testing.assert_array_equal(test, X)
    scaled = MinMaxScaler().fit_transform(X)
    expected = fit_predict(arm, Plugin("l", "sklearn.linear_model.LogisticRegression"), (scaled, Y), scaled, 2, 0)
    np.testing.assert_allclose(found[0], expected[0])
    np.testing.assert_array_equal(found[1] is None, expected[1] is None)


def cells(folder):
    return (folder / "cells.csv").read_bytes()


@pytest.mark.parametrize("raw", [False, True])
def test_plugins_that_work_in_place_or_draw_globally_give_the_same_alone(table_suite, tmp_path, raw):
    tables = dataclasses.replace(
        table_suite.tables,
        datasets=table_suite.tables.datasets[:1],
        arms=(TableArm("none"), TableArm("wiping", plugin("Wiping"), raw=raw)),
        classifiers=(plugin("InPlace"), plugin("Drawing"), Plugin("knn", "knn")),
        folds=2,
        repeats=1,
    )
    suite = dataclasses.replace(table_suite, tables=tables)
    assert run_suite(suite, tmp_path / "run", jobs=1, verbose=False)["failed"] == []
    whole = cells(tmp_path / "run")
    for path in sorted((tmp_path / "run" / "cells").iterdir())[1::2]:
        path.unlink()
    run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert cells(tmp_path / "run") == whole
    order = dataclasses.replace(suite, tables=dataclasses.replace(tables, classifiers=tables.classifiers[::-1]))
    run_suite(order, tmp_path / "order", jobs=1, verbose=False)
    assert sorted(cells(tmp_path / "order").splitlines()) == sorted(whole.splitlines())


def test_what_works_in_place_changes_nothing_for_the_next_one_in_a_gate():
    arm = TableArm("a", plugin("Wiping"), raw=True, gate=True)
    alone, after = (make_gate(arm, TABLE, TableExperiment((), (arm,), ()), 0) for _ in range(2))
    encode, bayes = Columns(TABLE), Plugin("bayes", "sklearn.naive_bayes.GaussianNB")
    after.resample(plugin("InPlace"), encode)
    (rows, y), note = after.resample(bayes, encode)
    (expected, of_expected), of_alone = alone.resample(bayes, encode)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(y, of_expected)
    assert note == of_alone
    np.testing.assert_array_equal(TABLE.X, X)
    np.testing.assert_array_equal(TABLE.y, Y)


class Fading:
    """Works in place on the image it is handed, by a number of its own and of numpy's global state."""

    def __call__(self, image):
        return image.mul_(0.5).add_(float(np.random.rand()))


class Net(nn.Sequential):
    def __init__(self, image_shape, n_classes, more=0):
        super().__init__(nn.Flatten(), nn.Linear(64, n_classes + more))

    def forward(self, images):
        return super().forward(images.sub_(0.5))


def test_images_are_not_changed_by_what_works_in_place(image_suite, tmp_path):
    images = dataclasses.replace(
        image_suite.images,
        arms=(ImageArm("real"), ImageArm("fading", transform="hostile.Fading")),
        classifiers=(plugin("Net"), dataclasses.replace(plugin("Net", more=1), name="one more")),
        baselines=("real",),
        repeats=1,
    )
    suite = dataclasses.replace(image_suite, images=images)
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert {(f["classifier"], f["reason"]) for f in summary["failed"]} == {
        ("one more", "ValueError: network 'one more' must return probabilities of shape (14, 2), got (14, 3)")
    }
    whole = cells(tmp_path / "run")
    for path in sorted((tmp_path / "run" / "cells").iterdir())[1::2]:
        path.unlink()
    run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert cells(tmp_path / "run") == whole


class Stealing(RandomOverSampler):
    """Returns rows that it should not know beside those that it was handed."""

    known: pd.DataFrame

    def fit_resample(self, X, y):
        table = pd.concat([X, self.known[X.columns]], ignore_index=True)
        return table, np.concatenate([y, np.resize([0, 1], len(self.known))])


def whole_numbers(rng, n, kind):
    """Tables without a value of its own in any row."""
    if kind == "dates":
        return pd.DataFrame(
            {f"c{i}": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(10, size=n), "D") for i in range(6)}
        )
    table = pd.DataFrame({f"c{i}": rng.integers(10, size=n) for i in range(6)})
    return table.map("abcdefghij".__getitem__) if kind == "names" else table.astype(kind)


@pytest.mark.parametrize("kind", ["int64", "Int64", "names", "dates"])
def test_test_rows_in_a_table_of_known_values_are_no_gain(kind, table_suite, tmp_path):
    rng = np.random.default_rng(0)
    table = whole_numbers(rng, 150, kind).assign(y=np.repeat([0, 1], [100, 50]))
    table.to_parquet(tmp_path / "whole.parquet")
    Stealing.known = table.copy()
    tables = dataclasses.replace(
        table_suite.tables,
        datasets=(Plugin("whole", str(tmp_path / "whole.parquet"), {"target": "y"}),),
        arms=(TableArm("none"), TableArm("stealing", plugin("Stealing"), raw=True, against=("none",))),
        classifiers=(Plugin("bayes", "sklearn.naive_bayes.GaussianNB"),),
        repeats=1,
    )
    summary = run_suite(dataclasses.replace(table_suite, tables=tables), tmp_path / "run", jobs=1, verbose=False)
    assert [f["arm"] for f in summary["failed"]] == ["stealing"] * 3
    assert all("50 of 250 rows are test rows: the test set leaked" in f["reason"] for f in summary["failed"])
    assert "too few finished splits" in summary["verdicts"][0]


def grid(*levels):
    return np.stack(np.meshgrid(*map(np.arange, levels), indexing="ij"), axis=-1).reshape(-1, len(levels)).astype(float)


def parts(rows, n_train, seed=0):
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows[order[:n_train]], rows[order[n_train:]]


def linked(rows):
    """Three columns that follow from the first."""
    return np.concatenate([rows, rows[:, :1] * 2, rows[:, :1] ** 2, -rows[:, :1]], axis=1)


@pytest.mark.parametrize(
    ("rows", "n_train"),
    [
        (grid(3, 4, 4, 3, 3), 345),  # every row there is, once, as of cars by their ratings
        (grid(3, 4, 4, 3, 3), 40),  # of which few are trained on
        (linked(grid(10, 10, 5)), 400),
        (linked(grid(10, 10, 5)), 100),
        (np.repeat(grid(4, 4), 9, axis=0), 100),
        (grid(2, 2, 2), 5),
    ],
)
def test_a_generator_that_only_knows_what_is_possible_is_not_accused(rows, n_train):
    training, test = parts(rows, n_train)
    possible = np.unique(rows, axis=0)
    drawn = possible[np.random.default_rng(1).integers(len(possible), size=2 * n_train)]
    assert leaked_rows(np.concatenate([training, drawn]), training, test) == 0
    # Nor if it throws away what it was trained on.
    others = drawn[~(drawn[:, None] == training).all(2).any(1)]
    assert leaked_rows(np.concatenate([training, others]), training, test) == 0


@pytest.mark.parametrize("among", [0, 100])
@pytest.mark.parametrize("rounding", [0.0, -0.0, 1e-12])
def test_test_rows_among_others_are_found_whatever_their_last_digits(among, rounding):
    training, test = parts(np.random.default_rng(0).integers(10, size=(150, 6)).astype(float), 120)
    training[0] = training[1]  # rows that repeat each other are no excuse
    honest = training[np.random.default_rng(1).integers(120, size=(among, 6)), np.arange(6)]
    stolen = np.where(test == 0, rounding, test + rounding)
    rows = np.concatenate([training, honest, stolen])
    assert leaked_rows(rows, training, test) == 30
