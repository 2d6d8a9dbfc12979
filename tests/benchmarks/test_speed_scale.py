"""What the benchmark of large tables measures, at toy size."""

import sys

import pytest


@pytest.fixture(scope="module")
def scale(script):
    return script("scale")


def test_a_process_costs_the_memory_that_it_held(scale):
    program = "import time; data = b'x' * (200 << 20); time.sleep(0.2)"
    cost = scale.cost([sys.executable, "-c", program])
    assert 200 < cost.anonymous <= cost.peak
    with pytest.raises(SystemExit, match="ZeroDivisionError"):
        scale.cost([sys.executable, "-c", "1 / 0"])


@pytest.mark.parametrize("kind", ["numbers", "mixed"])
def test_tables_of_so_many_columns_are_fitted(scale, kind):
    seconds, mebibytes = scale.fitted(6, kind, rows=60, steps=1)
    assert seconds > 0 <= mebibytes
