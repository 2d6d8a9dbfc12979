import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from shell import run

from ganaug import TableGAN
from ganaug.training import loop

QUICK = ("--steps", "3", "--seed", "0")


@pytest.fixture
def clients(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": pd.array(rng.integers(18, 80, 60), dtype="Int64"),
            "status": np.where(np.arange(60) < 48, "keep", "leave"),
            "income": np.round(rng.lognormal(size=60), 2),
            "city": rng.choice(["Oslo", "Rome"], 60),
            "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 60), unit="D"),
            "code": rng.integers(1, 4, 60),
        }
    )
    table.loc[3, "age"] = pd.NA
    table.loc[5, "city"] = None
    table.to_csv("clients.csv", index=False)
    table.to_parquet("clients.parquet", index=False)
    return table


@pytest.mark.parametrize("out", ["new.csv", "new.parquet"])
@pytest.mark.parametrize("source", ["clients.csv", "clients.parquet"])
def test_augment_keeps_the_table_and_says_what_is_new(clients, source, out, capsys):
    assert run("augment", "table", source, "--target", "status", "-o", out, *QUICK) == 0
    assert "96 rows, 36 of them synthetic" in capsys.readouterr().out
    new = pd.read_csv(out) if out.endswith("csv") else pd.read_parquet(out)
    assert list(new.columns) == [*clients.columns, "is_synthetic"]
    assert new["status"].value_counts().to_dict() == {"keep": 48, "leave": 48}
    assert new["is_synthetic"].tolist() == [False] * 60 + [True] * 36
    assert new["code"].isin([1, 2, 3]).all()
    assert set(new["city"].dropna()) == {"Oslo", "Rome"}


def test_original_rows_of_a_csv_are_written_as_they_were_read(clients, tmp_path):
    run("augment", "table", "clients.csv", "--target", "status", "-o", "new.csv", *QUICK)
    before = (tmp_path / "clients.csv").read_text().splitlines()
    after = (tmp_path / "new.csv").read_text().splitlines()
    assert after[0] == before[0] + ",is_synthetic"
    assert after[1:61] == [line + ",False" for line in before[1:]]


def test_fields_of_a_csv_are_not_rewritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"0{i:03d},1e3,TRUE,NA,{'a' if i < 20 else 'b'},2024-01-01 00:00:00" for i in range(30)]
    (tmp_path / "odd.csv").write_text("\n".join(["zip,x,flag,gone,status,when", *rows]) + "\n")
    assert run("augment", "table", "odd.csv", "--target", "status", "-o", "new.csv", *QUICK) == 0
    after = (tmp_path / "new.csv").read_text().splitlines()
    assert after[1:31] == [row + ",False" for row in rows]
    assert len(after) == 41
    assert all(row.startswith("0") for row in after[31:])


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array, lambda X: pl.DataFrame(X, schema=["0", "1"])])
def test_rows_of_a_model_fitted_on_another_container_can_be_written(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(20, 2))
    TableGAN(steps=1, verbose=False).fit(make(X), np.arange(20) % 2).save("model")
    assert run("sample", "model", "-o", "rows.csv", "--per-class", "2") == 0
    assert list(pd.read_csv("rows.csv").columns) == ["0", "1", "label"]


def test_dates_and_decimals_of_a_polars_frame_are_written_as_such(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 20), eager=True)
    prices = (pl.Series(range(20)) / 4).cast(pl.Decimal(8, 2))
    gan = TableGAN(steps=1, verbose=False).fit(pl.DataFrame({"day": days, "price": prices}), np.arange(20) % 2)
    gan.save("model")
    assert run("sample", "model", "-o", "rows.csv", "--per-class", "2") == 0
    rows = pd.read_csv("rows.csv", dtype=str)
    assert rows["day"].str.fullmatch(r"2024-01-\d\d").all()
    assert rows["price"].str.fullmatch(r"\d\.\d\d").all()


def test_the_same_seed_writes_the_same_file(clients, tmp_path):
    for name in ("a.csv", "b.csv"):
        run("augment", "table", "clients.csv", "--target", "status", "-o", name, *QUICK)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_ratio_can_be_asked_for(clients):
    run("augment", "table", "clients.csv", "--target", "status", "-o", "new.csv", "--strategy", "0.5", *QUICK)
    assert pd.read_csv("new.csv")["status"].value_counts().to_dict() == {"keep": 48, "leave": 24}


