import json

import numpy as np
import pytest

from ganaug.bench.cases.case import predictions, scored
from ganaug.bench.methods.scores import METRICS, MINORITY, calibration, expected_calibration_error, scores

TARGETS = np.repeat([0, 1, 2], [60, 30, 10])


def noisy(seed=0, n_classes=3, weight=2.0):
    logits = np.random.default_rng(seed).normal(size=(len(TARGETS), n_classes)) + weight * np.eye(n_classes)[TARGETS]
    odds = np.exp(logits)
    return odds / odds.sum(1, keepdims=True)


def test_perfect_and_constant_predictions():
    perfect = scores(TARGETS, np.eye(3)[TARGETS])
    assert all(perfect[name] == 1 for name, more in METRICS.items() if more)
    assert all(perfect[name] < 1e-5 for name, more in METRICS.items() if not more)
    constant = scores(TARGETS, np.tile([0.6, 0.3, 0.1], (100, 1)))
    assert constant["accuracy"] == 0.6
    assert constant["balanced accuracy"] == pytest.approx(1 / 3)
    assert constant["AUC"] == 0.5
    assert constant["MCC"] == constant["G-mean"] == 0
    assert constant["ECE"] == pytest.approx(0)
    assert constant["Brier"] == pytest.approx(0.6 * 0.26 + 0.3 * 0.86 + 0.1 * 1.26)
    assert constant["log-loss"] == pytest.approx(-0.6 * np.log(0.6) - 0.3 * np.log(0.3) - 0.1 * np.log(0.1))


def test_better_probabilities_score_better_on_every_metric():
    better, worse = scores(TARGETS, noisy(weight=4)), scores(TARGETS, noisy(weight=1))
    assert set(better) == set(METRICS)
    assert all((better[name] > worse[name]) == more for name, more in METRICS.items())


def test_two_classes():
    found = scores(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.6, 0.4]]))
    assert found["accuracy"] == 0.5
    assert found["AUC"] == 0.75


def test_certain_and_wrong_is_finite():
    assert np.isfinite(scores(TARGETS, np.eye(3)[(TARGETS + 1) % 3])["log-loss"])


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    confident = np.tile([0.9, 0.1], (10, 1))
    assert expected_calibration_error(np.repeat([0, 1], 5), confident) == pytest.approx(0.4)
    assert expected_calibration_error(np.repeat([0, 1], [9, 1]), confident) == pytest.approx(0)


def test_of_two_classes_the_positive_one_is_looked_for():
    targets = np.array([0] * 8 + [1] * 2)
    probabilities = np.stack([1 - np.linspace(0, 1, 10), np.linspace(0, 1, 10)], axis=1)
    found = scores(targets, probabilities, positive=1)
    assert found["AP"] == 1
    assert (found["precision"], found["recall"], found["F1"]) == pytest.approx((0.4, 1, 4 / 7))
    assert set(found) == {*METRICS, *MINORITY}
    # The other class turned round is the same task.
    other = scores(1 - targets, probabilities[:, ::-1], positive=0)
    assert {name: other[name] for name in MINORITY} == pytest.approx({name: found[name] for name in MINORITY})


def test_a_probability_of_one_half_counts_for_the_positive_class():
    assert scores(np.array([1, 0]), np.full((2, 2), 0.5), positive=1)["recall"] == 1
    assert scores(np.array([1, 0]), np.full((2, 2), 0.5), positive=0)["recall"] == 1


def test_predictions_may_differ_from_what_is_most_probable():
    found = scores(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]), predicted=np.array([0, 1]), positive=1)
    assert found["accuracy"] == found["F1"] == 1
    assert found["Brier"] == pytest.approx((0.02 + 1.28) / 2)


def test_calibration_bins_hold_every_sample():
    count, confidence, hits = calibration(TARGETS, noisy())
    assert count.sum() == len(TARGETS)
    assert hits.sum() == (noisy().argmax(1) == TARGETS).sum()
    assert confidence.sum() == pytest.approx(noisy().max(1).sum())


def test_recall_per_class_is_of_the_predictions_that_the_metrics_score():
    """Of two classes the one that is looked for is predicted from a half on, and a half is common among neighbours."""
    targets, probabilities = np.array([0, 0, 0, 1, 1]), np.full((5, 2), 0.5)
    found = scored(targets, probabilities, positive=1)
    assert found["recall"] == [0.0, 1.0]
    assert found["metrics"]["recall"] == 1
    assert found["metrics"]["balanced accuracy"] == np.mean(found["recall"])
    assert scored(targets, probabilities, positive=0)["recall"] == [1.0, 0.0]
    assert scored(targets, probabilities, np.array([1, 0, 0, 0, 1]), positive=1)["recall"] == [2 / 3, 0.5]


@pytest.mark.parametrize("near", [0.4998, 0.49999999, 0.5, np.nextafter(0.5, 0), 1e-9, 0.3])
@pytest.mark.parametrize("positive", [None, 1])
@pytest.mark.parametrize("threshold", [None, 0.2])
def test_every_metric_is_computed_again_to_the_last_digit(near, positive, threshold):
    targets = np.repeat([0, 1], [60, 40])
    of_one = np.where(np.arange(100) % 3, near, np.linspace(0.1, 0.9, 100))
    probabilities = np.stack([1 - of_one, of_one], axis=1)
    predicted = None if threshold is None else (of_one > threshold).astype(int)
    record = json.loads(json.dumps(scored(targets, probabilities, predicted, positive)))
    kept, chosen = predictions(record)
    assert scores(targets, kept, predicted=chosen, positive=positive) == record["metrics"]
    expected = (of_one >= 0.5 if positive else of_one > 1 - of_one) if threshold is None else of_one > threshold
    np.testing.assert_array_equal(chosen, expected)


def test_a_record_without_decisions_is_of_an_older_version():
    record = scored(np.array([0, 1]), np.eye(2))
    del record["decisions"]
    with pytest.raises(ValueError, match="made by an older version, which kept no decisions; run it again"):
        predictions(record)


def test_metrics_on_what_was_not_seen_need_every_class():
    targets, seen = np.array([0, 0, 1, 1]), np.array([True, False, True, False])
    found = scored(targets, np.eye(2)[[1, 0, 0, 1]], seen=seen)
    assert (found["metrics"]["accuracy"], found["metrics_unseen"]["accuracy"]) == (0.5, 1.0)
    assert scored(targets, np.eye(2)[targets], seen=targets == 1)["metrics_unseen"] is None
    assert "metrics_unseen" not in scored(targets, np.eye(2)[targets], seen=targets > 1)
