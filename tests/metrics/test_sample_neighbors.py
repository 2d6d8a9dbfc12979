import numpy as np

from ganaug.metrics import nearest, nearest_other
from ganaug.metrics import sample_neighbors as neighbours


def test_copies_are_found_among_almost_copies_of_large_bright_images():
    randomness = np.random.default_rng(0)
    images = randomness.integers(200, 256, (50, 3, 64, 64)).astype(np.uint8)
    almost = images.copy()
    almost[:, 0, 0, 0] ^= 8
    indices, distances = nearest(images, np.concatenate([almost, images]))
    assert indices.tolist() == list(range(50, 100))
    assert not distances.any()


def test_parts_change_nothing(monkeypatch):
    images = np.random.default_rng(0).integers(256, size=(40, 1, 8, 8)).astype(np.uint8)
    whole = nearest(images[:30], images[20:]), nearest_other(images)
    monkeypatch.setattr(neighbours, "CHUNK", 300)
    parts = nearest(images[:30], images[20:]), nearest_other(images)
    np.testing.assert_array_equal(whole[0][0], parts[0][0])
    np.testing.assert_allclose(whole[1], parts[1], rtol=1e-5)
    flat = images.reshape(40, -1).astype(float)
    table = np.sqrt(((flat[:, None] - flat) ** 2).sum(2)) + np.diag([np.inf] * 40)
    np.testing.assert_allclose(whole[1], table.min(1), rtol=1e-4)


def test_a_single_image_has_no_other():
    assert np.isinf(nearest_other(np.zeros((1, 1, 8, 8), np.uint8))).all()
