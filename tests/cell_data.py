"""Images whose grey value says class and group, and a pool and a generator of them that know cells."""

import numpy as np
import torch

from ganaug import LabelledImages
from ganaug.curation import AdditiveTransfer
from ganaug.generators import SampleSpec

GROUPS = ("new", "old", "third")
COUNTS = [[4, 8, 8], [8, 8, 8], [0, 8, 8]]  # of classes 0, 1 and 2 in each group


def cells_of(images):
    """Class and group that images show, as pairs of positions."""
    values = np.asarray(images).reshape(len(images), -1).mean(1)
    return [(int(value % 60 // 20), int(value // 60)) for value in values]


def images_of(counts=COUNTS, groups=GROUPS, names=None):
    cells = [(c, g) for c, row in enumerate(counts) for g, n in enumerate(row) for _ in range(n)]
    noise = np.random.default_rng(0).integers(-5, 6, (len(cells), 1, 8, 8))
    shades = np.array([10 + 20 * c + 60 * g for c, g in cells])
    labels, of = np.array([c for c, _ in cells]), np.array(groups)[[g for _, g in cells]]
    return LabelledImages((shades[:, None, None, None] + noise).astype(np.uint8), labels, names or {}, groups=of)


def transfer(**options):
    return AdditiveTransfer().fit(images_of(**options))


class Shades:
    """A generator without groups: it draws classes as the first group shows them."""

    def fit(self, X, y=None):
        self.classes_, self.sample_spec_ = X.classes, SampleSpec("images", X.image_shape, "uint8")
        return self

    def sample(self, labels, *, random_state=None):
        shades = torch.from_numpy(10 + 20 * np.searchsorted(self.classes_, labels))
        return shades.to(torch.uint8)[:, None, None, None].expand(-1, *self.sample_spec_.shape)
