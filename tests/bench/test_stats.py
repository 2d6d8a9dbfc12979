import numpy as np
import pytest
import scipy.stats

from ganaug.bench.stats import paired_difference


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
