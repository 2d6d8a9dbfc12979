"""Face 1: transforms and datasets for the DataLoader, and Hugging Face datasets."""

from ganaug.transforms.dataset import AugmentedDataset
from ganaug.transforms.hugging_face import augment_dataset
from ganaug.transforms.mix import RandomSynthetic, SyntheticMix

__all__ = ["AugmentedDataset", "RandomSynthetic", "SyntheticMix", "augment_dataset"]
