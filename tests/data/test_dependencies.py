import json

import numpy as np
import pandas as pd
import pytest

from ganaug import TableAutoregressive
from ganaug.data.tables.dependencies import fill_consistently
from ganaug.data.tables.encoder import TableEncoder

N = 600
CITIES = np.array([f"city {i:02d}" for i in range(50)])  # of which 18 share a level
PLACE = np.random.default_rng(0).integers(0, 50, N)


def cities(**more):
    columns = {
        "country": np.array([f"country {i % 7}" for i in range(50)])[PLACE],
        "city": CITIES[PLACE],
        "founded": pd.to_datetime("1200-01-01") + pd.to_timedelta(PLACE * 31, unit="D"),
        "people": 1000.0 * PLACE + 7,
        "age": np.random.default_rng(1).normal(size=N),
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
    filled = fill_consistently(filled, cells, encoder.columns_, encoder.dependencies_, randomness)
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
    assert fill_consistently(filled, cells, encoder.columns_, encoder.dependencies_, np.random.default_rng(0)).equals(
        filled
    )


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
