"""Suites on data with groups: splits, scores by group, and what is refused before anything is trained."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ganaug.bench import ImageArm, ImageExperiment, Suite, TableArm, TableExperiment, run_suite
from ganaug.bench.cases.checking import check_suite
from ganaug.bench.cases.custom import custom_suite
from ganaug.bench.inputs.datasets import load_images, load_table
from ganaug.bench.suite.plugins import Plugin
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.cli import main


@pytest.fixture
def scans(tmp_path):
    """Two shades by three scanners that add an offset each."""
    rng = np.random.default_rng(0)
    labels, groups = np.repeat(["dark", "light"], 36), np.tile(["s1", "s2", "s3"], 24)
    level = np.where(labels == "dark", 50, 150) + 30 * (groups == "s2")
    shades = (level[:, None, None] + rng.integers(-30, 30, (72, 8, 8))).astype(np.uint8)
    np.savez(tmp_path / "scans.npz", images=shades, labels=labels, groups=groups, own=np.arange(72), same=labels)
    return str(tmp_path / "scans.npz")


def image_suite(path, groups="groups", **changes):
    experiment = ImageExperiment(
        datasets=(Plugin("scans", path, {} if groups is None else {"groups": groups}),),
        arms=(ImageArm("real"), ImageArm("blurred", transform="affine", against=("real",))),
        baselines=("real",),
        metrics=("accuracy",),
        training=ClassifierConfig(steps=2, batch_size=8),
        device="cpu",
    )
    return Suite("grouped", "Groups", images=dataclasses.replace(experiment, **changes))


@pytest.fixture
def rows(tmp_path):
    rng = np.random.default_rng(0)
    y, site = np.tile(["no", "yes"], 180), np.repeat(["u", "v", "w"], 120)
    table = pd.DataFrame({"a": rng.normal(size=360) + (y == "yes"), "site": site, "y": y})
    table.to_csv(tmp_path / "rows.csv", index=False)
    return str(tmp_path / "rows.csv")


def table_suite(path, **changes):
    experiment = TableExperiment(
        datasets=(Plugin("rows", path, {"target": "y", "groups": "site"}),),
        arms=(TableArm("none"), TableArm("random", Plugin("random", "random"), against=("none",))),
        baselines=("none",),
        classifiers=(Plugin("logistic", "logistic"),),
    )
    return Suite("grouped", "Groups", tables=dataclasses.replace(experiment, **changes))


@pytest.mark.parametrize(
    ("keys", "splits", "sentence"),
    [
        ({"split": "groups", "folds": 3}, 3, "3 groups, kept whole."),
        ({"split": "leave one group out"}, 3, "3 groups, kept whole."),
        ({"split": "cells", "splits": 2, "metrics": ("unseen cells", "worst group")}, 2, "2 of 6 cells of class and"),
        ({"metrics": ("worst group",), "folds": 2}, 2, "3 groups."),
    ],
)
@pytest.mark.parametrize("kind", ["images", "tables"])
def test_records_and_report_say_how_groups_fare(scans, rows, tmp_path, kind, keys, splits, sentence):
    suite = image_suite(scans, **keys) if kind == "images" else table_suite(rows, **keys)
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    (case,) = summary["experiments"][0]["cases"]
    assert case["splits"] == splits
    of_groups = {"worst group", "balanced over cells"} | ({"unseen cells", "seen cells"} if "splits" in keys else set())
    assert of_groups == {*case["arms"][0]["metrics"]} & {
        "worst group",
        "balanced over cells",
        "unseen cells",
        "seen cells",
    }
    assert suite.experiments[0].metrics[0] in summary["verdicts"][0]
    assert case["correlation"] is not None  # intervals are corrected
    for page in ("report.md", "report.html"):
        assert sentence in (tmp_path / "run" / page).read_text()


def test_a_column_of_groups_is_no_feature_unless_asked(rows):
    data = load_table(Plugin("rows", rows, {"target": "y", "groups": "site"}))
    assert list(data.X) == ["a"]
    assert data.groups.tolist() == ["u"] * 120 + ["v"] * 120 + ["w"] * 120
    kept = load_table(Plugin("rows", rows, {"target": "y", "groups": "site", "keep_groups": True}))
    assert list(kept.X) == ["a", "site"]
    assert kept.nominal == ("site",)
    assert (
        len({data.fingerprint(), kept.fingerprint(), load_table(Plugin("r", rows, {"target": "y"})).fingerprint()}) == 3
    )


def test_groups_of_a_large_file_are_kept_with_its_images(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rng = np.random.default_rng(0)
    table = {"image": [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(100)], "label": [0, 1] * 50}
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"]), "by": datasets.Value("int64")}
    )
    datasets.Dataset.from_dict({**table, "by": [7, 7, 8, 8] * 25}, features).to_parquet(str(tmp_path / "x.parquet"))
    source = Plugin("x", str(tmp_path / "x.parquet"), {"groups": "by"})
    first, again = load_images(source), load_images(source)
    assert len(list((tmp_path / "ganaug").glob("images-*"))) == 1
    assert first.groups.tolist() == again.groups.tolist() == [7, 7, 8, 8] * 25
    assert load_images(Plugin("x", str(tmp_path / "x.parquet"))).groups is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"split": "cells", "n_per_class": 5},
            'images.n_per_class.*draws samples, but split = "cells"|n_per_class draws',
        ),
        ({"n_per_cell": 5}, "n_per_cell needs split"),
        ({"split": "groups", "metrics": ("unseen cells",)}, "the metric 'unseen cells' needs split"),
        (
            {"split": "speakers"},
            "split must be one of 'samples', 'groups', 'leave one group out', 'cells' or 'given', got 'speak",
        ),
        ({"split": "cells", "group_share": 1.0}, "group_share must be less than 1, got 1"),
        ({"metrics": ("worst groop",)}, "there is no metric 'worst groop'; did you mean 'worst group'"),
    ],
)
def test_keys_that_do_not_agree_are_refused(scans, changes, message):
    with pytest.raises(ValueError, match=message):
        check_suite(image_suite(scans, **changes))


@pytest.mark.parametrize(
    ("groups", "changes", "message"),
    [
        (None, {"split": "groups"}, "scans: split = 'groups' needs groups; name them by the key groups"),
        (None, {"metrics": ("worst group",)}, "the metric 'worst group' needs groups"),
        ("own", {"split": "cells"}, "groups must be shared by samples, got a different one for each of 72"),
        ("same", {"split": "cells"}, "groups equal the labels"),
        ("gruops", {"split": "cells"}, "gruops"),
        ("groups", {"split": "groups", "folds": 4}, "there are 3 groups, too few for 4 folds"),
    ],
)
def test_groups_that_cannot_serve_are_refused_before_training(scans, tmp_path, groups, changes, message):
    with pytest.raises(ValueError, match=message):
        run_suite(image_suite(scans, groups, **changes), tmp_path / "run", jobs=1, verbose=False)
    assert not (tmp_path / "run" / "cells").exists()


@pytest.mark.parametrize("split", ["groups", "leave one group out", "cells"])
@pytest.mark.parametrize("kind", ["images", "tables"])
def test_copies_under_another_group_are_refused(scans, rows, tmp_path, kind, split):
    changes = {"split": split, **({} if split != "groups" else {"folds": 3})}
    if kind == "images":
        found = dict(np.load(scans))
        found["images"][found["groups"] == "s1"] = found["images"][found["groups"] == "s2"]
        np.savez(scans, **found)
        suite = image_suite(scans, **changes)
    else:
        table = pd.read_csv(rows)
        table.loc[table.site == "u", "a"] = table.loc[table.site == "v", "a"].to_numpy()
        table.to_csv(rows, index=False)
        suite = table_suite(rows, **changes)
    with pytest.raises(ValueError, match="stand in the training set as samples of others; leave out the copies"):
        run_suite(suite, tmp_path / "run", jobs=1, verbose=False)


def test_rows_of_few_values_may_be_equal_by_chance(rows, tmp_path):
    table = pd.read_csv(rows)
    table["a"] = np.random.default_rng(0).integers(0, 8, len(table))
    table.to_csv(rows, index=False)
    suite = table_suite(rows, split="leave one group out")
    assert run_suite(suite, tmp_path / "run", jobs=1, verbose=False)["failed"] == []


def test_the_report_says_where_there_is_nothing_to_fill(scans, tmp_path):
    suite = image_suite(scans, split="cells", splits=2, training=ClassifierConfig(steps=60, batch_size=16))
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert any("unseen cells score as seen ones do" in sentence for sentence in summary["cautions"])


def test_arms_of_tables_fill_and_weigh_cells(rows, tmp_path):
    arms = (
        TableArm("none"),
        TableArm("weights", class_weight="cells", against=("none",)),
        TableArm("transfer", Plugin("additive-transfer", "additive-transfer"), cells="empty", against=("none",)),
        TableArm("gan", Plugin("gan", "table-gan", {"steps": 2}), cells="balance", against=("none",)),
        TableArm("mixture", Plugin("gan", "gan", {"generator": {"steps": 2}}), cells="empty", against=("none",)),
    )
    suite = table_suite(rows, split="cells", splits=2, arms=arms, metrics=("unseen cells",))
    summary = run_suite(suite, tmp_path, jobs=1, verbose=False)
    assert summary["failed"] == []
    assert [sentence.partition(":")[0] for sentence in summary["verdicts"]] == [
        f"{name} against none" for name in ("weights", "transfer", "gan", "mixture")
    ]
    whole = TableExperiment(**{**vars(suite.tables), "datasets": (Plugin("rows", rows, {"target": "y"}),)})
    whole = dataclasses.replace(whole, split="samples", metrics=("accuracy",))
    with pytest.raises(ValueError, match="rows: arm 'weights' needs groups; name them by the key groups"):
        run_suite(dataclasses.replace(suite, tables=whole), tmp_path / "b", jobs=1, verbose=False)


@pytest.mark.parametrize("effect", [4, 0])
def test_the_gate_of_an_arm_of_tables_fills_cells_where_that_pays(tmp_path, effect):
    rng = np.random.default_rng(0)
    y, site = np.tile(["a", "b", "c"], 300), np.repeat(["u", "v", "w", "x", "y", "z"], 150)
    shift = effect * np.searchsorted(np.unique(site), site)  # what classes add, another site adds, too
    table = pd.DataFrame({"a": 4 * (y == "b") + 8 * (y == "c") + shift, "b": shift, "site": site, "y": y})
    table[["a", "b"]] += rng.normal(size=(900, 2))
    table.to_csv(tmp_path / "t.csv", index=False)
    named = Plugin("additive-transfer", "additive-transfer")
    arms = (TableArm("none"), TableArm("gated", named, cells="empty", gate=True, against=("none",)))
    classifiers = (Plugin("knn", "knn"),)
    suite = table_suite(
        str(tmp_path / "t.csv"), split="cells", splits=2, n_per_cell=20, arms=arms, classifiers=classifiers
    )
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    notes = {note["note"] for note in summary["experiments"][0]["notes"]}
    assert ("ratio 0 chosen" in notes) == (effect == 0)


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (
            TableArm("x", Plugin("gan", "gan"), cells="balance", gate=True),
            "arm 'x' has a gate by cells, which decides how far these are filled; set",
        ),
        (TableArm("x", cells="empty"), "arm 'x' fills cells, which takes a sampler with a"),
        (
            TableArm("x", Plugin("kde", "kde"), cells="empty"),
            "sampler 'kde' learns no groups, which an arm with",
        ),
        (
            TableArm("x", Plugin("random", "random"), class_weight="cells"),
            "arm 'x' weighs the cells of real",
        ),
    ],
)
def test_arms_of_tables_that_cannot_be_are_refused(rows, arm, message):
    with pytest.raises(ValueError, match=message):
        check_suite(table_suite(rows, split="cells", arms=(TableArm("none"), arm)))


def test_a_share_of_cells_is_withheld_from_ones_own_data(scans, rows):
    images = custom_suite(scans, groups="groups", withhold_cells=0.25, folds=3).images
    assert (images.split, images.splits, images.group_share, images.class_share) == ("cells", 3, 0.5, 0.5)
    assert images.metrics[0] == "unseen cells"
    assert {"cells by transfer", "cells by both"} <= {arm.name for arm in images.arms}
    tables = custom_suite(rows, target="y", groups="site").tables
    assert (tables.split, tables.metrics[:2]) == ("groups", ("balanced over cells", "worst group"))
    assert (tables.folds, custom_suite(rows, target="y", groups="site", folds=2).tables.folds) == (3, 2)
    assert custom_suite(scans, groups="groups").images.folds == 3
    assert tables.arms == custom_suite(rows, target="y").tables.arms
    check_suite(custom_suite(rows, target="y", groups="site", withhold_cells=0.5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--withhold-cells", "0.3"], "withhold_cells needs groups, got 0.3 without"),
        (["--groups", "site", "--withhold-cells", "1"], "withhold_cells must be a share between 0 and 1, got 1"),
        (["--groups", "sight"], "sight"),
        (["--groups", "y"], "groups must be another column than target, got 'y' for both"),
    ],
)
def test_mistakes_in_groups_from_the_shell(rows, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        main(["bench", "run", "--data", rows, "--target", "y", "-o", str(tmp_path / "r"), *arguments])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_a_dry_run_finds_data_that_cannot_be_split(rows, tmp_path, capsys):
    table = pd.read_csv(rows)
    table[(table["y"] == "no") | (table["site"] == "u")].to_csv(tmp_path / "one.csv", index=False)
    own = ["bench", "run", "--target", "y", "--groups", "site", "--dry-run", "-o", str(tmp_path / "r"), "--data"]
    for path, code in ((tmp_path / "one.csv", 2), (rows, 0)):
        with pytest.raises(SystemExit) as ended:
            main([*own, str(path)])
        assert (ended.value.code or 0) == code
        assert ("class yes is in no group but u" in capsys.readouterr().err) == (code == 2)
    assert not (tmp_path / "r").exists()


def test_files_with_groups_are_found_in_a_folder_of_data(scans, tmp_path, monkeypatch):
    np.savez(tmp_path / "named.npz", **{**np.load(scans), "groups": np.arange(72) % 2, "group_names": ["ann", "bob"]})
    source = Plugin("named", "ganaug.bench.inputs.datasets.images_with_groups", {"file": "named.npz"})
    monkeypatch.delenv("GANAUG_DATA", raising=False)
    with pytest.raises(ValueError, match="looked for in the folder that GANAUG_DATA names, which is not set"):
        load_images(source)
    monkeypatch.setenv("GANAUG_DATA", str(tmp_path))
    assert load_images(source).groups.tolist() == ["ann", "bob"] * 36
    enlarged = load_images(dataclasses.replace(source, params={**source.params, "size": 16})).images
    np.testing.assert_array_equal(enlarged[:, 0], np.load(scans)["images"].repeat(2, 1).repeat(2, 2))
    without = load_images(Plugin("named", "ganaug.bench.inputs.datasets.images_of_folder", source.params))
    assert (without.groups, len(without)) == (None, 72)
    with pytest.raises(ValueError, match=r"there is no other\.npz in .*; make it, or set GANAUG_DATA"):
        load_images(Plugin("other", source.target, {"file": "other.npz"}))


def test_arms_that_fill_cells_are_compared_with_the_best_that_costs_nothing_and_over_both_classes(scans, tmp_path):
    filled = {"synthetic": 1.0, "balanced": "cells", "cells": "empty", "generator": "additive-transfer"}
    arms = (ImageArm("real"), ImageArm("cells", balanced="cells"), ImageArm("filled", against=("real",), **filled))
    suite = image_suite(scans, split="cells", splits=3, group_share=0.34, metrics=("unseen cells",), arms=arms)
    suite = dataclasses.replace(
        suite, images=dataclasses.replace(suite.images, generators=(Plugin("additive-transfer", "additive-transfer"),))
    )
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    means = {arm["name"]: arm["metrics"]["unseen cells"] for arm in summary["experiments"][0]["cases"][0]["arms"]}
    best = max(("real", "cells"), key=lambda name: means[name])
    said = summary["verdicts"]
    assert said[0].startswith(f"filled against {best}")
    assert len(said) == len({best, "real"})
    assert all("With two classes this is the recall of the withheld one alone; " in each for each in said)
    assert all(each.endswith("points of balanced over cells.") for each in said)
