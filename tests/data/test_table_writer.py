import datetime
from decimal import Decimal

import pandas as pd
import pyarrow.parquet as pq
import pytest

from ganaug.data.tables.files.csv_format import CsvOptions
from ganaug.data.tables.files.table_files import open_table, write_table
from ganaug.data.tables.files.table_writer import TableWriter

TABLE = pd.DataFrame(
    {
        "age": [20, 30, 40, 50, 60],
        "paid": [1.5, None, 2.25, 3.0, 4.0],
        "city": ["Zürich", "Oslo", None, "Bern", 'a "b", c'],
        "kind": pd.Categorical(["a", "b", "a", "c", "c"]),
        "day": pd.to_datetime(["2020-01-05", "2020-01-06", None, "2020-01-08", "2020-01-09"]),
    }
)


def written(path, table, cuts, like=None):
    with TableWriter(path, like=like) as writer:
        for start, stop in zip([0, *cuts], [*cuts, len(table)], strict=True):
            writer.write(table[start:stop].reset_index(drop=True))
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.csv.gz"])
def test_a_text_file_in_parts_is_that_in_one(tmp_path, name):
    (tmp_path / "whole").mkdir()
    write_table(TABLE, tmp_path / "whole" / name)
    parts = written(tmp_path / name, TABLE, [2, 4])
    assert parts.read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_parts_like_another_file_are_in_its_format(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("Größe;Art\n1,50;x\n2,25;y\n".encode(encoding))
    file = open_table(tmp_path / "a.csv", CsvOptions())
    more = pd.concat([file.table] * 3, ignore_index=True).assign(new=True)
    write_table(more, tmp_path / "whole.csv", like=file.format)
    parts = written(tmp_path / "parts.csv", more, [1, 4], like=file.format)
    assert parts.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert parts.read_text(encoding).splitlines()[:2] == ["Größe;Art;new", "1,50;x;True"]


def test_parts_of_a_parquet_file_are_its_row_groups(tmp_path):
    path = written(tmp_path / "a.parquet", TABLE, [2, 4])
    groups = pq.ParquetFile(path).metadata
    assert [groups.row_group(k).num_rows for k in range(groups.num_row_groups)] == [2, 2, 1]
    pd.testing.assert_frame_equal(pd.read_parquet(path), TABLE)


@pytest.mark.parametrize(
    "values",
    [
        [Decimal("1.5"), Decimal("2.5"), Decimal("12345.125"), None, Decimal("1")],
        [None, None, Decimal("7.25"), Decimal("123.5"), None],
        [None, None, datetime.date(2020, 1, 5), None, datetime.date(2021, 1, 5)],
        [True, False, None, None, True],
        [b"x", b"y", None, b"", None],
    ],
)
def test_a_part_may_need_a_wider_type_than_those_before(tmp_path, values):
    table = TABLE.assign(value=pd.Series(values, dtype=object))
    found = pd.read_parquet(written(tmp_path / "a.parquet", table, [1, 2, 4]))
    assert found["value"].map(lambda value: None if pd.isna(value) else value).tolist() == values
    pd.testing.assert_frame_equal(found[TABLE.columns], TABLE)


def test_what_no_parquet_file_can_hold_is_said_in_a_sentence(tmp_path):
    table = pd.DataFrame({"value": pd.Series([1, "a"], dtype=object)})
    with pytest.raises(ValueError, match=r"a\.parquet cannot hold these rows .*; write a \.csv file"):
        written(tmp_path / "a.parquet", table, [1])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_what_was_there(tmp_path, name, error):
    (tmp_path / name).write_text("before")

    def interrupted():
        with TableWriter(tmp_path / name) as writer:
            writer.write(TABLE)
            raise error

    with pytest.raises(error):
        interrupted()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "before")]
