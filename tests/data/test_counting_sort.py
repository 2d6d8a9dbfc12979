import numpy as np
import pytest

from ganaug.data.counting_sort import PART, positions_by_class


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("n_classes", [2, 300])
def test_positions_are_those_of_a_stable_sort(dtype, n_classes):
    classes = np.random.default_rng(0).integers(-1, n_classes, 2 * PART + 5).astype(dtype)
    classes[classes == n_classes - 2] = 0  # of which there are none
    positions, counts = positions_by_class(classes)
    known = np.flatnonzero(classes >= 0)
    assert positions.dtype == np.int32
    assert np.array_equal(positions, known[np.argsort(classes[known], kind="stable")])
    assert np.array_equal(counts, np.bincount(classes[known]))


def test_classes_without_samples_are_counted_up_to_the_number_asked_for():
    positions, counts = positions_by_class(np.full(3, -1), 2)
    assert (positions.tolist(), counts.tolist()) == ([], [0, 0])
