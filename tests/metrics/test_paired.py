import numpy as np
import pytest
import scipy.stats

from ganaug.metrics.paired import corrected_resampled_difference, paired_difference


def test_interval_is_the_paired_t_interval():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 2, 8), rng.normal(0, 2, 8)
    found = paired_difference(a - b, rope=0.5)
    reference = scipy.stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert found.mean == pytest.approx((a - b).mean())


def test_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = [(d := paired_difference(rng.normal(1, 3, 5), rope=0.5)).low <= 1 <= d.high for _ in range(2000)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([1.0, 1.1, 0.9], "gain"),
        ([-1.0, -1.1, -0.9], "harm"),
        ([0.01, -0.01, 0.0], "equal"),
        ([2.0, -2.0, 0.5], "unclear"),
        ([0.0, 0.0, 0.0], "equal"),
    ],
)
def test_verdicts(values, verdict):
    assert paired_difference(values, rope=0.5).verdict == verdict


@pytest.mark.parametrize("values", [[], [1.0], [[1.0, 2.0]]])
def test_one_difference_is_not_enough(values):
    with pytest.raises(ValueError, match="at least two differences"):
        paired_difference(values, rope=0.5)


def overlapping(rng, n, correlation, mean=0.0):
    """Differences of resamples that correlate as their test share (Nadeau and Bengio's model)."""
    common = rng.normal(scale=np.sqrt(correlation))
    return mean + common + rng.normal(scale=np.sqrt(1 - correlation), size=n)


def test_the_corrected_interval_covers_where_the_plain_one_does_not():
    rng = np.random.default_rng(2)
    draws = [overlapping(rng, 10, 0.2, mean=1.0) for _ in range(2000)]
    plain = [(d := paired_difference(v, rope=0)).low <= 1 <= d.high for v in draws]
    corrected = [(d := corrected_resampled_difference(v, correlation=0.2, rope=0)).low <= 1 <= d.high for v in draws]
    assert np.mean(plain) < 0.8
    assert np.mean(corrected) == pytest.approx(0.95, abs=0.02)


def test_what_is_rounded_is_never_certain():
    certain = paired_difference([-1.7, -1.7], rope=0.5)
    assert (certain.low, certain.high, certain.harm, certain.p) == (-1.7, -1.7, 1.0, 0.0)
    rounded = paired_difference([-1.7, -1.7], rope=0.5, resolution=1.7)
    assert rounded.low < -5 < 1 < rounded.high
    assert rounded.verdict == "unclear"
    assert 0.05 < rounded.p < 1
    assert paired_difference([1.0, 3.0, 2.0], rope=0.5, resolution=0.1) == paired_difference([1.0, 3.0, 2.0], rope=0.5)
    folds = corrected_resampled_difference([1.0] * 5, correlation=0.2, rope=0.5, resolution=1.0)
    assert folds.mean - folds.low == pytest.approx(2.7764 * np.sqrt(0.45 / 12), rel=1e-3)


def test_p_is_that_of_the_t_test():
    rng = np.random.default_rng(8)
    a, b = rng.normal(1, 2, 8), rng.normal(0, 2, 8)
    assert paired_difference(a - b, rope=0).p == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_folds_leave_something_to_train_on(share):
    with pytest.raises(ValueError, match=r"correlation must be in \[0, 1\)"):
        corrected_resampled_difference([1, 2], correlation=share, rope=0)
