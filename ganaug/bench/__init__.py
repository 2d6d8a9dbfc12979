"""Face 3: does augmentation help? Suites, cells, a store of results, and a report that may say no."""

from ganaug.bench.cases.checking import load_suite
from ganaug.bench.run import run_suite
from ganaug.bench.suite.reading import available_suites
from ganaug.bench.suite.schema import (
    ImageArm,
    ImageExperiment,
    Sizes,
    Suite,
    TableArm,
    TableExperiment,
    weighted_variants,
)

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
    "weighted_variants",
]
