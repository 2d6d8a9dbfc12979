"""Face 2: imbalanced-learn samplers."""

from ganaug.resampling.over_sampler import GANOverSampler

__all__ = ["GANOverSampler"]
