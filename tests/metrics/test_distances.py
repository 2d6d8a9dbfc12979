import random
import subprocess
import sys

import numpy as np
import pytest
import scipy.linalg
import torch

from ganaug.metrics import frechet_distance, inception_score, kernel_distance


def rows(n, d, shift=0.0, seed=0):
    randomness = np.random.default_rng(seed)
    return shift + randomness.normal(size=(n, d)) @ np.random.default_rng(99).normal(size=(d, d))


def frechet_by_definition(x, y):
    covariances = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)


def kernel_by_definition(x, y):
    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    within = [(kernel(a, a).sum() - np.trace(kernel(a, a))) / (len(a) * (len(a) - 1)) for a in (x, y)]
    return sum(within) - 2 * kernel(x, y).mean()


@pytest.mark.parametrize("offset", [0, 1000])
def test_frechet_distance_is_the_formula(offset):
    x, y = rows(80, 6) + offset, rows(60, 6, shift=0.5, seed=1) + offset
    assert frechet_distance(x, y) == pytest.approx(frechet_by_definition(x, y), rel=1e-6)


def test_few_rows_of_many_features_are_compared_exactly():
    x, y = rows(9, 40), rows(12, 40, shift=0.5, seed=1)
    # The trace of the root of a product of two covariances is the sum of the singular values of the product of the
    # centred rows: no root of a singular matrix.
    centred = [(a - a.mean(0)) / np.sqrt(len(a) - 1) for a in (x, y)]
    traces = sum((a**2).sum() for a in centred)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + traces - 2 * np.linalg.norm(centred[0] @ centred[1].T, "nuc")
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-3)


def test_kernel_distance_is_the_formula():
    x, y = rows(50, 6), rows(50, 6, shift=0.5, seed=1)
    assert kernel_distance(x, y) == pytest.approx(kernel_by_definition(x, y), rel=1e-6)


def test_kernel_distance_averages_over_subsets_of_the_larger_side():
    x, y = rows(20, 3), rows(60, 3, shift=1.0, seed=1)
    first, again, other = (kernel_distance(x, y, random_state=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert first == pytest.approx(kernel_by_definition(x, y), rel=0.1)


def test_inception_score_is_the_formula():
    logits = rows(64, 5)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = np.exp((p * np.log(p / p.mean(0))).sum(1).mean())
    assert inception_score(logits, splits=1) == pytest.approx(expected, rel=1e-6)
    assert inception_score(logits, splits=4, random_state=0) != inception_score(logits, splits=4, random_state=1)
    # Ten parts of 11 samples: one of two, which may be of two classes, and nine whose score is 1.
    certain = 50 * np.eye(2)[np.arange(11) % 2]
    assert {round(inception_score(certain, splits=10, random_state=s), 3) for s in range(9)} == {1.0, 1.1}


def test_tensors_are_taken_as_they_come_from_a_network():
    x, y = rows(20, 3), rows(20, 3, seed=1)
    assert frechet_distance(torch.from_numpy(x).requires_grad_(), torch.from_numpy(y)) == frechet_distance(x, y)


def test_equal_sets_are_at_distance_zero():
    x = rows(30, 4)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-8)
    assert kernel_distance(x, x) < 0  # unbiased: pairs of one side leave out the pair of a row with itself


def test_the_global_states_are_neither_read_nor_changed():
    x, y = rows(20, 3), rows(30, 3, seed=1)

    def measured(seed):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        found = frechet_distance(x, y), kernel_distance(x, y, subset_size=9), inception_score(y)
        assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
        return found

    assert measured(1) == measured(2)


def test_torchmetrics_is_imported_when_it_is_used():
    check = "import sys, ganaug.metrics; sys.exit('torchmetrics' in sys.modules or 'torch_fidelity' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: frechet_distance(rows(1, 3), rows(5, 3)), ValueError, "needs at least 2 samples, got 1 in real"),
        (lambda: kernel_distance(rows(5, 3), rows(1, 3)), ValueError, "needs at least 2 samples, got 1 in synthetic"),
        (lambda: kernel_distance(rows(5, 3), rows(5, 3), subset_size=1), ValueError, "subset_size at least 2, got"),
        (lambda: inception_score(rows(5, 3)), ValueError, "10 splits needs at least 10 samples, got 5 in logits"),
        (lambda: inception_score(rows(5, 3), splits=0), ValueError, "splits must be at least 1, got 0"),
        (lambda: frechet_distance(rows(5, 3), rows(5, 4)), ValueError, "the same features, got 3 and 4"),
        (lambda: frechet_distance(rows(5, 3)[0], rows(5, 4)), ValueError, r"real must have shape .* got \(3,\)"),
        (lambda: frechet_distance(rows(5, 3), rows(5, 3) / 0), ValueError, "synthetic has NaN or .* in 5 rows"),
        (lambda: frechet_distance([["a"], ["b"]], rows(5, 1)), TypeError, "real must hold real numbers, got <U1"),
        (lambda: kernel_distance(rows(5, 3), rows(6, 3), random_state=-1), ValueError, "random_state must be in"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(call, error, said):
    with np.errstate(divide="ignore"), pytest.raises(error, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
