import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from ganaug import labelled_images
from ganaug.curation import AdditiveTransfer
from ganaug.data.tables.layout import RowLayout
from ganaug.generators import Generator

pytestmark = pytest.mark.filterwarnings("ignore:class.* in one group only")

CLASSES, GROUPS = np.array(["a", "b", "c"]), np.array([10, 20, 30])
CLASS_EFFECT, GROUP_EFFECT = np.array([0.0, 50.0, 90.0]), np.array([0.0, 20.0, 65.0])


def cells(counts):
    """Rows whose class and group add up exactly; and class and group of each, as many as `counts` says."""
    c, g = np.divmod(np.repeat(np.arange(9), np.ravel(counts)), 3)
    return (CLASS_EFFECT[c] + GROUP_EFFECT[g])[:, None] * [1.0, -2.0], CLASSES[c], GROUPS[g]


ALL = np.full((3, 3), 3)
WITH_HOLES = np.array([[9, 1, 0], [2, 0, 4], [0, 3, 1]])


@pytest.mark.parametrize("counts", [ALL, WITH_HOLES])
def test_it_recovers_any_cell_whichever_classes_groups_lack(counts):
    """Means over all samples of a group would mix what it is with which classes it has, and how often."""
    transfer = AdditiveTransfer().fit(*cells(counts))
    asked, labels, groups = cells(ALL)
    assert np.allclose(transfer.sample(labels, groups, random_state=0), asked)
    assert transfer.cell_counts_.tolist() == counts.tolist()


def test_with_two_groups_it_moves_by_the_mean_difference_over_shared_classes():
    rng = np.random.default_rng(0)
    X, y, groups = rng.normal(size=(90, 4)), np.arange(90) % 3, rng.integers(2, size=90)
    keep = (y != 2) | (groups == 0)
    X, y, groups = X[keep], y[keep], groups[keep]
    transfer = AdditiveTransfer().fit(X, y, groups)
    drawn, donors = transfer.sample_with_donors([2] * 20, [1] * 20, random_state=0)
    mean = {(c, g): X[(y == c) & (groups == g)].mean(0) for c in (0, 1) for g in (0, 1)}
    expected = np.mean([mean[c, 1] - mean[c, 0] for c in (0, 1)], axis=0)
    assert np.allclose(drawn - X[donors], expected)
    assert (y[donors] == 2).all()


