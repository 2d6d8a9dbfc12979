"""From the shell, what is damaged beyond use ends in one sentence and status 2."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from mutations import as_json, edited, limits

from ganaug import ImageGAN, TableGAN, labelled_images
from ganaug.cli import main

DAMAGES = [
    [(("architecture", "n_classes"), "set", 10**9)],
    [(("classes", "dtype"), "set", "<U99999999")],
    [(("classes", "values"), "set", [])],
    [(("training",), "drop", None)],
    [(("params", "steps"), "set", "a\nb")],
    [(("history",), "nested", None)],
    [(("weights_sha256",), "set", "../../x")],
    [(("format_version",), "set", 10**400)],
]
DAMAGED_IMAGES = [
    [(("architecture", "image_shape"), "set", [1, 32_000, 32_000])],
    [(("architecture", "blocks"), "set", 10**9)],
    [(("architecture", "patch"), "set", None)],
]
DAMAGED_TABLES = [
    [(("architecture", "depth"), "set", 10**9)],
    [(("encoder", "columns", 0, "knots"), "set", [float("nan")])],
    [(("encoder", "columns", 0, "dtype"), "set", "<U99999999")],
    [(("container", "kind"), "set", [])],
]
TABLES = b'name = "a"\ntitle = "a"\n[tables]\ndatasets = ["wine"]\nbaselines = []\n'
SUITES = [
    b'extends = "../../loop"',
    b"\xff",
    b"a = " + b"[" * 100_000,
    TABLES + b'arms = [{name = "a"}]\nsplits = 1000000000',
    TABLES + b"arms = [{name = []}]",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    images = labelled_images("digits").subset(range(20))
    ImageGAN(steps=1, random_state=0, verbose=False, device="cpu").fit(images).save(folder / "image")
    np.savez(folder / "images.npz", images=images.images[:, 0], labels=images.labels)
    table = pd.DataFrame({"x": np.arange(12.0), "y": ["a", "b"] * 6})
    TableGAN(steps=1, width=4, random_state=0, verbose=False).fit(table[["x"]], table["y"]).save(folder / "table")
    table.to_csv(folder / "table.csv", index=False)
    return folder


@pytest.fixture
def check_refused(capsys):
    def check(*arguments):
        with limits(), pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert stop.value.code == 2, printed
        assert printed.out == ""
        assert printed.err.startswith("Error: ")
        assert printed.err.count("\n") == 1
        assert "Traceback" not in printed.err

    return check


def damaged(path, tmp_path, changes):
    copy = tmp_path / "model"
    shutil.copytree(path, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(as_json(edited(config, changes)))
    return copy


@pytest.mark.parametrize("changes", DAMAGES + DAMAGED_IMAGES)
def test_models_of_images(models, tmp_path, check_refused, changes):
    model = damaged(models / "image", tmp_path, changes)
    options = ("-o", tmp_path / "out.npz", "--per-class", 1)
    check_refused("sample", model, *options)
    check_refused(
        "augment", "images", models / "images.npz", "-o", tmp_path / "out.npz", "--per-class", 1, "--model", model
    )


@pytest.mark.parametrize("changes", DAMAGES + DAMAGED_TABLES)
def test_models_of_tables(models, tmp_path, check_refused, changes):
    check_refused("sample", damaged(models / "table", tmp_path, changes), "-o", tmp_path / "out.csv", "--per-class", 1)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("content", [b"", b"\0" * 99, b"\xff\xfe", b"PAR1" * 9, b"x,y\n1", b'x,y\n"', b"y,y\n1,2\n"])
def test_tables(tmp_path, check_refused, suffix, content):
    path = tmp_path / f"table.{suffix}"
    path.write_bytes(content)
    check_refused("augment", "table", path, "--target", "y", "-o", tmp_path / "out.csv")


@pytest.mark.parametrize("content", SUITES, ids=range(len(SUITES)))
def test_suites(tmp_path, check_refused, content):
    (tmp_path / "mine.toml").write_bytes(content)
    check_refused("bench", "run", tmp_path / "mine.toml", "-o", tmp_path / "run")


@pytest.mark.parametrize("name", ["suite.json", "summary.json"])
@pytest.mark.parametrize("content", ["[]", "{}", "[" * 100_000, '{"suite": [], "experiments": {}}', ""])
def test_folders_of_runs(tmp_path, check_refused, name, content):
    (tmp_path / name).write_text(content)
    command = ("run", "smoke", "-o", tmp_path) if name == "suite.json" else ("report", tmp_path)
    check_refused("bench", *command)
