import numpy as np
import pytest

from ganaug.bench.splits import disjoint_splits

LABELS = np.random.default_rng(0).permutation(np.repeat(["a", "b", "c"], [40, 25, 31]))


def test_training_sets_are_balanced_disjoint_and_apart_from_the_test():
    training, test = disjoint_splits(LABELS, 6, 4, seed=0)
    parts = [*training, test]
    together = np.concatenate(parts)
    assert len(set(together.tolist())) == len(together) == len(LABELS)
    for part in training:
        assert np.unique(LABELS[part], return_counts=True)[1].tolist() == [6, 6, 6]
    assert np.unique(LABELS[test], return_counts=True)[1].tolist() == [16, 1, 7]


def test_seed_decides():
    first, again, other = (disjoint_splits(LABELS, 6, 4, seed)[0][0].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_too_few_samples_are_named():
    with pytest.raises(ValueError, match="class b has 25 images, but 5 splits of 5 need 25 and some more"):
        disjoint_splits(LABELS, 5, 5, seed=0)
