import numpy as np
import pytest

from ganaug.metrics import classifier_two_sample_auc, two_sample

ROWS = np.random.default_rng(0).normal(size=(400, 3))


def test_a_shifted_distribution_is_distinguished_and_an_equal_one_is_not():
    assert classifier_two_sample_auc(ROWS[:200], ROWS[200:]) == pytest.approx(0.5, abs=0.08)
    assert classifier_two_sample_auc(ROWS[:200], ROWS[200:] + 3) > 0.98


def test_what_only_shows_between_columns_is_found():
    related = ROWS.copy()
    related[:, 1] = related[:, 0]
    related[200:, 1] *= -1  # each column by itself is as before
    assert classifier_two_sample_auc(related[:200], related[200:]) > 0.9


def test_copies_fall_below_one_half():
    assert classifier_two_sample_auc(ROWS[:100], ROWS[:100]) < 0.3


def test_it_is_seeded():
    first, again, other = (
        classifier_two_sample_auc(ROWS[:30], ROWS[30:60], folds=2, random_state=seed) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_of_many_rows_some_are_drawn(monkeypatch):
    monkeypatch.setattr(two_sample, "MAX_ROWS", 20)
    seen = []
    monkeypatch.setattr(two_sample, "cross_val_predict", lambda model, X, y, **_: seen.append(len(X)) or np.eye(2)[y])
    assert classifier_two_sample_auc(ROWS[:30], ROWS[30:]) == 1
    assert seen == [40]


@pytest.mark.parametrize(
    ("n", "folds", "said"),
    [(10, 1, "folds must be at least 2, got 1"), (4, 5, "in 5 folds needs at least 5 samples, got 4 in real")],
)
def test_too_few_rows_are_refused(n, folds, said):
    with pytest.raises(ValueError, match=said):
        classifier_two_sample_auc(ROWS[:n], ROWS, folds=folds)
