"""A family that is no GAN needs an objective, networks and an estimator; the rest is shared."""

import pickle

import numpy as np
import pytest
import torch
from interrupting import Power
from sklearn.base import clone
from small_vae import RowVAE

from ganaug import RunOptions, TrainingDiverged

Y = np.repeat(["a", "b"], 30)
X = np.random.default_rng(0).normal(size=(60, 2)) * 0.3 + np.where(Y == "a", -1.0, 1.0)[:, None]


@pytest.fixture(scope="module")
def whole():
    before = torch.get_rng_state()
    fitted = RowVAE(random_state=0, run=RunOptions(validation_fraction=0.2)).fit(X, Y)
    assert torch.equal(before, torch.get_rng_state())
    return fitted


def same(a, b):
    drawn = [model.sample(["a", "b"] * 9, random_state=1) for model in (a, b)]
    return np.array_equal(*drawn) and all(torch.equal(t, b.tensors()[name]) for name, t in a.tensors().items())


def test_it_learns_its_classes(whole):
    assert whole.history_[-1]["reconstruction"] < whole.history_[0]["reconstruction"]
    assert len(whole.validation_) == 6
    for label, mean in (("a", -1.0), ("b", 1.0)):
        np.testing.assert_allclose(whole.sample([label] * 300, random_state=0).mean(0), mean, atol=0.3)


def test_interrupted_and_resumed_it_is_the_same(whole, tmp_path):
    options = RunOptions(validation_fraction=0.2, checkpoint_dir=tmp_path, checkpoint_every=20)
    for step in (33, 101, 250):
        options.set_params(callbacks=[Power(step)])
        with pytest.raises(KeyboardInterrupt):
            RowVAE(random_state=0, run=options).fit(X, Y)
    resumed = RowVAE(random_state=0, run=options.set_params(callbacks=[])).fit(X, Y)
    assert resumed.resumed_from_ == 240
    assert same(resumed, whole)
    assert resumed.validation_ == whole.validation_
    with pytest.raises(ValueError, match=r"holds a run with training\.steps 300, which is 9 now"):
        RowVAE(random_state=0, steps=9, run=options).fit(X, Y)


def test_it_is_saved_loaded_pickled_and_cloned(whole, tmp_path):
    loaded = RowVAE.load(whole.save(tmp_path / "m"))
    assert same(loaded, whole)
    assert loaded.run.validation_fraction == 0.2
    assert same(pickle.loads(pickle.dumps(whole)), whole)
    assert same(clone(whole).fit(X, Y), whole)
    with pytest.raises(ValueError, match="holds a RowVAE"):
        type("Other", (RowVAE,), {}).load(tmp_path / "m")


def test_its_own_remedy_is_named_where_it_diverges():
    with pytest.raises(TrainingDiverged, match=r"try a learning_rate below .* or larger latents$"):
        RowVAE(random_state=0, learning_rate=1e30, steps=60).fit(X, Y)
