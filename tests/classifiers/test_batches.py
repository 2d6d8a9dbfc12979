import numpy as np
import pytest
import torch

from ganaug.classifiers.batches import batch_drawer

LABELS = np.arange(12) % 3
DARK = np.full((12, 1, 8, 8), 10, np.uint8)


def light(labels):
    """Images that tell their place and their class."""
    labels = np.asarray(labels)
    images = np.full((len(labels), 1, 8, 8), 100, np.uint8)
    images[:, 0, 0, 0] = labels
    images[:, 0, 0, 1] = np.arange(len(labels))
    return images, labels


def drawn(n=3000, seed=0, **options):
    images, labels = batch_drawer((DARK, LABELS), torch.Generator().manual_seed(seed), **options)(n)
    return (images * 255).round().int(), labels


def test_classes_have_shares_of_their_own():
    images, labels = drawn(synthetic=light(LABELS), share=[0.0, 0.5, 1.0])
    replaced = images[:, 0, 7, 7] == 100
    assert [round(replaced[labels == c].float().mean().item(), 1) for c in range(3)] == [0, 0.5, 1]
    assert (images[replaced][:, 0, 0, 0] == labels[replaced]).all()


def test_classes_of_a_few_synthetic_images_show_them_all():
    images, labels = drawn(synthetic=light([0] * 5 + [1] * 2 + [2]), share=1.0)
    for c, places in enumerate([{0, 1, 2, 3, 4}, {5, 6}, {7}]):
        assert set(images[labels == c][:, 0, 0, 1].tolist()) == places


def test_a_class_without_any_needs_a_share_of_zero():
    pool = light([0, 1])
    images, labels = drawn(synthetic=pool, share=[1, 1, 0])
    assert (images[labels == 2] == 10).all()
    with pytest.raises(ValueError, match="no synthetic image of class 2; give it a share of 0"):
        drawn(synthetic=pool, share=1.0)
    with pytest.raises(ValueError, match="synthetic images are asked for, but there are none"):
        drawn(share=0.5)


def test_the_seed_decides():
    first, again, other = (drawn(20, seed, synthetic=light(LABELS), share=0.5)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
