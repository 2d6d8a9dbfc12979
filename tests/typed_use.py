"""What a type checker and an editor know of a user's program; mypy checks this file, as strictly as --strict does."""

from pathlib import Path
from typing import assert_type

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from ganaug import (
    GANOverSampler,
    ImageGAN,
    LabelledImages,
    SafeOverSampler,
    SyntheticPool,
    TableAutoregressive,
    TableFlow,
    TableGAN,
    TableVAE,
    labelled_images,
)


def rows(frame: pl.DataFrame, X: NDArray[np.int64], y: list[str]) -> None:
    assert_type(TableGAN(steps=10, device="cpu").fit(frame, y), TableGAN[pl.DataFrame])
    assert_type(TableGAN().fit(frame, y).sample(["rare"] * 5, random_state=0), pl.DataFrame)
    assert_type(TableVAE(steps="auto").fit(X, y).sample(y), NDArray[np.int64])
    assert_type(TableFlow().fit(X, y).score_samples(X, y), NDArray[np.float32])
    assert_type(TableAutoregressive().fit(frame, y, groups="site").sample(y), pl.DataFrame)


def resampled(frame: pl.DataFrame, X: NDArray[np.int64], y: list[str]) -> None:
    sampler = GANOverSampler(generator=TableGAN(steps=10), balance="cells", random_state=0)
    assert_type(sampler.fit(X, y), GANOverSampler)
    assert_type(sampler.fit_resample(X, y), tuple[NDArray[np.int64], list[str]])
    assert_type(SafeOverSampler(sampler).fit_resample(frame, y), tuple[pl.DataFrame, list[str]])


def images(folder: Path) -> None:
    photos = labelled_images(folder, size=32, dtype="float32")
    assert_type(photos, LabelledImages)
    gan = ImageGAN(preset="tiny", steps=10, augment=["translation"]).fit(photos)
    assert_type(gan, ImageGAN)
    assert_type(gan.sample([0, 1], random_state=np.random.default_rng(0)), Tensor)
    pool = SyntheticPool.build(gan, folder / "pool", per_cell="balance", keep="auto")
    assert_type(pool, SyntheticPool)
    assert_type(pool.draw([0, 1]), Tensor)
    ImageGAN(preset="large")  # type: ignore[arg-type]
    labelled_images(folder, dtype="float64")  # type: ignore[arg-type]
