"""What a type checker and an editor know of a user's program; mypy and pyright check this file at their strictest."""

from pathlib import Path
from typing import assert_type

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

import ganaug
from ganaug import (
    AugmentedDataset,
    Callback,
    GANOverSampler,
    ImageGAN,
    ImageVAE,
    LabelledImages,
    RunOptions,
    SafeOverSampler,
    SyntheticMix,
    SyntheticPool,
    TableAutoregressive,
    TableCopula,
    TableFlow,
    TableGAN,
    TableVAE,
    labelled_audio,
    labelled_images,
)
from ganaug.audit import AuditReport, audit
from ganaug.bench import Suite, load_suite
from ganaug.curation import ImageGateDecision
from ganaug.engine import TrainingState


def rows(frame: pl.DataFrame, X: NDArray[np.int64], y: list[str]) -> None:
    assert_type(TableGAN(steps=10, device="cpu").fit(frame, y), TableGAN[pl.DataFrame])
    assert_type(TableGAN().fit(frame, y).sample(["rare"] * 5, random_state=0), pl.DataFrame)
    assert_type(TableVAE(steps="auto").fit(X, y).sample(y), NDArray[np.int64])
    assert_type(TableFlow().fit(X, y).score_samples(X, y), NDArray[np.float32])
    assert_type(TableAutoregressive().fit(frame, y, groups="site").sample(y), pl.DataFrame)
    assert_type(TableCopula().fit(frame, y).sample(y), pl.DataFrame)


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
    assert_type(audit(gan, photos, photos), AuditReport)
    ImageGAN(preset="large")  # type: ignore[arg-type]
    labelled_images(folder, dtype="float64")  # type: ignore[arg-type]


class Patience(Callback):
    name = "patience"

    def on_reading(self, state: TrainingState) -> None:
        if state.history[-1]["generator_loss"] > 5:
            state.stop()


def loader(folder: Path) -> DataLoader[tuple[Tensor, object]]:
    sounds = labelled_audio(folder)
    assert_type(sounds, LabelledImages)
    vae = ImageVAE(run=RunOptions(callbacks=[Patience()])).fit(sounds)
    assert_type(vae, ImageVAE)
    mixed = SyntheticMix(vae, p=0.3)
    mixed(*sounds.images[:2])
    filled = AugmentedDataset(sounds, vae, per_class="auto")
    assert_type(filled.decision, ImageGateDecision | None)
    return DataLoader(filled, 64)


def names_of_the_package() -> None:
    assert_type(ganaug.TableGAN(steps=10).fit([[0.5]], [0]), TableGAN[list[list[float]]])
    assert_type(load_suite("quick"), Suite)
    print(ganaug.TableGun)  # type: ignore[attr-defined]
