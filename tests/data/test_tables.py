import datetime
import json
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from ganaug.data.tables.encoder import TableEncoder, as_table, declared_columns
from ganaug.data.tables.layout import RowLayout

N = 120


def mixed(n=N, missing=True):
    """Every kind of column there is, with values missing where the dtype has a way to say so."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2020-01-01", periods=n, freq="h", tz="Europe/Rome")
    table = pd.DataFrame(
        {
            "float": rng.normal(size=n),
            "float32": rng.normal(size=n).astype(np.float32),
            "price": np.round(rng.random(n) * 10, 2),
            "int": rng.integers(-50, 1000, n),
            "uint8": rng.integers(0, 255, n).astype(np.uint8),
            "large": 2**62 + 3 * rng.integers(0, 100, n),
            "bool": rng.random(n) < 0.3,
            "str": rng.choice(["a", "b"], n),
            "object": pd.Series(rng.choice(["x", "y"], n), dtype=object),
            "numbers": pd.Series(rng.integers(0, 50, n).tolist(), dtype=object),
            "category": pd.Categorical(rng.choice(["low", "high"], n), ["low", "never", "high"], ordered=True),
            "Int64": pd.array(rng.integers(0, 9, n), dtype="Int64"),
            "Float64": pd.array(rng.random(n), dtype="Float64"),
            "boolean": pd.array(rng.random(n) < 0.5, dtype="boolean"),
            "string": pd.array(rng.choice(["q", "r"], n), dtype="string"),
            "date": pd.date_range("2020-01-01", periods=n),
            "hour": hours[rng.permutation(n)],
            "duration": pd.to_timedelta(rng.integers(0, 100, n), unit="min"),
            "rain": np.where(rng.random(n) < 0.4, 0, rng.exponential(size=n)),
            "constant": 7,
            "nothing": np.nan,
        }
    )
    if missing:
        for name in table.columns.difference(["float32", "int", "uint8", "large", "bool", "constant", "nothing"]):
            table.loc[rng.random(n) < 0.1, name] = None
    return table


@pytest.mark.parametrize("name", mixed().columns)
@pytest.mark.parametrize("missing", [False, True])
def test_every_kind_of_column_makes_the_round_trip(name, missing):
    table = mixed(missing=missing)[[name]]
    encoder = TableEncoder().fit(table)
    back = encoder.inverse_transform(encoder.transform(table))
    assert back[name].dtype == table[name].dtype
    pd.testing.assert_frame_equal(back, table, rtol=1e-5)


def test_the_encoder_survives_json():
    table = mixed()
    encoder = TableEncoder().fit(table)
    rows = encoder.transform(table)
    again = TableEncoder.from_state(json.loads(json.dumps(encoder.to_state())))
    pd.testing.assert_frame_equal(again.inverse_transform(rows), encoder.inverse_transform(rows))
    assert np.array_equal(again.transform(table), rows)


def test_rows_are_numbers_first_and_then_one_hot_blocks():
    table = mixed()
    encoder = TableEncoder().fit(table)
    rows = encoder.transform(table)
    assert rows.dtype == np.float32
    assert rows.shape == (N, encoder.width_)
    layout = encoder.layout_
    assert layout.slices[0].start == layout.n_numbers
    assert layout.slices[-1].stop == encoder.width_
    for block in layout.slices:
        assert (rows[:, block].sum(1) == 1).all()
    numbers = rows[:, : layout.n_numbers]
    assert np.abs(numbers).max() < 4
    assert not numbers[~layout.present(rows)].any()
    assert RowLayout.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_numbers": -1}, "n_numbers must"),
        ({"blocks": [1]}, "a block must"),
        ({"gates": [0, 3]}, "a gate must"),
        ({"gates": [0]}, "a gate for each of 2 numbers, got 1"),
    ],
)
def test_layouts_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        RowLayout.from_dict({"n_numbers": 2, "blocks": [2, 3], "gates": [0, -1], **change})


def test_numbers_become_normal_scores():
    rng = np.random.default_rng(0)
    skewed = pd.DataFrame({"x": rng.exponential(size=2000) ** 3})
    scores = TableEncoder().fit(skewed).transform(skewed)[:, 0]
    assert abs(scores.mean()) < 0.01
    assert scores.std() == pytest.approx(1, abs=0.02)


def test_decoded_values_stay_in_range_and_on_their_grid():
    table = mixed(missing=False)
    encoder = TableEncoder().fit(table)
    rng = np.random.default_rng(1)
    back = encoder.inverse_transform(rng.normal(scale=3, size=(500, encoder.width_)))
    for name in ("float", "price", "int", "large", "date", "hour", "duration", "Int64"):
        assert back[name].min() >= table[name].min()
        assert back[name].max() <= table[name].max()
    assert (back["price"].round(2) == back["price"]).all()
    assert ((back["large"] - 2**62) % 3 == 0).all()
    assert (back["date"] == back["date"].dt.normalize()).all()
    assert (back["rain"] == 0).any()
    assert set(back["category"].unique()) == {"low", "high"}


def test_integers_are_rounded_without_bias():
    table = pd.DataFrame({"x": np.arange(11)})
    encoder = TableEncoder().fit(table)
    middle = encoder.transform(table)[5, 0]
    assert encoder.inverse_transform(np.full((1, 1), middle + 1e-3))["x"].item() == 5
    assert encoder.inverse_transform(np.full((1, 1), middle - 1e-3))["x"].item() == 5


def test_many_levels_share_inputs_and_come_back_as_often_as_they_were():
    names = [f"v{i}" for i in range(200)]
    values = np.random.default_rng(0).choice(names + ["v0"] * 100, 4000)
    table = pd.DataFrame({"x": values})
    encoder = TableEncoder(max_levels=10).fit(table)
    assert encoder.width_ == 10
    back = encoder.inverse_transform(encoder.transform(table), random_state=1)["x"]
    assert (back[values == "v0"] == "v0").all()
    assert set(back) <= set(names)
    assert back.nunique() > 150


def test_rare_levels_come_back_in_the_class_they_are_from():
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], 1000)
    table = pd.DataFrame({"x": [f"{'ab'[c]}{rng.integers(100)}" for c in classes]})
    encoder = TableEncoder(max_levels=5).fit(table, classes)
    back = encoder.inverse_transform(encoder.transform(table), classes, 1)["x"]
    assert (back.str[0] == table["x"].str[0]).all()


@pytest.mark.parametrize(
    "values",
    [
        1e8 + np.random.default_rng(0).normal(scale=0.1, size=300),
        1 - 1e-7 * np.random.default_rng(0).random(300),
        1.7e9 + np.round(np.random.default_rng(0).random(300) * 1000, 3),
    ],
)
def test_decimals_are_not_taken_from_columns_far_from_zero(values):
    table = pd.DataFrame({"x": values})
    encoder = TableEncoder().fit(table)
    assert encoder.inverse_transform(encoder.transform(table))["x"].tolist() == table["x"].tolist()


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([2**64 - 1, 2**64 - 5, 2**63], dtype="uint64"),
        pd.Series([2**64 - 1, None, 2**63], dtype="UInt64"),
        pd.Series([-(2**63), 2**63 - 1, 0]),
        pd.Series([2**62 - 1, 2**62 - 2, 0]),
        pd.Series([2**63 + 9, 3], dtype=object),
        pd.Series(pd.to_datetime(["1700-01-01", "2262-01-01", "2000-06-01"]).astype("datetime64[ns]")),
        pd.Series([True, None, False], dtype=object),
        pd.Series([pd.NA, 3, 4], dtype=object),
    ],
    ids=lambda s: f"{s.dtype} {s.iloc[0]}",
)
def test_extreme_values_make_the_round_trip_and_nothing_leaves_the_range(series):
    table = pd.DataFrame({"x": series})
    encoder = TableEncoder().fit(table)
    back = encoder.inverse_transform(encoder.transform(table))["x"]
    assert back.dtype == series.dtype
    assert (back.isna() == series.isna()).all()
    if pd.api.types.is_integer_dtype(series.dtype):  # exact up to 2**53 steps
        assert all(abs(int(a) - int(b)) <= 2**12 for a, b in zip(back.dropna(), series.dropna(), strict=True))
    elif series.dtype != "datetime64[ns]":
        pd.testing.assert_series_equal(back, table["x"])
    far = np.tile(encoder.transform(table[:1]), (20, 1)) + 9 * (np.arange(20)[:, None] % 2) - 4
    drawn = encoder.inverse_transform(far)["x"].dropna()
    assert (drawn >= series.dropna().min()).all()
    assert (drawn <= series.dropna().max()).all()


@pytest.mark.parametrize(
    "categories", [pd.Index([1, 2, 3], dtype="int8"), pd.Index(["a", "b", "c"], dtype=object), pd.Index([0.5, 1, 2])]
)
def test_categories_keep_their_own_dtype(categories):
    table = pd.DataFrame({"x": pd.Categorical.from_codes([0, 1, 0, 1], categories=categories)})
    encoder = TableEncoder().fit(table)
    state = json.loads(json.dumps(encoder.to_state()))
    for each in (encoder, TableEncoder.from_state(state)):
        pd.testing.assert_frame_equal(each.inverse_transform(each.transform(table)), table)


@pytest.mark.parametrize(
    "features", [["code"], [1], [-1], [False, True], np.array([1]), pd.Index(["code"])], ids=lambda f: str(list(f))
)
def test_columns_can_be_declared_categorical(features):
    table = pd.DataFrame({"x": np.arange(6.0), "code": [1, 5, 9, 1, 5, 9]})
    encoder = TableEncoder(features).fit(table)
    assert [column.kind for column in encoder.columns_] == ["numeric", "categorical"]
    assert encoder.inverse_transform(encoder.transform(table))["code"].tolist() == table["code"].tolist()


@pytest.mark.parametrize("features", [["nothing"], [2], [True]])
def test_unknown_columns_cannot_be_declared(features):
    with pytest.raises(ValueError, match="categorical_features"):
        TableEncoder(features).fit(pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]}))


@pytest.mark.parametrize(
    ("X", "dtype"),
    [
        (np.array([[1, 2.5], [3, 4]]), np.float64),
        (np.array([[1, 2], [3, 4]], np.float32), np.float32),
        (np.array([[1, 2], [3, 4]], np.int16), np.int16),
        (np.array([["a", 2], ["b", None]], object), object),
        (np.array([["a", "b"], ["c", "d"]]), "<U1"),
        ([[1.0, 2.0], [3.0, 4.0]], np.float64),
    ],
)
def test_arrays_come_back_with_their_dtype(X, dtype):
    table, container = as_table(X)
    encoder = TableEncoder().fit(table)
    back = container.restore(encoder.inverse_transform(encoder.transform(table)))
    assert isinstance(back, np.ndarray)
    assert back.dtype == dtype
    assert back.tolist() == np.asarray(X).tolist()


@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
def test_sparse_tables_come_back_sparse(make):
    X = make(np.array([[0, 1.0], [2.0, 0]]))
    table, container = as_table(X)
    back = container.restore(table)
    assert type(back) is type(X)
    assert back.toarray().tolist() == X.toarray().tolist()


def test_sparse_columns_of_a_frame_come_back_sparse():
    X = pd.DataFrame({"x": pd.arrays.SparseArray([0, 0, 1.0]), "y": [1, 2, 3]})
    table, container = as_table(X)
    encoder = TableEncoder().fit(table)
    back = container.restore(encoder.inverse_transform(encoder.transform(table)))
    assert (back.dtypes == X.dtypes).all()


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros((0, 2)), ValueError, "at least one row"),
        (np.zeros((2, 0)), ValueError, "at least one row and one column"),
        (np.zeros(3), ValueError, "two dimensions"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "column names must differ, got 'a' twice"),
        (pd.DataFrame({"x": [1.0, np.inf]}), ValueError, "column 'x' holds infinite values"),
        (pd.DataFrame({"x": [1j, 2j]}), TypeError, "complex"),
        (pd.DataFrame({"x": [[1], [2]]}), TypeError, "column 'x' holds values that cannot be compared"),
    ],
)
def test_bad_tables_are_refused_in_one_sentence(X, error, message):
    with pytest.raises(error, match=message) as caught:
        TableEncoder().fit(as_table(X)[0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"x": [1.0], "s": ["c"], "pair": [0.0]}, "column 's' holds 'c', which was not in the training data"),
        ({"x": [1.0], "s": [None], "pair": [0.0]}, "column 's' holds a missing value"),
        ({"x": [np.nan], "s": ["a"], "pair": [0.0]}, "column 'x' has missing values"),
        ({"x": ["a"], "s": ["a"], "pair": [0.0]}, "column 'x' held numbers"),
        ({"s": ["a"], "x": [1.0], "pair": [0.0]}, "the order of the training data: column 0 must be 'x', got 's'"),
        ({"x": [1.0], "s": ["a"], "z": [0.0]}, "the 3 of the training data; the table lacks 'pair' and has 'z' too"),
    ],
)
def test_what_was_not_in_the_training_data_is_refused(other, message):
    n = np.arange(20)
    encoder = TableEncoder().fit(pd.DataFrame({"x": n / 2, "s": np.where(n % 2, "a", "b"), "pair": n % 2.0}))
    with pytest.raises(ValueError, match=message):
        encoder.transform(pd.DataFrame(other))


def test_a_number_beside_two_counts_as_the_nearer_one():
    flags = np.array([0.5, 1.0] * 20)
    encoder = TableEncoder().fit(pd.DataFrame({"flag": flags, "gaps": np.where(np.arange(40) < 4, np.nan, flags)}))
    drawn = pd.DataFrame({"flag": [0.74, 0.76, -3.0, 9.0], "gaps": [0.6, np.nan, 0.8, 1e300]})
    back = encoder.inverse_transform(encoder.transform(drawn))
    assert back["flag"].tolist() == [0.5, 1.0, 0.5, 1.0]
    np.testing.assert_array_equal(back["gaps"], [0.5, np.nan, 1.0, 1.0])
    encoder = TableEncoder().fit(pd.DataFrame({"empty": np.nan, "flag": flags}))
    with pytest.raises(ValueError, match=r"column 'empty' holds 1\.0, but had no values in the training data"):
        encoder.transform(pd.DataFrame({"empty": [1.0], "flag": [0.5]}))


def test_what_was_never_seen_is_no_level_where_it_is_not_refused():
    n = np.arange(40)
    text = [f"{1000 + 7 * i:,}" if i % 4 else "?" for i in n]
    encoder = TableEncoder().fit(pd.DataFrame({"pair": n % 2.0, "text": text}))
    coded = encoder.transform(pd.DataFrame({"pair": [1.0, 7.0], "text": ["?", "abc"]}), strict=False)
    assert [int(coded[:, block].sum(1)[row]) for block in encoder.layout_.slices for row in (0, 1)] == [1, 0, 1, 0]


def test_columns_are_named_by_numbers_of_numpy_too():
    table = pd.DataFrame({"flag": [0.0, 1.0] * 30, "v": np.arange(60.0)})
    for features in (list(np.flatnonzero([True, False])), [np.True_, np.False_]):
        assert declared_columns(features, table) == {"flag"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda i: f"person {i}", "a different text in every row"),
        (lambda i: uuid.UUID(int=i), "a different UUID in every row"),
        (lambda i: [i, Decimal(i)][i % 2], "values of several types, Decimal, int, which are encoded as categories"),
        (lambda i: [datetime.date(2020, 1, 1 + i % 28), "soon", i][i % 3], "values of several types, date, int, str"),
    ],
)
def test_doubtful_categories_are_reported(make, message):
    values = pd.Series([None, *map(make, range(1, 70))], dtype=object)
    table = pd.DataFrame({"x": np.arange(70.0), "name": values})
    with pytest.warns(UserWarning, match=f"column 'name' holds {message}"):
        encoder = TableEncoder().fit(table)
    assert encoder.width_ <= 1 + 32 + 1
    assert set(encoder.inverse_transform(encoder.transform(table))["name"].dropna()) <= set(values)
