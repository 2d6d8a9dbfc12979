import json

import numpy as np
import pytest

from ganaug import LabelledImages
from ganaug.audit import audit, explain
from ganaug.curation import AdditiveTransfer

GROUPS = np.array(["north", "south"])


def table(n, seed):
    """Rows of two classes, of which "b" has none in the south; its first column tells the group, its last the class."""
    rng = np.random.default_rng(seed)
    labels, groups = rng.choice(["a", "b"], n), rng.choice(GROUPS, n)
    groups = np.where(labels == "b", "north", groups)
    return _rows(labels, groups, rng), labels, groups


def _rows(labels, groups, rng):
    rows = rng.normal(size=(len(labels), 3))
    rows[:, 0] += 7 * (groups == "south")
    rows[:, 2] += 7 * (labels == "b")
    return rows


def audited(drawn, asked_labels, asked_groups, *, holdout=True):
    X, y, g = table(240, 0)
    other, other_y, _ = table(240, 1)
    options = {"labels": asked_labels, "groups": asked_groups, "train_labels": y, "train_groups": g, "random_state": 0}
    return audit(drawn, X, other, holdout_labels=other_y, **options) if holdout else audit(drawn, X, **options)


@pytest.fixture
def asked():
    labels, groups = (part.ravel().repeat(30) for part in np.meshgrid(["a", "b"], GROUPS))
    return labels, groups


def test_a_group_that_is_ignored_is_found_and_copies_are_counted_by_group(asked):
    labels, groups = asked
    rng = np.random.default_rng(2)
    good = audited(_rows(labels, groups, rng), labels, groups)
    assert "Groups: followed as far as the test can find" in str(good)
    assert good.groups.remarks == []
    (unseen,) = [row for row in good.groups.cells if row["n real"] == 0]
    assert (unseen["class"], unseen["group"], unseen["class recognised"]) == ("b", "south", pytest.approx(1, abs=0.1))
    found = {(row["class"], row["group"]): row for row in good.copies_by_group}
    assert found.keys() == {(c, g) for c in ("a", "b", None) for g in GROUPS}
    assert found[None, "south"]["n"] == 60
    assert found[None, "south"]["copies"] == 0
    ignoring = audited(_rows(labels, rng.permutation(groups), rng), labels, groups)
    assert ignoring.groups.ignored == ["north", "south"]
    assert "Groups: not followed: north, south" in str(ignoring)
    assert "samples asked for group south are recognised as south in" in str(ignoring)
    assert json.loads(json.dumps(ignoring.to_dict()))["groups"]["ignored"] == ["north", "south"]


def test_copies_name_the_group_that_they_are_from(asked):
    labels, groups = asked
    X, y, g = table(240, 0)
    drawn = _rows(labels, groups, np.random.default_rng(2))
    drawn[(groups == "north") & (labels == "a")] = X[(g == "north") & (y == "a")][:30]
    found = {(row["class"], row["group"]): row for row in audited(drawn, labels, groups, holdout=False).copies_by_group}
    assert [found[cell]["copies"] for cell in [("a", "north"), (None, "north"), (None, "south")]] == [30, 30, 0]


@pytest.mark.filterwarnings("ignore:class 'b' occurs in one group only")
def test_generators_are_asked_for_every_cell():
    X, y, g = table(240, 0)
    gan = AdditiveTransfer().fit(X, y, g)
    report = audit(gan, X, train_labels=y, train_groups=g, random_state=0)
    assert {(row["class"], row["group"]) for row in report.groups.cells} == {(c, g) for c in "ab" for g in GROUPS}
    assert {row["n"] for row in report.groups.cells} == {50}
    assert sum(row["n"] for row in report.copies_by_group if row["class"]) == 2000  # with groups as in training
    assert audit(gan, X, train_labels=y, random_state=0).groups is None
    mixed = np.random.default_rng(0).permutation(g)
    told = audit(X + 0.01, X, labels=y, train_labels=y, groups=mixed, train_groups=mixed, random_state=0)
    assert "Groups: real rows of different groups cannot be told apart" in str(told)


def test_neighbours_name_their_group():
    X, y, g = table(60, 0)
    options = {"labels": y[:2], "train_labels": y, "anchors": [5, -1]}
    found = explain(X[:2] + 0.01, X, groups=g[:2], train_groups=g, **options)
    for each in found:
        assert each.same_class[0].group == g[each.index] == each.group
        assert all(near.group == g[near.index] for near in each.other_class)
        assert f"{each.index} (group {g[each.index]}, " in str(each)
        assert str(each).startswith(f"Synthetic row {each.index} of class {y[each.index]} and group {g[each.index]}")
    assert found[0].anchor.group == g[5]
    plain = explain(X[:2] + 0.01, X, **options)
    assert [near.index for near in plain[0].same_class] == [near.index for near in found[0].same_class]
    assert "group" not in json.dumps(plain[0].to_dict())
    images = LabelledImages(np.arange(640, dtype=np.uint8).reshape(10, 1, 8, 8), np.arange(10) % 2, groups=g[:10])
    (each,) = explain(images.subset([3]), images, classifier_steps=2, device="cpu", random_state=0)
    assert (each.group, each.same_class[0].group) == (g[3], g[3])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"groups": ["north"]}, "synthetic: .*groups"),
        ({"groups": np.repeat("north", 60)}, "synthetic has groups and train has none; pass train_groups"),
        ({"groups": np.repeat("west", 60), "train_groups": GROUPS.repeat(30)}, "synthetic holds group 'west', which"),
        ({"groups": np.repeat("north", 60), "train_groups": np.repeat("north", 60)}, "groups must be two known ones"),
    ],
)
def test_bad_groups_are_refused(options, said):
    X, y, _ = table(60, 0)
    with pytest.raises(ValueError, match=said):
        audit(X + 1, X, labels=y, train_labels=y, **options)
