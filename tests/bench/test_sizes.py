"""Few samples of equal classes, and long tails, in one suite."""

import dataclasses
import json

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Image

from ganaug.bench import available_suites, load_suite, run_suite
from ganaug.bench.cases.case import case_specs
from ganaug.bench.execution.workers import make_case
from ganaug.bench.inputs.datasets import load_table
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin

ARMS = """
[[tables.arms]]
name = "none"
[[tables.arms]]
name = "random"
sampler = "imblearn.over_sampling.RandomOverSampler"
fill_to = 12
[[tables.arms]]
name = "SMOTE, half"
sampler = "smote"
ratio = 0.5
fill_to = 12
[[tables.arms]]
name = "gan"
sampler = { class = "gan", generator = { steps = 3 } }
fill_to = 12
"""


def test_few_samples_are_filled_up_though_their_classes_are_equal(tmp_path):
    path = tmp_path / "few.toml"
    path.write_text(
        'name = "few"\ntitle = "Few"\n[tables]\ndatasets = ["wine"]\nsplits = 2\nbaselines = ["none"]\n'
        'classifiers = ["logistic"]\nsizes = [{n_per_class = [2, 4]}, {n_per_class = 9, imbalance = 3}]\n' + ARMS
    )
    summary = run_suite(path, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    (found,) = summary["experiments"]
    names = [case["name"] for case in found["cases"]]
    assert names == ["wine, 2 a class", "wine, 4 a class", "wine, 9 down to 3 a class"]
    rows = {}
    for cell in (tmp_path / "run" / "cells").iterdir():
        record = json.loads(cell.read_text())["record"]
        rows.setdefault((record["case"], record["arm"]), set()).add(record["n_rows"])
    # Of three classes; the tail has 9, 5 and 3 samples.
    assert rows == {
        **{(0, "none"): {6}, (0, "random"): {36}, (0, "SMOTE, half"): {6 + 15}, (0, "gan"): {36}},
        **{(1, "none"): {12}, (1, "random"): {36}, (1, "SMOTE, half"): {12 + 12}, (1, "gan"): {36}},
        **{(2, "none"): {17}, (2, "random"): {36}, (2, "SMOTE, half"): {17 + 2 + 4 + 4}, (2, "gan"): {36}},
    }
    (curve,) = found["curves"]
    assert [point[0] for point in curve["points"]["gan"]] == [2, 4]


def test_a_gate_may_fill_up_too(tmp_path):
    from ganaug.bench.inputs.datasets import TableData
    from ganaug.bench.methods.classifiers import Columns
    from ganaug.bench.methods.samplers import make_gate
    from ganaug.bench.suite.schema import TableArm, TableExperiment

    wine = load_table(Plugin("wine", "wine"))
    few = np.concatenate([np.flatnonzero(wine.y == label)[:8] for label in range(3)])
    data = TableData(wine.X.iloc[few].reset_index(drop=True), wine.y[few], wine.nominal)
    # Equal classes have nothing to be filled up to, unless the arm says so.
    sampler = Plugin("random", "imblearn.over_sampling.RandomOverSampler")
    asked = {}
    for fill_to in (0, 20):
        arm = TableArm("gated", sampler, raw=True, gate=True, fill_to=fill_to)
        gate = make_gate(arm, data, TableExperiment((), (arm,), ()), 0)
        draw = gate._sampler.memory.kept
        gate.resample(Plugin("knn", "knn"), Columns(data))
        asked[fill_to] = max((len(y) for _, y, *_ in draw.values()), default=0)
    assert asked[0] == 0
    assert asked[20] > 24


@pytest.mark.parametrize("name", available_suites())
def test_no_two_cases_of_a_shipped_suite_have_one_name(name):
    names = [(spec.kind, spec.name) for spec in case_specs(load_suite(name))]
    assert names
    assert len(set(names)) == len(names)


def test_few_rows_of_all_classes_are_a_size(tmp_path):
    """The suite in small: rows are spread over three classes, and each gets as many more."""
    summary = run_suite("few-rows-smoke", tmp_path, jobs=1, verbose=False)
    assert summary["failed"] == []
    (found,) = summary["experiments"]
    assert [case["name"] for case in found["cases"]] == ["wine, 25 rows", "wine, 40 rows"]
    rows = {}
    for cell in (tmp_path / "cells").iterdir():
        record = json.loads(cell.read_text())["record"]
        rows.setdefault((record["case"], record["arm"]), set()).add(record["n_rows"])
    names = [arm.name for arm in load_suite("few-rows-smoke").tables.arms]
    assert rows == {(i, name): {n + 30 * (name != "none")} for i, n in enumerate((25, 40)) for name in names}
    (curve,) = found["curves"]
    assert [point[0] for point in curve["points"]["TableGAN"]] == [25, 40]
    assert "by real samples of all classes together" in (tmp_path / "report.md").read_text()


def test_embeddings_hold_few_samples_and_a_long_tail():
    suite = load_suite("embeddings")
    assert suite.tables.drawn_sizes() == [(5, 1), (10, 1), (20, 1), (200, 50)]
    # What over-samples a tail but not few samples would be compared with nothing there.
    assert {arm.fill_to for arm in suite.tables.arms if arm.sampler is not None} == {200}


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Two parquet files as CIFAR-10 comes in, of 10 classes of 210 images, but small ones."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar10").mkdir()
    rng = np.random.default_rng(0)
    features = Features({"img": Image(), "label": ClassLabel(names=[f"kind {c}" for c in range(10)])})
    for name, n in (("train", 200), ("test", 10)):
        shades = list(rng.integers(0, 256, (10 * n, 8, 8, 3), np.uint8))
        rows = {"img": shades, "label": np.repeat(np.arange(10), n)}
        Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "cifar10" / f"{name}.parquet")


@pytest.mark.usefixtures("pictures")
def test_cifar10_expands_into_sizes_and_tails_of_which_only_these_have_weighted_twins(tmp_path):
    suite = load_suite("cifar10")
    balanced = [(n, 1) for n in (50, 100, 500, 5000)]
    assert suite.images.drawn_sizes() == [*balanced, (5000, 10), (5000, 100)]
    # The same in small: so few images make no training sets of thousands.
    shrunk = tuple(
        dataclasses.replace(some, n_per_class=n) for some, n in zip(suite.images.sizes, ((2, 3), (200,)), strict=True)
    )
    suite = dataclasses.replace(suite, images=dataclasses.replace(suite.images, sizes=shrunk))
    arms = {}
    for index, spec in enumerate(case_specs(suite)):
        case = make_case(suite, index, Store(tmp_path / "run"))
        tasks = list(case.tasks())
        arms[spec.name] = {task.arm for task in tasks if task.arm is not None}
        assert len(tasks) == 3 + 3 * len(arms[spec.name])
    plain = {arm.name for arm in suite.images.arms if not arm.class_weight}
    twins = {f"{name}+weights" for name in plain - {"duplicated", "gan+duplicated"}}
    assert {"gan", "gan+classical", "synthetic only", "randaugment"} < plain
    assert arms == {
        "CIFAR-10, 2 a class": plain,
        "CIFAR-10, 3 a class": plain,
        "CIFAR-10, 200 down to 20 a class": plain | twins,
        "CIFAR-10, 200 down to 2 a class": plain | twins,
    }
