import numpy as np
import pytest

from ganaug.curation import ClassConsistency, select


def overlapping(seed=0, n=(300, 60)):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n)
    return (rng.normal(size=(len(labels), 3)) + 2 * labels[:, None]).astype(np.float32), labels


def test_as_many_fresh_real_rows_pass_as_the_quantile_says():
    data, labels = overlapping()
    teacher = ClassConsistency(quantile=0.2).fit(data, labels, np.random.default_rng(0))
    fresh, fresh_labels = overlapping(seed=1, n=(1000, 1000))
    passed = teacher.score(fresh, fresh_labels) >= teacher.thresholds_[fresh_labels]
    for c in (0, 1):
        assert passed[fresh_labels == c].mean() == pytest.approx(0.8, abs=0.12)


def test_scores_are_the_mean_probability_of_the_class():
    data, labels = overlapping(n=(40, 30))
    teacher = ClassConsistency().fit(data, labels, np.random.default_rng(0))
    models = [model for fold in teacher._models for model in fold]
    each = [model.predict_proba(data)[np.arange(len(labels)), labels] for model in models]
    assert np.array_equal(teacher.score(data, labels), np.mean(each, axis=0))


def test_rows_of_the_other_class_do_not_pass():
    data, labels = overlapping()
    teacher = ClassConsistency().fit(data, labels, np.random.default_rng(0))
    centre = np.zeros((5, 3), np.float32)
    assert (teacher.score(centre, np.ones(5, int)) < teacher.thresholds_[1]).all()
    assert (teacher.score(centre + 2, np.ones(5, int)) > teacher.thresholds_[1]).all()
    assert (teacher.score(centre, np.zeros(5, int)) > 0.8).all()


def test_own_scores_are_cross_fitted():
    """On labels without any pattern, models that had seen the rows would score them highly."""
    rng = np.random.default_rng(0)
    data, labels = rng.normal(size=(200, 5)).astype(np.float32), rng.integers(2, size=200)
    teacher = ClassConsistency(quantile=0.5).fit(data, labels, rng)
    assert teacher.thresholds_ == pytest.approx([0.5, 0.5], abs=0.08)


def test_copies_are_judged_by_models_that_have_not_seen_their_original():
    rng = np.random.default_rng(0)
    data, labels = rng.normal(size=(200, 40)).astype(np.float32), rng.integers(2, size=200)
    teacher = ClassConsistency().fit(data, labels, rng)
    known = teacher.score(data, labels, np.arange(200))
    assert known.mean() == pytest.approx(0.5, abs=0.05)
    assert teacher.score(data, labels).mean() > known.mean() + 0.1


def test_classes_of_a_few_rows_pass_as_they_are():
    data, labels = overlapping(n=(50, 3))
    teacher = ClassConsistency().fit(data, labels, np.random.default_rng(0))
    assert teacher.thresholds_[1] == 0
    assert teacher.thresholds_[0] > 0


def test_selection_gives_exact_numbers_and_prefers_what_passes():
    rng = np.random.default_rng(0)
    scores = rng.random(100)
    chosen = select(scores, 0.5, 30, rng)
    assert len(set(chosen.tolist())) == 30
    assert (scores[chosen] >= 0.5).all()
    # What repeats another candidate comes after all that do not, whatever the scores.
    repeats = np.repeat([0, 1, 2], [40, 40, 20])
    chosen = select(scores, 0.5, 60, rng, repeats)
    assert {*range(40)} < {*chosen.tolist()}
    assert len(set(chosen.tolist())) == 60
    assert (repeats[chosen] < 2).all()
    assert scores[chosen[40:]].min() >= np.sort(scores[40:80])[20:].min()
    chosen = select(scores, 0.9, 30, rng)
    assert len(set(chosen.tolist())) == 30
    assert set(np.argsort(-scores)[:30]) == set(chosen.tolist())
