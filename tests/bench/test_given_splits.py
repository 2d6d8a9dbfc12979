"""Splits that columns of the data say, from Python, suites and the shell."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_grouped_suites import image_suite, table_suite

from ganaug.bench import run_suite
from ganaug.bench.cases.custom import custom_suite
from ganaug.bench.inputs.given_splits import given_splits
from ganaug.bench.run import check_cases
from ganaug.bench.suite.plugins import Plugin
from ganaug.cli import main
from ganaug.data.groups import groups_from_array

N = 72
LABELS, SITE = np.tile(["no", "yes"], N // 2), np.repeat(["u", "v", "w"], N // 3)
FOLD = np.repeat([1, 2, 3], N // 3)
COLUMNS = {
    "fold": FOLD,
    "official": np.where(FOLD == 3, "Test", "train"),
    "other": np.where(FOLD == 1, "test", "train"),
    "partly": [None, *FOLD[1:].tolist()],
    "same": np.ones(N, int),
    "three": np.where(FOLD == 3, "test", np.where(FOLD == 2, "val", "train")),
    "alone": np.repeat("train", N),
    "y": LABELS,
    "id": np.arange(N),
    "weight": np.linspace(0.1, 0.9, N),
    "across": np.arange(N) // 2 % 3,
}


@pytest.fixture
def sources(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=N) + (LABELS == "yes"), "site": SITE, **COLUMNS})
    table.to_csv(tmp_path / "rows.csv", index=False)
    images = rng.integers(0, 255, (N, 8, 8), np.uint8)
    columns = {name: groups_from_array(values, N) if name == "partly" else values for name, values in COLUMNS.items()}
    np.savez(tmp_path / "images.npz", images=images, labels=LABELS, site=SITE, **columns)
    return {"tables": str(tmp_path / "rows.csv"), "images": str(tmp_path / "images.npz")}


def suite_of(kind, source, columns, groups):
    keys = {"split_columns": columns} | ({"groups": "site"} if groups else {})
    keys |= {"target": "y"} if kind == "tables" else {}
    suite = (image_suite if kind == "images" else table_suite)(source, split="given")
    experiment = dataclasses.replace(suite.experiments[0], datasets=(Plugin("x", source, keys),))
    return dataclasses.replace(suite, **{kind: experiment})


@pytest.mark.parametrize("kind", ["images", "tables"])
def test_columns_say_what_is_trained_and_tested_on(sources, tmp_path, kind):
    for columns, groups, n_splits in ((["official", "other"], False, 2), ("fold", True, 3)):
        summary = run_suite(
            suite_of(kind, sources[kind], columns, groups), tmp_path / str(n_splits), jobs=1, verbose=False
        )
        (case,) = summary["experiments"][0]["cases"]
        assert summary["failed"] == []
        assert (case["splits"], case["n_test"], case["correlation"]) == (
            n_splits,
            N // 3,
            pytest.approx(1 / 3, abs=1e-5),
        )
        assert ("worst group" in case["arms"][0]["metrics"]) == groups


def test_train_and_test_are_one_split_and_other_values_are_folds():
    splits = given_splits({"a": COLUMNS["official"], "b": FOLD}, LABELS, None)
    assert [FOLD[test].min() for test in splits.test] == [FOLD[test].max() for test in splits.test] == [3, 1, 2, 3]
    assert all(len(np.union1d(*both)) == N for both in zip(splits.training, splits.test, strict=True))


@pytest.mark.parametrize("kind", ["images", "tables"])
@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (["fold"], ["--folds", "3"], "folds and split_columns exclude each other, got 3 and columns; pass one"),
        (["fold"], ["--groups", "site", "--withhold-cells", "0.25"], "withhold_cells and split_columns exclude each"),
        (["fold", "fold"], [], "split_columns must be different ones"),
        (["fould"], [], "'fould'"),
        (["official"], [], "split column 'official' gives a single split, which says nothing of the spread"),
        (["partly"], [], "split column 'partly' has no value for 1 of 72 samples; fill it in"),
        (["same"], [], "split column 'same' holds the one value '1'"),
        (["alone"], [], "split column 'alone' holds the one value 'train'; it must hold 'train' and 'test'"),
        (["three"], [], "split column 'three' holds 'val' beside 'train' and 'test'"),
        (["id"], [], "split column 'id': where '0' is tested on, the test set lacks class yes; merge parts"),
        (["weight"], [], "split column 'weight', read as groups are: "),
        (["across"], ["--groups", "site"], "where '0' is tested on, group u is on both sides; put each group on one"),
    ],
)
def test_columns_that_say_no_splits_are_refused(sources, tmp_path, capsys, kind, columns, options, message):
    own = ["--target", "y"] if kind == "tables" else []
    named = [word for column in columns for word in ("--split-column", column)]
    with pytest.raises(SystemExit) as ended:
        main(["bench", "run", "--data", sources[kind], "-o", str(tmp_path / "r"), *own, *named, *options])
    said = capsys.readouterr().err
    assert (ended.value.code, "Traceback" in said) == (2, False)
    assert message in said
    assert not (tmp_path / "r").exists()


def test_the_column_of_labels_says_no_splits(sources):
    with pytest.raises(ValueError, match="split_columns must be other columns than target, got 'y'"):
        custom_suite(sources["tables"], target="y", split_columns=["y"])
    with pytest.raises(ValueError, match=r"split column 'y' holds 'no', 'yes'; write 'train' and 'test' for what is"):
        custom_suite(sources["images"], split_columns=["y"])


@pytest.mark.parametrize("values", [["training", "testing"], ["Holdout", "fit"], [True, False]])
def test_what_is_like_train_and_test_is_no_fold(values):
    message = r"split column 'part' holds '(testing', 'training|holdout|false', 'true)'; write 'train' and 'test'"
    with pytest.raises(ValueError, match=message):
        given_splits({"part": np.resize(values, N)}, LABELS, None)


def test_columns_and_the_key_split_need_each_other(sources):
    for suite in (table_suite(sources["tables"], split="given"), image_suite(sources["images"], None, split="given")):
        with pytest.raises(
            ValueError, match="split_columns and split = 'given' need each other, got split = 'given' and"
        ):
            check_cases(suite)


def test_a_suite_of_ones_own_data_is_in_as_many_splits(sources):
    for kind, options in (("images", {}), ("tables", {"target": "y"})):
        (experiment,) = custom_suite(sources[kind], groups="site", split_columns=["fold"], **options).experiments
        assert (experiment.split, experiment.folds, experiment.metrics[0]) == ("given", 3, "balanced over cells")
        (experiment,) = custom_suite(sources[kind], split_columns=["official", "fold"], **options).experiments
        assert (experiment.split, experiment.folds) == ("given", 4)
