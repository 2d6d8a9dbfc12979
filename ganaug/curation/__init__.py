"""Which samples, and how many: samplers that stay near real rows, selection, filters for images, pools of images."""

from ganaug.curation.amounts import images_to_add
from ganaug.curation.consistency import ClassConsistency, select
from ganaug.curation.gaussian import GaussianSampler
from ganaug.curation.image_filters import DiscriminatorRank, ImageConsistency, NoCopies
from ganaug.curation.local import LocalSampler
from ganaug.curation.pool import SyntheticPool

__all__ = [
    "ClassConsistency",
    "DiscriminatorRank",
    "GaussianSampler",
    "ImageConsistency",
    "LocalSampler",
    "NoCopies",
    "SyntheticPool",
    "images_to_add",
    "select",
]
