import numpy as np
import pytest

from ganaug.bench.results.stats import (
    bayesian_signed_rank,
    bootstrap_interval,
    harm_rate,
    holm,
    wilcoxon,
)


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
@pytest.mark.parametrize("of_splits", [0.5, 5.0])  # their deviation, beside that of datasets, which is 1
def test_bootstrap_interval_covers_as_often_as_it_says(n_datasets, of_splits):
    rng = np.random.default_rng(7)
    covered = []
    for number in range(400):
        means = [rng.normal(effect, of_splits, 5).mean() for effect in rng.normal(0.5, 1, n_datasets)]
        low, high = bootstrap_interval(means, seed=number, samples=1000)
        covered.append(low <= 0.5 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.025)


def test_harm_counts_only_what_is_worse_than_the_region():
    assert harm_rate([-0.02, -0.01, 0.0, 0.5], rope=0.01) == 0.25


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: wilcoxon([1.0]), "at least two differences"),
        (lambda: bayesian_signed_rank([1.0], rope=0), "at least two differences"),
        (lambda: bootstrap_interval([1.0]), "at least two differences"),
    ],
)
def test_too_little_to_go_by(call, said):
    with pytest.raises(ValueError, match=said):
        call()
