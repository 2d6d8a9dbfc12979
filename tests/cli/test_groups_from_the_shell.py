"""Groups beside classes: from a column, a folder or a pattern into a model, and out of it by cell."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shell import run

import ganaug
from ganaug import ImageGAN, labelled_images
from ganaug.data.groups import cell_counts

QUICK = ("--steps", "3", "--seed", "0")
CELLS = [("dark", "new"), ("dark", "old"), ("dark", "older"), ("light", "old"), ("light", "older")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images at class/group/file; no light ones in the group "new"."""
    root = tmp_path_factory.mktemp("images") / "scans"
    rng = np.random.default_rng(0)
    for label, group in CELLS:
        (root / label / group).mkdir(parents=True)
        for number in range(3):
            Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(root / label / group / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    assert run("fit", "images", folder, "-o", path, "--groups", "folder", "--device", "cpu", *QUICK) == 0
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "clients.csv"
    rng, cells = np.random.default_rng(0), np.array(CELLS * 6)
    columns = {"age": rng.integers(18, 80, 30), "site": cells[:, 1], "income": rng.random(30).round(2)}
    pd.DataFrame({**columns, "kind": cells[:, 0]}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def rows_model(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    assert run("fit", "table", table, "--target", "kind", "--groups", "site", "-o", path, *QUICK) == 0
    return path


@pytest.mark.parametrize("name", ["out", "out.npz", "out.parquet"])
def test_images_of_each_cell_come_back_with_their_groups(model, tmp_path, name, capsys):
    gan = ganaug.load(model, device="cpu")
    assert gan.cell_counts_.tolist() == [[3, 3, 3], [0, 3, 3]]
    assert gan.training_data_["groups"] == "folder"
    assert run("sample", model, "-o", tmp_path / name, "--per-cell", 2, "--device", "cpu") == 0
    assert "Wrote 12 images of 2 classes in 3 groups" in capsys.readouterr().out
    read = labelled_images(tmp_path / name, groups="folder" if name == "out" else "group")
    assert cell_counts(read.labels, read.groups).to_numpy().tolist() == [[2, 2, 2], [2, 2, 2]]


@pytest.mark.filterwarnings("default")
def test_groups_whose_names_are_no_folders_are_named(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8), np.uint8)
    gan = ImageGAN(steps=1, device="cpu", random_state=0)
    gan.fit(images, ["dark", "light"] * 4, groups=["a/b", "a/b", "old", "old"] * 2).save(tmp_path / "m")
    assert run("sample", tmp_path / "m", "-o", tmp_path / "out", "--per-cell", 1, "--device", "cpu") == 0
    said = "group 'a/b' is in the folder 'a_b', since not every system takes such a name"
    assert said in " ".join(capsys.readouterr().err.split())
    assert sorted(labelled_images(tmp_path / "out", groups="folder").groups) == ["a_b", "a_b", "old", "old"]


def test_groups_that_are_asked_for_share_the_samples_of_a_class(model, tmp_path):
    asked = ("--per-class", 3, "--groups", "old", "--groups", "new")
    assert run("sample", model, "-o", tmp_path / "out", *asked, "--device", "cpu") == 0
    read = labelled_images(tmp_path / "out", groups="folder")
    assert cell_counts(read.labels, read.groups).to_numpy().tolist() == [[1, 2], [1, 2]]


def test_rows_of_each_cell_are_written_as_their_table_was(table, rows_model, tmp_path):
    assert "site" not in ganaug.load(rows_model).sample(["dark"])
    assert run("sample", rows_model, "-o", tmp_path / "new.csv", "--per-cell", 2, "--seed", 0) == 0
    new = pd.read_csv(tmp_path / "new.csv")
    assert list(new) == list(pd.read_csv(table))
    assert (cell_counts(new["kind"], new["site"]) == 2).all(axis=None)


def test_without_groups_their_column_alone_is_left_out(table, rows_model, tmp_path, capsys):
    assert run("sample", rows_model, "-o", tmp_path / "new.csv", "--per-class", 20, "--seed", 0) == 0
    assert "The column 'site' is left out, since no groups were asked for; --groups" in capsys.readouterr().out
    new = pd.read_csv(tmp_path / "new.csv", dtype=str)
    assert list(new) == [name for name in pd.read_csv(table) if name != "site"]
    assert new["income"].str.fullmatch(r"\d\.\d\d?").all()  # as in the table


def test_a_pattern_names_groups_and_the_plan_says_which(folder, tmp_path, capsys):
    asked = ("--groups", "/(new|old|older)/", "--dry-run", "--device", "cpu")
    assert run("fit", "images", folder, "-o", tmp_path / "m", *asked) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["data"]["groups"] == ["new", "old", "older"]
    assert plan["architecture"]["n_groups"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--groups", "lost"), "the model knows no group 'lost'; its groups are new, old, older"),
        (("--per-class", 2, "--per-cell", 2), "--per-class and --per-cell exclude each other"),
    ],
)
def test_cells_that_cannot_be_drawn_are_refused(refused, model, tmp_path, arguments, message):
    assert message in refused("sample", model, "-o", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_groups_that_cannot_be_learnt_are_refused_before_training(refused, folder, table, tmp_path, capsys):
    fit = ("fit", "table", table, "--target", "kind", "-o", tmp_path / "m")
    assert "did you mean 'site'?" in refused(*fit, "--groups", "sites")
    assert "--groups must be another column than --target, got 'kind'" in refused(*fit, "--groups", "kind")
    assert "groups must name classes, got continuous values" in refused(*fit, "--groups", "income")
    assert "does not match" in refused("fit", "images", folder, "-o", tmp_path / "m", "--groups", "_(x)")
    single = refused("fit", "images", folder, "-o", tmp_path / "m", "--groups", r"\.(png)$")
    assert "--groups needs at least two groups, got 'png' for all samples; leave it out" in single
    assert not (tmp_path / "m").exists()
    assert run(*fit, *QUICK) == 0
    capsys.readouterr()
    assert "was trained without groups" in refused("sample", tmp_path / "m", "-o", "x.csv", "--per-cell", 1)


def test_unknown_groups_are_drawn_by_cell_only_where_they_are_asked_for(tmp_path):
    table = pd.DataFrame({"age": range(24), "site": ["a", "b", None] * 8, "kind": ["x", "y"] * 12})
    table.to_csv(tmp_path / "clients.csv", index=False)
    model = tmp_path / "model"
    asked = ("--target", "kind", "--groups", "site")
    assert run("fit", "table", tmp_path / "clients.csv", *asked, "-o", model, *QUICK) == 0
    for more, groups in (((), ["a", "b"]), (("--groups", "unknown"), [])):  # as in the table, nothing is written
        command = ("sample", model, "-o", tmp_path / "new.csv", "--per-cell", 2, "--overwrite", *more)
        assert run(*command) == 0
        assert sorted({*pd.read_csv(tmp_path / "new.csv").site.dropna()}) == groups
