"""Cells of class and group that are filled from the shell."""

import json

import numpy as np
import pytest
from cell_data import COUNTS, images_of
from PIL import Image
from shell import run

from ganaug import SyntheticPool, labelled_images
from ganaug.data.groups import cell_counts

QUICK = ("--steps", "2", "--device", "cpu", "--seed", "0")
BALANCED = [[8, 8, 8]] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """class/group/file."""
    path = tmp_path_factory.mktemp("images") / "scans"
    real = images_of()
    for number, (image, label, group) in enumerate(zip(real.images, real.labels, real.groups, strict=True)):
        place = path / f"digit {label}" / group
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(place / f"{number}_{group}.png")
    return path


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    assert run("fit", "images", folder, "-o", path, "--groups", "folder", *QUICK) == 0
    return path


def counts(data):
    return cell_counts(data.labels, data.groups).to_numpy().tolist()


@pytest.mark.parametrize(("groups", "again"), [("folder", "folder"), (r"_(\w+)\.png", "group")])
def test_a_folder_is_filled_by_cell(folder, tmp_path, capsys, groups, again):
    out = tmp_path / "out"
    command = ("augment", "images", folder, "-o", out, "--keep-all", "--groups", groups, "--per-cell", "balance")
    assert run(*command, *QUICK) == 0
    said = capsys.readouterr().out
    assert "Wrote 72 images, 12 of them synthetic" in said
    assert "Filled 1 of 9 cells of class and group, which had no images: digit 2 in new." in said
    found = labelled_images(out, groups=again)
    assert counts(found) == BALANCED
    assert [file for file in found.files if "synthetic_" in file and file.startswith("digit 2")] == [
        f"digit 2/new/synthetic_{number:06d}.png" for number in range(8)
    ]


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_files_carry_groups_and_a_model_knows_where_they_were(folder, model, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    command = ("augment", "images", folder, "-o", out, "--keep-all", "--model", model, "--per-cell", "1")
    assert run(*command, "--device", "cpu") == 0
    assert counts(labelled_images(out, groups="group")) == (np.array(COUNTS) + 1).tolist()


def test_pools_by_cell(model, tmp_path, capsys):
    command = ("sample", model, "--pool", "--device", "cpu", "--per-cell", "2", "-o")
    assert run(*command, tmp_path / "all") == 0
    assert "Wrote a pool of 18 images of 3 classes in 3 groups" in capsys.readouterr().out
    pool = SyntheticPool(tmp_path / "all")
    assert pool.cell_counts.to_numpy().tolist() == [[2, 2, 2]] * 3
    assert pool.training_cell_counts.to_numpy().tolist() == COUNTS
    one = ("--groups", "old", "--class", "digit 1", "--per-class", "3")
    assert run(*command[:-3], "-o", tmp_path / "one", *one) == 0
    assert SyntheticPool(tmp_path / "one").groups.tolist() == ["old"] * 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--per-cell", "1"), "--per-cell needs the groups of the images; pass --groups too"),
        (("--per-cell", "1", "--per-class", "1"), "--per-class and --per-cell exclude each other"),
        (("--per-cell", "0.5", "--groups", "folder"), "per_cell must be a whole number, 'balance', or numbers by"),
        (("--per-cell", "1", "--groups", "(x)"), "the groups pattern '(x)' does not match 60 of 60 files"),
        (("--per-cell", "1", "--groups", r"^digit (\d)"), "groups equal the labels, such as group '0' for class"),
        (
            ("--per-cell", "1", "--groups", r"(\d+)_"),
            "groups must be shared by images, got a different one for each of 60",
        ),
    ],
)
def test_bad_requests_are_refused_before_training(folder, tmp_path, refused, options, said):
    assert said in refused("augment", "images", folder, "-o", tmp_path / "out", "--steps", "1000000000", *options)


def test_files_with_synthetic_images_are_not_fitted(folder, model, tmp_path, capsys):
    out = tmp_path / "out.npz"
    command = ("augment", "images", folder, "-o", out, "--keep-all", "--model", model, "--per-cell", "1")
    assert run(*command, "--device", "cpu") == 0
    assert run("fit", "images", out, "-o", tmp_path / "m", *QUICK) == 2
    assert "holds 9 synthetic images already (is_synthetic); pass real ones only" in capsys.readouterr().err


def test_a_pool_is_audited_by_its_groups(folder, model, tmp_path):
    pool = ("--pool", "--device", "cpu", "--seed", "0", "--per-cell", "12", "-o", tmp_path / "pool")
    assert run("sample", model, *pool) == 0
    asked = ("--real", folder, "--groups", "folder", "--device", "cpu", "--seed", "0", "-o", tmp_path / "report.json")
    assert run("audit", tmp_path / "pool", *asked) in (0, 1)
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["group"] for row in report["groups"]["groups"]] == ["new", "old", "third"]
