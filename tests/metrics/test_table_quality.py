import json

import numpy as np
import pandas as pd
import pytest

from ganaug.data.fingerprints import check_holdout, row_keys
from ganaug.data.kinds import KINDS
from ganaug.metrics import pair_distances, table_report, two_sample


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch):
    monkeypatch.setattr(two_sample, "TREES", 20)


def people(n, seed, shift=0.0):
    """Class "rich" earns more and lives in Rome more often."""
    randomness = np.random.default_rng(seed)
    y = np.where(np.arange(n) % 2 == 0, "poor", "rich")
    income = randomness.normal(size=n) + 3 * (y == "rich") + shift
    city = np.where(randomness.random(n) < 0.3 + 0.4 * (y == "rich"), "Rome", "Oslo")
    return pd.DataFrame({"income": income, "twice": 2 * income, "city": city}), y


REAL, HOLDOUT, OTHER = (people(120, seed) for seed in range(3))


def test_the_same_distribution_is_near_and_a_shifted_one_far():
    good = table_report(*REAL, *OTHER, holdout=HOLDOUT)
    far = table_report(*REAL, *people(120, 2, shift=2.0), holdout=HOLDOUT)
    assert good.overall["C2ST AUC"] == pytest.approx(0.5, abs=0.12)
    assert far.overall["C2ST AUC"] > 0.75
    assert far.real.overall == good.real.overall
    for figure in ("column distance", "C2ST AUC"):
        assert good.overall[figure] < good.real.overall[figure] + 0.12
    columns = far.table("columns")
    overall = columns[columns["class"].isna()]["distance"]
    assert overall["income"] > 0.3 > 0.15 > overall["city"]
    assert set(columns["class"]) == {None, "poor", "rich"}
    assert (far.compare(good)["difference"].drop("pair distance") > 0).all()


def test_a_swapped_class_stands_out():
    three = [
        (pd.concat([X, X[:40] + 9], ignore_index=True), np.repeat(["a", "b", "c"], 40))
        for X in (pd.DataFrame(np.random.default_rng(seed).normal(size=(80, 2))) for seed in (0, 1))
    ]
    for X, _ in three:
        X.iloc[40:80] += 4
    real, (X, y) = three
    table = table_report(*real, X, np.array([{"b": "c", "c": "b"}.get(label, label) for label in y])).table()
    assert table["C2ST AUC"].drop("a").min() > 0.9 > 0.7 > table.loc["a", "C2ST AUC"]
    assert table["column distance"].drop("a").min() > 2 * table.loc["a", "column distance"]


def test_broken_relations_show_in_pairs_only():
    X, y = OTHER
    shuffled = X.assign(twice=X["twice"].to_numpy()[np.random.default_rng(0).permutation(len(X))])
    good, broken = table_report(*REAL, X, y), table_report(*REAL, shuffled, y)
    assert broken.overall["column distance"] == pytest.approx(good.overall["column distance"])
    assert broken.overall["pair distance"] > good.overall["pair distance"] + 0.1
    assert broken.overall["C2ST AUC"] > 0.8


def test_names_of_which_most_occur_once_do_not_tell_rows_of_one_source_apart():
    """Numbered in the order in which they come, names that only synthetic rows have would be behind all others."""
    rng = np.random.default_rng(0)
    towns = np.array([f"town {i}" for i in range(300)])
    first, second = (pd.DataFrame({"x": rng.normal(size=150), "town": rng.choice(towns, 150)}) for _ in range(2))
    y = np.zeros(150, int)
    assert table_report(first, y, second, y).overall["C2ST AUC"] < 0.6
    turned = second[::-1].reset_index(drop=True)
    assert pair_distances(first, turned).equals(pair_distances(first, second))


def test_it_is_seeded_and_plain_data():
    first, again, other = (table_report(*REAL, *OTHER, random_state=seed).to_dict() for seed in (0, 0, 1))
    assert first == again
    assert first["synthetic"] != other["synthetic"]
    assert json.loads(json.dumps(first, allow_nan=False)) == first


@pytest.mark.parametrize("make", [lambda: None, np.random.RandomState, np.random.default_rng])
def test_every_kind_of_random_state_is_taken(make):
    X, y = people(20, 0)
    assert 0 <= table_report(X, y, *people(20, 1), folds=2, random_state=make()).overall["C2ST AUC"] <= 1


