import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shell import run

from ganaug import SyntheticPool, labelled_images

QUICK = ("--seed", "0", "--device", "cpu")


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Files train.npz, holdout.npz, fresh.npz and copies.npz."""
    monkeypatch.chdir(tmp_path)
    data = labelled_images("digits")
    data = data.subset(np.flatnonzero(data.labels < 3))
    mixed = np.random.default_rng(1).permutation(len(data))
    for name, part in zip(("train", "holdout", "fresh"), np.split(mixed, [120, 240, 360])[:3], strict=True):
        np.savez(f"{name}.npz", images=data.images[part].transpose(0, 2, 3, 1), labels=data.labels[part])
    with np.load("train.npz") as train:
        np.savez("copies.npz", images=np.roll(train["images"], 1, 2), labels=train["labels"])
    return tmp_path


@pytest.fixture
def clients(tmp_path, monkeypatch):
    """Files train.csv, holdout.csv and fresh.csv with classes keep and leave."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("train", "holdout", "fresh")):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame({"age": rng.integers(18, 80, 60), "income": np.round(rng.lognormal(size=60), 2)})
        table["city"] = rng.choice(["Oslo", "Rome"], 60)
        table["status"] = np.where(np.arange(60) < 40, "keep", "leave")
        table.to_csv(f"{name}.csv", index=False)
    return tmp_path


def test_fresh_images_pass_and_the_report_is_printed(images, capsys):
    assert run("audit", "fresh.npz", "--train", "train.npz", "--holdout", "holdout.npz", *QUICK) == 0
    printed = capsys.readouterr().out
    assert "Memorisation audit of 120 synthetic images against 120 training and 120 holdout images" in printed
    assert "Verdict: pass" in printed
    assert "guarantees no privacy" in printed


def test_copies_end_with_status_1_and_are_shown(images, capsys):
    assert run("audit", "copies.npz", "--train", "train.npz", "--holdout", "holdout.npz", "-o", "out", *QUICK) == 1
    assert "Verdict: fail" in capsys.readouterr().out
    assert sorted(path.name for path in (images / "out").iterdir()) == ["pairs.png", "report.json", "report.txt"]
    with Image.open(images / "out" / "pairs.png") as sheet:
        assert sheet.mode == "RGB"
    assert json.loads((images / "out" / "report.json").read_text())["findings"]["copies"]["verdict"] == "fail"
    assert "Verdict: fail" in (images / "out" / "report.txt").read_text()


def test_without_a_holdout_it_is_not_assessable(images, capsys):
    assert run("audit", "copies.npz", "--train", "train.npz", "-o", "report.json", *QUICK) == 0
    printed = capsys.readouterr().out
    assert printed.count("not assessable") == 4
    assert "AUC" not in printed
    report = json.loads((images / "report.json").read_text())
    assert (report["verdict"], report["train"], report["membership"]) == ("not assessable", "train.npz", None)


def test_models_pools_and_augmented_files_are_audited(images, capsys):
    assert run("fit", "images", "train.npz", "-o", "model", "--steps", "2", *QUICK) == 0
    known = ("--train", "train.npz", "--holdout", "holdout.npz", *QUICK)
    assert run("audit", "model", *known, "--per-class", "10") == 0
    assert "30 synthetic images" in capsys.readouterr().out
    run("sample", "model", "-o", "pool", "--pool", "--per-class", "11", *QUICK)
    run("sample", "model", "-o", "folder", "--per-class", "12", *QUICK)
    capsys.readouterr()
    assert len(SyntheticPool("pool")) == 33
    assert run("audit", "pool", *known) == 0
    assert "33 synthetic images" in capsys.readouterr().out
    assert run("audit", "folder", *known) == 0  # its classes are the names of folders
    assert "36 synthetic images" in capsys.readouterr().out
    for output in ("more.npz", "more.parquet"):
        run(
            "augment",
            "images",
            "train.npz",
            "-o",
            output,
            "--model",
            "model",
            "--keep-all",
            "--per-class",
            "13",
            *QUICK,
        )
        capsys.readouterr()
        assert run("audit", output, *known) == 0
        assert "39 synthetic images" in capsys.readouterr().out


