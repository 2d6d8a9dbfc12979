import numpy as np
import pytest
import scipy.stats

from ganaug.curation.gate import decide
from ganaug.metrics.paired import corrected_resampled_difference

RATIOS = [0, 0.25, 0.5, 1]


def folds(means, noise, n=10, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(scale=0.1, size=(n, 1))  # folds differ in how hard they are; arms of a fold share that
    return np.asarray(means) + shared + noise * rng.normal(size=(n, len(means)))


def test_a_clear_gain_is_taken():
    decision = decide(folds([0.7, 0.72, 0.75, 0.8], 0.005), RATIOS, 0.2)
    assert decision.ratio == decision.best_ratio == 1
    assert decision.gain == pytest.approx(0.1, abs=0.02)
    assert "+0." in decision.reason


def test_noise_is_not_taken_for_a_gain():
    chosen = [decide(folds([0.7] * 4, 0.02, seed=seed), RATIOS, 0.2).ratio for seed in range(100)]
    assert chosen.count(0) >= 75


def test_harm_is_avoided_and_the_smallest_gain_reported():
    decision = decide(folds([0.8, 0.75, 0.7, 0.6], 0.01), RATIOS, 0.2)
    assert decision.ratio == decision.best_ratio == 0
    assert decision.smallest_gain > 0
    assert "no ratio scored better" in decision.reason


def test_of_equal_ratios_the_smallest_that_gains_is_taken():
    decision = decide(folds([0.7, 0.8, 0.8, 0.8], 0.004, seed=1), RATIOS, 0.2)
    assert decision.ratio == 0.25


def test_equal_scores_are_no_sight():
    decision = decide(np.ones((4, 4)), RATIOS, 0.2)
    assert decision.ratio == 0
    assert np.isnan(decision.smallest_gain)
    assert "cannot decide" in decision.reason


@pytest.mark.parametrize(("scores", "message"), [([[1, 2]], "two validation folds"), ([[1, 2], [1, np.nan]], "finite")])
def test_scores_that_decide_nothing_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        decide(scores, [0, 1], 0.2)


def test_a_gain_within_one_standard_error_is_no_gain_and_said_so():
    decision = decide([[0.7, 0.9], [0.7, 0.55], [0.7, 0.75]], [0, 1], 0.2)
    assert decision.ratio == 0
    assert decision.best_ratio == 1
    assert decision.gain < decision.smallest_gain
    assert "within one standard error" in decision.reason


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("gain", [0.005, 0.03])
def test_the_gate_and_the_interval_of_a_benchmark_see_the_same_error_in_the_same_folds(n, gain):
    """The gate adds something exactly where an interval of one standard error lies above zero."""
    for seed in range(10):
        scores = folds([0.7, 0.7 + gain], 0.03, n=n, seed=seed)
        decision = decide(scores, [0, 1], 1 / n)
        reported = corrected_resampled_difference(
            scores[:, 1] - scores[:, 0], correlation=1 / n, rope=0, confidence=1 - 2 * scipy.stats.t.sf(1, n - 1)
        )
        assert decision.smallest_gain == pytest.approx(reported.high - reported.mean)
        assert decision.gain == pytest.approx(max(0, reported.mean))
        assert (decision.ratio == 1) == (reported.low > 0)


@pytest.mark.parametrize(("gain", "ratio"), [(0.02, 0), (0.2, 1)])
def test_folds_that_all_say_the_same_are_only_as_sure_as_their_scores_are_fine(gain, ratio):
    """Two folds in which one of ten samples more would change the score by 0.1."""
    scores = [[0.5, 0.5 + gain]] * 2
    assert decide(scores, [0, 1], 0.0).ratio == 1
    decision = decide(scores, [0, 1], 0.0, resolution=0.1)
    assert decision.ratio == ratio
    assert decision.smallest_gain == pytest.approx(0.1 / np.sqrt(12) / np.sqrt(2))
