"""Face 3: does augmentation help? Suites, cells, a store of results, and a report that may say no."""

from ganaug.bench.reading import available_suites, load_suite
from ganaug.bench.run import run_suite
from ganaug.bench.suite import ImageArm, ImageExperiment, Suite, TableArm, TableExperiment

__all__ = [
    "ImageArm",
    "ImageExperiment",
    "Suite",
    "TableArm",
    "TableExperiment",
    "available_suites",
    "load_suite",
    "run_suite",
]
