import json

import numpy as np
import pandas as pd
import pytest

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
