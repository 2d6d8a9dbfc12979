"""Samples that owe nothing to the training data, and what used to make them fail."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from ganaug.audit import audit
from ganaug.data.fingerprints import exact_copies

SEEDS = 25


def failures(draw):
    """How many of the audits of samples by independent draws fail."""
    return sum(audit(*draw(np.random.default_rng(seed)), random_state=seed).verdict == "fail" for seed in range(SEEDS))


def test_samples_around_a_few_points_that_nobody_was_trained_on_seldom_fail():
    def draw(rng):
        centres = 0.5 * rng.normal(size=(5, 4))
        synthetic = centres[rng.integers(5, size=200)] + 0.01 * rng.normal(size=(200, 4))
        return synthetic, rng.normal(size=(200, 4)), rng.normal(size=(200, 4))

    assert failures(draw) <= 3


def test_typical_samples_beside_few_holdout_samples_seldom_fail():
    def draw(rng):
        return 0.5 * rng.normal(size=(500, 4)), rng.normal(size=(500, 4)), rng.normal(size=(100, 4))

    assert failures(draw) <= 3


@pytest.mark.parametrize("holdout", [True, False])
def test_a_class_of_repeated_rows_may_be_drawn_more_often_than_it_occurs(holdout):
    def rows(rng, share):
        y = np.where(rng.random(400) < share, "coarse", "fine")
        values = np.where((y == "coarse")[:, None], rng.integers(3, size=(400, 3)), rng.normal(10, 1, size=(400, 3)))
        return pd.DataFrame(values, columns=list("abc")), y

    rng = np.random.default_rng(0)
    (synthetic, y), (train, of_train), (others, of_others) = rows(rng, 0.5), rows(rng, 0.2), rows(rng, 0.2)
    beside = {"holdout": others, "holdout_labels": of_others} if holdout else {}
    report = audit(synthetic, train, labels=y, train_labels=of_train, random_state=0, **beside)
    assert report.exact.count > 100
    assert report.exact.p_value > 0.01
    assert report.exact.rate_real == pytest.approx(report.exact.rate, abs=0.05)
    assert report.findings["copies"].verdict == ("pass" if holdout else "not assessable")
    copied = audit(train, train, labels=of_train, train_labels=of_train, random_state=0, **beside)
    assert copied.findings["copies"].verdict == "fail"


def test_the_test_of_one_class_is_that_of_fisher_and_classes_add_up():
    rng = np.random.default_rng(0)
    copied, real = rng.random(60) < 0.4, rng.random(90) < 0.25
    one, of_real = np.zeros(60, dtype=int), np.zeros(90, dtype=int)
    table = [[copied.sum(), 60 - copied.sum()], [real.sum(), 90 - real.sum()]]
    expected = scipy.stats.fisher_exact(table, alternative="greater").pvalue
    assert exact_copies(copied, real, one, of_real).p_value == pytest.approx(expected)
    classes, real_classes = np.arange(60) % 2, np.arange(90) % 3 // 2
    found = exact_copies(copied, real, classes, real_classes)
    drawn = sum(
        rng.hypergeometric(
            copied[own].sum() + real[other].sum(), (~copied[own]).sum() + (~real[other]).sum(), own.sum(), 200_000
        )
        for own, other in ((classes == c, real_classes == c) for c in range(2))
    )
    assert found.p_value == pytest.approx((drawn >= copied.sum()).mean(), abs=0.003)
    assert found.rate_real == pytest.approx(np.mean([real[real_classes == c].mean() for c in range(2)]))