def test_fit_and_sample(clients, capsys):
    command = ("fit", "table", "clients.csv", "--target", "status", "-o", "model", "--categorical", "code", *QUICK)
    assert run(*command) == 0
    assert run("sample", "model", "-o", "rows.csv", "--per-class", "4", "--seed", "1") == 0
    assert "8 rows of 2 classes" in capsys.readouterr().out
    rows = pd.read_csv("rows.csv")
    assert sorted(rows.columns) == sorted(clients.columns)
    assert rows["status"].tolist() == ["keep"] * 4 + ["leave"] * 4
    assert run("sample", "model", "-o", "few.parquet", "--per-class", "2", "--class", "leave") == 0
    assert pd.read_parquet("few.parquet")["status"].tolist() == ["leave"] * 2


def test_options_of_the_training_reach_it(clients, capsys):
    options = ("--batch-size", 6, "--validation-fraction", 0.25, *QUICK)
    assert run("fit", "table", "clients.csv", "--target", "status", "-o", "model", *options) == 0
    training = TableGAN.load("model").config_.training
    assert (training.batch_size, training.validation_fraction) == (6, 0.25)


def test_a_batch_size_that_fits_can_be_passed_on(clients, monkeypatch, capsys):
    step, sizes = loop.adversarial_step, []

    def small(players, real, *rest):
        sizes.append(len(real))
        if len(real) > 8:
            raise MemoryError
        return step(players, real, *rest)

    monkeypatch.setattr(loop, "adversarial_step", small)
    command = ("augment", "table", "clients.csv", "--target", "status", "-o", "new.csv", *QUICK)
    assert run(*command) == 1
    assert "pass batch_size=8 (--batch-size 8), which does" in capsys.readouterr().err
    sizes.clear()
    assert run(*command, "--batch-size", "8") == 0
    assert sizes == [8, 8, 8]


def test_dry_run_prints_the_configuration(clients, capsys, tmp_path):
    assert run("fit", "table", "clients.csv", "--target", "status", "-o", "model", "--dry-run", *QUICK) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["training"]["steps"] == 3
    assert printed["data"] == {"n_rows": 60, "classes": {"keep": 48, "leave": 12}}
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "nothing.csv"}, "nothing.csv does not exist"),
        ({"source": "clients.xls"}, "must be a .csv or a .parquet file"),
        ({"target": "statu"}, "has no column 'statu'; did you mean 'status'?"),
        ({"target": "income"}, "continuous values"),
        ({"target": "city"}, "labels contain missing values"),
        ({"output": "new.txt"}, "must end in .csv or .parquet"),
        ({"output": "."}, "must end in .csv"),
        ({"output": "no/such/clients.csv/x.csv"}, None),
        ({"strategy": "some"}, "sampling_strategy"),
        ({"strategy": "0.1"}, "ratio"),
        ({"categorical": "colour"}, "categorical_features names 'colour'"),
    ],
)
def test_bad_input_ends_with_one_sentence(clients, refused, change, message):
    asked = {"source": "clients.csv", "target": "status", "output": "new.csv", **change}
    options = [part for key in ("strategy", "categorical") if key in asked for part in (f"--{key}", asked[key])]
    command = (
        "augment",
        "table",
        asked["source"],
        "--target",
        asked["target"],
        "-o",
        asked["output"],
        *options,
        *QUICK,
    )
    if message is None:
        assert run(*command, *QUICK) == 0  # folders are made
    else:
        assert message in refused(*command, *QUICK)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read as csv"),
        ("a,b\n", "holds no rows"),
        ("a,a,status\n1,2,x\n3,4,y\n", "column names must differ, got 'a' twice"),
        ("status\nx\ny\n", "holds the column 'status' only"),
        ("a,status\n1,x\n2,x\n", "the single class 'x'"),
        ("a,status\n1,x,9\n2,y,9\n", "a row has more fields than the header"),
        ("a,status,is_synthetic\n1,x,0\n2,y,0\n", "has a column 'is_synthetic' already"),
    ],
)
def test_bad_files_end_with_one_sentence(refused, tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.csv").write_text(content)
    assert message in refused("augment", "table", "bad.csv", "--target", "status", "-o", "new.csv", *QUICK)


def test_a_model_of_rows_is_not_written_as_images(clients, refused, capsys):
    run("fit", "table", "clients.csv", "--target", "status", "-o", "model", *QUICK)
    capsys.readouterr()
    assert "draws rows of a table" in refused("sample", "model", "-o", "out")
