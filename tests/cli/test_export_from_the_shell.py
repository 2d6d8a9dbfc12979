import json

import numpy as np
import onnxruntime
import pytest
import torch
from huggingface_hub import ModelCard
from shell import run

from ganaug import ImageGAN, TableGAN

QUICK = ("--steps", "2", "--seed", "0")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)
    np.savez(folder / "images.npz", images=images, labels=np.repeat(["dark", "light"], 6))
    command = ("fit", "images", folder / "images.npz", "-o", folder / "model", "--device", "cpu", "--license", "mit")
    assert run(*command, *QUICK) == 0
    return folder / "model"


@pytest.fixture(scope="module")
def table_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    rows = [f"{i % 7},{i % 3},{'yes' if i % 2 else 'no'}" for i in range(40)]
    (folder / "t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    command = ("fit", "table", folder / "t.csv", "--target", "y", "-o", folder / "m", "--license", "cc0-1.0")
    assert run(*command, *QUICK) == 0
    return folder / "m"


def test_the_licence_is_on_the_card(model, table_model):
    assert ModelCard.load(model / "README.md").data.license == "mit"
    assert ModelCard.load(table_model / "README.md").data.license == "cc0-1.0"
    assert "| column of the classes | y |" in (table_model / "README.md").read_text()


def test_the_name_of_the_file_or_an_option_says_the_format(model, tmp_path, capsys):
    latents, classes = torch.randn(2, 64), torch.tensor([1, 0])
    assert run("export", model, "-o", tmp_path / "new" / "gan.onnx") == 0
    assert "(onnx)" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(tmp_path / "new" / "gan.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"]) == ["dark", "light"]
    drawn = session.run(["images"], {"latents": latents.numpy(), "classes": classes.numpy()})[0]
    assert drawn.shape == (2, 3, 8, 8)
    for name, *option in (("gan.pt2",), ("gan", "--format", "torch_export")):
        assert run("export", model, "-o", tmp_path / name, *option) == 0
        images = torch.export.load(tmp_path / name).module()(latents, classes)
        assert np.abs(images.numpy().astype(int) - drawn).max() <= 1


def test_what_cannot_be_exported_is_told(model, table_model, tmp_path, refused):
    assert "draws rows of a table" in refused("export", table_model, "-o", tmp_path / "gan.onnx")
    assert "is not a saved ganaug model" in refused("export", tmp_path / "none", "-o", tmp_path / "gan.onnx")
    assert "it is a folder" in refused("export", model, "-o", tmp_path)
    assert "ends in .pt2" in refused("export", model, "-o", tmp_path / "gan.pt2", "--format", "onnx")
    said = refused("export", model, "-o", tmp_path / "gan.pt")
    assert "gan.pt ends in .pt, which is no format of a generator; name it gan.onnx or gan.pt2" in said
    assert list(tmp_path.iterdir()) == []


def test_a_licence_that_is_none_is_told_before_training(model, table_model, tmp_path, refused, monkeypatch):
    monkeypatch.setattr(ImageGAN, "fit", lambda *_: pytest.fail("training started"))
    monkeypatch.setattr(TableGAN, "fit", lambda *_: pytest.fail("training started"))
    images, table = model.parent / "images.npz", table_model.parent / "t.csv"
    for command in (("images", images), ("table", table, "--target", "y")):
        told = refused("fit", *command, "-o", tmp_path / "m", "--license", " ")
        assert "license must be a name on one line" in told
