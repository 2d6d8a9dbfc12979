import json
import warnings
from datetime import time
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from shell import run

from ganaug import TableGAN
from ganaug.objectives.adversarial import objective

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


@pytest.fixture
def orders(tmp_path, monkeypatch):
    """A table as a spreadsheet of Central Europe exports it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = ["Tag;Uhrzeit;Betrag;Preis;Anteil;bezahlt;Anzahl;PLZ;Ware;Gruppe"]
    for i in range(60):
        day = pd.Timestamp("2020-01-05") + pd.Timedelta(days=int(rng.integers(0, 900)))
        cells = [
            f"{day:%d.%m.%Y}",
            f"{day}",
            f"{rng.integers(1, 99_999):,}".replace(",", "."),
            f"{rng.integers(100, 999) / 4:.2f}".replace(".", ","),
            f"{rng.integers(0, 100)}%",
            rng.choice(["TRUE", "FALSE"]),
            "?" if i % 6 == 0 else str(rng.integers(0, 50)),
            f"0{rng.integers(100, 999)}",
            rng.choice(["Tür", '"Schrank; groß"']),
            "1" if i < 45 else "01",
        ]
        lines.append(";".join(cells))
    (tmp_path / "orders.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1252"))
    return lines


def rows_of(path):
    return pd.read_csv(path, sep=";", encoding="cp1252", dtype=str, keep_default_na=False)


def shapes(cells):
    """How cells are written, whatever their digits; how many there are before the decimal mark does not count."""
    short = cells.str.replace(r"^\d+(?=,\d\d$|%$|$|\.\d{3}$)", "9", regex=True)
    return set(short.str.replace(r"\d", "9", regex=True))


def test_new_rows_are_written_as_the_real_ones_are(orders, tmp_path, capsys):
    assert run("augment", "table", "orders.csv", "--target", "Gruppe", "-o", "new.csv", *QUICK) == 0
    assert "separated by ';', decimal commas, encoding cp1252" in capsys.readouterr().err
    content = (tmp_path / "new.csv").read_bytes()
    after = content.decode("cp1252").split("\r\n")
    assert after[0] == orders[0] + ";is_synthetic"
    assert after[1:61] == [line + ";False" for line in orders[1:]]
    assert content.count(b"\n") == content.count(b"\r\n") == 91
    rows = rows_of("new.csv")
    new = rows["is_synthetic"] == "True"
    assert new.sum() == 30
    for name in rows.columns[:-1]:
        assert shapes(rows.loc[new, name]) <= shapes(rows.loc[~new, name])
    assert pd.to_datetime(rows["Tag"], format="%d.%m.%Y").notna().all()
    assert pd.to_datetime(rows["Uhrzeit"], format="%Y-%m-%d %H:%M:%S").notna().all()
    assert set(rows.loc[new, "Gruppe"]) == {"01"}
    numbers = pd.read_csv("new.csv", sep=";", decimal=",", thousands=".", na_values="?", encoding="cp1252")
    assert numbers[["Betrag", "Preis", "Anzahl"]].dtypes.map(lambda dtype: dtype.kind).tolist() == ["i", "f", "f"]
    assert numbers["bezahlt"].dtype == bool


def test_rows_of_a_saved_model_are_written_as_its_table_was(orders, refused, tmp_path, capsys):
    fit = ("fit", "table", "orders.csv", "--target", "Gruppe", "-o", "model", *QUICK)
    sample = ("sample", "model", "--per-class", 20, "--seed", 1, "-o")
    assert run(*fit) == 0
    assert run(*sample, "new.csv") == 0
    rows, real = rows_of("new.csv"), rows_of("orders.csv")
    assert rows.columns.tolist() == orders[0].split(";")
    assert rows["Gruppe"].tolist() == ["01"] * 20 + ["1"] * 20
    for name in rows:
        assert shapes(rows[name]) <= shapes(real[name])
    assert run("audit", "new.csv", "--train", "orders.csv", "--target", "Gruppe", "--sep", ";", "--seed", 0) == 0
    capsys.readouterr()
    state = tmp_path / "model" / "table_format.json"
    text = state.read_text()
    for damaged in (text[:99], "[]", text.replace('"decimal": ","', '"decimal": "x"'), " " * 2**24 + text):
        state.write_text(damaged)
        assert "table_format.json is damaged" in refused(*sample, "new.csv", "--overwrite")
    state.unlink()
    state.mkdir()
    assert "is a folder" in refused(*sample, "new.csv", "--overwrite")
    state.rmdir()
    state.write_text(text.replace('_sha256": "', '_sha256": "0'))  # of another model
    assert run(*sample, "new.csv", "--overwrite") == 0
    assert (tmp_path / "new.csv").read_text().startswith(orders[0].removesuffix("Gruppe").replace(";", ","))


def test_options_say_how_a_table_is_read(orders, tmp_path, capsys, refused):
    table = ("orders.csv", "--target", "Gruppe")
    assert run("fit", "table", *table, "-o", "model", "--dry-run", "--categorical", "Tag", *QUICK) == 0
    assert "'Tag'" not in capsys.readouterr().err
    own = ("--sep", ";", "--decimal", ",", "--encoding", "latin-1", "--na-values", "Tür", "--na-values", "x")
    assert run("augment", "table", *table, "-o", "new.tsv.gz", *own, *QUICK) == 0
    assert "encoding latin-1" in capsys.readouterr().err
    rows = pd.read_csv("new.tsv.gz", sep="\t", encoding="latin-1")
    assert {"Tür", "Schrank; groß"} == set(rows["Ware"])
    assert run("bench", "run", "--data", *table, *own, "--folds", 2, "--dry-run") == 0
    said = capsys.readouterr()
    assert "encoding latin-1" in said.err
    assert "--categorical" not in said.err  # which is no option of it
    printed = json.loads(said.out)
    known = {"sep": ";", "decimal": ",", "encoding": "latin-1", "na_values": ["Tür", "x"]}
    assert printed["tables"]["datasets"][0]["params"] == {**known, "target": "Gruppe"}
    assert "orders.csv cannot be read as csv: byte" in refused("fit", "table", *table, "-o", "m", "--encoding", "utf-8")
    error = refused("fit", "table", *table, "-o", "m", "--sep", "|")
    assert "no column 'Gruppe' but the one column 'Tag;Uhrzeit" in error
    assert "pass what separates the columns (--sep)" in error
    assert "sep must be one character" in refused("fit", "table", *table, "-o", "m", "--sep", ";;")
    assert "belong to --data" in refused("bench", "run", "quick", "--encoding", "utf-8")
    assert run("fit", "table", *table, "-o", "model", *QUICK) == 0
    capsys.readouterr()
    assert "--format is for images" in refused("sample", "model", "-o", "x.csv", "--format", "npz")


def test_what_timestamps_cannot_hold_is_text_in_a_parquet_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cells = [
        f"10:{i:02d},2024-03-0{1 + i % 9}T10:00:{i:02d}Z,2024-05-0{1 + i % 9},{'low' if i == 7 else i},{i < 25}"
        for i in range(40)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["at,sent,day,count,left", *cells]) + "\n")
    assert run("augment", "table", "a.csv", "--target", "left", "-o", "more.parquet", *QUICK) == 0
    said = "Unreadable cells of the column 'count' are missing in more.parquet; a .csv file keeps them."
    assert said in capsys.readouterr().out
    assert run("fit", "table", "a.csv", "--target", "left", "-o", "model", *QUICK) == 0
    assert run("sample", "model", "--per-class", 9, "--seed", 0, "-o", "new.parquet") == 0
    for name in ("more.parquet", "new.parquet"):
        rows = pd.read_parquet(name)
        assert rows["at"].str.fullmatch(r"\d\d:\d\d").all()
        assert rows["sent"].str.fullmatch(r"2024-0\d-\d\dT\d\d:\d\d:\d\dZ").all()
        assert pd.api.types.is_datetime64_any_dtype(rows["day"])
    assert pd.read_parquet("more.parquet")["count"].isna().tolist()[:40] == [i == 7 for i in range(40)]
    assert run("augment", "table", "a.csv", "--target", "left", "-o", "more.csv", *QUICK) == 0
    assert "Unreadable" not in capsys.readouterr().out


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


def test_types_of_parquet_go_through_a_model_to_its_rows(clients, refused, capsys):
    typed = clients.assign(
        since=clients["since"].dt.date,
        income=[Decimal(round(100 * value)).scaleb(-2) for value in clients["income"]],
        opens=[time(int(age) % 24) for age in clients["code"]],
        paid=["?" if code == 1 else f"{1000 * code:,}" for code in clients["code"]],
    )
    typed.to_parquet("typed.parquet", index=False)
    with warnings.catch_warnings(action="default"):
        assert run("fit", "table", "typed.parquet", "--target", "status", "-o", "model", *QUICK) == 0
        assert run("augment", "table", "typed.parquet", "--target", "status", "-o", "more.parquet", *QUICK) == 0
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert all("'paid' as numbers with ',' between thousands, missing ones '?'" in line for line in told)
    assert run("sample", "model", "-o", "rows.parquet", "--per-class", "8", "--seed", "0") == 0
    before, rows, more = (pd.read_parquet(name) for name in ("typed.parquet", "rows.parquet", "more.parquet"))
    for name in ("since", "income", "opens", "paid"):
        (kind,) = set(map(type, before[name]))
        assert set(map(type, rows[name])) == set(map(type, more[name])) == {kind}
    assert rows["since"].between(before["since"].min(), before["since"].max()).all()
    assert set(rows["paid"]) <= {"?", "2,000", "3,000"}
    pd.testing.assert_frame_equal(more[:60].drop(columns="is_synthetic"), before)
    typed.assign(paid=[["a"]] * 60).to_parquet("lists.parquet", index=False)
    capsys.readouterr()
    assert "column 'paid'" in refused("fit", "table", "lists.parquet", "--target", "status", "-o", "lists", *QUICK)


def test_the_log_of_a_training_goes_where_it_is_asked_to(clients, tmp_path):
    steps = ("--steps", "2", "--seed", "0", "--log-dir", tmp_path / "log")
    assert run("fit", "table", "clients.csv", "--target", "status", "-o", tmp_path / "m", *steps) == 0
    assert (tmp_path / "log" / "metrics.jsonl").is_file()
    assert not (tmp_path / "m" / "log").exists()


def test_options_of_the_training_reach_it(clients, capsys):
    options = ("--batch-size", 6, "--validation-fraction", 0.25, *QUICK)
    assert run("fit", "table", "clients.csv", "--target", "status", "-o", "model", *options) == 0
    training = TableGAN.load("model").config_.training
    assert (training.batch_size, training.validation_fraction) == (6, 0.25)


def test_a_batch_size_that_fits_can_be_passed_on(clients, monkeypatch, capsys):
    step, sizes = objective.adversarial_step, []

    def small(networks, real, *rest):
        sizes.append(len(real))
        if len(real) > 8:
            raise MemoryError
        return step(networks, real, *rest)

    monkeypatch.setattr(objective, "adversarial_step", small)
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
        ({"source": "clients.xls"}, "must end in .csv, .tsv, .txt (each may end in .gz) or .parquet"),
        ({"target": "statu"}, "has no column 'statu'; did you mean 'status'?"),
        ({"target": "income"}, "continuous values"),
        ({"target": "city"}, "labels contain missing values"),
        ({"output": "new.xls"}, "must end in .csv, .tsv, .txt (each may end in .gz) or .parquet"),
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
        ("a,status\n1,x,9\n2,y,9\n", "row 1 has more fields than the header, 3 in place of 2; as all rows have: name"),
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
