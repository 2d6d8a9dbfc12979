"""Data that a user's files and functions hold."""

import datetime
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ganaug.bench import run_suite
from ganaug.bench.execution.workers import make_case
from ganaug.bench.inputs.datasets import TableData, load_images, load_table
from ganaug.bench.inputs.datasets.table_data import table_of
from ganaug.bench.methods.classifiers import Columns
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin
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


def test_what_stands_for_numbers_and_dates_is_read_as_such(tmp_path):
    n = np.arange(60)
    plain = pd.DataFrame({"v": 100 + 7 * n, "y": n % 2})
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(int(i)) for i in n]
    times = [(datetime.datetime(2024, 1, 1) + datetime.timedelta(minutes=int(i))).time() for i in n]
    for values, least in [
        ([Decimal(int(i)) / 4 for i in n], 0),
        (days, None),
        (times, None),
        (pd.to_timedelta(n, unit="h"), 0),
        (pd.period_range("2024-01", periods=60, freq="M"), None),
        ([f"{1000 + int(i):,}" for i in n], 1000),
    ]:
        table = plain.assign(v=values)
        table.loc[3, "v"] = None
        found = table_of(Plugin.of("t"), table[["v"]], table["y"])
        assert found.nominal == ()
        known = found.X["v"].drop(index=3)
        assert known.is_monotonic_increasing
        assert found.X["v"].isna().tolist() == [i == 3 for i in range(60)]
        assert least is None or known.iloc[0] == least
        assert np.isfinite(Columns(found)(found.X)).all()
    kept = table_of(Plugin.of("t"), plain.assign(v=[f"{1000 + int(i):,}" for i in n])[["v"]], plain["y"], names=["v"])
    assert kept.nominal == ("v",)


def test_suites_refuse_data_of_which_some_are_marked_as_synthetic(tmp_path):
    table = pd.DataFrame({"v": range(40), "y": np.arange(40) % 2, "is_synthetic": np.arange(40) > 30})
    table.to_parquet(tmp_path / "t.parquet")
    np.savez(
        tmp_path / "t.npz",
        images=np.random.default_rng(0).integers(0, 255, (40, 8, 8), np.uint8),
        labels=np.arange(40) % 2,
        is_synthetic=np.arange(40) > 30,
    )
    for load, named in (
        (load_table, {"source": str(tmp_path / "t.parquet"), "target": "y"}),
        (load_images, {"source": str(tmp_path / "t.npz")}),
    ):
        with pytest.raises(
            ValueError, match=r"holds 9 synthetic (rows|images) already \(is_synthetic\); pass real ones"
        ):
            load(Plugin.of(named, "source"))


def test_float_images_are_read_as_they_are_for_training(tmp_path):
    images = np.random.default_rng(0).normal(size=(40, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "f.npz", images=images, labels=np.arange(40) % 2)
    assert np.array_equal(load_images(Plugin.of(str(tmp_path / "f.npz"), "source")).images[:, 0], images)


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
