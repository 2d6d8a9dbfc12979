import json

import numpy as np
import pandas as pd
import pytest

import ganaug
from ganaug import GANOverSampler, TableAutoregressive, TableCopula
from ganaug.curation import AdditiveTransfer
from ganaug.data.tables.dependencies import agreeing
from ganaug.data.tables.encoder import TableEncoder

N = 600
CITIES = np.array([f"city {i:02d}" for i in range(50)])  # of which 18 share a level
PLACE = np.random.default_rng(0).integers(0, 50, N)
AGE = np.random.default_rng(1).normal(size=N)


def cities(**more):
    columns = {
        "country": np.array([f"country {i % 7}" for i in range(50)])[PLACE],
        "city": CITIES[PLACE],
        "founded": pd.to_datetime("1200-01-01") + pd.to_timedelta(PLACE * 31, unit="D"),
        "people": 1000.0 * PLACE + 7,
        "age": AGE,
    }
    return pd.DataFrame(columns | more)


def pairs(encoder):
    names = [column.name for column in encoder.columns_]
    return {(names[each.source], names[each.target]) for each in encoder.dependencies_}


def test_whatever_is_drawn_what_follows_from_a_name_does():
    table = cities(region=np.array([*"abc"])[PLACE % 7 % 3])
    encoder = TableEncoder().fit(table)
    assert pairs(encoder) == {("city", name) for name in ("country", "founded", "people", "region")}
    drawn = encoder.inverse_transform(np.random.default_rng(0).random((2000, encoder.width_)))
    assert drawn.dtypes.equals(table.dtypes)
    known = table.drop_duplicates("city").set_index("city")
    for name in ("country", "founded", "people", "region"):
        assert (drawn[name].to_numpy() == known[name].loc[drawn["city"]].to_numpy()).all()
    assert drawn["city"].nunique() > 40  # also of those that share a level
    assert not drawn["age"].isin(table["age"].round(1)).all()
    assert encoder.inverse_transform(encoder.transform(table))["country"].notna().all()


def test_what_follows_from_a_missing_name_does_too():
    gone = PLACE < 5
    table = cities(city=pd.Series(CITIES[PLACE]).where(~gone))
    table["country"] = table["country"].where(~gone, "nowhere")
    encoder = TableEncoder().fit(table)
    assert ("city", "country") in pairs(encoder)
    drawn = encoder.inverse_transform(np.random.default_rng(0).random((2000, encoder.width_)))
    assert ((drawn["country"] == "nowhere") == drawn["city"].isna()).all()


