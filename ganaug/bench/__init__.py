"""Face 3: does augmentation help? Suites, cells, a store of results, and a report that may say no."""

from ganaug.bench.reading import available_suites, load_suite
from ganaug.bench.run import run_suite
from ganaug.bench.suite import ImageArm, ImageExperiment, Sizes, Suite, TableArm, TableExperiment, weighted_twins

__all__ = [
    "ImageArm",
    "ImageExperiment",
    "Sizes",
    "Suite",
    "TableArm",
    "TableExperiment",
    "available_suites",
    "load_suite",
    "run_suite",
    "weighted_twins",
]
