"""Columns whose values are more than JSON and numpy have: objects, extension types, Arrow."""

import datetime
import enum
import json
import uuid
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ganaug import TableGAN
from ganaug.audit import explain
from ganaug.data.tables.columns.column import is_numeric
from ganaug.data.tables.encoder import TableEncoder, as_table, encoder_from_state, fit_encoder
from ganaug.metrics import column_distances
from ganaug.resampling import GANOverSampler

N = 48
QUICK = {"steps": 1, "width": 8, "verbose": False, "random_state": 0}
NUMBERS = np.random.default_rng(0).integers(0, 1000, N)
DAYS = pd.Timestamp("2020-01-01") + pd.to_timedelta(NUMBERS, unit="D")
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
Colour = enum.Enum("Colour", ["red", "blue"])


def objects(make):
    return lambda: pd.Series([make(int(n)) for n in NUMBERS], dtype=object)


def arrow(kind, make):
    return lambda: pd.Series(pd.array(pa.array([make(int(n)) for n in NUMBERS], kind), dtype=pd.ArrowDtype(kind)))


def day(n):
    return datetime.date(2020, 1, 1) + datetime.timedelta(n)


def moment(n, zone=None):
    return datetime.datetime.combine(day(n), datetime.time(), zone)


# All of them say the same: NUMBERS, in another dress.
ORDERED = {
    "date": objects(day),
    "datetime": objects(moment),
    "datetime UTC": objects(lambda n: moment(n, datetime.UTC)),
    "datetime +05:30": objects(lambda n: moment(n, EAST)),
    "Timestamp": objects(lambda n: pd.Timestamp(day(n))),
    "Timestamp UTC": objects(lambda n: pd.Timestamp(day(n), tz="UTC")),
    "time": objects(lambda n: datetime.time(n // 60, n % 60)),
    "timedelta": objects(lambda n: datetime.timedelta(seconds=n)),
    "Timedelta": objects(lambda n: pd.Timedelta(n, "h")),
    "Period": objects(lambda n: pd.Period(ordinal=n, freq="M")),
    "Decimal": objects(lambda n: Decimal(n).scaleb(-2)),
    "Decimal of any length": objects(lambda n: Decimal(n).scaleb(-30).normalize()),
    "Fraction": objects(lambda n: Fraction(n, 7)),
    "datetime64 scalars": objects(lambda n: np.datetime64(day(n))),
    "timedelta64 scalars": objects(lambda n: np.timedelta64(n, "s")),
    "numpy integers": objects(np.int16),
    "beyond 64 bits": objects(lambda n: 10**25 + n),
    "far below zero": objects(lambda n: n - 10**25),
    **{f"datetime64[{unit}]": lambda unit=unit: pd.Series(DAYS.as_unit(unit)) for unit in ("s", "ms", "us", "ns")},
    **{
        f"timedelta64[{unit}]": lambda unit=unit: pd.Series(pd.to_timedelta(NUMBERS, unit="D").as_unit(unit))
        for unit in ("s", "ms", "us", "ns")
    },
    "datetime64[s, +05:30]": lambda: pd.Series(DAYS.as_unit("s").tz_localize(EAST)),
    "period[D]": lambda: pd.Series(DAYS.to_period("D")),
    "period[3M]": lambda: pd.Series(pd.PeriodIndex.from_ordinals(NUMBERS, freq="3M")),
    "date32": arrow(pa.date32(), day),
    "date64": arrow(pa.date64(), day),
    "Arrow timestamp": arrow(pa.timestamp("us"), moment),
    "Arrow timestamp UTC": arrow(pa.timestamp("ns", "UTC"), moment),
    "duration": arrow(pa.duration("s"), lambda n: datetime.timedelta(seconds=n)),
    "time64": arrow(pa.time64("us"), lambda n: datetime.time(n // 60, n % 60)),
    "decimal128": arrow(pa.decimal128(10, 2), lambda n: Decimal(n).scaleb(-2)),
    "decimal256": arrow(pa.decimal256(50, 2), lambda n: Decimal(n).scaleb(-2)),
    "Arrow integers": arrow(pa.uint16(), int),
}
NAMES = {
    "booleans": objects(lambda n: n % 2 == 0),
    "bytes": objects(lambda n: b"%d" % (n % 3)),
    "UUID": objects(lambda n: uuid.UUID(int=n % 3)),
    "tuples": objects(lambda n: (n % 3, "a", day(n % 2))),
    "kinds mixed": objects(lambda n: ["a", 1, day(1), moment(2, EAST), pd.Timestamp(day(3))][n % 5]),
    "two frequencies": objects(lambda n: pd.Period("2020", "DM"[n % 2])),
    "with a zone or without": objects(lambda n: moment(n % 2, EAST if n % 3 else None)),
    "infinity among names": objects(lambda n: ["a", float("inf")][n % 2]),
    "half a character": objects(lambda n: ["a", "\ud83d"][n % 2]),
    "many tuples": objects(lambda n: (n, "a")),
    "intervals": lambda: pd.Series(pd.arrays.IntervalArray.from_breaks(range(4)).take(NUMBERS % 3)),
    "cut": lambda: pd.Series(pd.cut(NUMBERS, 4)),
    "categories that are dates": lambda: pd.Series(pd.Categorical(list(map(day, (NUMBERS % 3).tolist())))),
    "categories with a zone": lambda: pd.Series(pd.Categorical(DAYS.tz_localize("Europe/Rome")[NUMBERS % 3])),
    "string[python]": lambda: pd.Series(list("abc") * (N // 3), dtype="string[python]"),
    "large_string": arrow(pa.large_string(), lambda n: "ab"[n % 2]),
    "Arrow string": arrow(pa.string(), lambda n: "ab"[n % 2]),
    "dictionary": lambda: arrow(pa.string(), lambda n: "ab"[n % 2])().astype(
        pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    ),
    "Arrow bool": arrow(pa.bool_(), lambda n: n % 2 == 0),
    "binary": arrow(pa.binary(), lambda n: b"%d" % (n % 3)),
    "binary of one length": arrow(pa.binary(1), lambda n: b"%d" % (n % 3)),
}


def restored(encoder):
    return encoder_from_state(json.loads(json.dumps(encoder.to_state())))


def assert_same(back, series):
    """Equal values of the same types, missing ones included."""
    assert back.dtype == series.dtype
    for value, expected in zip(back.tolist(), series.tolist(), strict=True):
        assert type(value) is type(expected)
        assert value is expected or value == expected or pd.isna(expected)


@pytest.mark.parametrize("absent", [[], [None], [float("nan")]], ids=repr)
@pytest.mark.parametrize("kind", ORDERED | NAMES)
def test_values_come_back_with_their_types(kind, absent):
    series = (ORDERED | NAMES)[kind]()
    if absent and series.dtype == object:
        series.iloc[5] = absent[0]
    elif absent:
        series = series.where(np.arange(N) != 5)
    table = pd.DataFrame({"x": series})
    encoder = TableEncoder().fit(table, NUMBERS % 2)
    assert encoder.columns_[0].kind == ("numeric" if kind in ORDERED else "categorical")
    rows = encoder.transform(table)
    for each in (encoder, restored(encoder)):
        assert np.array_equal(each.transform(table), rows)
        back = each.inverse_transform(rows, NUMBERS % 2)["x"]
        if kind == "many tuples":
            assert set(back.dropna()) <= set(series.dropna())
        else:
            assert_same(back, series)


@pytest.mark.parametrize(
    ("kind", "absent"),
    [
        ("date", pd.NaT),
        ("Timestamp", pd.NaT),
        ("Decimal", Decimal("NaN")),
        ("datetime64 scalars", np.datetime64("NaT")),
        ("timedelta64 scalars", np.timedelta64("NaT")),
        ("numpy integers", pd.NA),
        ("booleans", pd.NA),
        ("beyond 64 bits", pd.NaT),
    ],
)
def test_missing_values_come_back_as_they_came(kind, absent):
    series = (ORDERED | NAMES)[kind]()
    series.iloc[5] = absent
    table = pd.DataFrame({"x": series})
    encoder = TableEncoder().fit(table)
    for each in (encoder, restored(encoder)):
        assert_same(each.inverse_transform(each.transform(table))["x"], series)


@pytest.mark.parametrize("kind", ORDERED)
def test_every_dress_of_a_number_is_the_same_model(kind):
    series = ORDERED[kind]()
    assert is_numeric(series)
    plain, dressed = (TableEncoder().fit(pd.DataFrame({"x": x})) for x in (NUMBERS, series))
    assert np.array_equal(dressed.transform(pd.DataFrame({"x": series})), plain.transform(pd.DataFrame({"x": NUMBERS})))
    codes = np.random.default_rng(1).normal(size=(30, 1), scale=2)
    drawn = dressed.inverse_transform(codes)
    expected = plain.inverse_transform(codes)["x"].to_numpy()
    values = dict(zip(NUMBERS, series, strict=True))
    assert all(drawn["x"][i] == values[n] for i, n in enumerate(expected) if n in values)
    assert np.array_equal(dressed.transform(drawn), plain.transform(pd.DataFrame({"x": expected})))


@pytest.mark.parametrize("kind", ["date", "Decimal", "Period", "time", "period[D]", "date32", "beyond 64 bits"])
def test_figures_of_columns_and_rows_know_them_too(kind):
    series = ORDERED[kind]()
    table, y = pd.DataFrame({"x": series}), NUMBERS % 2
    distances = column_distances(table[:24], table[24:])
    assert distances["kind"].tolist() == ["number"]
    assert distances["distance"].item() == column_distances(NUMBERS[:24, None], NUMBERS[24:, None])["distance"].item()
    (row,) = explain(table[:1], table[1:], labels=y[:1], train_labels=y[1:], n_neighbors=1)
    nearest = NUMBERS[1:][row.same_class[0].index]
    assert np.sign(row.moves[0].difference or 0) == np.sign(NUMBERS[0] - nearest)


def test_whole_numbers_beyond_64_bits_stay_within_their_range_and_on_their_grid():
    table = pd.DataFrame({"x": pd.Series([10**40 + 6 * int(n) ** 9 for n in NUMBERS], dtype=object)})
    encoder = TableEncoder().fit(table)
    drawn = encoder.inverse_transform(np.random.default_rng(0).normal(size=(50, 1), scale=3))["x"]
    assert set(map(type, drawn)) == {int}
    assert min(table["x"]) <= min(drawn) < max(drawn) <= max(table["x"])
    assert {(value - 10**40) % 6 for value in drawn} == {0}
    with pytest.raises(ValueError, match="column 'x' holds whole numbers of more than 255 bits"):
        TableEncoder().fit(table * 10**60)


INDEXES = {
    "of a name": pd.Index(["a", "b"], name="feature"),
    "integers": pd.Index([3, 5], name=7),
    "floats": pd.Index([0.5, 1.5]),
    "booleans": pd.Index([True, False]),
    "bytes": pd.Index([b"a", b"b"]),
    "dates": pd.Index([day(1), day(2)], dtype=object),
    "Timestamps": pd.DatetimeIndex(DAYS[:2], name=day(0)).unique(),
    "with a zone": pd.DatetimeIndex(["2020-01-01", "2020-01-02"], tz="Europe/Rome"),
    "Periods": pd.period_range("2020", periods=2, freq="M"),
    "intervals": pd.IntervalIndex.from_breaks([0, 1, 2]),
    "kinds mixed": pd.Index(["a", 1], dtype=object),
    "levels": pd.MultiIndex.from_tuples([("a", 1), ("a", 2)], names=["of", None]),
    "tuples": pd.Index([("a", 1), ("b", day(2))], tupleize_cols=False),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_names_of_columns_come_back_with_their_types(kind):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(70, 2)))
    table.columns = INDEXES[kind]
    encoder = fit_encoder(table, np.zeros(70, int))
    for each in (encoder, restored(encoder)):
        back = each.inverse_transform(each.transform(table))
        pd.testing.assert_index_equal(back.columns, INDEXES[kind])
        assert back.columns.names == INDEXES[kind].names


def test_names_of_the_columns_of_an_embedding_come_back_with_their_types():
    names = pd.MultiIndex.from_product([range(64), [day(0)]], names=["dimension", 7])
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 64)), columns=names)
    encoder = fit_encoder(table, np.zeros(30, int))
    for each in (encoder, restored(encoder)):
        back = each.inverse_transform(each.transform(table))
        assert isinstance(back.columns, pd.MultiIndex)
        assert back.columns.names == names.names
        assert back.columns.tolist() == names.tolist()


def test_a_model_of_every_kind_of_column_is_saved_and_loaded(tmp_path):
    kinds = ORDERED | NAMES
    table = pd.DataFrame({day(i): make() for i, make in enumerate(kinds.values())})
    table[("sparse", 0)] = pd.arrays.SparseArray(NUMBERS % 2 * 1.5, fill_value=0)
    table.columns = pd.Index(table.columns, name="kinds", dtype=object)
    gan = TableGAN(**QUICK, categorical_features=[day(15), ("sparse", 0)])
    gan.fit(table, NUMBERS % 2)
    again = TableGAN.load(gan.save(tmp_path / "model"))
    rows = gan.sample([0, 1] * 4, random_state=0)
    assert (rows.dtypes == table.dtypes).all()
    pd.testing.assert_frame_equal(again.sample([0, 1] * 4, random_state=0), rows)
    assert again.categorical_features == gan.categorical_features


def odd(**columns):
    return pd.DataFrame({"x": np.arange(8.0), **columns})


@pytest.mark.parametrize(
    ("table", "labels", "message"),
    [
        (odd(c=[Colour.red, Colour.blue] * 4), [0, 1] * 4, "column 'c' cannot be saved: <Colour.* is a Colour"),
        (odd(c=[frozenset("a"), "b"] * 4), [0, 1] * 4, "column 'c' cannot be saved: frozenset"),
        (odd(c=pd.Categorical([Colour.red, Colour.blue] * 4)), [0, 1] * 4, "column 'c' cannot be saved"),
        (
            odd(**{"c": [1.5] * 8}).rename(columns={"c": Colour.red}),
            [0, 1] * 4,
            "name of column 1 cannot be saved: <Col",
        ),
        (odd(c=1).rename(columns={"c": None}), [0, 1] * 4, "the name of column 1 cannot be saved: it is missing"),
        (odd(c=1).rename_axis(columns=[Colour.red]), [0, 1] * 4, "the name of the columns cannot be saved"),
        (odd(), [day(0), day(1)] * 4, "labels must be integers, strings or booleans, got date"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "resolve"])
def test_what_cannot_be_saved_is_refused_before_training(table, labels, message, method):
    gan = TableGAN(**QUICK)
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        getattr(gan, method)(table, labels)
    assert "\n" not in str(caught.value)
    assert not hasattr(gan, "history_")


def test_a_sampler_that_saves_nothing_takes_them():
    table = odd(c=pd.Series([Colour.red, Colour.blue] * 4, dtype=object))
    rows, _ = GANOverSampler(random_state=0).fit_resample(table, [0] * 5 + [1] * 3)
    assert set(rows["c"]) == {Colour.red, Colour.blue}


TEXTS = {
    "thousands": lambda n: f"{1000 * n:,}",
    "decimal comma": lambda n: f"{n // 10},{n % 10}",
    "American dates": lambda n: day(n).strftime("%m/%d/%Y"),
    "numbers among marks": int,
    "dates among marks": day,
}


@pytest.mark.parametrize(("kind", "dtype"), [*((kind, "object") for kind in TEXTS), ("thousands", "string")])
def test_text_that_is_numbers_or_dates_is_learnt_as_such_and_stays_text(kind, dtype, tmp_path):
    cells = [TEXTS[kind](n) for n in NUMBERS.tolist()]
    table = pd.DataFrame({"x": pd.Series(["?", *cells[1:]], dtype=dtype), "z": NUMBERS})
    y = np.repeat(["a", "b"], [N - 12, 12])
    with pytest.warns(UserWarning, match="'x' as .*missing ones '\\?'; a column named in categorical_features") as told:
        gan = TableGAN(**QUICK).fit(table, y)
    assert len(told) == 1
    rows = gan.sample(["a", "b"] * 40, random_state=0)["x"]
    pd.testing.assert_series_equal(
        TableGAN.load(gan.save(tmp_path / "model")).sample(["a", "b"] * 40, random_state=0)["x"], rows
    )
    assert rows.dtype == table["x"].dtype
    values, drawn = ({v: n for n in range(1000) if (v := TEXTS[kind](n)) is not None}, rows[rows != "?"])
    assert set(drawn) <= set(values)
    assert not set(drawn) <= set(cells)
    sampler = GANOverSampler(generator=TableGAN(**QUICK), selection=False, random_state=0)
    with pytest.warns(UserWarning, match="columns of text are read"):
        resampled, _ = sampler.fit_resample(table, y)
    pd.testing.assert_series_equal(resampled["x"][:N], table["x"])
    assert set(resampled["x"][N:]) <= {*values, "?"}
    distances = column_distances(table, resampled)
    assert distances["kind"].tolist() == ["number", "number"]
    with pytest.raises(ValueError, match="column 'x' held"):
        gan.encoder_.transform(as_table(table.assign(x="word"))[0])


def test_text_that_is_declared_categorical_stays_names():
    table = pd.DataFrame({"x": ["1,000", "2,000", "?"] * 8, "z": np.arange(24.0)})
    gan = TableGAN(**QUICK, categorical_features=["x"]).fit(table, [0, 1] * 12)
    assert set(gan.sample([0, 1] * 20, random_state=0)["x"]) <= {"1,000", "2,000", "?"}
