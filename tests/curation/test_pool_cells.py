"""Pools of generators that know groups: what is in which cell of class and group."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from cell_data import COUNTS, GROUPS, Shades, cells_of, images_of, transfer
from PIL import Image

from ganaug import SyntheticPool
from ganaug.curation import NoCopies


@pytest.fixture(scope="module")
def generator():
    return transfer()


def built(generator, path, **options):
    return SyntheticPool.build(generator, path / "pool", random_state=0, **options)


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        ({"per_cell": 3}, [[3, 3, 3]] * 3),
        ({"per_cell": "balance"}, [[4, 0, 0], [0, 0, 0], [8, 0, 0]]),
        ({"per_cell": {(2, "new"): 5, (0, "third"): 1}}, [[0, 0, 1], [0, 0, 0], [5, 0, 0]]),
        ({"per_cell": pd.DataFrame({"old": [1, 2]}, index=[2, 0])}, [[0, 2, 0], [0, 0, 0], [0, 1, 0]]),
        ({"per_class": 5}, [[1, 2, 2], [1, 2, 2], [0, 2, 3]]),
        ({"per_class": {1: 6}}, [[0, 0, 0], [2, 2, 2], [0, 0, 0]]),
    ],
)
def test_cells_hold_what_was_asked_for(generator, tmp_path, asked, counts):
    pool = SyntheticPool(built(generator, tmp_path, **asked).path)
    assert pool.cell_counts.to_numpy().tolist() == counts
    assert (pool.cell_counts.index.tolist(), pool.cell_counts.columns.tolist()) == ([0, 1, 2], list(GROUPS))
    assert pool.training_cell_counts.to_numpy().tolist() == COUNTS
    assert pool.counts.tolist() == np.sum(counts, 1).tolist()
    shown = cells_of(pool.read(range(len(pool))))
    assert shown == list(zip(pool.labels.tolist(), [GROUPS.index(g) for g in pool.groups.tolist()], strict=True))
    assert [(r["group"], r["real"], r["kept"]) for r in pool.provenance["cells"]] == [
        (group, COUNTS[c][g], counts[c][g]) for c in range(3) for g, group in enumerate(GROUPS)
    ]


def test_draws_are_of_their_cell(generator, tmp_path):
    pool = pickle.loads(pickle.dumps(built(generator, tmp_path, per_cell=2)))
    labels, groups = [2, 0, 2, 1] * 5, ["new", "old", "third", "new"] * 5
    cells = list(zip(labels, map(GROUPS.index, groups), strict=True))
    assert cells_of(pool.draw(labels, groups=groups)) == cells
    assert {g for _, g in cells_of(pool.draw([1] * 60, torch.Generator().manual_seed(0)))} == {0, 1, 2}
    first = pool.first_of_each(np.array([1, 0, 1, 1, 1]))
    assert sorted(cells_of(pool.read(first[[0, 2, 3, 4]]))) == [(1, 0), (1, 1), (1, 1), (1, 2)]
    assert len(set(first.tolist())) == 5
    assert cells_of(pool.read(pool.first_of_each(np.array([2, 0, 2]), np.array([0, 1, 0])))) == [(2, 0), (0, 1), (2, 0)]


def test_booleans_and_numbers_come_back_as_they_were(tmp_path):
    pool = SyntheticPool(built(transfer(groups=(-1, 3, 7)), tmp_path, per_cell=1).path)
    assert pool.groups.tolist() == [3, 7] * 3  # -1 is unknown, and not filled
    again = SyntheticPool.build(transfer(groups=(-1, 3, 7)), tmp_path / "asked", per_cell={(0, -1): 2})
    assert again.groups.tolist() == [-1, -1]


def test_a_picture_shows_cells_in_blocks(generator, tmp_path):
    pool = built(generator, tmp_path, per_cell={(0, "old"): 3, (2, "third"): 1})
    shown = np.asarray(Image.open(pool.show(tmp_path / "cells.png", columns=2)).convert("L"))
    shades = [10 + 20 * c + 60 * g for c, g in ((0, 1), (2, 2))]
    grey = [((shown > shade - 6) & (shown < shade + 6)).sum() for shade in shades]
    assert 1.8 < grey[0] / grey[1] < 2.2  # of an image more; letters have such greys, too
    assert pool.show(tmp_path / "one.png", columns=1).stat().st_size < (tmp_path / "cells.png").stat().st_size
    with pytest.raises(ValueError, match="columns must be at least 1, got 0"):
        pool.show(tmp_path / "none.png", columns=0)


class ByGroup:
    """Keeps what is of the first group."""

    name, needs_real = "by group", False

    def fit(self, gan, real, randomness):
        return self

    def accepts(self, images, position, group=None):
        assert set(cells_of(images)) == {(position, group)}
        return np.full(len(images), group == 0)

    def describe(self):
        return {"name": self.name}


def test_filters_see_the_candidates_of_a_cell(generator, tmp_path):
    with pytest.warns(UserWarning, match="6 cells could not be filled.*: '0' in group 'old' "):
        pool = built(generator, tmp_path, per_cell=2, keep=[ByGroup()], max_draws=2)
    assert pool.cell_counts.to_numpy().tolist() == [[2, 0, 0]] * 3
    with pytest.raises(ValueError, match="the pool holds no images of class '0' in group 'old'; build the pool again"):
        pool.draw([0], groups=["old"])


class OneInTwenty(ByGroup):
    """Keeps every twentieth candidate, and counts them."""

    def __init__(self):
        self.seen = 0

    def accepts(self, images, position, group=None):
        places = self.seen + np.arange(len(images))
        self.seen += len(images)
        return places % 20 == 19


def test_a_cell_that_wants_one_image_has_a_batch_of_candidates_and_unfiltered_ones_no_more_than_it_wants(
    generator, tmp_path
):
    pool = built(generator, tmp_path / "a", per_cell={(2, "new"): 1}, keep=[OneInTwenty()])
    (cell,) = [record for record in pool.provenance["cells"] if record["asked"]]
    assert (cell["kept"], cell["drawn"]) == (1, 64)
    pool = built(generator, tmp_path / "b", per_cell=1)
    assert {record["drawn"] for record in pool.provenance["cells"]} == {1}


def test_real_images_with_groups_are_what_filters_compare_with(generator, tmp_path):
    pool = built(generator, tmp_path, per_cell="balance", real=images_of(), keep=[NoCopies()])
    assert pool.cell_counts.loc[2, "new"] == 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "per_class or per_cell is needed, got neither; pass one of them"),
        ({"per_class": 1, "per_cell": 1}, "per_class or per_cell is needed, got both"),
        ({"per_cell": "all"}, "per_cell must be a whole number, 'balance', or numbers by .*, got 'all'; pass one"),
        ({"per_cell": 1.5}, "per_cell must be a whole number, .*, got 1.5"),
        ({"per_cell": 0}, "per_cell must ask for at least one image, got none by 0"),
        ({"per_cell": -1}, "per_cell must not be negative, got -1; pass 0 for a cell that shall get none"),
        ({"per_cell": {0: 3}}, r"per_cell must hold numbers by \(class, group\), got the key 0; pass pairs"),
        ({"per_cell": {(0, "new"): 2.5}}, "per_cell must hold whole numbers, got 2.5"),
        ({"per_cell": {(0, "fourth"): 2}}, "cannot sample group 'fourth': there are the groups 'new', 'old', 'third'"),
        ({"per_cell": {(9, "new"): 2}}, "cannot sample class 9: there are the classes 0, 1, 2"),
    ],
)
def test_bad_requests_are_refused(generator, tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        built(generator, tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_without_groups_there_are_no_cells(tmp_path):
    toy = Shades().fit(images_of())
    with pytest.raises(ValueError, match="per_cell needs groups, and the Shades was trained without; pass per"):
        built(toy, tmp_path, per_cell=1)
    pool = built(toy, tmp_path, per_class=1)
    assert pool.groups is pool.cell_counts is pool.training_cell_counts is None
    with pytest.raises(ValueError, match="the pool was built without groups; leave groups out"):
        pool.draw([1], groups=["new"])
    pool = SyntheticPool.build(transfer(), tmp_path / "cells", per_cell=1)
    with pytest.raises(ValueError, match="the same length, got 2 labels and 1 groups; pass a group for each label"):
        pool.draw([1, 2], groups=["new"])
    with pytest.raises(ValueError, match="the pool holds 1 images of class '0' in group 'new', 2 are asked for"):
        pool.first_of_each(np.array([0, 0]), np.array([0, 0]))
