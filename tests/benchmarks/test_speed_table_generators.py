"""Generators of rows beside those of other packages, on a small table."""

import pandas as pd
import pytest

TABLE = "breast_cancer"


@pytest.fixture(scope="module")
def generators(script):
    return script("table_generators")


def test_the_rare_class_is_one_and_no_row_is_in_both_halves(generators):
    train, test = generators.halves(TABLE, 0)
    assert 0 < train.y.sum() < len(train.y) / 2
    assert len(train.X) + len(test.X) == 569
    assert pd.concat([train.X, test.X]).duplicated().sum() == 0


def test_a_generator_is_timed_and_judged(generators):
    found = generators.measure("table-gan:3", TABLE, 0)
    assert found["fit"] > 0 < found["draw"]
    assert found["AP"] < generators.measure("table-copula", TABLE, 0)["AP"] < 100


@pytest.mark.parametrize(("name", "steps"), [("table-gan:7", 7), ("table-gan", 1000)])
def test_steps_may_follow_a_name(generators, name, steps):
    assert generators.generator(name, (), 0).steps == steps


def test_the_least_time_is_taken_that_is_as_good(generators):
    means = {
        "TableGAN": pd.Series({"fit": 9.0, "draw": 1.0, "AP": 80.0}),
        "TableGAN, 100 steps": pd.Series({"fit": 1.5, "draw": 0.5, "AP": 60.0}),
    }
    other = pd.Series({"fit": 17.0, "draw": 3.0, "AP": 60.0})
    assert generators.as_good(means, other) == "2.0 s, 10.0 times as fast"
    assert generators.as_good(means, other.replace(60.0, 61.0), named=True) == "TableGAN: 10.0 s, 2.0 times as fast"
    assert generators.as_good(means, other.replace(60.0, 90.0)) == "never"


def test_what_is_not_installed_is_left_out(generators, capsys):
    assert "no-such-generator" in generators.measured("no-such-generator", TABLE, 1)
    assert "no-such-generator" in capsys.readouterr().out
