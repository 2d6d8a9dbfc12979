"""Face 2: imbalanced-learn samplers."""

from ganaug.resampling.over_sampler import GANOverSampler
from ganaug.resampling.safe import SafeOverSampler

__all__ = ["GANOverSampler", "SafeOverSampler"]
