import json

import numpy as np
import pandas as pd
import pytest

from ganaug.data.tables.columns.text_values import TextFormat, read_text_column

N = 80
WHOLE = np.random.default_rng(0).integers(0, 200_000, N)
CENTS = WHOLE / 8
DAYS = pd.Timestamp("2020-01-01 07:03:09") + pd.to_timedelta(WHOLE, unit="m")
SWAPPED = str.maketrans(",.", ".,")

NUMBERS = {
    "thousands": (WHOLE, lambda v: f"{v:,}"),
    "negative": (WHOLE - 90_000, lambda v: f"{v:,}"),
    "cents": (CENTS.round(2), lambda v: f"{v:.2f}"),
    "shortest": (CENTS, lambda v: f"{v:.9g}"),
    "as Python": (CENTS, lambda v: str(float(v))),
    "decimal comma": (CENTS, lambda v: f"{v:.3f}".translate(SWAPPED)),
    "German": (CENTS, lambda v: f"{v:,.3f}".translate(SWAPPED)),
    "French": (CENTS, lambda v: f"{v:,.3f}".replace(",", "\u202f").replace(".", ",")),
    "Swiss": (CENTS, lambda v: f"{v:,.3f}".replace(",", "'")),
    "dollars": (-CENTS, lambda v: f"-${-v:,.3f}" if v < 0 else "$0.000"),
    "euros": (CENTS, lambda v: f"{v:.3f} €".translate(SWAPPED)),
    "percent": (CENTS, lambda v: f"{v:.3f}%"),
    "exponent": (CENTS + 1, lambda v: f"{v:.8e}"),
}
DATES = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%d/%m/%y",
    "%-m/%-d/%Y",
    "%-d.%-m.%Y",
    "%d-%b-%Y",
    "%-d %B %Y",
    "%b %d, %Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%3f",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S+01:00",
    "%m/%d/%Y %I:%M:%S %p",
    "%-m/%-d/%Y %-H:%M",
    "%H:%M",
]


def read(cells, **options):
    found = read_text_column(pd.Series(cells), **options)
    assert found is not None
    return found


def without_loss(form):
    return TextFormat.from_state(json.loads(json.dumps(form.to_state())))


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("mark", [None, "?", "", " n/a "])
def test_numbers_are_read_and_written_as_they_were(kind, mark):
    numbers, write = NUMBERS[kind]
    cells = pd.Series([write(v) for v in numbers], dtype=object)
    cells.iloc[::9] = mark
    values, form = read(cells)
    assert values.isna().tolist() == [i % 9 == 0 for i in range(N)]
    expected = np.delete(numbers, np.s_[::9])
    np.testing.assert_allclose(values.dropna().to_numpy(float), expected, rtol=1e-6)
    assert pd.api.types.is_integer_dtype(values.dtype) == (numbers.dtype.kind == "i")
    for each in (form, without_loss(form)):
        written = each.write(values)
        assert written.dropna().tolist() == cells.dropna().tolist()
        assert written.isna().equals(cells.isna())
        assert each.read(cells).equals(values)


@pytest.mark.parametrize("date_format", DATES)
def test_dates_are_read_and_written_as_they_were(date_format):
    form = TextFormat("date", ("null",), "null", date_format=date_format)
    cells = form.write(pd.Series(DAYS))
    cells.iloc[3] = "null"
    values, found = read(cells)
    assert found.date_format == date_format
    assert values.dtype.kind == "M"
    assert values.isna().tolist() == [i == 3 for i in range(N)]
    assert without_loss(found).write(values).tolist() == cells.tolist()


@pytest.mark.parametrize(
    "cells",
    [
        ["02134", "10001", "?", "94105"],
        [f"555{v:07d}" for v in WHOLE] + ["?"],
        [f"+49{v}" for v in WHOLE],
        [f"555-{v:06d}" for v in WHOLE],
        [f"1.{minor}" for minor in range(1, 15)],
        [f"1.{minor}.0" for minor in range(15)],
        [f"10.0.{v % 200}.{v % 7}" for v in WHOLE],
        [f"{v % 90 + 10}E{v % 7}" for v in WHOLE],
        [str(v) for v in WHOLE],
        ["01/02/2020", "03/04/2020", "11/12/2021"],
        ["yes", "no", "?"],
        ["?", "NA", ""],
        ["5", "6", "x", "?"],
        [True, "?", [1], "word"],
        [1.5, "1,200", "?"],
        [1, 2, 3],
        ["\u0663", "\u0664", "?"],
    ],
    ids=lambda cells: str(cells[0]),
)
def test_codes_and_what_cannot_be_decided_stay_text(cells):
    assert read_text_column(pd.Series(cells, dtype=object)) is None


def test_nine_tenths_of_the_rest_are_enough_and_what_is_lost_is_counted():
    cells = [f"{v}.5" for v in WHOLE] + ["?"] * 40
    values, form = read(["12o", *cells])
    assert (form.unread, form.missing, int(values.isna().sum())) == (1, "?", 41)
    assert "1 unreadable" in str(form)
    assert read_text_column(pd.Series(["word"] * 9 + cells)) is None


@pytest.mark.parametrize("zero", ["-0.00", "-0,00"])
def test_a_small_number_that_was_rounded_to_minus_zero_is_a_number(zero):
    values, form = read([zero, zero.replace("0", "1"), zero.replace("-0", "2")])
    assert values.tolist() == [0, -1.11, 2]
    assert form.decimals == 2


def test_options_decide_what_the_cells_do_not():
    assert read(["1,234", "2,500"])[0].tolist() == [1234, 2500]
    assert read(["1,234", "2,500"], decimal=",")[0].tolist() == [1.234, 2.5]
    assert read(["1.234", "2.500"], decimal=",")[0].tolist() == [1234, 2500]
    day_first, _ = read(["01/02/2020"], day_first=True)
    month_first, _ = read(["01/02/2020"], day_first=False)
    assert (day_first[0].month, month_first[0].month) == (2, 1)
    assert read(["12", "15"], plain=True)[0].tolist() == [12, 15]
    assert read(["12", "void", "void"], marks=["void"])[1].missing == "void"


def test_objects_among_marks_keep_their_type():
    values, form = read([3, "?", 5])
    assert values.tolist() == [3, None, 5]
    assert form.write(values).tolist() == [3, "?", 5]


@pytest.mark.parametrize(
    "changed",
    [
        {"date_format": "%Y\x1b[2J"},
        {"date_format": "%s"},
        {"prefix": "<b>"},
        {"decimals": 10**9},
        {"thousands": "x"},
        {"marks": [1]},
        {"kind": "code"},
    ],
    ids=str,
)
def test_formats_that_no_text_has_are_refused(changed):
    state = read(["1,5", "?"])[1].to_state()
    with pytest.raises(ValueError, match=r"written|must be"):
        TextFormat.from_state(state | changed)
