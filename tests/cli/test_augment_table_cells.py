"""``ganaug augment table`` with groups."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from shell import run

ADDITIVE = ("--generator", "ganaug.curation.AdditiveTransfer", "--seed", "0")
COUNTS = {("keep", "01"): 30, ("keep", "02"): 10, ("leave", "01"): 9}
LACKING = ("leave", "02")
pytestmark = pytest.mark.filterwarnings("ignore:class.* in one group only")
FULL = dict.fromkeys([*COUNTS, LACKING], 30)


@pytest.fixture
def visits(tmp_path, monkeypatch):
    """A table whose groups are written with a zero in front, in its second column; one of them is missing."""
    monkeypatch.chdir(tmp_path)
    status, site = (np.repeat([cell[k] for cell in COUNTS], list(COUNTS.values())) for k in (0, 1))
    income = np.random.default_rng(0).normal(size=49) + 3 * (status == "leave") + (site == "02")
    table = pd.DataFrame({"income": income.round(3), "site": site, "status": status, "age": np.arange(49) % 7})
    pd.concat([table, table.iloc[:1].assign(site=None)]).to_csv("visits.csv", index=False)


def cells(path):
    rows = pd.read_csv(path, dtype=str)
    return rows, dict(Counter(zip(rows["status"], rows["site"].fillna(""), strict=True)))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--per-cell", "balance"), FULL),
        (("--per-cell", "2"), {cell: COUNTS.get(cell, 0) + 2 for cell in FULL}),
    ],
)
def test_cells_get_rows_and_their_group_stands_in_its_column(visits, options, expected, capsys):
    command = ("augment", "table", "visits.csv", "--target", "status", "--groups", "site", "-o", "new.csv")
    assert run(*command, *options, *ADDITIVE) == 0
    rows, counts = cells("new.csv")
    assert list(rows) == ["income", "site", "status", "age", "is_synthetic"]
    assert counts == {**expected, ("keep", ""): 1}
    assert f"{sum(expected.values()) - 49} of them synthetic" in capsys.readouterr().out


def test_classes_are_balanced_with_groups_as_they_occur(visits):
    command = ("augment", "table", "visits.csv", "--target", "status", "--groups", "site", "-o", "new.csv")
    assert run(*command, *ADDITIVE) == 0
    rows, counts = cells("new.csv")
    assert Counter(rows["status"]) == {"keep": 41, "leave": 41}
    assert counts["leave", "01"] == 41


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--per-cell", "balance"), "--per-cell needs the column of the groups; pass --groups too"),
        (("--groups", "status"), "--groups must be another column than --target, got 'status' for both"),
        (("--groups", "sites"), "groups names the column 'sites', which the table lacks; did you mean 'site'?"),
        (("--groups", "site", "--per-cell", "-3"), "--per-cell must be 'balance' or a whole number, got '-3'"),
        (("--groups", "site", "--per-cell", "2", "--strategy", "all"), "--per-cell takes the place of --strategy"),
        (("--groups", "income", "--per-cell", "2"), "column 'income'"),
    ],
)
def test_bad_input_ends_with_one_sentence(visits, refused, options, message):
    assert message in refused(
        "augment", "table", "visits.csv", "--target", "status", "-o", "n.csv", *options, *ADDITIVE
    )
