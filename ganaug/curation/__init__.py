"""Which samples, and how many: samplers that stay near real rows, selection, filters for images, pools of images."""

from ganaug.curation.additive import AdditiveTransfer
from ganaug.curation.additive_sampler import AdditiveSampler
from ganaug.curation.augmented import AugmentedImages, augment_images
from ganaug.curation.cell_gate import choose_cells
from ganaug.curation.class_counts import images_to_add
from ganaug.curation.consistency import ClassConsistency, select
from ganaug.curation.flow_transfer import FlowTransfer
from ganaug.curation.gate import GateDecision
from ganaug.curation.gaussian import GaussianSampler
from ganaug.curation.generator_sampler import GeneratorSampler
from ganaug.curation.image_filters import DiscriminatorRank, ImageConsistency, LearningDynamics, NoCopies
from ganaug.curation.image_gate import ImageGateDecision, choose_ratio
from ganaug.curation.image_mixture import ImageMixture
from ganaug.curation.local import LocalSampler
from ganaug.curation.mixture import Mixture, RowSampler
from ganaug.curation.pool import SyntheticPool
from ganaug.curation.withheld_cells import CellGateDecision
from ganaug.data.tables.encoded import EncodedTable, encode_table

__all__ = [
    "AdditiveSampler",
    "AdditiveTransfer",
    "AugmentedImages",
    "CellGateDecision",
    "ClassConsistency",
    "DiscriminatorRank",
    "EncodedTable",
    "FlowTransfer",
    "GateDecision",
    "GaussianSampler",
    "GeneratorSampler",
    "ImageConsistency",
    "ImageGateDecision",
    "ImageMixture",
    "LearningDynamics",
    "LocalSampler",
    "Mixture",
    "NoCopies",
    "RowSampler",
    "SyntheticPool",
    "augment_images",
    "choose_cells",
    "choose_ratio",
    "encode_table",
    "images_to_add",
    "select",
]
