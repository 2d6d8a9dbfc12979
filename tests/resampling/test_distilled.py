"""A student that learns from a teacher on real and synthetic rows."""

import numpy as np
import pandas as pd
import pytest
from imblearn.combine import SMOTEENN
from imblearn.over_sampling import RandomOverSampler
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from ganaug import DistilledClassifier, GANOverSampler, TableCopula
from ganaug.resampling import distilled
from ganaug.resampling.encoded_columns import EncodedColumns

X, Y = make_classification(400, 6, flip_y=0.2, random_state=0)
TREE = DecisionTreeClassifier(max_leaf_nodes=16)


class Oracle(ClassifierMixin, BaseEstimator):
    """Knows the probability of class "b" to be the first column, whatever it is taught."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]

    def predict_proba(self, X):
        return np.stack([1 - X[:, 0], X[:, 0]], axis=1)


def noisy(n, seed):
    """Rows of three uniform numbers whose class is "b" with the probability of the first."""
    randomness = np.random.default_rng(seed)
    rows = randomness.random((n, 3))
    return rows, np.where(randomness.random(n) < rows[:, 0], "b", "a")


@pytest.mark.parametrize(
    "student",
    [
        DecisionTreeClassifier(max_leaf_nodes=16),
        make_pipeline(StandardScaler(), DecisionTreeClassifier(max_leaf_nodes=16)),
        KNeighborsClassifier(25),  # takes no weights, learns drawn labels
    ],
    ids=["weights", "weights-in-a-pipeline", "drawn-labels"],
)
def test_students_learn_what_the_teacher_knows(student):
    rows, labels = noisy(100, 0)
    model = DistilledClassifier(student, teacher=Oracle(), ratios=[9], gate=False, random_state=0).fit(rows, labels)
    new = np.random.default_rng(1).random((1000, 3))
    alone = clone(student).fit(rows, labels)
    errors = [np.abs(found.predict_proba(new)[:, 1] - new[:, 0]).mean() for found in (model, alone)]
    assert model.classes_.tolist() == ["a", "b"]
    assert errors[0] < 0.75 * errors[1]
    assert model.ratio_ == 9
    assert model.decision_ is None


def test_the_gate_takes_what_validated_best_and_says_so():
    rows, labels = noisy(300, 0)
    taught = DistilledClassifier(TREE, teacher=Oracle(), ratios=[0, 4], cv=4, random_state=0).fit(rows, labels)
    assert taught.ratio_ in (0, 4)
    assert taught.teacher_ is not None
    assert taught.scores_.shape == (4, 3)
    assert "over labels alone" in taught.decision_.reason


def test_a_teacher_that_knows_less_is_not_listened_to():
    class Blind(Oracle):
        def predict_proba(self, X):
            return np.full((len(X), 2), 0.5)

    model = DistilledClassifier(LogisticRegression(), teacher=Blind(), ratios=[9], cv=4, random_state=0).fit(X, Y)
    assert model.ratio_ is None
    assert model.teacher_ is None
    assert np.array_equal(model.predict_proba(X), LogisticRegression().fit(X, Y).predict_proba(X))


def test_tables_of_names_and_missing_values():
    table = pd.DataFrame({"size": X[:, 0], "city": np.where(X[:, 1] > 0, "Rome", "Oslo")})
    table.loc[::7, "size"] = np.nan
    table.loc[::9, "city"] = None
    student = make_pipeline(EncodedColumns(), DecisionTreeClassifier(max_leaf_nodes=8))
    model = DistilledClassifier(student, ratios=[1], gate=False, random_state=0)
    model.set_params(teacher=make_pipeline(EncodedColumns(), GaussianNB())).fit(table, Y)
    assert model.predict_proba(table).shape == (400, 2)
    assert model.feature_names_in_.tolist() == ["size", "city"]


@pytest.mark.parametrize("sampler", [None, RandomOverSampler()])
def test_any_over_sampler_draws_the_rows_and_seeds_repeat_them(sampler):
    models = [
        DistilledClassifier(TREE, teacher=GaussianNB(), sampler=sampler, ratios=[0, 1], cv=2, random_state=0).fit(X, Y)
        for _ in range(2)
    ]
    assert np.array_equal(models[0].scores_, models[1].scores_)
    assert np.array_equal(models[0].predict_proba(X), models[1].predict_proba(X))
    assert roc_auc_score(Y, models[0].predict_proba(X)[:, 1]) > 0.8


def test_probabilities_of_real_rows_are_of_teachers_that_have_not_seen_them():
    # One neighbour knows each row that it was trained on.
    labels = np.random.default_rng(0).integers(2, size=400)
    lesson = distilled.Lesson(X, labels, KNeighborsClassifier(1), RandomOverSampler(), 0, 0)
    believed = lesson.probabilities[np.arange(400), labels]
    assert 0.6 < believed.mean() < 0.9


@pytest.mark.parametrize(
    ("params", "y", "message"),
    [
        ({"ratios": [-1]}, Y, "ratios must be numbers of at least 0"),
        ({"ratios": []}, Y, "ratios must be numbers of at least 0"),
        ({"cv": 1}, Y, "'cv' parameter"),
        ({"teacher": DecisionTreeClassifier}, Y, "teacher must be"),
        ({}, np.zeros(400, int), "at least two classes"),
        ({}, Y[:10], "inconsistent numbers of samples"),
        ({}, np.where(Y, np.nan, 0.5), "NaN"),
    ],
)
def test_bad_input_is_one_sentence(params, y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        DistilledClassifier(TREE, **params).fit(X, y)


def test_a_class_of_one_row_is_not_validated_on():
    labels = np.where(np.arange(400) == 3, 2, Y)
    model = DistilledClassifier(TREE, teacher=GaussianNB(), random_state=0).fit(X, labels)
    assert model.ratio_ is None
    assert "single row" in model.decision_.reason


def test_nothing_is_validated_that_has_seen_the_rows():
    teacher = FrozenEstimator(LogisticRegression().fit(X, Y))
    told = DistilledClassifier(TREE, teacher=teacher, ratios=[1], gate=False, random_state=0).fit(X, Y)
    assert told.ratio_ == 1
    for frozen in (teacher, make_pipeline(StandardScaler(), teacher)):
        with pytest.raises(ValueError, match=r"teacher must not be fitted already.*or gate=False"):
            DistilledClassifier(TREE, teacher=frozen).fit(X, Y)
    sampler = GANOverSampler(generator=TableCopula().fit(X, Y), prefit=True)
    with pytest.raises(ValueError, match=r"sampler must not be prefit.*or pass gate=False"):
        DistilledClassifier(TREE, sampler=sampler).fit(X, Y)


@pytest.mark.parametrize(
    "student",
    [RidgeClassifierCV(cv=3), CalibratedClassifierCV(GaussianNB(), cv=3)],
    ids=["own-search", "own-calibration"],
)
def test_a_student_that_validates_itself_is_shown_each_row_once(student):
    seen = []

    class Watching(type(student)):
        def fit(self, X, y, sample_weight=None):
            seen.append((len(X), sample_weight))
            return super().fit(X, y)

    watching = Watching(**student.get_params(deep=False))
    DistilledClassifier(watching, teacher=Oracle(), ratios=[0, 1], gate=False, random_state=0).fit(*noisy(90, 0))
    assert seen == [(180, None)]


def test_pipelines_are_taught_probabilities_with_metadata_routing_too():
    student, teacher = make_pipeline(StandardScaler(), TREE), LogisticRegression()
    model = DistilledClassifier(student, teacher=teacher, ratios=[1], gate=False, random_state=0)
    plain = model.fit(X, Y).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        routed = model.fit(X, Y).predict_proba(X)
    assert np.array_equal(plain, routed)


def test_it_has_the_methods_that_its_student_has():
    model = DistilledClassifier(LinearSVC(), teacher=LogisticRegression(), ratios=[1], cv=2, random_state=0)
    assert not hasattr(model, "predict_proba")
    scores = cross_val_score(model.set_params(scoring="roc_auc"), X, Y, scoring="roc_auc", cv=2)
    assert scores.min() > 0.6
    with pytest.raises(
        ValueError, match=r"scoring='roc_auc_ovr' cannot score the student \(.*predict_proba.*pass anot"
    ):
        model.set_params(scoring="roc_auc_ovr").fit(X, Y)
    assert not hasattr(DistilledClassifier(TREE), "decision_function")
    assert hasattr(DistilledClassifier(TREE), "predict_proba")


def test_samplers_that_remove_rows_are_refused():
    model = DistilledClassifier(TREE, teacher=LogisticRegression(), sampler=SMOTEENN(random_state=0), ratios=[1])
    with pytest.raises(ValueError, match="sampler must return the original rows first, SMOTEENN does not"):
        model.fit(X, Y)
