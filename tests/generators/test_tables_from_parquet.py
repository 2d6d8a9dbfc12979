"""Training on parquet files in parts."""

import datetime
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch

from ganaug import TableGAN
from ganaug.data.tables.files.encoded_parquet import encoded_parquet
from ganaug.data.tables.files.table_files import read_table, split_target
from ganaug.data.tables.seen_values import SeenValues
from ganaug.generators.tables.training_rows import shown_first

N = 300


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, N),
            "income": np.where(rng.random(N) < 0.2, np.nan, rng.normal(size=N)),
            "city": rng.choice(["Rome", "Oslo", "Bern"], N),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, N), unit="D"),
            "ok": np.where(rng.random(N) < 0.1, None, rng.random(N) < 0.3),
            "kind": pd.Categorical(rng.choice(list("abc"), N), categories=list("dcba")),
            "visits": pd.array(np.where(rng.random(N) < 0.1, None, rng.integers(0, 9, N)), dtype="Int64"),
            "paid": [Decimal(int(v)) / 4 for v in rng.integers(0, 99, N)],
            "born": [datetime.date(2020, 1, 1) + datetime.timedelta(int(k)) for k in rng.integers(0, 99, N)],
            "text": [f"{v:,}" for v in rng.integers(0, 9999, N)],
            "site": rng.choice(["a", "b", None], N),
            "left": rng.choice(["no", "yes", "unsure"], N),
        }
    )


@pytest.fixture
def path(table, tmp_path):
    table.to_parquet(tmp_path / "t.parquet", row_group_size=70)
    return tmp_path / "t.parquet"


def gan(**params):
    return TableGAN(steps=3, width=16, random_state=0, verbose=False, **params)


@pytest.mark.filterwarnings("ignore:columns of text are read:UserWarning")
@pytest.mark.parametrize("groups", [None, "site"])
def test_it_is_the_training_in_memory(path, groups):
    X, y = split_target(read_table(path), "left", path)
    whole, streamed = gan().fit(X, y, groups), gan().fit_parquet(path, "left", groups)
    assert streamed.training_data_ == whole.training_data_
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, streamed.tensors()[name])
    pd.testing.assert_frame_equal(*(fitted.sample(y[:50], random_state=0) for fitted in (whole, streamed)))


@pytest.mark.filterwarnings("ignore:columns of text are read:UserWarning")
def test_a_sample_fits_the_encoder_with_what_all_rows_hold(table, tmp_path):
    rare = table.assign(
        city=["Ulm", *table["city"][1:]],
        age=[*table["age"][:-1], 150],
        income=np.where(np.arange(N) == 7, np.nan, 1.0 * np.arange(N)),
        text=["?", *table["text"][1:]],
        many=[f"v{k % 60}" for k in range(N)],
    )
    rare.to_parquet(tmp_path / "t.parquet", row_group_size=90)
    X, y = split_target(read_table(tmp_path / "t.parquet"), "left", "t")
    data = encoded_parquet(tmp_path / "t.parquet", "left", most_sampled=40, at_a_time=25)
    decoded = data.encoder.inverse_transform(np.asarray(data.rows), data.targets)
    assert decoded.dtypes.equals(X.dtypes)
    assert data.rows.shape == (N, data.encoder.width_)
    assert (data.classes[data.targets] == y).all()
    assert decoded["income"].isna().tolist() == X["income"].isna().tolist()
    for exact in ("city", "ok", "kind", "text", "born"):
        pd.testing.assert_series_equal(decoded[exact], X[exact])
    assert decoded["age"][N - 1] == 150
    whole = encoded_parquet(tmp_path / "t.parquet", "left")
    for ours, theirs in zip(data.encoder.columns_, whole.encoder.columns_, strict=True):
        if ours.kind == "categorical":
            assert ours.to_state() == theirs.to_state()


@pytest.mark.filterwarnings("ignore:column 'id' holds a different text in every row:UserWarning")
def test_names_of_a_column_with_very_many_share_a_level(tmp_path):
    n = 66_000
    table = pd.DataFrame({"id": [f"id{k}" for k in range(n)], "x": np.arange(n) % 7, "y": np.arange(n) % 2})
    table.to_parquet(tmp_path / "t.parquet")
    data = encoded_parquet(tmp_path / "t.parquet", "y", most_sampled=100)
    blocks = np.asarray(data.rows)[:, data.encoder.layout_.slices[0]]
    assert (blocks.sum(1) == 1).all()
    assert blocks[:, -1].sum() == n - 31


