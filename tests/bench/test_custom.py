"""Data of one's own, from the shell."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ganaug.bench.cases import budget, images
from ganaug.bench.cases.budget import within_budget
from ganaug.bench.cases.custom import custom_suite
from ganaug.bench.cases.tables import TableCase
from ganaug.bench.records.store import Store
from ganaug.cli import main


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["bench", "run", *map(str, arguments)])
    return ended.value.code or 0


@pytest.fixture
def clients(tmp_path):
    rng = np.random.default_rng(0)
    status = rng.permutation(np.repeat(["ok", "late", "lost"], [60, 30, 20]))
    table = pd.DataFrame({"age": rng.integers(18, 80, 110), "town": rng.choice(["a", "b"], 110), "status": status})
    table["income"] = rng.normal(size=110) + (status == "late")
    table.loc[3, "age"] = None
    table.to_csv(tmp_path / "clients.csv", index=False)
    return tmp_path / "clients.csv"


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """The suite with less training."""
    from ganaug.bench.cases import custom
    from ganaug.bench.suite.plugins import Plugin

    whole = custom.load_suite("custom")
    short = dataclasses.replace(
        whole,
        images=dataclasses.replace(
            whole.images,
            folds=2,
            gan={"steps": 2, "batch_size": 8},
            training=dataclasses.replace(whole.images.training, steps=3),
            synthetic_per_class=5,
        ),
        tables=dataclasses.replace(
            whole.tables,
            folds=2,
            repeats=1,
            classifiers=whole.tables.classifiers[:2],
            arms=tuple(
                dataclasses.replace(arm, sampler=Plugin("gan", "gan", {"generator": {"steps": 3}, "selection": False}))
                if arm.name in ("gan", "safe gan")
                else arm
                for arm in whole.tables.arms
            ),
        ),
    )
    monkeypatch.setattr(custom, "load_suite", lambda name: short)
    monkeypatch.setattr(images, "JUDGE_STEPS", 5)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("quick")
def test_a_table_with_three_classes(clients, tmp_path, capsys):
    assert run("--data", clients, "--target", "status", "--jobs", 1) == 0
    out = capsys.readouterr().out
    assert "Verdict: gan against prior-corrected" in out
    assert "tuned threshold" not in out
    summary = json.loads((tmp_path / "runs" / "custom-clients.csv" / "summary.json").read_text())
    assert summary["experiments"][0]["cases"][0]["classes"] == ["late", "lost", "ok"]
    assert summary["failed"] == []


@pytest.mark.usefixtures("quick")
def test_a_budget_leaves_out_what_it_must_says_so_and_is_resumed(clients, tmp_path, capsys):
    asked = ("--data", clients, "--target", "status", "--jobs", 1, "--folds", 4, "--budget", "0.2s", "-o", "out")
    assert run(*asked) == 0
    said = capsys.readouterr()
    assert "Expected to take about" in said.err
    assert "; no more can be left out for a budget of 0.2s." in said.err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["suite"]["tables"]["folds"] == 2
    assert summary["suite"]["reduced"] == ["2 folds in place of 4", "100 steps of each GAN in place of 1000"]
    (caution,) = summary["cautions"]
    assert caution.startswith("Reduced for a budget of 0 s: 2 folds in place of 4, 100 steps")
    assert caution in " ".join(said.out.split())
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").iterdir()}
    assert run(*asked) == 0  # with the same numbers, whatever the machine is doing now
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").iterdir()} == made


@pytest.mark.usefixtures("quick")
def test_another_question_is_not_answered_by_a_run_with_the_same_budget(clients, tmp_path, capsys):
    table = pd.read_csv(clients)
    table.assign(site=np.arange(len(table)) % 5).to_csv("sites.csv", index=False)
    asked = (
        "--data",
        "sites.csv",
        "--target",
        "status",
        "--groups",
        "site",
        "--jobs",
        1,
        "--budget",
        "0.2s",
        "-o",
        "out",
    )
    assert run(*asked) == 0
    for other in (("--folds", 4), ("--withhold-cells", 0.25)):
        capsys.readouterr()
        assert run(*asked, *other) == 2
        assert "holds a run of suite 'custom' with other options" in capsys.readouterr().err
    assert run(*asked) == 0


def test_a_budget_takes_the_steps_of_all_gans_of_tables(clients):
    suite = custom_suite(str(clients), target="status", groups="town", withhold_cells=0.25)
    smaller, _ = within_budget(suite, 1e-3)
    assert smaller.reduced[-1] == "100 steps of each GAN in place of 1000"
    (of_cells,) = [arm.sampler for arm in smaller.tables.arms if arm.name == "cells by gan"]
    assert of_cells.params == {"steps": 100}


@pytest.mark.parametrize("rarer", ["late", "ok"])
def test_cells_are_withheld_whichever_class_is_the_rarer(tmp_path, rarer):
    rng = np.random.default_rng(0)
    other = {"late": "ok", "ok": "late"}[rarer]
    status = np.where(np.arange(120) % 4 == 0, rarer, other)
    table = pd.DataFrame({"age": rng.normal(size=120), "town": np.repeat(["a", "b", "c"], 40), "status": status})
    table.to_csv(tmp_path / "rows.csv", index=False)
    suite = custom_suite(str(tmp_path / "rows.csv"), target="status", groups="town", withhold_cells=0.25)
    case = TableCase(suite, 0, Store(tmp_path / "run"))
    assert case.classes.tolist() == [other, rarer]
    for split, train in enumerate(case.splits.training):
        cells = set(zip(case.data.y[train], case.groups[train], strict=True))
        held = {(np.unique(case.data.y)[k], g) for k, g in np.argwhere(case.splits.withheld[split])}
        assert held
        assert not cells & held


def test_images_of_other_channels_are_not_changed_as_colours_are(tmp_path):
    rng = np.random.default_rng(0)
    for n in (3, 5):
        np.savez(tmp_path / f"{n}.npz", images=rng.integers(0, 255, (60, 8, 8, n), np.uint8), labels=np.arange(60) % 2)
        suite = custom_suite(str(tmp_path / f"{n}.npz"))
        tried = {name for arm in suite.images.arms for name in arm.transforms}
        assert ("trivialaugment" in tried) == (n == 3)
        assert {"crop", "affine"} < tried


def test_a_large_budget_leaves_nothing_out(clients):
    suite, expected = within_budget(custom_suite(str(clients), target="status"), 1e9)
    assert (suite.tables, suite.reduced, suite.budget) == (custom_suite(str(clients), target="status").tables, (), 1e9)
    assert 0 < expected < 1e9


def test_a_budget_of_images_takes_starts_then_folds_then_steps(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", images=rng.integers(0, 255, (60, 8, 8), np.uint8), labels=np.repeat(["a", "b"], 30))
    whole = custom_suite(str(tmp_path / "x.npz"))
    small = dataclasses.replace(whole.images, gan={"steps": 400, "batch_size": 8}, repeats=2)
    monkeypatch.setattr(budget, "PROBES", (1, 2))
    suite, _ = within_budget(dataclasses.replace(whole, images=small), 1e-3)
    assert (suite.images.folds, suite.images.repeats, suite.images.training.steps) == (2, 1, 150)
    assert suite.images.gan == {"steps": 50, "batch_size": 8}
    assert suite.reduced == (
        "2 folds in place of 5",
        "1 start of each classifier in place of 2",
        "150 steps of each classifier in place of 1500",
        "50 steps of each GAN in place of 400",
    )


@pytest.mark.usefixtures("quick")
def test_a_table_with_two_classes_has_the_rarer_one_looked_for(clients, tmp_path, capsys):
    table = pd.read_csv(clients)
    table.assign(status=table["status"] == "lost").to_parquet(tmp_path / "two.parquet")
    assert run("--data", "two.parquet", "--target", "status", "--jobs", 1) == 0
    assert "Verdict: gan against tuned threshold" in capsys.readouterr().out
    summary = json.loads((tmp_path / "runs" / "custom-two.parquet" / "summary.json").read_text())
    assert summary["experiments"][0]["cases"][0]["classes"] == ["False", "True"]
    assert "recall" in summary["experiments"][0]["metrics"]


@pytest.mark.usefixtures("quick")
def test_a_class_of_two_rows_in_two_folds(clients, tmp_path, capsys):
    table = pd.read_csv(clients)
    table["status"] = ["lost"] * 2 + ["ok"] * (len(table) - 2)
    table.to_csv("rare.csv", index=False)
    assert run("--data", "rare.csv", "--target", "status", "--folds", 2, "--jobs", 1) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "tuned threshold: a class has a single row, so that no threshold was tuned" in said
    summary = json.loads((tmp_path / "runs" / "custom-rare.csv" / "summary.json").read_text())
    assert summary["failed"] == []
    assert summary["suite"]["tables"]["folds"] == 2


@pytest.mark.usefixtures("quick")
def test_a_folder_of_images(tmp_path, capsys):
    for label, level in (("day", 200), ("night", 40)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(10):
            noise = np.random.default_rng(i).integers(0, 40, (20, 24, 3), np.uint8)
            Image.fromarray(noise + np.uint8(level)).save(tmp_path / "photos" / label / f"{i}.png")
    assert run("--data", "photos", "--size", 16, "--jobs", 1, "-o", "out") == 0
    assert "Verdict: gan+classical against classical" in capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["experiments"][0]["cases"][0]["shape"] == "3x16x16"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "pass the name of a suite, or --data with your own data"),
        (("quick", "--data", "x.csv"), "pass the name of a suite, or --data with your own data"),
        (("quick", "--folds", "3"), "--target, --size, --folds and --budget belong to --data"),
        (("quick", "--target", "y"), "--target, --size, --folds and --budget belong to --data"),
        (("quick", "--budget", "2m"), "--target, --size, --folds and --budget belong to --data"),
        (("--data", "digits", "--budget", "soon"), "a budget must be a time such as 90s, 2m or 1h, got 'soon'"),
        (("--data", "clients.csv"), "clients.csv is a table; name its column of labels with --target"),
        (("--data", "clients.csv", "--target", "satus"), "no column 'satus'; did you mean 'status'"),
        (("--data", "clients.csv", "--target", "income"), "continuous"),
        (("--data", "clients.csv", "--target", "status", "--size", "8"), "size belongs to images"),
        (("--data", "one.csv", "--target", "y"), "one.csv: column 'y' holds the single class 1"),
        (
            ("--data", "na.csv", "--target", "y"),
            "na.csv: labels contain missing values, first in row 21 of column 'y'; an",
        ),
        (("--data", "t.xls", "--target", "y"), "t.xls: a table must end in .csv, .tsv, .txt"),
        (("--data", "t.xls"), "or .parquet, with --target"),
        (("quick", "--sep", ";"), "--sep, --decimal, --encoding and --na-values belong to --data"),
        (("--data", "breast_cancer", "--target", "y"), "'breast_cancer' comes with its labels; leave the target out"),
        (("--data", "wine", "--size", "8"), "size belongs to images, but data is a table"),
        (("--data", "none.csv", "--target", "y"), "none.csv does not exist"),
        (("--data", "none.csv"), "none.csv does not exist; pass a .csv or .parquet file with --target"),
        (("--data", "nowhere"), "nowhere does not exist"),
        (("--data", "clients.cvs", "--target", "status"), "clients.cvs does not exist; a table must end in .csv"),
        (("--data", "rare.csv", "--target", "y"), "class b has 2 samples, too few for 5 folds"),
        (
            ("--data", "rare.npz", "--folds", "2"),
            "class '1' has 2 images and 1 in the training part of a split",
        ),
        (("quick", "--backend", "sparc"), "there is no backend 'sparc'"),
        (("quick", "--shard", "0/2"), "shard must be i/n"),
    ],
)
def test_bad_input_is_one_sentence(clients, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"x": range(9), "y": 1}).to_csv("one.csv", index=False)
    pd.DataFrame({"x": range(40), "y": ["a"] * 38 + ["b"] * 2}).to_csv("rare.csv", index=False)
    np.savez("rare.npz", images=np.zeros((8, 8, 8), np.uint8), labels=np.repeat([0, 1], [6, 2]))
    pd.DataFrame({"x": range(40), "y": ["a"] * 20 + ["NA"] * 20}).to_csv("na.csv", index=False)
    Path("t.xls").write_text("x\ty\n1\ta\n2\tb\n")
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "runs" / "quick" / "cells").exists()


def test_tables_by_a_name_of_the_package():
    suite = custom_suite("wine")
    assert suite.images is None
    assert not any(arm.threshold for arm in suite.tables.arms)  # three classes


def test_images_by_a_name_of_the_package():
    suite = custom_suite("digits")
    assert suite.tables is None
    assert suite.title == "Does augmentation help on digits?"


def test_more_starts_take_the_time_of_classifiers_alone(monkeypatch):
    monkeypatch.setattr(budget, "_per_step", lambda train: (1.0, 0.0))
    suite = custom_suite("digits", folds=2)
    expected = []
    for repeats in (1, 3):
        more = dataclasses.replace(suite, images=dataclasses.replace(suite.images, repeats=repeats))
        expected.append(within_budget(more, float("inf"))[1])
    trained = 2 * suite.images.training.steps * len(suite.images.arms)
    assert expected[1] - expected[0] == pytest.approx(budget.RESERVE * 2 * trained)
