"""Data that a user's files and functions hold."""

import sys
from pathlib import Path

import numpy as np
import pytest

from ganaug.bench import run_suite
from ganaug.cli import main

SUITE = """
name = "t"
title = "t"
[tables]
datasets = ["own_random.load"]
baselines = ["none"]
arms = [{name = "none"}]
"""


def test_two_names_for_the_same_data_are_refused_before_anything_runs(table_suite, tmp_path):
    first, second = table_suite.tables.datasets
    Path(second.target).write_bytes(Path(first.target).read_bytes())
    with pytest.raises(ValueError, match="clients1 holds the same data as clients0; leave one of them out"):
        run_suite(table_suite, tmp_path / "run", jobs=1, verbose=False)
    assert not (tmp_path / "run" / "cells").exists()


def test_a_function_that_makes_other_data_each_time_ends_the_command_in_one_sentence(tmp_path, monkeypatch, capsys):
    module = type(sys)("own_random")
    module.load = lambda: (np.random.default_rng().normal(size=(40, 2)), np.repeat([0, 1], 20))
    monkeypatch.setitem(sys.modules, "own_random", module)
    (tmp_path / "t.toml").write_text(SUITE)
    with pytest.raises(SystemExit) as ended:
        main(["bench", "run", str(tmp_path / "t.toml"), "-o", str(tmp_path / "run"), "--jobs", "1"])
    assert ended.value.code == 2
    assert "dataset 'load' has changed since the run began" in capsys.readouterr().err.splitlines()[-1]
