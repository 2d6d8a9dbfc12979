"""A generator of another family, which inherits nothing from ganaug: a normal distribution of each class."""

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator

from ganaug.generators import SampleSpec, read_bundle, write_bundle


class Gaussians(BaseEstimator):
    """Independent normal numbers for each class."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None):
        X, y = self._samples(X, y)
        self.classes_ = np.unique(y)
        parts = [X[y == c].reshape((y == c).sum(), -1) for c in self.classes_]
        self.mean_, self.spread_ = (np.array([f(part, 0) for part in parts]) for f in (np.mean, np.std))
        return self

    def _draw(self, labels, random_state):
        at = np.searchsorted(self.classes_, labels)
        noise = np.random.default_rng(random_state).normal(size=(len(at), self.mean_.shape[1]))
        return self.mean_[at] + noise * self.spread_[at]

    def save(self, path):
        spec = self.sample_spec_
        config = {"classes": self.classes_.tolist(), "shape": spec.shape, "columns": getattr(self, "columns_", [])}
        tensors = {"mean": torch.from_numpy(self.mean_), "spread": torch.from_numpy(self.spread_)}
        write_bundle(path, type(self).__name__, config, tensors, "A normal distribution of each class.")

    @classmethod
    def load(cls, path):
        config, tensors = read_bundle(path, cls.__name__)
        toy = cls()
        toy.classes_, toy.columns_ = np.array(config["classes"]), config["columns"]
        toy.sample_spec_ = SampleSpec(cls.sample_kind, tuple(config["shape"]), cls.dtype)
        toy.mean_, toy.spread_ = tensors["mean"].numpy(), tensors["spread"].numpy()
        return toy


class GaussianImages(Gaussians):
    sample_kind, dtype = "images", "uint8"

    def _samples(self, X, y):
        self.sample_spec_ = SampleSpec("images", X.image_shape, self.dtype)
        return X.images, X.labels

    def sample(self, labels, *, random_state=None):
        pixels = self._draw(labels, random_state).reshape(-1, *self.sample_spec_.shape)
        return torch.from_numpy(pixels.clip(0, 255).astype(np.uint8))

    def score_samples(self, X, labels):
        at = np.searchsorted(self.classes_, labels)
        return -np.square(np.asarray(X).reshape(len(at), -1) - self.mean_[at]).sum(1)


class WithoutScores(GaussianImages):
    """It cannot say how well samples fit its classes."""

    score_samples = None


class GaussianRows(Gaussians):
    sample_kind, dtype = "rows", "float64"

    def _samples(self, X, y):
        self.columns_, self.sample_spec_ = list(X.columns), SampleSpec("rows", (X.shape[1],), self.dtype)
        return X.to_numpy(dtype=float), np.asarray(y)

    def sample(self, labels, *, random_state=None):
        return pd.DataFrame(self._draw(labels, random_state), columns=self.columns_)


class Mute(GaussianRows):
    """It cannot be kept."""

    save = None


class Worried(GaussianRows):
    """It finds that its training went wrong."""

    def fit(self, X, y=None):
        found = {"finding": "mode_collapse", "action": "reported"}
        self.health_ = [{**found, "step": step, "class": name} for step in (50, 100) for name in ("no", "yes\x1b")]
        self.health_.append({"finding": "near_copies", "step": 150, "action": "none left"})
        self.history_ = [{"step": 200, "seconds": 61.2}]
        return super().fit(X, y)
