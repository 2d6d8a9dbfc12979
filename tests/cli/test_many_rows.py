"""Tables of many rows: ``ganaug fit table`` by parts of a file, ``ganaug sample`` of more than are drawn at a time."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shell import run

from ganaug import TableGAN
from ganaug.cli.samples_asked import SamplesAsked
from ganaug.generators.contract import SampleSpec
from ganaug.generators.parts import rows_at_a_time


class Interrupted(TableGAN):
    """Draws one part, and is interrupted when it is to draw the second."""

    drawn = 0

    def sample(self, labels, groups=None, *, random_state=None):
        if self.drawn:
            raise KeyboardInterrupt
        self.drawn += 1
        return super().sample(labels, groups, random_state=random_state)


def fitted(kind):
    rows = pd.DataFrame({"age": np.arange(20.0), "ok": [True, False] * 10})
    groups = ["Bern", "Oslo"] * 10
    return kind(steps=1, width=4, random_state=0, verbose=False).fit(
        rows, [0] * 10 + [1] * 10, groups, metadata={"target": "left", "groups": "city"}
    )


@pytest.fixture(scope="module")
def gan():
    return fitted(TableGAN)


def test_they_are_written_part_by_part(gan, tmp_path):
    gan.save(tmp_path / "model")
    assert run("sample", tmp_path / "model", "-o", tmp_path / "a.parquet", "--per-class", 70_000, "--seed", 3) == 0
    parts = pq.ParquetFile(tmp_path / "a.parquet")
    assert [parts.metadata.row_group(k).num_rows for k in range(2)] == [131_072, 8_928]
    labels = np.repeat([0, 1], 70_000)
    drawn = parts.read().to_pandas()
    assert (drawn["left"] == labels).all()
    first, second = drawn[:131_072], drawn[131_072:]
    whole = gan.sample(labels[:131_072], random_state=3)
    pd.testing.assert_frame_equal(first.drop(columns="left"), whole)
    assert not second["age"].reset_index(drop=True).equals(whole["age"][: len(second)])
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_an_interruption_leaves_no_part_of_them(tmp_path, name):
    fitted(Interrupted).save(tmp_path / "model")
    asked = ("--per-class", 70_000, "--generator", f"{__name__}:Interrupted")
    assert run("sample", tmp_path / "model", "-o", tmp_path / name, *asked) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_groups_are_as_asked_whatever_the_part(gan):
    turns = SamplesAsked(gan.classes_, 5, gan.groups_)
    assert turns.part()[1].tolist() == [*["Bern", "Oslo"] * 2, "Bern"] * 2
    runs = SamplesAsked(gan.classes_, 4, gan.groups_, 2)
    assert runs.part()[1].tolist() == ["Bern", "Bern", "Oslo", "Oslo"] * 2
    for asked in (turns, runs):
        parts = [asked.part(start, start + 3) for start in range(0, len(asked), 3)]
        assert [np.concatenate(values).tolist() for values in zip(*parts, strict=True)] == [
            values.tolist() for values in asked.part()
        ]


def test_parts_of_wide_tables_have_fewer_rows(gan):
    gan.sample_spec_ = SampleSpec("rows", (2**20,), "float64")
    assert rows_at_a_time(gan) == 8


def test_a_parquet_file_is_read_in_parts_where_that_is_asked_for(tmp_path, refused, capsys):
    rows = pd.DataFrame({"age": np.arange(20.0), "city": ["Bern", "Oslo"] * 10, "left": [0] * 10 + [1] * 10})
    rows.to_parquet(tmp_path / "a.parquet", row_group_size=6)
    rows.to_csv(tmp_path / "a.csv", index=False)
    fit = ("fit", "table", tmp_path / "a.parquet", "--target", "left", "--steps", 2, "--seed", 0)
    for how in ("--stream", "--no-stream"):
        assert run(*fit, how, "-o", tmp_path / how) == 0
    read, whole = (TableGAN.load(tmp_path / how) for how in ("--stream", "--no-stream"))
    assert read.training_data_ == whole.training_data_
    pd.testing.assert_frame_equal(*(model.sample([0, 1, 1], random_state=0) for model in (read, whole)))
    capsys.readouterr()
    new = ("--stream", "-o", tmp_path / "new")
    csv = ("fit", "table", tmp_path / "a.csv", "--target", "left")
    assert "--stream is for .parquet files" in refused(*csv, *new)
    assert "--stream is for .parquet files" in refused(*fit, "--sep", ";", *new)
    assert "--stream and --dry-run exclude each other" in refused(*fit, "--dry-run", *new)


@pytest.mark.parametrize("marks", [[False, True], [0, 1], ["no", "Yes"]])
@pytest.mark.parametrize(("suffix", "how"), [("csv", []), ("parquet", []), ("parquet", ["--stream"])])
def test_files_with_synthetic_rows_are_not_fitted(tmp_path, refused, suffix, how, marks):
    marked = np.repeat(marks, [17, 3])
    rows = pd.DataFrame({"age": np.arange(20.0), "left": [0, 1] * 10, "is_synthetic": marked})
    source = tmp_path / f"more.{suffix}"
    rows.to_csv(source, index=False) if suffix == "csv" else rows.to_parquet(source)
    said = refused("fit", "table", source, "--target", "left", "-o", tmp_path / "model", *how)
    assert "holds 3 synthetic rows already (is_synthetic); pass real ones only" in said
    assert said.split(": ")[-1] in refused("bench", "run", "--data", source, "--target", "left", "--dry-run")


def test_a_column_that_says_that_all_rows_are_real_is_no_feature(tmp_path, refused, capsys):
    rows = pd.DataFrame({"age": np.arange(20.0), "left": [0, 1] * 10, "is_synthetic": ["no"] * 20})
    rows.to_parquet(tmp_path / "a.parquet")
    fit = ("fit", "table", tmp_path / "a.parquet", "--target", "left", "--steps", 2, "-o", tmp_path / "model")
    assert run(*fit) == 0
    assert TableGAN.load(tmp_path / "model").encoder_.names_.tolist() == ["age"]
    capsys.readouterr()
    assert "has a column is_synthetic, which is no feature" in refused(*fit, "--stream", "--overwrite")
    rows.assign(is_synthetic=["no"] * 19 + ["maybe"]).to_csv(tmp_path / "a.csv", index=False)
    said = refused("fit", "table", tmp_path / "a.csv", "--target", "left", "-o", tmp_path / "other")
    assert "must say true or false, 1 or 0, or yes or no of each row, got 'maybe' in row 20" in said


def test_types_and_columns_of_parquet_files_stay(tmp_path, refused, capsys):
    large = [2**60 + k for k in range(1, 40)]
    columns = {
        "account": pa.array([None, *large], pa.int64()),
        "kids": pa.array([None, *[k % 5 for k in range(39)]], pa.int8()),
        "member": pa.array([None, *[k % 2 == 0 for k in range(39)]]),
        "paid": pa.array([Decimal(k).scaleb(-2) for k in range(40)], pa.decimal128(9, 2)),
        "left": pa.array([0] * 28 + [1] * 12),
        "city": pa.array(["Bern", "Oslo"] * 20),
    }
    table = pa.table(columns)  # pandas calls its index city
    noted = {"index_columns": ["city"], "columns": [], "column_indexes": [], "pandas_version": pd.__version__}
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(noted)}), tmp_path / "a.parquet")
    source = (tmp_path / "a.parquet", "--target", "left", "--steps", 2, "--seed", 0)
    assert run("augment", "table", *source, "-o", tmp_path / "more.parquet") == 0
    more = pq.read_table(tmp_path / "more.parquet")
    assert more.schema.remove_metadata() == table.schema.append(pa.field("is_synthetic", pa.bool_()))
    assert more.slice(0, 40).drop_columns("is_synthetic").to_pylist() == table.to_pylist()
    for how in ("--stream", "--no-stream"):
        assert run("fit", "table", *source, how, "-o", tmp_path / how) == 0
        assert run("sample", tmp_path / how, "-o", tmp_path / f"{how}.parquet", "--per-class", 9, "--seed", 0) == 0
    streamed, whole = (pq.read_table(tmp_path / f"{how}.parquet") for how in ("--stream", "--no-stream"))
    assert streamed.equals(whole)
    assert [(field.name, field.type) for field in whole.schema] == [(name, kind.type) for name, kind in columns.items()]
    capsys.readouterr()
    state = tmp_path / "--stream" / "table_format.json"
    state.write_text(state.read_text().replace('"parquet_schema": "', '"parquet_schema": "?'))
    assert "table_format.json is damaged" in refused("sample", tmp_path / "--stream", "-o", tmp_path / "new.parquet")


def test_columns_that_are_numbered_are_called_by_their_numbers(tmp_path):
    rows = pd.DataFrame(np.arange(60.0).reshape(20, 3)).assign(**{"3": [0, 1] * 10})
    rows.columns = range(4)
    rows.set_index(pd.Index(range(7, 27))).to_parquet(tmp_path / "a.parquet")
    fit = ("fit", "table", tmp_path / "a.parquet", "--target", "3", "--steps", 2, "-o", tmp_path / "model")
    assert run(*fit) == 0
    assert TableGAN.load(tmp_path / "model").encoder_.names_.tolist() == ["0", "1", "2"]
