import sys
import types

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, matthews_corrcoef
from sklearn.svm import LinearSVC

from ganaug.bench.inputs.datasets import TableData
from ganaug.bench.methods.classifiers import CLASSIFIERS, Columns, best_threshold, fit_predict
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import TableArm


def rows(counts=(80, 16), seed=0, gap=1.2):
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(counts)), counts)
    return rng.normal(size=(len(y), 3)) + gap * y[:, None], y


def predict(arm, target="logistic", counts=(80, 16), **params):
    X, y = rows(counts)
    return fit_predict(arm, Plugin(target, target, params), (X, y), rows(counts, seed=1)[0], len(counts), 0)


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
@pytest.mark.parametrize("counts", [(80, 16), (60, 30, 12)])
def test_every_classifier_predicts_probabilities(name, counts):
    probabilities, predicted, note = predict(TableArm("none"), name, counts)
    assert probabilities.shape == (sum(counts), len(counts))
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert (probabilities.argmax(1) == rows(counts, seed=1)[1]).mean() > 0.6
    assert predicted is None
    assert note is None


def test_class_weights_help_the_rare_class_where_they_are_taken():
    plain, weighted = (predict(TableArm("a", class_weight=weight))[0] for weight in (False, True))
    assert weighted[:, 1].mean() > plain[:, 1].mean() + 0.05
    assert predict(TableArm("a", class_weight=True), "knn")[2] == "knn takes no class weights"


def test_a_threshold_changes_predictions_and_no_probability():
    arm = TableArm("tuned", threshold=True)
    probabilities, predicted, _ = predict(arm)
    np.testing.assert_array_equal(probabilities, predict(TableArm("none"))[0])
    assert predicted.mean() > (probabilities[:, 1] >= 0.5).mean()
    assert set(predicted) == {0, 1}


def test_a_threshold_is_tuned_for_the_metric_that_is_asked_for():
    X, y = rows((4000, 200), gap=0.8)
    asked = {metric: TableArm("tuned", threshold=metric) for metric in (True, "balanced accuracy", "F1", "MCC")}
    found = {
        metric: fit_predict(arm, Plugin("logistic", "logistic", {}), (X, y), rows((4000, 200), 1, 0.8)[0], 2, 0)[1]
        for metric, arm in asked.items()
    }
    np.testing.assert_array_equal(found[True], found["balanced accuracy"])
    scores = {metric: f1_score(y, predicted) for metric, predicted in found.items()}
    assert scores["F1"] > scores["balanced accuracy"]
    assert scores["MCC"] > scores["balanced accuracy"]
    assert found["F1"].mean() < found["balanced accuracy"].mean()


@pytest.mark.parametrize("metric", ["balanced accuracy", "F1", "MCC"])
def test_the_best_threshold_is_that_of_all(metric):
    score = {"balanced accuracy": balanced_accuracy_score, "F1": f1_score, "MCC": matthews_corrcoef}[metric]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        positive = rng.random(60) < 0.2
        scores = (rng.normal(size=60) + positive).round(1)
        best = max(score(positive, scores >= cut) for cut in np.unique(scores)[1:])
        found = best_threshold(scores, positive, metric)
        assert score(positive, scores >= found) == pytest.approx(best)
        assert found not in scores
    assert best_threshold(np.ones(5), np.arange(5) > 3, metric) is None


def test_a_threshold_is_tuned_for_the_last_class_as_metrics_are_also_where_it_is_the_more_frequent():
    (X, y), (tested, expected) = rows((200, 4000), gap=0.8), rows((200, 4000), 1, 0.8)
    found = {
        metric: fit_predict(
            TableArm("tuned", threshold=metric), Plugin("logistic", "logistic", {}), (X, y), tested, 2, 0
        )[1]
        for metric in ("balanced accuracy", "F1")
    }
    assert f1_score(expected, found["F1"]) > f1_score(expected, found["balanced accuracy"]) + 0.05


def test_neighbours_of_a_few_rare_rows_get_a_threshold():
    X, y = rows((80, 4))
    _, predicted, note = fit_predict(TableArm("t", threshold=True), Plugin("knn", "knn", {}), (X, y), X, 2, 0)
    assert note is None
    assert predicted.sum() > 0


def test_constant_predictions_have_no_threshold_and_that_is_told():
    probabilities, predicted, note = predict(TableArm("t", threshold=True), "sklearn.dummy.DummyClassifier")
    assert "no threshold was tuned" in note
    assert set(predicted) == {0}
    assert len(np.unique(probabilities, axis=0)) == 1


def test_prior_correction_divides_by_the_shares_of_the_classes():
    plain = predict(TableArm("none"))[0]
    corrected = predict(TableArm("prior", prior_correction=True))[0]
    by_hand = plain / [80 / 96, 16 / 96]
    np.testing.assert_allclose(corrected, by_hand / by_hand.sum(1, keepdims=True))


def test_scores_are_calibrated_before_priors_are_taken_out_of_them():
    svm = {"target": "sklearn.svm.LinearSVC", "dual": False}
    corrected, _, note = predict(TableArm("prior", prior_correction=True), **svm)
    assert note is None
    X, y = rows()
    by_hand = CalibratedClassifierCV(LinearSVC(dual=False, random_state=0), ensemble=False, cv=5).fit(X, y)
    by_hand = by_hand.predict_proba(rows(seed=1)[0]) / [80 / 96, 16 / 96]
    np.testing.assert_allclose(corrected, by_hand / by_hand.sum(1, keepdims=True))
    corrected, _, note = predict(TableArm("prior", prior_correction=True), counts=(80, 1), **svm)
    assert "a class of one sample" in note
    assert np.isfinite(corrected).all()


