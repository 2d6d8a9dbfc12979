"""Model folders from anyone: ``config.json`` and ``model.safetensors``."""

import datetime
import functools
import json
import pickle
import shutil
import tempfile
import warnings
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from hypothesis import example, given
from mutations import Canary, as_json, byte_edits, damaged, edited, edits, fuzzed, read_or_refused

from ganaug import ImageGAN, SyntheticPool, TableGAN, labelled_images
from ganaug.data.files import sha256_of
from ganaug.engine.callbacks.checkpoints import newest_valid
from ganaug.generators.card import model_card
from ganaug.generators.model_folder import kind_of

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
            "born": pd.Series([datetime.date(2000, 1, 1 + i % 28) for i in range(N)], dtype=object),
            "price": pd.Series([Decimal(i).scaleb(-2) for i in range(N)], dtype=object),
            "paid": ["?", *(f"{i * 1000:,}" for i in range(1, N))],
        }
    )
    return table, np.array(["a", "b", "c"] * (N // 3))


@functools.cache
def model(kind):
    """Folder of a small model of each kind, made once."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-")) / kind
    if kind == "image":
        data = labelled_images("digits").subset(range(20))
        gan = ImageGAN(steps=1, random_state=0, verbose=False, device="cpu").fit(data, groups=np.repeat([1, 2], 10))
    else:
        table, labels = a_table()
        if kind == "wide":
            table = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 64)))
        elif kind == "rare":
            table = table[["city", "code"]].assign(code=[f"c{i}" for i in range(N)])
        elif kind == "array":
            table = table[["x", "rain"]].to_numpy(np.float32)
        gan = TableGAN(steps=1, width=8, random_state=0, verbose=False)
        with warnings.catch_warnings(action="ignore"):  # of text that is numbers
            gan.fit(table, labels, np.resize(["new", "old"], N) if kind == "table" else None)
    gan.save(folder)
    return folder


@functools.cache
def config(kind):
    return json.loads((model(kind) / "config.json").read_text())


def check_model(kind, text=None, weights=None):
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
    assert len(gan.score_samples(drawn, labels)) == len(labels)
    assert isinstance(gan.names(), dict)
    assert gan.training_data_.get("target") is None
    assert model_card(gan, gan.license_, gan.figures_).encode()
    repr(gan)
    return True


@pytest.mark.parametrize("kind", ["image", "table", "wide", "array"])
def test_the_models_work_as_they_are(kind):
    assert check_model(kind) is not None


@fuzzed()
@given(edits(lambda: config("image")))
@example([(("classes", "values"), "set", list(range(9)))])
@example([(("classes", "values", 0), "set", 1)])
@example([(("classes", "dtype"), "set", "<U999999999")])
@example([(("class_names", 0), "set", [])])
@example([(("architecture", "n_classes"), "set", 10**9)])
@example([(("architecture", "blocks"), "set", 10**9)])
@example([(("architecture", "image_shape"), "set", [1, 2**15, 2**15])])
@example([(("architecture", "image_shape", 1), "set", float("inf"))])
@example([(("training_data",), "set", [])])
@example([(("license",), "set", "mit\n---")])
@example([(("figures",), "set", {"\ud800": 1})])
@example([(("figures",), "set", {"a": 10**400})])
@example([(("figures",), "set", {"a": {"b": [1]}})])
@example([(("weights_sha256",), "set", "../../x")])
@example([(("format",), "set", "ganaug.a\nb")])
@example([(("params", "steps"), "set", [])])
def test_image_configuration(changes):
    check_model("image", as_json(edited(config("image"), changes)))


@fuzzed()
@given(edits(lambda: config("table")))
@example([(("architecture", "depth"), "set", 10**9)])
@example([(("architecture", "gates", 0), "set", 5)])
@example([(("architecture", "blocks"), "set", [2] * 5 + [10**9])])
@example([(("encoder", "columns", 0, "knots"), "set", [])])
@example([(("encoder", "columns", 0, "dtype"), "set", "<U999999999")])
@example([(("encoder", "columns", 0, "dtype"), "set", "decimal128(3)[pyarrow]")])
@example([(("encoder", "columns", 2, "step"), "set", -1)])
@example([(("encoder", "columns", 2, "last"), "set", 2**64)])
@example([(("encoder", "columns", 4, "levels", 0), "set", [])])
@example([(("encoder", "columns", 4, "weights"), "set", [[]])])
@example([(("encoder", "columns", 5, "weights", 0), "drop", None)])
@example([(("encoder", "columns", 5, "weights", 0, 0), "set", -1)])
@example([(("encoder", "columns", 1, "name"), "set", "x")])
@example([(("encoder", "columns", 4, "levels", 0), "set", {"Fraction": "1e999999999"})])
@example([(("encoder", "columns", 4, "levels", 0), "set", {"Timestamp": ["x", "../../etc/passwd"]})])
@example([(("encoder", "columns", 4, "levels", 0), "set", {"Period": [2**70, "D"]})])
@example([(("encoder", "columns", 7, "objects"), "set", None)])
@example([(("encoder", "columns", 7, "objects", "kind"), "set", "decimal")])
@example([(("encoder", "columns", 7, "offset"), "set", 10**9)])
@example([(("encoder", "columns", 8, "objects", "unit"), "set", 10**9)])
@example([(("encoder", "columns", 8, "objects"), "set", {"kind": "pandas", "unit": "datetime64[ns, dateutil//x]"})])
@example([(("encoder", "columns", 9, "form", "kind"), "set", "date")])
@example([(("encoder", "columns", 9, "form", "decimals"), "set", 10**9)])
@example([(("encoder", "columns", 9, "number", "dtype"), "set", "object")])
@example([(("encoder", "names_dtype"), "set", "datetime64[ns]")])
@example([(("encoder", "names_of_levels"), "set", ["a", "b"])])
@example([(("container", "dtypes", 0), "set", "object")])
@example([(("container", "kind"), "set", "ndarray")])
def test_table_configuration(changes):
    check_model("table", as_json(edited(config("table"), changes)))


@fuzzed(20)
@given(edits(lambda: config("wide")))
@example([(("encoder", "dtypes_", 0), "set", "object")])
@example([(("encoder", "scale_", 0), "set", 0)])
@example([(("encoder", "components_", 0), "drop", None)])
def test_wide_table_configuration(changes):
    check_model("wide", as_json(edited(config("wide"), changes)))


@fuzzed(20)
@given(byte_edits())
def test_bytes_of_the_configuration(changes):
    check_model("table", damaged((model("table") / "config.json").read_bytes(), changes))


@fuzzed(20)
@given(byte_edits())
def test_bytes_of_the_weights(changes):
    weights = damaged((model("array") / "model.safetensors").read_bytes(), changes)
    check_model("array", json.dumps({**config("array"), "weights_sha256": sha256_of(weights)}), weights)


@functools.cache
def header():
    content = (model("array") / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


@fuzzed()
@given(edits(lambda: header()[0]))
@example([(("generator.centre", "dtype"), "set", "F8_E8M0")])
def test_header_of_the_weights(changes):
    text = as_json(edited(header()[0], changes)).encode()
    weights = len(text).to_bytes(8, "little") + text + header()[1]
    check_model("array", json.dumps({**config("array"), "weights_sha256": sha256_of(weights)}), weights)


@pytest.mark.parametrize(
    "planted",
    [
        {"run__log_dir": "here"},
        {"run__checkpoint_dir": "here", "run__checkpoint_every": 1, "run__resume": True},
        {"device": "cuda:7"},
        {"run__distributed": True},
        {"run__log_dir": 5, "run__cuda_graph": "no", "run": {"log_dir": "here"}},
    ],
    ids=lambda planted: next(iter(planted)),
)
@pytest.mark.parametrize("kind", ["image", "array"])
def test_where_and_how_a_run_takes_place_is_not_taken_from_a_model(tmp_path, monkeypatch, kind, planted):
    monkeypatch.chdir(tmp_path)
    text = json.dumps({**config(kind), "params": {**config(kind)["params"], **planted}})
    gan = check_model(kind, text)
    known = type(gan)().get_params()
    expected = {**known, "device": "cpu"}  # as it is loaded
    assert {name: gan.get_params()[name] for name in planted} == {name: expected[name] for name in planted}
    gan.save("again")
    assert not set(json.loads(Path("again/config.json").read_text())["params"]) & set(planted)
    if kind == "array":
        gan.fit(np.random.default_rng(0).normal(size=(12, 2)), [0, 1] * 6)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"steps": 1, "steps": 2}', "the key 'steps' is there twice"),
        ('{"learning_rate": Infinity}', "Infinity, which is no finite number"),
        ('{"learning_rate": -Infinity}', "-Infinity, which is no finite number"),
        ('{"gamma": NaN}', "NaN, which is no finite number"),
        ('{"gamma": 1e999}', "1e999, which is no finite number"),
        ('{"random_state": ' + "9" * 5000 + "}", "a number of 5,000 digits"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"steps": 1', "not valid JSON"),
    ],
    ids=["twice", "inf", "-inf", "nan", "1e999", "digits", "nested", "cut"],
)
@pytest.mark.parametrize("reader", ["model", "pool", "checkpoint"])
def test_texts_that_leave_doubts_are_refused(tmp_path, reader, text, reason):
    if reader == "checkpoint":
        header = f'{{"format": "ganaug.checkpoint", "format_version": 1, "run": {text}, "values": {{}}}}'
        content = safetensors.torch.save({"x": torch.zeros(1)}, metadata={"ganaug": header})
        path = tmp_path / f"checkpoint-000001-step2-{sha256_of(content)[:16]}.safetensors"
        path.write_bytes(content)
        with pytest.warns(UserWarning, match=reason):
            assert newest_valid(tmp_path) == (None, {}, [path])
        return
    name = {"model": "config.json", "pool": "pool.json"}[reader]
    (tmp_path / name).write_text(f'{{"format": "ganaug.x", "format_version": 1, "params": {text}}}')
    with pytest.raises(ValueError, match=rf"{name} is damaged: .*{reason}") as refusal:
        TableGAN.load(tmp_path) if reader == "model" else SyntheticPool(tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("version", [-1, 0, True, 1.0, "1", None, [1], 4, 10**30])
@pytest.mark.parametrize("reader", ["model", "pool"])
def test_versions_that_no_ganaug_wrote_are_refused(tmp_path, reader, version):
    kind = {"model": "TableGAN", "pool": "SyntheticPool"}[reader]
    name = {"model": "config.json", "pool": "pool.json"}[reader]
    (tmp_path / name).write_text(json.dumps({"format": f"ganaug.{kind}", "format_version": version}))
    with pytest.raises(ValueError, match="has format version"):
        TableGAN.load(tmp_path) if reader == "model" else SyntheticPool(tmp_path)


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.bool, torch.float8_e4m3fn]
)
def test_weights_of_other_dtypes_are_refused(dtype):
    tensors = safetensors.torch.load((model("array") / "model.safetensors").read_bytes())
    name = next(iter(tensors))
    weights = safetensors.torch.save({**tensors, name: tensors[name].to(dtype)})
    assert check_model("array", json.dumps({**config("array"), "weights_sha256": sha256_of(weights)}), weights) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38, -2e6])
@pytest.mark.parametrize("kind", ["array", "image"])
def test_weights_of_other_magnitudes_are_refused(kind, value):
    tensors = safetensors.torch.load((model(kind) / "model.safetensors").read_bytes())
    tensors[list(tensors)[-1]].view(-1)[-1] = value
    weights = safetensors.torch.save(tensors)
    assert check_model(kind, json.dumps({**config(kind), "weights_sha256": sha256_of(weights)}), weights) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_weights_that_are_not_finite_or_give_numbers_that_are_not(value):
    tensors = safetensors.torch.load((model("array") / "model.safetensors").read_bytes())
    weights = safetensors.torch.save({name: torch.full_like(tensor, value) for name, tensor in tensors.items()})
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(model("array"), Path(folder) / "m")
        (Path(folder) / "m" / "model.safetensors").write_bytes(weights)
        text = json.dumps({**config("array"), "weights_sha256": sha256_of(weights)})
        (Path(folder) / "m" / "config.json").write_text(text)
        with pytest.raises(ValueError, match="not finite"):
            TableGAN.load(Path(folder) / "m").sample(["a", "b"], random_state=0)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_pickle_in_place_of_a_file_is_not_run(tmp_path, name):
    planted = tmp_path / "planted"
    content = pickle.dumps(Canary(planted))
    config_text = json.dumps({**config("array"), "weights_sha256": sha256_of(content)})
    assert check_model("array", *((content, None) if name == "config.json" else (config_text, content))) is None
    assert not planted.exists()