def test_donors_are_of_all_other_groups_alike_and_only_else_of_the_same():
    X, y, groups = cells([[9, 1, 3], [2, 0, 4], [0, 0, 1]])
    transfer = AdditiveTransfer().fit(X, y, groups)
    _, donors = transfer.sample_with_donors(["a"] * 2000, [30] * 2000, random_state=0)
    assert np.bincount(groups[donors] // 10)[1:] / 2000 == pytest.approx([0.5, 0.5], abs=0.05)
    drawn, donors = transfer.sample_with_donors(["c"], [30], random_state=0)
    assert np.allclose(drawn, X[donors])
    assert groups[donors].tolist() == [30]


def test_no_donor_serves_a_cell_again_before_all_of_its_group_did():
    X, y, groups = cells([[9, 0, 0], [2, 3, 0], [0, 2, 1]])
    transfer = AdditiveTransfer().fit(X, y, groups)
    _, donors = transfer.sample_with_donors(["a"] * 30 + ["b"] * 7, [20] * 30 + [30] * 7, random_state=0)
    assert np.bincount(donors[:9]).max() == 1
    assert set(np.bincount(donors[:30])[np.flatnonzero(y == "a")]) == {3, 4}
    assert {*donors[:9]} == {*donors[9:18]} == {*np.flatnonzero(y == "a")}
    of_b = np.bincount(donors[30:], minlength=len(y))
    for group in (10, 20):
        served = of_b[(y == "b") & (groups == group)]
        assert served.max() - served.min() <= 1


def test_without_groups_they_are_drawn_as_the_class_has_them():
    transfer = AdditiveTransfer().fit(*cells([[9, 1, 0], [2, 0, 4], [0, 3, 1]]))
    values = transfer.sample(["a"] * 4000, random_state=0)[:, 0].round()
    assert set(values) == {0.0, 20.0}
    assert (values == 20).mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_keep_their_dtype_and_bytes_are_clipped(dtype):
    y, groups = np.array([0, 0, 1]), np.array(["old", "new", "old"])
    X = np.array([10, 200, 90])[:, None, None, None] * np.ones((3, 1, 8, 8))
    transfer = AdditiveTransfer().fit(torch.from_numpy(X.astype(dtype)), y, groups)
    assert isinstance(transfer, Generator)
    assert (transfer.sample_spec_.kind, transfer.sample_spec_.dtype) == ("images", np.dtype(dtype).name)
    drawn = transfer.sample([1, 1], ["new", "old"], random_state=0)
    assert drawn.shape == (2, 1, 8, 8)
    assert drawn.dtype == torch.from_numpy(X.astype(dtype)).dtype
    assert drawn[0].float().unique().round().tolist() == [255 if dtype == np.uint8 else 280]
    assert transfer.sample([], [], random_state=0).shape == (0, 1, 8, 8)


def test_labelled_images_bring_their_groups():
    X = np.array([10, 200, 90, 100], np.uint8)[:, None, None, None] * np.ones((4, 8, 8, 1), np.uint8)
    data = labelled_images(X, [0, 0, 1, 1], groups=["old", None, "old", None])
    transfer = AdditiveTransfer().fit(data)
    assert transfer.groups_.tolist() == ["old", "unknown"]
    assert transfer.sample([1], ["unknown"], random_state=0).unique().tolist() == [190]


def test_levels_and_missing_numbers_of_encoded_rows_are_those_of_the_donor():
    """A number, its level for "present" and one for "missing"; what is missing takes no part in the means."""
    X = np.array([[1, 1, 0], [0, 0, 1], [5, 1, 0], [7, 1, 0], [0, 0, 1]], np.float32)
    y, groups = [0, 0, 0, 1, 1], [0, 0, 1, 0, 0]
    transfer = AdditiveTransfer().fit(X, y, groups, layout=RowLayout(1, (2,), (0,)))
    drawn = transfer.sample([1] * 20, [1] * 20, random_state=0)
    assert drawn.dtype == np.float32
    assert np.unique(drawn.round(4), axis=0).tolist() == [[0, 0, 1], [11, 1, 0]]


def test_columns_that_describe_groups_are_those_of_the_group_asked_for():
    """Groups 0 and 1 are of country "n" and have a lab, 2 is of "s" and has none; the plan stays with the donor."""
    groups = np.repeat([0, 1, 2], 20)
    country, plan = np.repeat([*"nns"], 20), np.resize([*"pq"], 60)
    table = pd.DataFrame({"age": np.arange(60.0), "country": country, "plan": plan})
    table["lab"] = np.where(groups == 2, np.nan, table["age"] ** 2)
    classes = np.where((plan == "q") & (groups != 2), 1, 0)
    drawn = AdditiveTransfer().fit(table, classes, groups).sample([1] * 20, [2] * 20, random_state=0)
    assert drawn["country"].unique().tolist() == ["s"]
    assert drawn["plan"].unique().tolist() == ["q"]
    assert drawn["lab"].isna().all()
    drawn = AdditiveTransfer().fit(table, plan, groups).sample(["q"] * 20, [0] * 20, random_state=0)
    assert drawn["lab"].notna().all()  # of group 1, not of 2
    classes = np.where((plan == "q") & (groups == 2), 1, 0)  # no number is made up where the donor has none
    drawn = AdditiveTransfer().fit(table, classes, groups).sample([1] * 20, [0] * 20, random_state=0)
    assert drawn["country"].unique().tolist() == ["n"]
    assert drawn["lab"].isna().all()


def test_the_same_seed_draws_the_same():
    transfer = AdditiveTransfer().fit(*cells(WITH_HOLES))
    first, second, other = (transfer.sample_with_donors(["a"] * 50, random_state=seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        (["d"], [10], "cannot sample class 'd': there are the classes 'a', 'b', 'c'"),
        (["a"], [40], "cannot sample group 40: there are the groups 10, 20, 30"),
        (["a", "b"], [10], "labels and groups must have the same length, got 2 labels and 1 groups"),
    ],
)
def test_what_cannot_be_drawn_is_refused(labels, groups, message):
    transfer = AdditiveTransfer().fit(*cells(WITH_HOLES))
    with pytest.raises(ValueError, match=message):
        transfer.sample(labels, groups)


@pytest.mark.parametrize(
    ("X", "y", "groups", "message"),
    [
        (np.ones((4, 2)), [0, 0, 1, 1], [0, 1, 0], "samples and groups must have the same length, got 4 samples and 3"),
        (np.ones((4, 2)), [0, 0, 1, 1], None, "groups are needed, got None"),
        (np.ones((4, 2)), [0, 0, 1, 1], [0, 0, 1, 1], "groups equal the labels"),
        (*cells([[3, 3, 0], [3, 3, 0], [0, 0, 3]]), "class 'c' .* group 30.* add samples of another cell"),
        (np.ones((4, 2)), [0, 0, 1], [0, 1, 0, 1], "samples and labels must have the same length"),
        (np.ones((4, 8, 8)), [0, 0, 1, 1], [0, 1, 0, 1], r"X must be images \(n, channels, height, width\)"),
        (np.ones((4, 2), int), [0, 0, 1, 1], [0, 1, 0, 1], "X must be uint8 or floating point, got int64"),
    ],
)
def test_bad_input_is_refused(X, y, groups, message):
    with pytest.raises((ValueError, TypeError), match=message):
        AdditiveTransfer().fit(X, y, groups)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.Table.from_pandas])
def test_data_frames_come_back_as_they_went_in(make):
    rng = np.random.default_rng(0)
    y, region = np.repeat(["keep", "leave"], [60, 30]), np.append(["north", "south"] * 30, ["north"] * 30)
    table = pd.DataFrame(
        {
            "spent": rng.normal(size=90) + 3 * (region == "south"),
            "region": region,
            "visits": rng.integers(0, 9, 90),
            "plan": rng.choice(["a", "b"], 90),
        }
    )
    table.loc[::9, "spent"] = np.nan
    given = make(table)
    transfer = AdditiveTransfer().fit(given, y, "region")
    assert (transfer.sample_spec_.kind, transfer.sample_spec_.shape) == ("rows", (3,))
    assert isinstance(transfer, Generator)
    drawn = transfer.sample(["leave"] * 200, ["south"] * 200, random_state=0)
    assert type(drawn) is type(given)
    rows = drawn if isinstance(drawn, pd.DataFrame) else drawn.to_pandas()
    assert rows.columns.tolist() == ["spent", "visits", "plan"]
    assert rows["spent"].mean() == pytest.approx(3, abs=0.7)
    assert rows["spent"].isna().any()
    assert set(rows["plan"]) == {"a", "b"}
    assert rows["visits"].isin(range(9)).all()
    again = transfer.sample(["leave"] * 200, ["south"] * 200, random_state=0)
    assert (again if isinstance(again, pd.DataFrame) else again.to_pandas()).equals(rows)
    with pytest.raises(ValueError, match="samples and labels must have the same length"):
        AdditiveTransfer().fit(given, y[1:], "region")
    with pytest.raises(ValueError, match="groups names the column 'site', which the table lacks"):
        AdditiveTransfer().fit(given, y, "site")
