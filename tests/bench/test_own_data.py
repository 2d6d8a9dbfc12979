"""Data that a user's files and functions hold."""

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ganaug.bench import run_suite
from ganaug.bench.execution.workers import make_case
from ganaug.bench.inputs.datasets import TableData
from ganaug.bench.methods.classifiers import Columns
from ganaug.bench.records.store import Store
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
    assert (
        "dataset 'load', or code that an arm or a classifier runs, has changed since the run began"
        in capsys.readouterr().err.splitlines()[-1]
    )


def test_one_long_text_costs_no_memory_in_every_row(table_suite, tmp_path):
    path = Path(table_suite.tables.datasets[0].target)
    table = pd.concat([pd.read_csv(path)] * 20, ignore_index=True)
    table.loc[7, "kind"] = "x" * 300_000  # 1.2 GB in an array of strings of one width
    table.to_csv(path, index=False)
    case = make_case(table_suite, 0, Store(tmp_path / "run"))
    tracemalloc.start()
    about = case.describe()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert about["duplicates"] >= len(case.splits.test[0]) - 1


def test_identifiers_and_free_texts_get_no_column_for_each_value():
    y = np.arange(3000) % 2
    ids = pd.DataFrame({"id": [f"user {i}" for i in range(3000)], "kind": np.resize(["u", "v"], 3000)})
    ids.loc[:49, "id"] = "guest"
    encoded = Columns(TableData(ids, y, ("id", "kind")))(ids)
    assert encoded.shape == (3000, 100 + 1 + 2)
    assert encoded[:, :101].sum(1).tolist() == [1] * 3000
    assert 50 in encoded[:, :101].sum(0)  # the frequent one has its own


def test_up_to_a_hundred_names_each_has_its_column_and_unknown_ones_none():
    names = pd.DataFrame({"name": [f"{i:03}" for i in range(100)]})
    encode = Columns(TableData(names, np.arange(100) % 2, ("name",)))
    np.testing.assert_array_equal(encode(names), np.eye(100))
    assert not encode(pd.DataFrame({"name": ["new"]})).any()
