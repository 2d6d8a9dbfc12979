import numpy as np
import pytest

from ganaug import ImageGAN, LabelledImages, SyntheticPool, labelled_images


@pytest.fixture(scope="session")
def digits():
    return labelled_images("digits").subset(range(100))


@pytest.fixture(scope="session")
def gan(digits):
    return ImageGAN(steps=2, device="cpu", random_state=0, verbose=False).fit(digits)


@pytest.fixture(scope="session")
def pool(gan, tmp_path_factory):
    return SyntheticPool.build(gan, tmp_path_factory.mktemp("pools") / "pool", per_class=6, random_state=0)


@pytest.fixture(scope="session")
def colour_pool(tmp_path_factory):
    """Three classes with string labels, 3x8x8."""
    randomness = np.random.default_rng(0)
    images = LabelledImages(
        randomness.integers(256, size=(12, 3, 8, 8)).astype(np.uint8), np.repeat(["cat", "dog", "fox"], 4)
    )
    gan = ImageGAN(steps=2, device="cpu", random_state=0, verbose=False).fit(images)
    return SyntheticPool.build(gan, tmp_path_factory.mktemp("pools") / "colour", per_class=6, random_state=0)


@pytest.fixture(scope="session")
def of_class(pool):
    """Pixels of the pool's images, by class."""
    return {c: {image.numpy().tobytes() for image, label in pool if label == c} for c in range(10)}
