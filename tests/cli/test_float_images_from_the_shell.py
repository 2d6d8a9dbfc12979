"""Images of floats outside [0, 1], such as spectrograms, go through the shell as they go through ``fit``."""

import numpy as np
import pytest
from shell import run

import ganaug
from ganaug import labelled_images
from ganaug.curation import augment_images

QUICK = ("--steps", "2", "--device", "cpu", "--seed", "0")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("spectra") / "spectra.npz"
    spectra = np.random.default_rng(0).normal(-40, 20, (24, 8, 8)).astype(np.float32)
    np.savez(path, images=spectra, labels=np.repeat(["x", "y"], [16, 8]))
    return path


@pytest.fixture(scope="module")
def model(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    assert run("fit", "images", source, "-o", path, *QUICK) == 0
    return path


def values(source):
    with np.load(source) as file:
        return file["images"]


@pytest.mark.parametrize("name", ["out.npz", "out.parquet"])
def test_samples_keep_the_range_of_the_training_images(model, source, tmp_path, name):
    assert run("sample", model, "--per-class", 2, "-o", tmp_path / name, "--seed", 0) == 0
    drawn = labelled_images(tmp_path / name, dtype="float32").images
    real = values(source)
    assert drawn.shape == (4, 1, 8, 8)
    assert real.min() <= drawn.min() < 0 < drawn.max() <= real.max()


@pytest.mark.parametrize("with_model", [True, False])
def test_real_images_keep_their_values_beside_synthetic_ones(model, source, tmp_path, with_model):
    options = ("--model", model, "--device", "cpu") if with_model else QUICK
    assert run("augment", "images", source, "-o", tmp_path / "more.npz", "--keep-all", *options) == 0
    with np.load(tmp_path / "more.npz") as file:
        both = dict(file)
    np.testing.assert_array_equal(both["images"][:24, ..., 0], values(source))
    assert both["is_synthetic"].sum() == 8


def test_they_are_audited(model, source, capsys):
    assert run("audit", model, "--real", source, "--per-class", 20, "--device", "cpu") == 0
    assert "0 of 40" in capsys.readouterr().out


def test_pngs_do_not_hold_them(model, source, tmp_path, refused):
    out = tmp_path / "out"
    said = "PNGs hold pixels of 0 to 255, the images are float32; write an .npz file instead"
    assert said in refused("sample", model, "-o", out)
    assert said in refused("augment", "images", source, "-o", out, *QUICK)


def test_a_generator_of_floats_is_not_mixed_with_pixels(model):
    pixels = np.zeros((4, 8, 8), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"^images are uint8 of shape \(1, 8, 8\), the generator draws float32"):
        augment_images(pixels, ["x", "x", "x", "y"], generator=ganaug.load(model), prefit=True, keep=[])