@pytest.mark.parametrize("target", ["sklearn.svm.LinearSVC", "logistic"])
@pytest.mark.parametrize("counts", [(30, 30), (20, 20, 20), (1, 1)])
def test_equal_classes_have_no_priors_to_take_out(target, counts):
    plain, corrected = (predict(TableArm("a", prior_correction=asked), target, counts) for asked in (False, True))
    np.testing.assert_array_equal(corrected[0], plain[0])
    assert corrected[2] == plain[2]
    for probabilities, predicted, _ in (plain, corrected):
        assert predicted is None or np.array_equal(predicted, probabilities.argmax(1))
    unequal = (counts[0] + 20, *counts[1:])
    plain, corrected = (predict(TableArm("a", prior_correction=asked), target, unequal) for asked in (False, True))
    assert np.abs(corrected[0] - plain[0]).max() > 0.01


def test_scores_stand_for_probabilities_where_there_are_none():
    for counts in ((80, 16), (60, 30, 12)):
        probabilities, _, _ = predict(TableArm("none"), "sklearn.svm.LinearSVC", counts, dual=False)
        np.testing.assert_allclose(probabilities.sum(1), 1)
        assert (probabilities.argmax(1) == rows(counts, seed=1)[1]).mean() > 0.6


def test_metrics_of_probabilities_that_are_made_from_scores_are_noted():
    note = predict(TableArm("none"), "sklearn.svm.LinearSVC", dual=False)[2]
    assert note == "sklearn.svm.LinearSVC tells no probabilities: log-loss, Brier score and ECE are of its scores"
    note = predict(TableArm("a", class_weight=True), "sklearn.neighbors.NearestCentroid")[2]
    assert note is None or note.startswith("sklearn.neighbors.NearestCentroid takes no class weights")


def test_a_classifier_of_ones_own_decides_itself(monkeypatch):
    class Strict(LogisticRegression):
        def predict(self, X):
            return (self.predict_proba(X)[:, 1] > 0.9).astype(int)

    monkeypatch.setitem(sys.modules, "own_classifier", types.SimpleNamespace(Strict=Strict))
    probabilities, predicted, _ = predict(TableArm("none"), "own_classifier.Strict")
    assert np.array_equal(predicted, probabilities[:, 1] > 0.9)
    assert 0 < predicted.sum() < (probabilities[:, 1] > 0.5).sum()
    corrected = predict(TableArm("a", prior_correction=True), "own_classifier.Strict")
    assert np.array_equal(corrected[1], corrected[0].argmax(1))


def test_a_class_that_training_lacks_gets_no_probability():
    X, y = rows((50, 30))
    probabilities, _, _ = fit_predict(TableArm("a"), Plugin("l", "logistic"), (X, y), X, 3, 0)
    assert (probabilities[:, 2] == 0).all()


def test_parameters_and_seeds_reach_the_classifier():
    shallow = predict(TableArm("none"), "forest", n_estimators=1, max_depth=1)[0]
    assert len(np.unique(shallow[:, 0])) == 2
    np.testing.assert_array_equal(shallow, predict(TableArm("none"), "forest", n_estimators=1, max_depth=1)[0])


TABLE = pd.DataFrame(
    {
        "age": [20.0, None, 40.0, 60.0],
        "count": pd.array([1, 2, None, 4], dtype="Int64"),
        "since": pd.to_datetime(["2020-01-01", None, "2020-01-03", "2020-01-05"]),
        "town": ["a", None, "b", "a"],
        "member": [True, False, True, None],
        "mixed": ["a", 1, None, 2.5],
    }
)
DATA = TableData(TABLE, np.array([0, 0, 1, 1]), ("town", "member", "mixed"))


def test_columns_of_any_kind_become_finite_numbers():
    encoded = Columns(DATA)(TABLE)
    assert encoded.shape == (4, 3 + 3 + 3 + 4)
    assert np.isfinite(encoded).all()
    # A missing number is the median; a missing name is a name of its own.
    np.testing.assert_allclose(encoded[:, :3].mean(0), 0, atol=1e-12)
    assert encoded[1, 0] == pytest.approx(0)
    assert np.array_equal(np.unique(encoded[:, 3:]), [0, 1])
    assert (encoded[:, 3:].sum(1) == 3).all()


def test_names_that_training_lacks_are_no_name():
    test = TABLE.assign(town="z")
    assert (Columns(DATA)(test)[:, 3:].sum(1) == 2).all()


def test_test_rows_change_nothing_that_was_learnt():
    encode = Columns(DATA)
    np.testing.assert_array_equal(encode(TABLE.iloc[[0]]), encode(TABLE)[[0]])


def test_components_are_of_the_training_rows():
    X, y = rows()
    data = TableData(pd.DataFrame(X).add_prefix("x"), y, ())
    encode = Columns(data, components=2)
    assert encode(data.X).shape == (96, 2)
    assert Columns(data, components=50)(data.X).shape == (96, 3)
