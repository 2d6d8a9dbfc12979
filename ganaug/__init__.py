"""Class-conditional generators as data augmentation, with an honest measure of what they bring.

Public names are imported when they are first used, so ``import ganaug`` itself is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganaug._version import __version__

if TYPE_CHECKING:
    from ganaug.curation import SyntheticPool, choose_ratio
    from ganaug.data import (
        LabelledImages,
        MelSpectrogram,
        labelled_audio,
        labelled_images,
        spectrograms_to_audio,
    )
    from ganaug.engine import Callback, OutOfMemory, RunOptions, TrainingDiverged
    from ganaug.generators import (
        ImageFlow,
        ImageGAN,
        ImageVAE,
        TableAutoregressive,
        TableCopula,
        TableFlow,
        TableGAN,
        TableVAE,
        load,
    )
    from ganaug.resampling import DistilledClassifier, GANOverSampler, SafeOverSampler
    from ganaug.transforms import AugmentedDataset, RandomSynthetic, SyntheticMix, augment_dataset

_HOMES = {
    "AugmentedDataset": "ganaug.transforms",
    "Callback": "ganaug.engine",
    "DistilledClassifier": "ganaug.resampling",
    "GANOverSampler": "ganaug.resampling",
    "ImageFlow": "ganaug.generators",
    "ImageGAN": "ganaug.generators",
    "ImageVAE": "ganaug.generators",
    "LabelledImages": "ganaug.data",
    "MelSpectrogram": "ganaug.data",
    "OutOfMemory": "ganaug.engine",
    "RandomSynthetic": "ganaug.transforms",
    "RunOptions": "ganaug.engine",
    "SafeOverSampler": "ganaug.resampling",
    "SyntheticMix": "ganaug.transforms",
    "SyntheticPool": "ganaug.curation",
    "TableAutoregressive": "ganaug.generators",
    "TableCopula": "ganaug.generators",
    "TableFlow": "ganaug.generators",
    "TableGAN": "ganaug.generators",
    "TableVAE": "ganaug.generators",
    "TrainingDiverged": "ganaug.engine",
    "augment_dataset": "ganaug.transforms",
    "choose_ratio": "ganaug.curation",
    "labelled_audio": "ganaug.data",
    "labelled_images": "ganaug.data",
    "load": "ganaug.generators",
    "spectrograms_to_audio": "ganaug.data",
}

__all__ = [
    "AugmentedDataset",
    "Callback",
    "DistilledClassifier",
    "GANOverSampler",
    "ImageFlow",
    "ImageGAN",
    "ImageVAE",
    "LabelledImages",
    "MelSpectrogram",
    "OutOfMemory",
    "RandomSynthetic",
    "RunOptions",
    "SafeOverSampler",
    "SyntheticMix",
    "SyntheticPool",
    "TableAutoregressive",
    "TableCopula",
    "TableFlow",
    "TableGAN",
    "TableVAE",
    "TrainingDiverged",
    "__version__",
    "augment_dataset",
    "choose_ratio",
    "labelled_audio",
    "labelled_images",
    "load",
    "spectrograms_to_audio",
]


if not TYPE_CHECKING:  # with it in sight, a type checker takes any name for one of the package

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'ganaug' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
