"""Face 3: does augmentation help? Suites, cells, a store of results, and a report that may say no."""

from ganaug.bench.run import run_suite
from ganaug.bench.suite import Suite, available_suites, load_suite

__all__ = ["Suite", "available_suites", "load_suite", "run_suite"]
