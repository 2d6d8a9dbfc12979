import numpy as np
import pytest

from ganaug.metrics import prdc

LINE = np.arange(10.0)[:, None]


def test_equal_sets_score_full_marks():
    found = prdc(LINE, LINE, k=2)
    assert found["precision"] == found["recall"] == found["coverage"] == 1
    # Inside the line a ball of radius 1 holds 3 points, at each end one of radius 2 does: 30 pairs, by k and 10.
    assert found["density"] == pytest.approx(30 / 20)


def test_far_samples_score_nothing():
    assert prdc(LINE, LINE + 100, k=2) == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_half_of_a_distribution_is_precise_but_does_not_recall_the_other():
    two = np.concatenate([LINE, LINE + 100])
    found = prdc(two, np.repeat(LINE, 2, axis=0), k=2)
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 0.5, 0.5)
    found = prdc(np.repeat(LINE, 2, axis=0), two, k=2)
    assert (found["precision"], found["recall"]) == (0.5, 1)


def test_a_real_outlier_fools_precision_but_not_density():
    outlier = np.concatenate([LINE, [[1000.0]]])
    found = prdc(outlier, 50 + LINE, k=2)
    assert found["precision"] == 1  # all lie in the ball around the outlier
    assert found["density"] == 0.5  # but in no other
    assert found["coverage"] == 1 / 11


def test_samples_on_the_border_are_inside():
    assert prdc(LINE[:2], np.array([[2.0], [3.0]]), k=1)["precision"] == 0.5


def test_repeated_rows_are_in_the_balls_around_each_other():
    rows = np.random.default_rng(0).normal(100, 1, size=(20, 128))
    found = prdc(np.repeat(rows, 10, axis=0), np.repeat(rows, 8, axis=0))
    assert found == {"precision": 1, "recall": 1, "density": 2, "coverage": 1}  # ten balls, by k = 5


def test_a_row_far_from_all_others_does_not_blur_distances():
    real, apart = (np.random.default_rng(seed).normal(size=(80, 6)) for seed in (0, 1))
    real[0] = 1e9
    scores = prdc(real, apart + 50)
    assert (scores["recall"], scores["coverage"]) == (0, 1 / 80)  # the ball around the far row holds everything


def test_distances_in_parts_change_nothing():
    import sklearn

    randomness = np.random.default_rng(0)
    x, y = randomness.normal(size=(300, 3)), randomness.normal(size=(500, 3)) * 2
    whole = prdc(x, y)
    with sklearn.config_context(working_memory=0.01):  # MiB
        assert prdc(x, y) == whole
    assert 0 < whole["precision"] < whole["recall"]


@pytest.mark.parametrize(
    ("k", "n", "said"),
    [(0, 10, "k must be at least 1, got 0"), (5, 5, "k=5 needs at least 6 samples, got 5 in synthetic")],
)
def test_too_few_samples_are_refused(k, n, said):
    with pytest.raises(ValueError, match=said):
        prdc(LINE, LINE[:n], k=k)
