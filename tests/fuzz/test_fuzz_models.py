"""Model folders from anyone: ``config.json`` and ``model.safetensors``."""

import functools
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from mutations import as_json, byte_edits, damaged, edited, edits, fuzzed, read_or_refused

from ganaug import ImageGAN, TableGAN, labelled_images
from ganaug.data.files import sha256_of
from ganaug.gans.bundle import kind_of

N = 48


def a_table():
    numbers = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "x": numbers.normal(size=N),
            "rain": np.where(numbers.random(N) < 0.5, 0.0, numbers.random(N)),
            "n": pd.array([None, *range(N - 1)], dtype="Int64"),
            "day": pd.date_range("2024-01-01", periods=N),
            "city": pd.Categorical(["Rome", "Oslo", "Bonn"] * (N // 3)),
            "code": [f"c{i % 40}" if i else None for i in range(N)],
            "yes": [True, False] * (N // 2),
        }
    )
    return table, np.array(["a", "b", "c"] * (N // 3))


@functools.cache
def model(kind):
    """Folder of a small model of each kind, made once."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-")) / kind
    if kind == "image":
        data = labelled_images("digits").subset(range(20))
        gan = ImageGAN(steps=1, random_state=0, verbose=False, device="cpu").fit(data)
    else:
        table, labels = a_table()
        if kind == "wide":
            table = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 64)))
        elif kind == "rare":
            table = table[["city", "code"]].assign(code=[f"c{i}" for i in range(N)])
        elif kind == "array":
            table = table[["x", "rain"]].to_numpy(np.float32)
        gan = TableGAN(steps=1, width=8, random_state=0, verbose=False)
        gan.fit(table, labels)
    gan.save(folder)
    return folder


@functools.cache
def config(kind):
    return json.loads((model(kind) / "config.json").read_text())


def read(kind, text=None, weights=None):
    """Load a model with another configuration or other weights, and draw from it."""
    cls = ImageGAN if kind == "image" else TableGAN
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "m"
        shutil.copytree(model(kind), path)
        if text is not None:
            (path / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
        if weights is not None:
            (path / "model.safetensors").write_bytes(weights)
        assert isinstance(kind_of(path), str)
        gan = read_or_refused(lambda: cls.load(path, device="cpu"), named=path)
        if gan is not None:
            drawn = read_or_refused(lambda: works(gan))
            assert drawn is not None
    return gan


def works(gan):
    labels = gan.classes_
    drawn = gan.sample(labels, random_state=0)
    assert len(drawn) == len(labels)
    if isinstance(gan, ImageGAN):
        assert drawn.shape == (len(labels), *gan.image_shape_)
        assert drawn.dtype == torch.uint8
    else:
        dtypes = drawn.dtypes if gan.container_.kind == "dataframe" else [drawn.dtype]
        assert list(map(str, dtypes)) == list(map(str, gan.container_.dtypes))
    assert len(gan.discriminator_scores(drawn, labels)) == len(labels)
    assert isinstance(gan.names(), dict)
    assert gan.training_data_.get("target") is None
    repr(gan)
    return True


@pytest.mark.parametrize("kind", ["image", "table", "wide", "array"])
def test_the_models_work_as_they_are(kind):
    assert read(kind) is not None


@fuzzed()
@given(edits(lambda: config("image")))
def test_image_configuration(changes):
    read("image", as_json(edited(config("image"), changes)))


@fuzzed()
@given(edits(lambda: config("table")))
def test_table_configuration(changes):
    read("table", as_json(edited(config("table"), changes)))


@fuzzed(20)
@given(edits(lambda: config("wide")))
def test_wide_table_configuration(changes):
    read("wide", as_json(edited(config("wide"), changes)))


@fuzzed(20)
@given(byte_edits())
def test_bytes_of_the_configuration(changes):
    read("table", damaged((model("table") / "config.json").read_bytes(), changes))


@fuzzed(20)
@given(byte_edits())
def test_bytes_of_the_weights(changes):
    weights = damaged((model("array") / "model.safetensors").read_bytes(), changes)
    read("array", json.dumps({**config("array"), "weights_sha256": sha256_of(weights)}), weights)


@functools.cache
def header():
    content = (model("array") / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


@fuzzed()
@given(edits(lambda: header()[0]))
def test_header_of_the_weights(changes):
    text = as_json(edited(header()[0], changes)).encode()
    weights = len(text).to_bytes(8, "little") + text + header()[1]
    read("array", json.dumps({**config("array"), "weights_sha256": sha256_of(weights)}), weights)
