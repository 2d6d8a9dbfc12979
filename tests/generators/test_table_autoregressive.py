"""What an autoregressive model of tables does beside what all generators do."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from ganaug import RunOptions, TableAutoregressive, load

N = 300
QUICK = {"steps": 150, "batch_size": 64, "width": 32, "verbose": False, "random_state": 0}


def table(n=N):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "rooms": rng.integers(1, 6, n),
            "rain": np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2.0, size=n)),
            "size": pd.array(1000 + 5 * rng.integers(0, 80, n), dtype="Int64"),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 90, n), unit="D"),
            "price": [f"{value:,}" for value in rng.integers(1000, 90000, n)],
            "member": rng.random(n) < 0.5,
        }
    )
    X["city"] = pd.Categorical(np.array(["Oslo", "Rome", "Bonn", "Lima", "Kyiv"])[X["rooms"] - 1])
    X.loc[rng.random(n) < 0.2, "size"] = pd.NA
    return X, np.where(rng.random(n) < 0.3, "b", "a")


@pytest.fixture(scope="module")
def fitted():
    with pytest.warns(UserWarning, match="are read as numbers"):
        return TableAutoregressive(**QUICK | {"weight_decay": 0.1, "steps": 400}, learning_rate=1e-2).fit(*table())


def test_ranges_whole_numbers_repeated_values_and_counts_are_those_of_the_data(fitted):
    X, _ = table()
    labels = np.repeat(["b", "a"], [150, 250])
    rows = fitted.sample(labels, random_state=0)
    assert len(rows) == 400
    assert (rows.dtypes == X.dtypes).all()
    assert rows["rooms"].isin(range(1, 6)).all()
    assert (rows["rain"] == 0).mean() == pytest.approx((X["rain"] == 0).mean(), abs=0.1)
    assert rows["rain"].between(0, X["rain"].max()).all()
    sizes = rows["size"].dropna()
    assert (sizes % 5 == 0).all()
    assert sizes.between(X["size"].min(), X["size"].max()).all()
    assert rows["size"].isna().mean() == pytest.approx(0.2, abs=0.1)
    assert rows["when"].between(X["when"].min(), X["when"].max()).all()
    assert rows["price"].str.fullmatch(r"\d{1,2},\d{3}").all()


def test_a_column_that_is_a_function_of_another_is_imputed_and_the_rest_stays(fitted):
    X, y = table()
    rng = np.random.default_rng(1)
    lacking = X.copy()
    lacking.index = lacking.index + 7
    for name in ("city", "rain", "when", "price"):
        lacking.loc[rng.random(N) < 0.3, name] = None
    filled, other = (fitted.impute(lacking, y, random_state=seed) for seed in (0, 1))
    assert not filled.isna().any(axis=None)
    assert (filled.dtypes == lacking.dtypes).all()
    assert filled.index.equals(lacking.index)
    assert fitted.impute(lacking[:0], y[:0]).equals(lacking[:0])
    present = lacking.notna()
    assert filled.where(present).equals(lacking.where(present))
    assert fitted.impute(lacking, y, random_state=0).equals(filled)
    assert not filled["rain"].equals(other["rain"])
    right = filled["city"].to_numpy() == X["city"].to_numpy()
    assert right[lacking["city"].isna()].mean() > 0.9


@pytest.mark.parametrize("kind", ["polars", "ndarray", "sparse"])
def test_cells_are_filled_in_any_container(kind):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(80, 2)).astype(np.float32)
    values[::4, 1] = np.nan
    X, y = values, np.arange(80) % 2
    if kind == "polars":
        X = pytest.importorskip("polars").DataFrame({"a": values[:, 0], "b": [*values[:79, 1].tolist(), None]})
    elif kind == "sparse":
        X = scipy.sparse.csr_array(values)
    model = TableAutoregressive(**QUICK | {"steps": 2}).fit(X, y)
    filled = model.impute(X, y, random_state=0)
    assert type(filled) is type(X)
    assert filled.shape == X.shape
    found = filled.toarray() if kind == "sparse" else np.asarray(filled)
    assert not np.isnan(found).any()
    np.testing.assert_array_equal(found[:, 0], values[:, 0])


def test_tables_of_names_alone_are_drawn_scored_and_completed():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"city": rng.choice(["Oslo", "Rome"], 60), "member": rng.random(60) < 0.5})
    model = TableAutoregressive(**QUICK | {"steps": 2}).fit(X, np.arange(60) % 2)
    grid = pd.DataFrame({"city": ["Oslo", "Oslo", "Rome", "Rome"], "member": [True, False, True, False]})
    assert np.exp(model.score_samples(grid, [1] * 4)).sum() == pytest.approx(1, abs=1e-5)
    assert model.impute(grid.assign(city=["Oslo", None, "Rome", None]), [0] * 4)["city"].isin(["Oslo", "Rome"]).all()


def test_a_cell_stays_missing_only_where_no_value_of_the_column_was_seen():
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[:, 0], X[::2, 1] = np.nan, np.nan  # nowhere, and not in the first class
    y = np.arange(40) % 2
    model = TableAutoregressive(**QUICK | {"steps": 2}).fit(X, y)
    assert np.isnan(model.impute(X, y, random_state=0)).sum(0).tolist() == [40, 0, 0]


def test_what_cannot_be_read_is_left_as_it_is_and_tells_nothing(fitted):
    rng = np.random.default_rng(0)
    flag = rng.integers(0, 2, 200).astype(float)
    text = np.array([f"{v:,}" for v in rng.integers(500, 5000, 200)], dtype=object)
    text[::10] = "?"
    X = pd.DataFrame({"flag": flag, "text": text, "v": 10 * flag + rng.normal(size=200)})
    with pytest.warns(UserWarning, match="are read as numbers"):
        model = TableAutoregressive(**QUICK | {"steps": 400}).fit(X, rng.integers(0, 2, 200))
    asked = pd.DataFrame({"flag": np.repeat([0.0, 1.0, 7.0], 60), "text": "abc", "v": np.nan})
    filled = model.impute(asked, [0] * 180, random_state=0)
    assert (filled["text"] == "abc").all()
    low, high, unknown = filled.groupby("flag")["v"].mean()
    assert low < 2 < 3 < unknown < 7 < 8 < high


def test_what_cannot_be_imputed_is_refused_in_a_sentence(fitted):
    X, y = table(20)
    with pytest.raises(ValueError, match="must have the same length, got 20 rows and 19 labels; pass a label for each"):
        fitted.impute(X, y[:-1])
    with pytest.raises(ValueError, match="cannot sample class 'z'"):
        fitted.impute(X, ["z"] * 20)
    with pytest.raises(ValueError, match="the columns must be"):
        fitted.impute(X.drop(columns="city"), y)
    X.loc[:9, "city"], X.loc[10, "city"] = None, "Oslo"
    fewer = X.assign(city=X["city"].cat.set_categories(["Oslo"]))
    with pytest.raises(ValueError, match="column 'city' has the dtype category, which does not hold"):
        fitted.impute(fewer, y)
    wide = np.random.default_rng(0).normal(size=(30, 70))
    model = TableAutoregressive(**QUICK | {"steps": 1}).fit(wide, np.arange(30) % 2)
    with pytest.raises(ValueError, match="impute needs columns that are encoded one by one"):
        model.impute(wide, np.arange(30) % 2)


def test_the_temperature_may_change_after_the_fit_and_is_saved(fitted, tmp_path):
    cold = load(fitted.save(tmp_path / "m"), device="cpu").set_params(temperature=0.05)
    asked = ["a"] * 200
    assert cold.sample(asked, random_state=0)["size"].isna().mean() < fitted.sample(asked)["size"].isna().mean()
    again = load(cold.save(tmp_path / "cold"), device="cpu")
    assert again.sample(asked, random_state=0).equals(cold.sample(asked, random_state=0))
    assert (cold.score_samples(*table(50)) == fitted.score_samples(*table(50))).all()
    with pytest.raises(ValueError, match="temperature"):
        cold.set_params(temperature=0).sample(asked)


def test_rules_for_steps_and_bins():
    rng = np.random.default_rng(0)
    few, many = (TableAutoregressive().resolve(rng.normal(size=(n, 2)), np.arange(n) % 2) for n in (40, 40_000))
    assert (few.training.steps, many.training.steps) == (500, 2000)
    wide = TableAutoregressive().resolve(rng.integers(0, 9, (40, 1000)), np.arange(40) % 2)
    assert (few.architecture.bins, wide.architecture.bins) == (32, 8)


@pytest.mark.parametrize("seed", [5, 6, 11])
def test_a_rare_number_can_be_drawn_though_the_bins_come_from_a_part_of_the_rows(seed):
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(1000) < 0.5, 0, 2)
    x[rng.choice(1000, 12, replace=False)] = 1
    table = pd.DataFrame({"x": x, "u": rng.normal(size=1000)})
    options = RunOptions(validation_fraction=0.3)
    model = TableAutoregressive(random_state=seed, steps=20, verbose=False, run=options).fit(table, np.zeros(1000, int))
    assert set(model.sample([0] * 5000, random_state=1)["x"]) == {0, 1, 2}
