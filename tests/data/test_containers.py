import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ganaug.data.tables.containers import Container, as_table

DAY, NOON, MOMENT, SPAN = dt.date(2020, 1, 5), dt.time(12, 30), dt.datetime(2020, 1, 5, 12), dt.timedelta(days=3)
HALVES = np.array([1.5, 2.5, 4], dtype=np.float16)
VALUES = {  # three values of each type
    **{kind: [1, 2, 4] for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint64())},
    **{kind: [1.5, 2.5, 4.0] for kind in (pa.float32(), pa.float64())},
    pa.float16(): list(HALVES),
    pa.bool_(): [True, False, True],
    **{kind: ["a", "b", "a"] for kind in (pa.string(), pa.large_string(), pa.string_view())},
    **{kind: [b"a", b"b", b"a"] for kind in (pa.binary(), pa.large_binary())},
    **{kind: [DAY, DAY, DAY + SPAN] for kind in (pa.date32(), pa.date64())},
    **{kind: [NOON, NOON, dt.time(1)] for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))},
    **{pa.timestamp(unit): [MOMENT, MOMENT, MOMENT + SPAN] for unit in ("s", "ms", "us", "ns")},
    pa.timestamp("us", "Europe/Rome"): [MOMENT, MOMENT, MOMENT + SPAN],
    **{pa.duration(unit): [SPAN, SPAN, 2 * SPAN] for unit in ("s", "ms", "us", "ns")},
    pa.decimal128(10, 2): [Decimal("1.25"), Decimal("-3.10"), Decimal("4.00")],
    pa.decimal256(50, 3): [Decimal("1.250"), Decimal("-3.100"), Decimal("4.000")],
    pa.dictionary(pa.uint8(), pa.string(), ordered=True): ["a", "b", "a"],
    pa.dictionary(pa.int32(), pa.int64()): [5, 6, 5],
    pa.null(): [None, None, None],
}


def arrow(kind, values):
    return pa.table({"x": pa.array(values, kind), "y": pa.array([1, 2, 3])})


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", VALUES, ids=str)
def test_arrow_columns_come_back_with_their_types_and_values(kind, missing):
    given = arrow(kind, [*VALUES[kind], *([None] if missing else [VALUES[kind][0]])][-3:])
    given = given.replace_schema_metadata({"source": "here"})
    table, container = as_table(given)
    back = container.restore(table)
    assert back.schema.equals(given.schema, check_metadata=True)
    assert back.to_pylist() == given.to_pylist()
    assert container.extend(given, table, table[:0]).equals(given)


POLARS = {
    "enum": pl.Series(["a", "b", None], dtype=pl.Enum(["z", "b", "a"])),
    "categorical": pl.Series(["a", "b", "a"], dtype=pl.Categorical),
    "categories": pl.Series(["a", "b", "a"], dtype=pl.Categorical(pl.Categories("own", "here"))),
    "time": pl.Series([NOON, None, dt.time(1)]),
    "date": pl.Series([DAY, None, DAY]),
    "decimal": pl.Series([Decimal("1.25"), None, Decimal("2.50")]),
    "nullable whole": pl.Series([1, None, 2], dtype=pl.UInt16),
    "nullable truth": pl.Series([True, None, False]),
    "nothing": pl.Series([None, None, None]),
    "zone": pl.Series([MOMENT, None, MOMENT]).dt.replace_time_zone("Europe/Rome"),
    "duration": pl.Series([SPAN, None, SPAN]),
    "half": pl.Series([1.0, None, 2.0], dtype=pl.Float32),
    "nan": pl.Series([1.0, float("nan"), 2.0]),
}


@pytest.mark.parametrize("name", POLARS)
def test_polars_columns_come_back_with_their_types_and_values_also_after_saving(name):
    given = pl.DataFrame({"x": POLARS[name], "y": [1, 2, 3]})
    table, container = as_table(given)
    for restored in (container, Container.from_state(container.to_state())):
        back = restored.restore(table)
        assert back.schema == given.schema
        assert back.equals(given, null_equal=True)
        assert restored.extend(given, table, table).equals(pl.concat([given, given]), null_equal=True)


def test_new_rows_are_appended_and_those_that_came_are_not_converted():
    given = pl.DataFrame({"x": [1.0, None, float("nan")], "y": [Decimal(10**30 + 1), Decimal(3), Decimal(4)]})
    table, container = as_table(given)
    longer = container.extend(given, table, table[:1])
    assert longer[:3].equals(given, null_equal=True)
    assert longer.schema == given.schema
    assert longer.height == 4


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas, pd.DataFrame])
def test_columns_are_learnt_as_those_of_pandas(make):
    table = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, 1.5, 2.5], "t": [True, False, True], "s": ["a", "b", "c"]})
    found, _ = as_table(make(table))
    pd.testing.assert_frame_equal(found, table, check_dtype=False)
    assert found["n"].dtype == table["n"].dtype
    assert found["x"].dtype == table["x"].dtype


def twice(name):
    return pa.table([pa.array([1]), pa.array([2])], names=[name, name])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (pl.LazyFrame({"a": [1]}), TypeError, r"got a LazyFrame of polars; call its collect\(\) first"),
        (pa.table({"a": [1]}).to_batches()[0], TypeError, "got a RecordBatch of pyarrow; convert it"),
        (pl.Series([1]), ValueError, "two dimensions"),
        (pa.chunked_array([[1]]), ValueError, "two dimensions"),
        (twice("age"), ValueError, "column names must differ, got 'age' twice"),
        (pl.DataFrame(), ValueError, "at least one row and one column"),
        (pl.DataFrame({"a": []}), ValueError, "at least one row"),
        (pl.DataFrame({"tags": [[1], [2]]}), TypeError, "column 'tags' has the type .*list.*, which cannot be learnt"),
        (pl.DataFrame({"both": [{"a": 1}]}), TypeError, "column 'both' has the type struct"),
        (pl.DataFrame({"wide": pl.Series([1], dtype=pl.Int128)}), TypeError, "column 'wide' has the type Int128"),
        (pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}), TypeError, "column 'o' has the type Object"),
        (
            pa.table({"m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))}),
            TypeError,
            "column 'm' has the type",
        ),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(given, error, message):
    with pytest.raises(error, match=message) as caught:
        as_table(given)
    assert "\n" not in str(caught.value)


def test_frames_whose_rows_are_to_be_computed_are_refused():
    dask = pytest.importorskip("dask.dataframe")
    with pytest.raises(TypeError, match=r"got a DataFrame of dask; call its compute\(\) first"):
        as_table(dask.from_pandas(pd.DataFrame({"a": [1]}), npartitions=1))


@pytest.mark.parametrize(
    "change", [{"library": "os"}, {"library": ["polars"]}, {"schema": "AAAA"}, {"schema": "?"}, {"schema": 3}]
)
def test_damaged_descriptions_of_frames_are_refused(change):
    _, container = as_table(pl.DataFrame({"a": [1]}))
    with pytest.raises((ValueError, TypeError)):
        Container.from_state(container.to_state() | change)
