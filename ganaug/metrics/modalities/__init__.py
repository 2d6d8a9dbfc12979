"""What differs between kinds of samples: one object per kind, which audits, explanations and reports ask."""

from ganaug.metrics.modalities.images import Images
from ganaug.metrics.modalities.protocol import Modality, Move, Prepared, Samples, Training
from ganaug.metrics.modalities.registry import modality_for, modality_of, register
from ganaug.metrics.modalities.rows import Rows

__all__ = [
    "Images",
    "Modality",
    "Move",
    "Prepared",
    "Rows",
    "Samples",
    "Training",
    "modality_for",
    "modality_of",
    "register",
]
