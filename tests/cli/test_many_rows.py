"""Tables of many rows: ``ganaug fit table`` by parts of a file, ``ganaug sample`` of more than are drawn at a time."""

import numpy as np
import pandas as pd
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


@pytest.mark.parametrize(("suffix", "how"), [("csv", []), ("parquet", []), ("parquet", ["--stream"])])
def test_files_with_synthetic_rows_are_not_fitted(tmp_path, refused, suffix, how):
    rows = pd.DataFrame({"age": np.arange(20.0), "left": [0, 1] * 10, "is_synthetic": [False] * 17 + [True] * 3})
    source = tmp_path / f"more.{suffix}"
    rows.to_csv(source, index=False) if suffix == "csv" else rows.to_parquet(source)
    said = refused("fit", "table", source, "--target", "left", "-o", tmp_path / "model", *how)
    assert "holds 3 synthetic rows already (is_synthetic); pass real ones only" in said
    assert said.split(": ")[-1] in refused("bench", "run", "--data", source, "--target", "left", "--dry-run")
