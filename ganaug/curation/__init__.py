"""Which samples, and how many: samplers that stay near real rows, and selection by class consistency."""

from ganaug.curation.consistency import ClassConsistency, select
from ganaug.curation.gaussian import GaussianSampler
from ganaug.curation.local import LocalSampler

__all__ = ["ClassConsistency", "GaussianSampler", "LocalSampler", "select"]
