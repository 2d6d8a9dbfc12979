import numpy as np

from ganaug.data import LabelledImages
from ganaug.metrics import comparison_sheet, nearest


def test_nearest_finds_copies_at_distance_zero():
    images = np.random.default_rng(0).integers(0, 256, (30, 3, 8, 8)).astype(np.uint8)
    indices, distances = nearest(images[[4, 7]], images)
    assert indices.tolist() == [4, 7]
    assert distances.tolist() == [0, 0]


def test_distance_is_euclidean_in_pixels():
    image = np.zeros((1, 1, 8, 8), np.uint8)
    other = image.copy()
    other[0, 0, 0, :2] = 3, 4
    assert nearest(image, other)[1].tolist() == [5.0]


def test_sheet_has_a_row_per_class_and_three_blocks():
    rng = np.random.default_rng(0)
    real = LabelledImages(rng.integers(0, 256, (9, 1, 8, 8)).astype(np.uint8), np.repeat(["a", "b", "c"], 3))
    synthetic = rng.integers(0, 256, (30, 1, 8, 8)).astype(np.uint8)
    labels = np.repeat(["a", "b", "c"], 10)
    small, large = (comparison_sheet(real, synthetic, labels, columns=n) for n in (2, 5))
    assert small.height == large.height
    assert small.width < large.width
    two_rows = comparison_sheet(real.subset(range(6)), synthetic, labels, columns=2)
    assert two_rows.height < small.height
