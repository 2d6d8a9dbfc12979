"""Face 2: imbalanced-learn samplers, and a classifier that learns from a larger one on their rows."""

from ganaug.resampling.distilled import DistilledClassifier
from ganaug.resampling.over_sampler import GANOverSampler
from ganaug.resampling.safe import SafeOverSampler

__all__ = ["DistilledClassifier", "GANOverSampler", "SafeOverSampler"]
