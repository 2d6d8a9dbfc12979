"""Small GANs with data that use all of the engine: every augmentation, several members, missing values."""

import numpy as np

from ganaug import ImageGAN, TableGAN

LABELS = np.arange(20) % 2
ENGINE = {"steps": 100, "batch_size": 8, "random_state": 0, "verbose": False}


def images(**options):
    X = np.random.default_rng(0).integers(0, 255, (20, 9, 8, 3)).astype(np.uint8)
    operations = ["translation", "cutout", "color", "hflip"]
    return ImageGAN(augment=operations, augment_p=0.5, **{**ENGINE, **options}), X


def rows(**options):
    X = np.random.default_rng(0).normal(size=(20, 3))
    X[:, 2] = np.round(X[:, 2])
    X[::7, :2] = np.nan
    return TableGAN(members=2, **{**ENGINE, **options}), X
