"""Labelled images with synthetic ones added, by what the gate decided or by a number."""

import numpy as np
import pytest

from ganaug import ImageGAN, labelled_images
from ganaug.curation import GateDecision, ImageGateDecision, augment_images

DATA = labelled_images("digits").subset(range(100))
GAN = ImageGAN(steps=2, random_state=0, device="cpu", verbose=False)


def decision(ratio):
    account = GateDecision(ratio, ratio, 0.1, 0.02, "it pays")
    return ImageGateDecision(ratio, (), dict.fromkeys(range(10), 0.0) | {3: ratio}, account, (), (), 30)


def test_as_many_are_added_as_the_gate_decided():
    more = augment_images(DATA, generator=GAN, per_class=decision(0.5), random_state=0)
    added = round(0.5 * (DATA.labels == 3).sum())
    assert more.labels.tolist() == [*DATA.labels.tolist(), *[3] * added]
    assert more.is_synthetic.tolist() == [False] * 100 + [True] * added
    assert np.array_equal(more.images[:100], DATA.images)
    assert more.reason == "it pays"
    assert not hasattr(GAN, "generator_")  # a copy of it was trained
    fitted = GAN.fit(DATA)
    again = augment_images(DATA, generator=fitted, prefit=True, per_class={3: added}, keep=[], random_state=0)
    assert np.array_equal(again.images, more.images)
    assert again.reason == ""


def test_where_nothing_is_to_be_added_nothing_is_trained():
    more = augment_images(DATA, generator=ImageGAN(steps=10**9), per_class=decision(0))
    assert len(more.images) == 100
    assert not more.is_synthetic.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_class": "auto", "keep": []}, "per_class 'auto' chooses filters too; leave keep out"),
        ({"per_class": -1}, "per_class must not be negative, got -1"),
        ({"prefit": True}, "generator must be a fitted generator, got a ImageGAN without"),
    ],
)
def test_what_cannot_be_done_is_refused_before_training(options, message):
    with pytest.raises(ValueError, match=message):
        augment_images(DATA, generator=ImageGAN(), **options)
