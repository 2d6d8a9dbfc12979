"""Suites as TOML files, and the folders of their runs.

A suite may name classes and functions by their import path: these are imported, and a suite is to be trusted like code.
"""

import functools
import json
import shutil
import tempfile
import tomllib
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import example, given
from mutations import NESTED, as_json, byte_edits, damaged, edited, edits, fuzzed, has_nested, read_or_refused

from ganaug.bench import load_suite, run_suite
from ganaug.bench.cases.case import case_specs
from ganaug.bench.results.report import read_summary
from ganaug.bench.suite.reading import SUITES
from ganaug.bench.suite.schema import digest


@functools.cache
def suite(name="quick"):
    return tomllib.loads((SUITES / f"{name}.toml").read_text())


def as_toml(tree):
    """TOML text of an edited tree: all tables inline, null as an empty one."""
    if isinstance(tree, dict):
        pairs = [f"{json.dumps(key.removesuffix(chr(0) + 'twice'))} = {as_toml(value)}" for key, value in tree.items()]
        return f"{{{', '.join(pairs)}}}"
    if isinstance(tree, list):
        return f"[{', '.join(map(as_toml, tree))}]"
    if tree == NESTED:
        return "[" * 100_000 + "]" * 100_000
    if tree is None:
        return "{}"
    return json.dumps(tree).replace("NaN", "nan").replace("Infinity", "inf")


def check_suite(text):
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "mine.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        found = read_or_refused(lambda: load_suite(path), named="mine.toml")
    if found is not None:
        assert len(case_specs(found)) >= 1
        assert json.dumps(found.to_dict())
        assert all(len(pair) == 2 for experiment in found.experiments for pair in experiment.pairs())
    return found


def lines(tree):
    return "\n".join(f"{json.dumps(key.removesuffix(chr(0) + 'twice'))} = {as_toml(v)}" for key, v in tree.items())


def test_the_suites_are_read_as_they_are():
    assert asdict(check_suite(lines(suite()))) == asdict(load_suite("quick"))
    assert check_suite(lines(suite("keel"))) is not None


@fuzzed(60)
@given(edits(suite))
@example([(("images", "arms", 1, "name"), "set", [])])
@example([(("images", "arms", 1, "mix"), "set", [])])
@example([(("images", "arms", 1, "transform"), "set", "..x")])
@example([(("images", "arms", 1, "balanced"), "set", "no")])
@example([(("images", "baselines", 0), "set", [])])
@example([(("images", "metrics", 0), "set", {})])
@example([(("images", "splits"), "set", 10**9)])
@example([(("images", "rope"), "set", float("inf"))])
@example([(("images", "gan", "preset"), "set", 1)])
@example([(("images", "gan"), "set", {"": 0})])
@example([(("images", "n_per_class"), "nested", None)])
@example([(("title",), "set", 10**400)])
def test_values(changes):
    check_suite(lines(edited(suite(), changes)))


@fuzzed(30)
@given(edits(lambda: suite("keel-tuning")))
@example([(("extends",), "set", "../suites/quick")])
def test_values_of_a_suite_with_samplers(changes):
    check_suite(lines(edited(suite("keel-tuning"), changes)))


@fuzzed(30)
@given(byte_edits())
def test_bytes(changes):
    check_suite(damaged((SUITES / "quick.toml").read_bytes(), changes))


def test_a_suite_that_extends_itself_is_refused(tmp_path):
    path = tmp_path / "loop.toml"
    path.write_text(f'extends = "{path.with_suffix("")}"')
    assert check_suite(path.read_text()) is None
    assert read_or_refused(lambda: load_suite(path), named=path) is None


def test_finding_the_line_of_a_key_takes_no_time_on_empty_lines():
    assert check_suite("\n" * 100_000 + "nonsense = 1\n") is None


def test_numbers_too_long_for_python():
    assert check_suite(f'name = "a"\ntitle = "a"\nseed = {"9" * 5000}') is None
    assert check_suite(f'name = "a"\ntitle = "a"\nseed = 0x{"f" * 5000}') is None


@functools.cache
def run():
    """Folder of a finished run of a few milliseconds a cell, and its suite."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], [30, 12])
    pd.DataFrame(rng.normal(size=(42, 2)), columns=["a", "b"]).assign(y=y).to_csv(folder / "t.csv", index=False)
    text = f"""
        name = "t"
        title = "t"
        [tables]
        datasets = [{{source = "{folder / "t.csv"}", target = "y"}}]
        folds = 2
        baselines = ["none"]
        classifiers = ["logistic"]
        arms = [{{name = "none"}}, {{name = "SMOTE", sampler = "smote", against = ["none"]}}]
        """
    (folder / "t.toml").write_text(text)
    declared = load_suite(folder / "t.toml")
    run_suite(declared, folder / "run", jobs=1, verbose=False)
    return folder / "run", declared


def check_in_a_copy(name, text, read, named=None):
    """Call a reader of a run's folder in which one file is replaced."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "run"
        shutil.copytree(run()[0], path)
        (path / name).write_text(text)
        return read_or_refused(lambda: read(path), named=named)


def cell():
    return min((run()[0] / "cells").iterdir())


def record():
    return json.loads(cell().read_text())["record"]


@fuzzed(8)
@given(edits(record))
@example([(("status",), "set", [])])
@example([(("case",), "set", 5)])
@example([(("metrics",), "set", [])])
@example([(("seconds",), "set", "a")])
def test_records_of_cells(changes):
    tree = edited(record(), changes)
    checksum = "" if has_nested(tree) else digest(json.loads(as_json(tree)))
    text = as_json({"sha256": checksum, "record": tree})
    check_in_a_copy(f"cells/{cell().name}", text, lambda path: run_suite(run()[1], path, jobs=1, verbose=False))


@fuzzed(20)
@given(edits(lambda: json.loads((run()[0] / "suite.json").read_text())))
@example([((), "set", [])])
@example([(("suite",), "set", [])])
def test_declarations_of_runs(changes):
    tree = json.loads((run()[0] / "suite.json").read_text())
    text = "[]" if changes[0][0] == () else as_json(edited(tree, changes))
    check_in_a_copy("suite.json", text, lambda path: run_suite(run()[1], path, jobs=1, verbose=False), named="run")


@fuzzed(8)
@given(edits(lambda: json.loads((run()[0] / "grid.json").read_text())))
@example([(("data", 0, "classes"), "set", 3)])
@example([(("tasks",), "set", [])])
def test_lists_of_cells_in_reports(changes):
    text = as_json(edited(json.loads((run()[0] / "grid.json").read_text()), changes))
    check_in_a_copy("grid.json", text, read_summary, named="run")


def read_kept(path):
    """Read a summary that was kept without its cells."""
    (path / "suite.json").unlink()
    return read_summary(path)


@fuzzed(20)
@given(edits(lambda: json.loads((run()[0] / "summary.json").read_text())))
def test_summaries(changes):
    text = as_json(edited(json.loads((run()[0] / "summary.json").read_text()), changes))
    with warnings.catch_warnings():
        check_in_a_copy("summary.json", text, read_kept, named="summary.json")
