"""The generator of another family from the shell, by its import path and registered by an entry point."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

import ganaug
from ganaug.cli import main
from ganaug.generators import generator_class, generator_names

IMAGES, ROWS = ("--generator", "toys.GaussianImages"), ("--generator", "toys.GaussianRows")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    digits = ganaug.labelled_images("digits").subset(range(100))
    np.savez(tmp_path / "digits.npz", images=digits.images.transpose(0, 2, 3, 1), labels=digits.labels)
    rng, y = np.random.default_rng(0), np.repeat(["no", "yes"], [30, 12])
    numbers = rng.normal(size=(42, 2)).round(3) + 5 * (y == "yes")[:, None]
    pd.DataFrame(numbers, columns=["a", "b"]).assign(y=y).to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code or 0


def installed(folder, monkeypatch, package="toyshop", **registered):
    """A package beside the others that registers generators."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name.replace('_', '-')} = {value}" for name, value in registered.items()]
    (info / "entry_points.txt").write_text("\n".join(["[ganaug.generators]", *lines]))
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def refused(capsys):
    def check(*arguments):
        assert run(*arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return check


def test_images_by_import_path(refused, tmp_path, capsys):
    fit = ("fit", "images", "digits.npz", "-o", "m", *IMAGES)
    assert run(*fit, "--seed", 0) == 0
    assert "Trained on 100 images of 10 classes. Model in m." in capsys.readouterr().out
    assert run("sample", "m", "-o", "s.npz", "--per-class", 3, "--seed", 0, *IMAGES) == 0
    with np.load("s.npz") as drawn:
        expected = ganaug.load("m", generator="toys.GaussianImages").sample(np.repeat(range(10), 3), random_state=0)
        assert np.array_equal(drawn["images"].transpose(0, 3, 1, 2), expected)
    assert run("sample", "m", "-o", "pool", "--pool", "--per-class", 2, *IMAGES) == 0
    assert run("audit", "m", "--real", "digits.npz", "--per-class", 10, *IMAGES) == 0
    for options in (IMAGES, (*IMAGES, "--model", "m")):
        out = f"more{len(options)}.npz"
        assert run("augment", "images", "digits.npz", "-o", out, "--per-class", 2, "--keep-all", *options) == 0
        with np.load(out) as more:
            assert more["is_synthetic"].sum() == 20
    capsys.readouterr()
    assert run(*fit, "--dry-run", "--param", "random_state=7") == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == {"random_state": 7}


def test_rows_by_import_path(capsys):
    assert run("fit", "table", "t.csv", "--target", "y", "-o", "m", *ROWS) == 0
    assert run("sample", "m", "-o", "s.csv", "--per-class", 3, "--seed", 0, *ROWS) == 0
    assert pd.read_csv("s.csv")["label"].tolist() == ["no"] * 3 + ["yes"] * 3
    assert run("audit", "m", "--real", "t.csv", "--target", "y", "--per-class", 10, *ROWS) == 0
    assert run("augment", "table", "t.csv", "--target", "y", "-o", "more.csv", "--seed", 0, *ROWS) == 0
    assert pd.read_csv("more.csv")["y"].value_counts().to_dict() == {"no": 30, "yes": 30}
    assert "18 of them synthetic" in capsys.readouterr().out


def test_what_went_wrong_in_a_training_is_reported_as_it_was_found_last(capsys):
    assert run("fit", "table", "t.csv", "--target", "y", "-o", "m", "--generator", "toys.Worried") == 0
    said = capsys.readouterr()
    assert said.out == "Trained on 42 rows of 2 classes in 61 s. Model in m.\n"
    assert said.err.splitlines() == [
        "Warning: mode collapse of class no at step 100",
        r"Warning: mode collapse of class yes\x1b at step 100",
        "Warning: near copies at step 150 (none left)",
    ]


def test_by_entry_points_one_name_means_images_and_rows(tmp_path, monkeypatch, capsys):
    installed(tmp_path, monkeypatch, image_toy="toys:GaussianImages", table_toy="toys:GaussianRows")
    assert run("fit", "images", "digits.npz", "-o", "images", "--generator", "toy") == 0
    assert run("fit", "table", "t.csv", "--target", "y", "-o", "rows", "--generator", "toy") == 0
    assert ganaug.load("images").sample_spec_.kind == "images"
    assert ganaug.load("rows").sample_spec_.kind == "rows"
    assert run("sample", "rows", "-o", "s.csv") == 0
    assert {"image-toy", "image-gan"} <= set(generator_names("images")) & set(generator_names())
    assert "table-toy" not in generator_names("images")
    with pytest.raises(ValueError, match="the generator 'toy' may be image-toy of toyshop"):
        generator_class("toy")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--generator", "toys.GaussianRows"),
            "'toys.GaussianRows' must draw images, and GaussianRows draws",
        ),
        (("--generator", "gun"), "there is no generator 'gun'"),
        (("--generator", "image-gam"), "there is no generator 'image-gam'; did you mean 'image-gan'?"),
        (("--generator", "toys.Nothing"), "cannot import the generator 'toys.Nothing'"),
        (("--generator", "json.JSONEncoder"), "must be a class of generators, got JSONEncoder without fit and sample"),
        ((*IMAGES, "--steps", 3), "--steps is not for GaussianImages, which has no parameter steps; leave it out"),
        ((*IMAGES, "--checkpoints", "c"), "--checkpoints is not for GaussianImages, which has no parameter checkpoint"),
        ((*IMAGES, "--flip"), "--flip is not for GaussianImages, which has no parameter augment; leave it out"),
        ((*IMAGES, "--unlabelled", "3"), "--unlabelled is not for GaussianImages, whose fit takes no metadata"),
        ((*IMAGES, "--license", "mit"), "--license is not for GaussianImages, whose save takes none; leave it out"),
        ((*IMAGES, "--param", "sed=3"), "--param 'sed' is no parameter of GaussianImages; known are 'random_state'"),
        ((*IMAGES, "--param", "random_state"), "--param must be KEY=VALUE, such as width=64, got 'random_state'"),
        ((*IMAGES, "--seed", 1, "--param", "random_state=3"), "--param random_state is set by an option of its own"),
        (("--param", "run=3"), "--param run is an object; set what it holds one by one"),
    ],
)
def test_what_a_class_cannot_do_is_refused_before_training(refused, arguments, message):
    assert message in refused("fit", "images", "digits.npz", "-o", "m", *arguments)


