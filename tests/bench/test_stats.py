import numpy as np
import pytest
import scipy.stats

from ganaug.bench.results.stats import (
    bayesian_signed_rank,
    bootstrap_interval,
    corrected_resampled_difference,
    harm_rate,
    holm,
    paired_difference,
    wilcoxon,
)


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


def overlapping(rng, n, test_share, mean=0.0):
    """Differences of resamples that correlate as their test share (Nadeau and Bengio's model)."""
    common = rng.normal(scale=np.sqrt(test_share))
    return mean + common + rng.normal(scale=np.sqrt(1 - test_share), size=n)


def test_the_corrected_interval_covers_where_the_plain_one_does_not():
    rng = np.random.default_rng(2)
    draws = [overlapping(rng, 10, 0.2, mean=1.0) for _ in range(2000)]
    plain = [(d := paired_difference(v, rope=0)).low <= 1 <= d.high for v in draws]
    corrected = [(d := corrected_resampled_difference(v, test_share=0.2, rope=0)).low <= 1 <= d.high for v in draws]
    assert np.mean(plain) < 0.8
    assert np.mean(corrected) == pytest.approx(0.95, abs=0.02)


def test_wilcoxon_finds_as_many_differences_under_the_null_as_it_says():
    rng = np.random.default_rng(3)
    p_values = np.array([wilcoxon(rng.normal(size=12)) for _ in range(2000)])
    for alpha in (0.05, 0.2, 0.5):
        assert np.mean(p_values <= alpha) == pytest.approx(alpha, abs=0.03)
    assert wilcoxon([0.0, 0.0, 0.0]) == 1


def test_holm_keeps_the_rate_of_any_false_find_and_is_ordered():
    rng = np.random.default_rng(4)
    any_found = [holm(rng.random(6)).min() <= 0.05 for _ in range(4000)]
    assert np.mean(any_found) == pytest.approx(0.05, abs=0.015)
    adjusted = holm([0.2, 0.001, 0.04])
    assert adjusted.tolist() == pytest.approx([0.2, 0.003, 0.08])


def test_signed_rank_weighs_practical_equivalence():
    rng = np.random.default_rng(5)
    better = bayesian_signed_rank(rng.normal(0.05, 0.01, 12), rope=0.01)
    equal = bayesian_signed_rank(rng.normal(0.0, 0.003, 12), rope=0.01)
    worse = bayesian_signed_rank(rng.normal(-0.05, 0.01, 12), rope=0.01)
    unknown = bayesian_signed_rank([0.1, -0.1, 0.05, -0.04], rope=0.01)
    assert better.better > 0.99
    assert equal.equal > 0.99
    assert worse.worse > 0.99
    assert max(unknown.worse, unknown.better) < 0.8
    for found in (better, equal, worse, unknown):
        assert found.worse + found.equal + found.better == pytest.approx(1)


def test_signed_rank_seldom_claims_a_difference_under_the_null():
    rng = np.random.default_rng(6)
    claims = [max((f := bayesian_signed_rank(rng.normal(size=10), rope=0)).worse, f.better) > 0.975 for _ in range(200)]
    assert np.mean(claims) < 0.12


@pytest.mark.parametrize("n_datasets", [6, 15])
def test_bootstrap_interval_covers_as_often_as_it_says(n_datasets):
    rng = np.random.default_rng(7)
    covered = []
    for number in range(400):
        effects = rng.normal(0.5, 1, n_datasets)
        low, high = bootstrap_interval([rng.normal(e, 0.5, 5) for e in effects], seed=number, samples=1000)
        covered.append(low <= 0.5 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.025)


def test_what_is_rounded_is_never_certain():
    certain = paired_difference([-1.7, -1.7], rope=0.5)
    assert (certain.low, certain.high, certain.harm, certain.p) == (-1.7, -1.7, 1.0, 0.0)
    rounded = paired_difference([-1.7, -1.7], rope=0.5, resolution=1.7)
    assert rounded.low < -5 < 1 < rounded.high
    assert rounded.verdict == "unclear"
    assert 0.05 < rounded.p < 1
    assert paired_difference([1.0, 3.0, 2.0], rope=0.5, resolution=0.1) == paired_difference([1.0, 3.0, 2.0], rope=0.5)
    folds = corrected_resampled_difference([1.0] * 5, test_share=0.2, rope=0.5, resolution=1.0)
    assert folds.mean - folds.low == pytest.approx(2.7764 * np.sqrt(0.45 / 12), rel=1e-3)


def test_p_is_that_of_the_t_test():
    rng = np.random.default_rng(8)
    a, b = rng.normal(1, 2, 8), rng.normal(0, 2, 8)
    assert paired_difference(a - b, rope=0).p == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue)


def test_harm_counts_only_what_is_worse_than_the_region():
    assert harm_rate([-0.02, -0.01, 0.0, 0.5], rope=0.01) == 0.25


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: corrected_resampled_difference([1, 2], test_share=1.0, rope=0), r"test_share must be in \(0, 1\)"),
        (lambda: wilcoxon([1.0]), "at least two differences"),
        (lambda: bayesian_signed_rank([1.0], rope=0), "at least two differences"),
        (lambda: bootstrap_interval([[1.0]]), "at least two datasets"),
        (lambda: bootstrap_interval([[1.0], []]), "none without splits"),
    ],
)
def test_too_little_to_go_by(call, said):
    with pytest.raises(ValueError, match=said):
        call()