@pytest.mark.filterwarnings("ignore:columns of text are read:UserWarning")
@pytest.mark.parametrize("odd_row", [2500, 2999])
def test_what_few_rows_hold_of_very_many_texts_and_decimals_is_known(tmp_path, odd_row):
    n = 3000
    text, paid = np.array([f"{1000 + k:,}" for k in range(n)], dtype=object), [Decimal(k) / 4 for k in range(n)]
    text[odd_row], paid[odd_row] = "n/a", Decimal(10**6)
    table = pd.DataFrame({"text": text, "paid": paid, "y": np.arange(n) % 2})
    table.to_parquet(tmp_path / "t.parquet")
    data = encoded_parquet(tmp_path / "t.parquet", "y", most_sampled=50)
    decoded = data.encoder.inverse_transform(np.asarray(data.rows), data.targets)
    assert (decoded["text"] == "n/a").tolist() == (text == "n/a").tolist()
    assert decoded["paid"][odd_row] == 10**6


def test_a_text_of_another_form_is_kept_when_no_more_texts_are_counted():
    seen, sample = SeenValues(), pd.Series(["1"])
    for part in ([f"{k}" for k in range(66_000)], ["n/a"]):
        seen.add(pd.Series(part), np.zeros(len(part), dtype=np.int64))
    assert seen.full
    assert "n/a" in seen.with_unseen(sample, np.array([0]))[0].tolist()


def test_wide_tables_are_reduced(tmp_path):
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(200, 70)).astype(np.float32)).add_prefix("x").assign(y=np.arange(200) % 2)
    wide.to_parquet(tmp_path / "t.parquet")
    data = encoded_parquet(tmp_path / "t.parquet", "y", most_sampled=150)
    assert (data.encoder.kind, data.rows.shape) == ("wide", (200, 70))


def test_of_rows_in_a_file_networks_are_shown_some_of_each_cell_first(tmp_path):
    rows = np.memmap(tmp_path / "rows", np.float32, "w+", shape=(1000, 2))
    rows[:, 0] = np.arange(1000)
    classes, groups = (np.arange(1000) >= 990).astype(int), np.arange(1000) % 2
    shown, of_classes, of_groups = shown_first(rows, classes, groups, most_numbers=1000)
    cells, counts = np.unique(np.stack([of_classes, of_groups]), axis=1, return_counts=True)
    assert cells.T.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert counts.tolist() == [247, 247, 5, 5]
    assert (of_classes == (shown[:, 0] >= 990)).all()
    assert (of_groups == shown[:, 0] % 2).all()
    in_memory = np.asarray(rows)
    assert shown_first(in_memory, classes, None, most_numbers=10)[0] is in_memory


@pytest.mark.parametrize(
    ("changes", "target", "groups", "message"),
    [
        ({}, "lef", None, "has no column 'lef'; did you mean 'left'"),
        ({}, "left", "sit", "which the table lacks; did you mean 'site'"),
        ({}, "left", "left", "groups names the column 'left', which the table lacks"),
        ({"left": ["no", None] * 150}, "left", None, r"missing values, first in row 2 of column 'left'"),
        ({"left": "no"}, "left", None, "the single class 'no'; at least two"),
        ({"left": np.linspace(0, 1, N)}, "left", None, "column 'left': labels must name classes, got continuous"),
        ({"ages": [[1, 2]] * N}, "left", None, r"column 'ages' has the type list.* cannot be learnt"),
        ({"income": np.where(np.arange(N) == 9, np.inf, 1.5)}, "left", None, "'income' holds infinite values"),
        ({"site": np.arange(N)}, "left", "site", "groups must be shared by rows, got a different one for each of 300"),
    ],
)
@pytest.mark.filterwarnings("ignore:columns of text are read:UserWarning")
def test_bad_input_is_refused_in_a_sentence(table, tmp_path, changes, target, groups, message):
    table.assign(**changes).to_parquet(tmp_path / "t.parquet")
    with pytest.raises((ValueError, TypeError), match=message):
        gan().fit_parquet(tmp_path / "t.parquet", target, groups)


@pytest.mark.parametrize("content", [b"", b"PAR1 and more", None])
def test_what_is_no_parquet_file_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read as parquet|does not exist"):
        gan().fit_parquet(tmp_path / "t.parquet", "left")
    with pytest.raises(ValueError, match=r"must end in \.parquet to be read in parts"):
        gan().fit_parquet(tmp_path / "t.csv", "left")


def test_no_more_of_a_file_is_held_than_a_few_row_groups(tmp_path):
    n = 2**17
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 4))).add_prefix("x").assign(y=np.arange(n) % 2)
    table.to_parquet(tmp_path / "t.parquet", row_group_size=2**12)
    # The pool counts from the start of a process.
    program = (
        "import sys, pyarrow; from ganaug.data.tables.files.encoded_parquet import encoded_parquet; "
        "encoded_parquet(sys.argv[1], 'y', most_sampled=100, at_a_time=2**12); "
        "print(pyarrow.default_memory_pool().max_memory())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "t.parquet")]
    held = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 0 < held < (tmp_path / "t.parquet").stat().st_size / 4
