import numpy as np
import pandas as pd
import pytest

from ganaug.curation import encode_table
from ganaug.data.tables.group_values import GroupValues
from ganaug.data.tables.layout import RowLayout

GROUPS = np.resize([0, 1, 2], 90)
VARIES = np.random.default_rng(0).normal(size=90)


def names(table, groups):
    """Columns of a table that describe the groups, and in how many groups each is known."""
    data = encode_table(pd.DataFrame({"varies": VARIES[: len(groups)]} | table), np.arange(len(groups)) % 2)
    found = GroupValues.of(data.rows, groups, groups.max() + 1, data.layout)
    return found, data


def test_levels_and_numbers_with_one_value_in_every_group_describe_it():
    found, data = names({"name": np.resize([*"ppq"], 90), "beds": np.resize([3.0, 1.0, 2.0], 90)}, GROUPS)
    assert not np.isnan(found.values).any()
    drawn = found.put(np.zeros((3, data.layout.width), np.float32), np.array([2, 1, 0]))
    table = data.encoder.inverse_transform(drawn)
    assert table["name"].tolist() == [*"qpp"]
    assert table["beds"].tolist() == [2.0, 1.0, 3.0]
    assert np.array_equal(found.put(data.rows.copy(), GROUPS), data.rows)


@pytest.mark.parametrize(
    ("column", "groups"),
    [
        (np.where(np.arange(90) == 0, "q", np.resize([*"ppq"], 90)), GROUPS),  # one row is another
        (np.array(["p"] * 89 + ["q"]), np.repeat([0, 1], [89, 1])),  # so would one column in 45
        (np.resize([*"pqrst"], 90), np.arange(90)),  # each row is a group
        (np.where(np.arange(90) % 7, "p", None), GROUPS),  # missing now and then
    ],
)
def test_what_varies_within_a_group_or_may_be_so_by_chance_does_not(column, groups):
    found, data = names({"column": column}, groups)
    assert len(found.entries) == 0
    assert np.array_equal(found.put(data.rows.copy(), groups), data.rows)


def test_a_number_that_a_group_lacks_is_missing_there_and_left_elsewhere():
    found, data = names({"lab": np.where(GROUPS == 1, np.nan, VARIES**2)}, GROUPS)
    assert np.isnan(found.values).all(1).tolist() == [True, False, True]
    drawn = found.put(data.rows[[0, 0, 0]], np.array([0, 1, 2]))
    assert data.encoder.inverse_transform(drawn)["lab"].isna().tolist() == [False, True, False]


def test_rows_are_read_in_parts_from_files(tmp_path, monkeypatch):
    monkeypatch.setattr("ganaug.data.tables.group_values.PART", 7)
    rows = np.memmap(tmp_path / "rows", np.float32, "w+", shape=(90, 3))
    rows[:] = np.column_stack([VARIES, GROUPS == 1, GROUPS != 1])
    assert GroupValues.of(rows, GROUPS, 3, RowLayout(1, (2,))).entries.tolist() == [1, 2]
    rows[89, 1:] = [1, 0]
    assert GroupValues.of(rows, GROUPS, 3, RowLayout(1, (2,))).entries.tolist() == []


def test_states_come_back_and_wrong_ones_are_refused():
    found, data = names({"lab": np.where(GROUPS == 1, np.nan, VARIES**2), "of": np.resize([*"ppq"], 90)}, GROUPS)
    state, width = found.to_state(), data.layout.width
    again = GroupValues.from_state(state, 3, width)
    assert np.array_equal(again.entries, found.entries)
    np.testing.assert_array_equal(again.values, found.values)
    for wrong in (
        {"entries": state["entries"][::-1]},
        {"entries": [*state["entries"][:-1], width]},
        {"values": state["values"][:2]},
        {"values": [["x"] * len(state["entries"])] * 3},
        {"values": [[1e999] * len(state["entries"])] * 3},
    ):
        with pytest.raises((ValueError, TypeError)):
            GroupValues.from_state(state | wrong, 3, width)


def test_rows_without_entries_say_nothing():
    assert GroupValues.of(np.empty((90, 0), np.float32), GROUPS, 3, RowLayout(0)).values.shape == (3, 0)