def test_integer_classes_stay_integers_and_missing_values_are_taken():
    rows = np.random.default_rng(0).normal(size=(60, 1))
    rows[::7] = np.nan
    report = table_report(rows[:30], np.arange(30) % 2, rows[30:], np.arange(30) % 2)
    assert report.table("columns")["class"].tolist() == [None, 0, 1]
    assert "pair distance" not in report.overall
    assert "30 synthetic rows compared with as many training ones" in str(report)
    assert "farthest columns" in str(report)


def joined(*parts):
    return pd.concat([X for X, _ in parts], ignore_index=True), np.concatenate([y for _, y in parts])


def coarse(n, seed, modes=4):
    """Rows of which each occurs many times."""
    randomness = np.random.default_rng(seed)
    return pd.DataFrame({"a": randomness.integers(modes, size=n), "b": ["x", "y"] * (n // 2)}), np.arange(n) % 4 > 1


def test_classes_may_be_written_as_numbers_on_one_side_and_as_texts_on_the_other():
    numbers = {side: (np.asarray(y) == "rich").astype(int) for side, (_, y) in (("real", REAL), ("other", OTHER))}
    plain = table_report(REAL[0], numbers["real"], OTHER[0], numbers["other"], random_state=0)
    texts = table_report(REAL[0], numbers["real"], OTHER[0], numbers["other"].astype(str), random_state=0)
    assert texts.overall == plain.overall


def test_a_holdout_may_share_rows_that_repeat_by_nature():
    report = table_report(*coarse(120, 0), *coarse(120, 1), holdout=coarse(120, 2))
    assert report.overall["column distance"] < 0.15
    # A GAN that draws a single value is to be shown as bad, not to be taken for one that knows the holdout.
    collapsed = table_report(*coarse(120, 0), *coarse(120, 1, modes=1), holdout=coarse(120, 2))
    assert collapsed.overall["column distance"] > 0.3
    with pytest.raises(ValueError, match="120 of 120 synthetic rows are also in the holdout; pass a holdout that"):
        table_report(*coarse(120, 0), *coarse(120, 2), holdout=coarse(120, 2))
    with pytest.raises(ValueError, match="120 of 120 holdout rows are also in the training data; remove them"):
        table_report(*coarse(120, 0), *coarse(120, 1), holdout=coarse(120, 0))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: table_report(*REAL, OTHER[0][:8], OTHER[1][:8]), ValueError, "has 4 synthetic .* folds=5 needs"),
        (lambda: table_report(*REAL, OTHER[0], ["rich"] * 120), ValueError, "class 'poor' occurs among the real"),
        (lambda: table_report(*REAL, OTHER[0], OTHER[1][:9]), ValueError, "120 synthetic rows and 9 labels"),
        (lambda: table_report(*REAL, OTHER[0][["city"]], OTHER[1]), ValueError, "must have the columns of X_real"),
        (lambda: table_report(*REAL, *OTHER, holdout=OTHER[0]), ValueError, "must be a pair .* got a DataFrame"),
        (lambda: table_report(*REAL, *OTHER, holdout=(OTHER[0][["city"]], OTHER[1])), ValueError, "columns of holdout"),
        (lambda: table_report(*REAL, *OTHER, holdout=REAL), ValueError, "^120 of 120 holdout rows are also in the"),
        (lambda: table_report(*joined(HOLDOUT, REAL), *OTHER, holdout=HOLDOUT), ValueError, "^120 of 120 holdout rows"),
        (lambda: table_report(*REAL, *HOLDOUT, holdout=HOLDOUT), ValueError, "^120 of 120 synthetic rows are also in"),
        (lambda: table_report(*REAL, *joined(OTHER, HOLDOUT), holdout=HOLDOUT), ValueError, "^120 of 240 synthetic"),
        (lambda: table_report(*REAL, *OTHER, folds=1), ValueError, "folds must be at least 2, got 1"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_a_table_whose_rows_are_all_there_is_is_no_leak():
    """Of rows that are unique by nature a generator that is honest draws those in the holdout too."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(np.array(np.meshgrid(*[range(4)] * 5)).reshape(5, -1).T).astype("category")
    order = rng.permutation(len(rows))
    train, holdout = rows.iloc[order[:700]], rows.iloc[order[700:]]
    honest = rows.iloc[rng.choice(len(rows), 600)]
    keys = row_keys(honest, train, holdout)
    assert np.isin(keys[0], keys[2]).sum() > 100
    check_holdout(*keys, kind=KINDS["rows"])
    for repeated in (train, pd.concat([train, train[:1]])):
        leaked = row_keys(holdout[:300], repeated, holdout)
        with pytest.raises(ValueError, match="300 of 300 synthetic rows are also in the holdout"):
            check_holdout(*leaked, kind=KINDS["rows"])
