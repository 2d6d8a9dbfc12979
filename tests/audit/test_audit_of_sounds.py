import numpy as np
import pytest

from ganaug.audit import audit
from ganaug.data import LabelledImages, MelSpectrogram


@pytest.mark.parametrize(("sounds", "mirrored", "copied"), [(False, None, 1), (True, None, 0), (True, True, 1)])
def test_a_sound_played_backwards_is_no_copy(sounds, mirrored, copied):
    randomness = np.random.default_rng(0)
    images = randomness.normal(size=(120, 1, 8, 8)).astype(np.float32)
    facts = MelSpectrogram(8000, 0.1).facts() if sounds else {}
    train, holdout = (LabelledImages(part, np.arange(60) % 2, facts=facts) for part in np.split(images, 2))
    backwards = LabelledImages(train.images[..., ::-1].copy(), train.labels, facts=facts)
    found = audit(backwards, train, holdout, mirrored=mirrored, device="cpu", random_state=0)
    assert found.near.rate == pytest.approx(copied, abs=0.2)
    assert (found.findings["copies"].verdict == "fail") == bool(copied)