@pytest.mark.parametrize(
    "change",
    [
        {"city": CITIES[PLACE], "country": np.where(np.arange(N) == 99, "x", "y")},  # one exception, of a frequent city
        {"city": [f"visitor {i // 2}" for i in range(N)], "country": np.arange(N) // 2 % 7},  # two rows a name
        {"city": np.where(np.arange(N) < 3, "p", "q"), "country": np.where(np.arange(N) < 3, "x", "y")},  # by chance?
    ],
)
def test_exceptions_rare_names_and_chance_are_no_dependencies(change):
    table = cities(**change)[["country", "city", "age"]]
    assert pairs(TableEncoder().fit(table)) == set()


def test_nothing_follows_from_what_follows_and_codes_follow_from_the_first_of_two():
    short = np.array([f"c{i}" for i in range(7)])[PLACE % 7]
    table = cities(code=short)[["country", "code", "age"]]
    assert pairs(TableEncoder().fit(table)) == {("country", "code")}
    assert pairs(TableEncoder().fit(table[["age", "code", "country"]])) == {("code", "country")}


def test_filled_cells_agree_with_those_that_were_given():
    table = cities(region=np.array([*"abc"])[PLACE % 7 % 3])
    encoder = TableEncoder().fit(table)
    known = table.drop_duplicates("city").set_index("city")
    truth = table.iloc[:300].set_axis(np.arange(300) * 2)
    names = list(table.columns)
    cells = np.zeros((300, len(names)), dtype=bool)
    cells[:100, names.index("country")] = True  # follows from the city
    cells[100:200, names.index("city")] = True  # one of several that fit the country, and by founded the only one
    cells[200:, [names.index(name) for name in ("city", "founded", "people")]] = True
    drawn = truth.sample(frac=1, random_state=0).set_axis(truth.index)
    filled = truth.copy()
    for position, name in enumerate(names):
        filled[name] = truth[name].where(~cells[:, position], drawn[name])
    randomness = np.random.default_rng(0)
    filled = agreeing(filled, cells, encoder.columns_, encoder.dependencies_, randomness)
    assert filled.dtypes.equals(truth.dtypes)
    assert filled[:200].equals(truth[:200])
    for name in ("country", "founded", "people", "region"):
        assert (filled[name].to_numpy() == known[name].loc[filled["city"]].to_numpy()).all()
    assert filled["country"].equals(truth["country"])
    assert filled["city"][200:].nunique() > 20


def test_what_was_never_seen_or_fits_nothing_stays():
    encoder = TableEncoder().fit(cities())
    filled = cities().iloc[:2].copy()
    filled["city"] = ["Atlantis", CITIES[3]]
    filled["country"] = ["country 1", "country 6"]  # given, and of two things that no city has together
    filled["people"] = [7.0, 7.0]
    cells = np.zeros((2, filled.shape[1]), dtype=bool)
    cells[0, 0] = cells[1, 1] = True
    found = agreeing(filled, cells, encoder.columns_, encoder.dependencies_, np.random.default_rng(0))
    assert found.equals(filled)


def test_dependencies_survive_json_and_wrong_ones_are_refused():
    encoder = TableEncoder().fit(cities())
    state = json.loads(json.dumps(encoder.to_state()))
    again = TableEncoder.from_state(state)
    rows = np.random.default_rng(0).random((50, encoder.width_))
    pd.testing.assert_frame_equal(again.inverse_transform(rows), encoder.inverse_transform(rows))
    first = state["dependencies"][0]
    for wrong in (
        {"source": 4},  # a number
        {"source": first["target"]},
        {"target": 99},
        {"places": first["places"][1:]},
        {"places": [99] * len(first["places"])},
        {"scores": first["scores"][1:]},
    ):
        with pytest.raises((ValueError, TypeError)):
            TableEncoder.from_state(state | {"dependencies": [first | wrong]})
    with pytest.raises(ValueError, match="given must be a whole number"):
        TableEncoder.from_state(state | {"given": [99]})
    with pytest.raises(ValueError, match="must follow from one that follows from none"):
        TableEncoder.from_state(state | {"dependencies": [first, first]})


def test_impute_fills_what_follows_and_what_it_follows_from():
    table = cities()[["country", "city", "age"]]
    filler = TableAutoregressive(steps=2, random_state=0, verbose=False).fit(table, np.arange(N) % 2)
    gaps = table.set_axis(np.arange(N) + 7)
    gaps.loc[gaps.index[::2], "country"] = None
    gaps.loc[gaps.index[1::2], "city"] = None
    filled = filler.impute(gaps, np.arange(N) % 2, random_state=0)
    assert filled["country"].tolist() == table["country"].tolist()
    known = table.drop_duplicates("city").set_index("city")["country"]
    assert known[filled["city"]].tolist() == table["country"].tolist()
    assert filled.index.equals(gaps.index)


def test_a_column_and_its_filled_copy_make_no_chain(tmp_path):
    raw = pd.Series(np.random.default_rng(0).choice(["x", "y", "z", None], N).astype(object))
    filled = raw.fillna("x")
    table = pd.DataFrame({"filled": filled, "region": filled.map({"x": "U", "y": "U", "z": "V"}), "raw": raw, "v": AGE})
    copula = TableCopula(random_state=0).fit(table, np.arange(N) % 2)
    assert pairs(copula.encoder_) == {("raw", "filled"), ("raw", "region")}
    copula.save(tmp_path / "model")
    drawn = ganaug.load(tmp_path / "model").sample(np.zeros(300, int), random_state=0)
    assert (drawn["region"] == drawn["filled"].map({"x": "U", "y": "U", "z": "V"})).all()


def test_impute_leaves_what_is_there_in_its_dtype():
    names = pd.Series(np.random.default_rng(0).choice([*"abc"], N))
    table = pd.DataFrame({"city": names.astype("category"), "v": AGE})
    table["country"] = names.map({"a": "N", "b": "M", "c": "M"}).astype("category")
    filler = TableAutoregressive(steps=2, random_state=0, verbose=False).fit(table, np.arange(N) % 2)
    gaps = pd.DataFrame({"city": ["a", "new", "b", None], "v": 1.0, "country": ["N", "M", None, "Q"]}, dtype=object)
    filled = filler.impute(gaps.astype({"v": float}), [0] * 4, random_state=0)
    assert filled["city"].tolist()[:3] == ["a", "new", "b"]
    assert filled["country"].tolist() == ["N", "M", "M", "Q"]
    assert filled.dtypes.tolist() == [object, float, object]


def test_impute_leaves_nothing_missing_where_a_name_has_nothing():
    names = pd.Series(np.random.default_rng(0).choice([*"abc"], N))
    table = pd.DataFrame({"city": names, "country": names.map({"a": "N", "b": "M", "c": None}), "v": AGE})
    table["number"] = names.map({"a": 1.5, "b": 2.5, "c": np.nan})
    filler = TableAutoregressive(steps=2, random_state=0, verbose=False).fit(table, np.arange(N) % 2)
    assert pairs(filler.encoder_) == {("city", "country"), ("city", "number")}
    assert not filler.impute(table, np.arange(N) % 2, random_state=0).isna().any().any()
    drawn = filler.sample([0] * 100, random_state=0)
    assert drawn["country"].isna().equals(drawn["city"] == "c")


@pytest.mark.parametrize("cities_of_a_country", [4, 20])
def test_names_are_of_what_the_group_says(cities_of_a_country, tmp_path):
    """Hospitals are in one country each, and cities too; many of the latter share a level."""
    rng = np.random.default_rng(0)
    hospital, classes = rng.integers(0, 6, N), rng.integers(0, 2, N)
    country = np.array([*"AABBCC"])
    city = [f"{c}{i}" for c, i in zip(country[hospital], rng.integers(0, cities_of_a_country, N), strict=True)]
    table = pd.DataFrame({"city": city, "country": country[hospital], "v": AGE})
    asked = rng.integers(0, 6, 200)
    fitted = TableCopula(random_state=0).fit(table, classes, hospital)
    fitted.save(tmp_path / "model")
    for each in (AdditiveTransfer().fit(table, classes, hospital), fitted, ganaug.load(tmp_path / "model")):
        drawn = each.sample(np.zeros(200, int), asked, random_state=0)
        assert drawn["country"].tolist() == country[asked].tolist()
        assert drawn["city"].str[0].tolist() == country[asked].tolist()
    kept = (hospital != 5) | (classes == 0)
    sampler = GANOverSampler(generator=AdditiveTransfer(), balance="cells", random_state=0)
    rows, _ = sampler.fit_resample(table[kept], classes[kept], groups=hospital[kept])
    assert rows["country"].tolist() == country[sampler.groups_resampled_].tolist()
    assert rows["city"].str[0].tolist() == rows["country"].tolist()