def test_folders_of_real_and_synthetic_images_need_their_metadata(images, refused, capsys):
    command = ("augment", "images", "train.npz", "-o", "more", "--steps", "2", "--keep-all", "--per-class", "13")
    assert run(*command, *QUICK) == 0
    assert run("audit", "more", "--train", "train.npz") == 0
    assert "39 synthetic images against 120 training" in capsys.readouterr().out
    path = Path("more", "metadata.csv")
    path.write_text(path.read_text(), encoding="utf-8-sig")  # as spreadsheets do
    assert run("audit", "more", "--train", "train.npz") == 0
    assert "39 synthetic images against 120 training" in capsys.readouterr().out
    path.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        assert "is a named pipe" in refused("audit", "more", "--train", "train.npz")
        path.unlink()
    assert "holds real and synthetic images" in refused("audit", "more", "--train", "train.npz")


def test_tables_and_their_models(clients, capsys):
    known = ("--train", "train.csv", "--holdout", "holdout.csv", *QUICK)
    assert run("audit", "fresh.csv", "--target", "status", *known) == 0
    assert "60 synthetic rows against 60 training and 60 holdout rows of 2 classes" in capsys.readouterr().out
    assert run("audit", "train.csv", "--target", "status", *known, "-o", "out") == 1
    pairs = pd.read_csv(clients / "out" / "pairs.csv")
    assert pairs["kind"].tolist() == ["synthetic", "training"] * 10
    assert (pairs["distance"] == 0).all()
    run("fit", "table", "train.csv", "--target", "status", "-o", "model", "--steps", "2", "--seed", "0")
    capsys.readouterr()
    run("audit", "model", *known, "--per-class", "20")  # the model knows its target
    assert "40 synthetic rows" in capsys.readouterr().out


def test_of_an_augmented_table_only_the_synthetic_rows_are_audited(clients, capsys, refused):
    run("augment", "table", "train.csv", "--target", "status", "-o", "more.csv", "--steps", "2", "--seed", "0")
    known = ("--train", "train.csv", "--holdout", "holdout.csv", "--target", "status", *QUICK)
    capsys.readouterr()
    run("audit", "more.csv", *known)
    printed = capsys.readouterr().out
    assert "Memorisation audit of 20 synthetic rows" in printed
    assert "Without synthetic rows, and only searched for copies: keep." in printed
    message = refused("audit", "fresh.csv", "--train", "more.csv", "--holdout", "holdout.csv", "--target", "status")
    assert "more.csv holds 20 synthetic rows already" in message
    more = pd.read_csv("more.csv")
    more.assign(is_synthetic=np.where(more["is_synthetic"], "yes", "no")).to_csv("more.csv", index=False)
    run("audit", "more.csv", *known)
    assert "Memorisation audit of 20 synthetic rows" in capsys.readouterr().out
    more.assign(is_synthetic=False).to_csv("more.csv", index=False)
    assert "more.csv holds no synthetic rows" in refused(
        "audit", "more.csv", "--real", "more.csv", "--target", "status"
    )


def test_the_same_seed_writes_the_same_report(images):
    for name in ("a.json", "b.json"):
        run("audit", "fresh.npz", "--train", "train.npz", "--holdout", "holdout.npz", "-o", name, *QUICK)
    assert (images / "a.json").read_bytes() == (images / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing", "--train", "train.npz"), "nothing does not exist"),
        (("fresh.npz", "--train", "nothing.npz"), "nothing.npz does not exist"),
        (("fresh.npz", "--train", "train.npz", "--holdout", "train.npz"), "120 of 120 holdout images are also in"),
        (("fresh.npz", "--train", "train.npz", "-o", "out.txt"), "must end in .json, or be a folder"),
        (("fresh.npz", "--train", "train.npz", "--target", "y"), "are for tables"),
        (("fresh.npz", "--train", "train.npz", "--per-class", "9"), "per_class is for a generator"),
        (("rows.csv", "--train", "rows.csv"), "name the column of their classes with --target"),
        (("fresh.npz", "--train", "train.npz", "--seed", "-1"), "random_state must be in [0, 2**32 - 1], got -1"),
    ],
)
def test_bad_input_ends_with_one_sentence(images, refused, arguments, message):
    assert message in refused("audit", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fresh.csv", "--train", "train.csv", "--target", "statu"), "did you mean 'status'?"),
        (("fresh.csv", "--train", "train.csv", "--target", "status", "--size", "8"), "--size is for images"),
        (
            ("fresh.csv", "--train", "train.csv", "--holdout", "train.csv", "--target", "status"),
            "60 of 60 holdout rows are also in the training data",
        ),
    ],
)
def test_bad_tables_end_with_one_sentence(clients, refused, arguments, message):
    assert message in refused("audit", *arguments)