def test_a_generator_that_cannot_be_kept_or_found_again_is_refused(refused, capsys):
    kept = ("fit", "table", "t.csv", "--target", "y", "-o", "m")
    assert "Mute has no save, so that its model could not be kept" in refused(*kept, "--generator", "toys.Mute")
    assert run(*kept, *ROWS) == 0
    capsys.readouterr()
    assert "m holds a GaussianRows, which this ganaug does not know" in refused("sample", "m", "-o", "s.csv")
    assert "m draws rows of a table" in refused("export", "m", "-o", "m.onnx", *ROWS)
    assert "m draws rows, not images" in refused("augment", "images", "digits.npz", "-o", "o", "--model", "m", *ROWS)


def test_no_module_is_imported_because_a_folder_says_so(tmp_path):
    (tmp_path / "this_must_not.py").write_text("raise SystemExit('imported')")
    for kind in ("this_must_not.Model", "this_must_not:Model", "this_must_not"):
        (tmp_path / "config.json").write_text(json.dumps({"format": f"ganaug.{kind}"}))
        with pytest.raises(ValueError, match="which this ganaug does not know"):
            ganaug.load(tmp_path)
    assert "this_must_not" not in sys.modules


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "no_such_module:Model",
            r"'table-broken', which toyshop registers as .*, cannot be imported \(No module named",
        ),
        ("toys:Nothing", r"cannot be imported \(module 'toys' has no attribute 'Nothing'\); repair or uninstall"),
        ("not a path", "cannot be imported"),
        ("json:JSONEncoder", "must be a class of generators, got JSONEncoder without fit and sample"),
    ],
)
def test_an_entry_point_that_is_broken_harms_no_other(tmp_path, monkeypatch, value, message):
    installed(tmp_path, monkeypatch, table_broken=value, table_toy="toys:GaussianRows")
    with pytest.raises((ValueError, TypeError), match=message):
        generator_class("broken", "rows")
    assert generator_class("gan", "rows") is ganaug.TableGAN
    assert generator_class("toy", "rows").__name__ == "GaussianRows"
    assert "table-broken" in generator_names("rows")


def test_a_name_that_is_taken_twice_is_told_and_the_own_ones_are_kept(tmp_path, monkeypatch):
    installed(tmp_path / "a", monkeypatch, "first", table_toy="toys:GaussianRows", image_gan="toys:GaussianImages")
    installed(tmp_path / "b", monkeypatch, "second", table_toy="toys:Mute")
    with pytest.raises(ValueError, match=r"'table-toy' may be .* of first .*, .* of second .*; name one of them alone"):
        generator_class("table-toy")
    with pytest.warns(UserWarning, match="'gan' stands for ganaug's own generator, not for toys:GaussianImages"):
        assert generator_class("gan", "images") is ganaug.ImageGAN
    assert generator_class("ImageGAN") is ganaug.ImageGAN


def test_a_package_whose_list_cannot_be_read_harms_no_other(tmp_path, monkeypatch):
    installed(tmp_path, monkeypatch, table_toy="toys:GaussianRows\nno equals sign")
    with pytest.warns(UserWarning, match="the entry points of installed packages cannot be read"):
        assert generator_class("gan", "rows") is ganaug.TableGAN
