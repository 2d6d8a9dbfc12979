import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ganaug import ImageGAN, TableGAN
from ganaug.audit import audit
from ganaug.metrics import column_distances

QUICK = {"steps": 3, "batch_size": 8, "width": 16, "verbose": False, "random_state": 0}


def clients(n=80, classes=("stays", "leaves")):
    """A table of mixed columns with missing values, whose classes differ in all of them."""
    rng = np.random.default_rng(0)
    leaves = np.arange(n) % 2 == 1
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 60, n) + 20 * leaves,
            "income": np.where(rng.random(n) < 0.2, np.nan, rng.lognormal(size=n)),
            "city": pd.Categorical(np.where(rng.random(n) < 0.9, np.where(leaves, "Rome", "Oslo"), "Bonn")),
            "active": rng.random(n) < 0.2 + 0.6 * leaves,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 999, n), unit="D"),
        }
    )
    return table, np.where(leaves, classes[1], classes[0])


@pytest.fixture(scope="module")
def fitted():
    return TableGAN(**QUICK).fit(*clients())


def test_rows_come_out_as_they_went_in(fitted):
    table, _ = clients()
    rows = fitted.sample(["leaves"] * 50, random_state=0)
    assert (rows.dtypes == table.dtypes).all()
    assert list(rows.columns) == list(table.columns)
    assert rows["age"].between(table["age"].min(), table["age"].max()).all()
    assert len(fitted.sample([])) == 0


def test_the_same_rows_in_any_container_give_the_same_gan():
    table, y = clients()
    numbers = table[["age", "income"]].astype(float)
    drawn = [
        np.asarray(TableGAN(**QUICK).fit(X, y).sample(y, random_state=1))
        for X in (numbers, numbers, numbers.to_numpy(), numbers.to_numpy().tolist())
    ]
    for other in drawn[1:]:
        assert np.array_equal(drawn[0], other, equal_nan=True)


@pytest.mark.parametrize("library", ["polars", "arrow"])
def test_frames_of_other_libraries_are_learnt_drawn_saved_and_compared(library, tmp_path):
    table, y = clients()
    frame = pl.from_pandas(table).with_columns(
        pl.col("since").cast(pl.Date),
        pl.col("income").cast(pl.Decimal(12, 2)),
        pl.col("city").cast(pl.String).cast(pl.Enum(["Bonn", "Oslo", "Paris", "Rome"])),
        pl.when(pl.col("age") > 20).then(pl.col("age")).alias("age"),
    )
    frame, labels = (frame, pl.Series(y)) if library == "polars" else (frame.to_arrow(), pa.chunked_array([y.tolist()]))
    gan = TableGAN(**QUICK).fit(frame, labels)
    rows = gan.sample(labels, random_state=0)
    assert type(rows) is type(frame)
    assert rows.schema == frame.schema
    assert len(gan.sample([])) == 0
    assert TableGAN.load(gan.save(tmp_path / "model")).sample(labels, random_state=0).equals(rows)
    assert gan.score_samples(frame, labels).shape == (80,)
    assert column_distances(frame, rows)["distance"].between(0, 1).all()
    assert audit(rows, frame, labels=labels, train_labels=labels).exact.count == 0
    assert audit(frame, frame, labels=labels, train_labels=labels).exact.count == 80


def test_a_model_of_another_kind_or_with_damaged_columns_is_refused(fitted, tmp_path):
    path = fitted.save(tmp_path / "model")
    with pytest.raises(ValueError, match="holds a TableGAN, not a ImageGAN"):
        ImageGAN.load(path)
    config = json.loads((path / "config.json").read_text())
    del config["encoder"]["columns"][0]["knots"]
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="damaged"):
        TableGAN.load(path)


@pytest.mark.parametrize("members", [1, 3])
def test_conditioning_is_real(members):
    """A classifier trained on real rows only assigns at least 90 % of the rows drawn for a class to it."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [300, 60, 30])
    centres = np.array([[0, 0, 0, 0], [4, 4, 0, 0], [0, 0, 4, 4]])
    X = pd.DataFrame(centres[y] + rng.normal(size=(len(y), 4)), columns=list("abcd"))
    X["kind"] = np.array(["p", "q", "r"])[np.where(rng.random(len(y)) < 0.9, y, rng.integers(3, size=len(y)))]
    gan = TableGAN(steps=1000, members=members, verbose=False, random_state=0).fit(X, y)
    judge = LogisticRegression(class_weight="balanced").fit(X[list("abcd")], y)
    for label in (0, 1, 2):
        rows = gan.sample([label] * 300, random_state=1)
        assert (judge.predict(rows[list("abcd")]) == label).mean() >= 0.9
        real = X[y == label]
        assert (rows[list("abcd")].std() > 0.5 * real[list("abcd")].std()).all()
        assert (rows["kind"] == "pqr"[label]).mean() == pytest.approx((real["kind"] == "pqr"[label]).mean(), abs=0.1)


def test_values_are_missing_as_often_as_they_were_in_their_class():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 300)
    X = pd.DataFrame({"x": rng.normal(size=600), "z": rng.normal(size=600)})
    X.loc[rng.random(600) < np.where(y == 1, 0.4, 0.1), "x"] = np.nan
    gan = TableGAN(steps=300, verbose=False, random_state=0).fit(X, y)
    for label in (0, 1):
        share = X["x"][y == label].isna().mean()
        drawn = gan.sample([label] * 1000, random_state=1)["x"].isna().mean()
        assert drawn == pytest.approx(share, abs=0.1)


def test_members_draw_rows_of_their_own():
    table, y = clients()
    gan = TableGAN(**{**QUICK, "members": 3}).fit(table, y)
    assert len(gan.generator_.out.weight) == 3
    assert not torch.equal(gan.generator_.out.weight[0], gan.generator_.out.weight[1])
    assert len(gan.sample(["leaves"] * 7)) == 7


@pytest.mark.parametrize(
    ("params", "message"),
    [({"steps": 0}, "steps"), ({"members": 0}, "members"), ({"gamma": -1}, "gamma"), ({"device": "gpu"}, "device")],
)
def test_parameters_out_of_range_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        TableGAN(**{**QUICK, **params}).fit(*clients())


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((4, 2)), [0, 1, 0], "4 rows and 3 labels"),
        (np.zeros((4, 2)), None, "labels are needed beside rows"),
        (np.zeros((4, 2)), [0.5, 1, 0, 1], "continuous"),
        (np.zeros((4, 2)), [0, None, 0, 1], "missing values; remove those rows"),
        (np.zeros((0, 2)), [], "at least one row"),
        (np.array([[1.0, np.inf]] * 4), [0, 1, 0, 1], "infinite"),
    ],
)
def test_bad_tables_are_refused_in_one_sentence(X, y, message):
    with pytest.raises(ValueError, match=message) as caught:
        TableGAN(**QUICK).fit(X, y)
    assert "\n" not in str(caught.value)


def test_columns_without_information_do_no_harm():
    X = pd.DataFrame({"constant": [1] * 8, "x": np.arange(8.0), "nothing": [None] * 8, "name": ["k"] * 8})
    rows = TableGAN(**QUICK).fit(X, [0, 1] * 4).sample([1, 0, 1])
    assert rows.drop(columns="x").iloc[0].tolist() == [1, None, "k"]
    assert (rows.dtypes == X.dtypes).all()
    with pytest.raises(ValueError, match="no column of the table varies"):
        TableGAN(**QUICK).fit(X.drop(columns="x"), [0, 1] * 4)
