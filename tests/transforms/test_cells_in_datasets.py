"""Real images with groups: cells of class and group are filled, and the groups of new images are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from cell_data import COUNTS, GROUPS, Shades, cells_of, images_of, transfer
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from ganaug import AugmentedDataset, SyntheticPool, augment_dataset
from ganaug.curation import augment_images
from ganaug.data.images.pictures import picture

FILLED = [(0, 0)] * 4 + [(2, 0)] * 8  # what COUNTS lack


@pytest.fixture(scope="module")
def real():
    return images_of()


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return SyntheticPool.build(transfer(), tmp_path_factory.mktemp("pools") / "pool", per_cell=10, random_state=0)


@pytest.fixture(params=["pool", "generator"])
def source(request, pool):
    return pool if request.param == "pool" else transfer()


def tensors(real):
    return TensorDataset(torch.from_numpy(real.images), torch.from_numpy(real.labels))


def rows_of(real, kind="string", extra=()):
    names = [*GROUPS, *extra]
    groups = [names.index(g) for g in real.groups.tolist()] if kind == "names" else real.groups.tolist()
    feature = ClassLabel(names=names) if kind == "names" else Value(kind)
    features = Features({"image": Image(), "label": ClassLabel(num_classes=3), "scanner": feature})
    images = [picture(image) for image in real.images]
    return Dataset.from_dict({"image": images, "label": real.labels, "scanner": groups}, features=features)


@pytest.mark.parametrize(
    ("per_cell", "cells"),
    [
        ("balance", FILLED),
        (2, [(c, g) for c in range(3) for g in range(3) for _ in range(2)]),
        ({(2, "new"): 3}, [(2, 0)] * 3),
        (pd.DataFrame({"third": [1]}, index=[1]), [(1, 2)]),
    ],
)
def test_cells_are_filled(real, source, per_cell, cells):
    dataset = AugmentedDataset(real, source, per_cell=per_cell, random_state=0)
    new = range(len(real), len(dataset))
    assert cells_of([dataset[i][0] for i in new]) == cells
    assert dataset.targets[len(real) :] == [c for c, _ in cells]
    assert dataset.groups == real.groups.tolist() + [GROUPS[g] for _, g in cells]
    again = augment_dataset(rows_of(real), source, per_cell=per_cell, group_column="scanner")
    assert cells_of([np.asarray(image) for image in again["image"][len(real) :]]) == cells
    assert again["scanner"][:] == dataset.groups
    assert again["is_synthetic"][:] == [False] * len(real) + [True] * len(cells)
    if not isinstance(source, SyntheticPool):
        more = augment_images(real, generator=source, prefit=True, per_cell=per_cell, keep=[], random_state=0)
        assert (cells_of(more.images[len(real) :]), more.groups.tolist()) == (cells, dataset.groups)
        assert more.is_synthetic.sum() == len(cells)


def test_groups_of_parts_and_of_arrays(real, pool):
    half = Subset(real, range(0, len(real), 2))
    both = ConcatDataset([half, AugmentedDataset(half, pool, per_cell=1)])
    dataset = AugmentedDataset(both, pool, per_cell={(0, "old"): 1})
    groups = real.groups[::2].tolist()
    assert dataset.groups == [*groups, *groups, *[g for _ in range(3) for g in GROUPS], "old"]
    given = AugmentedDataset(tensors(real), pool, per_cell="balance", groups=real.groups)
    assert cells_of([given[i][0] for i in range(len(real), len(given))]) == FILLED


def test_without_per_cell_groups_come_as_the_source_has_them(real, source):
    dataset = AugmentedDataset(real, source, 4, random_state=0)
    cells = cells_of([dataset[i][0] for i in range(len(real), len(dataset))])
    assert [GROUPS[g] for _, g in cells] == dataset.groups[len(real) :]
    expected = {0: 3, 1: 3, 2: 3} if isinstance(source, SyntheticPool) else {0: 3, 1: 3, 2: 2}
    assert {c: len({g for of, g in cells if of == c}) for c in range(3)} == expected
    assert AugmentedDataset(tensors(real), source, 1).groups is None


def test_groups_that_the_source_does_not_know_are_unknown(real):
    shades = Shades().fit(real)
    assert AugmentedDataset(real, shades, 1).groups == [*real.groups.tolist(), *["unknown"] * 3]
    rows = augment_dataset(rows_of(real, "names"), shades, 1, group_column="scanner")
    assert rows["scanner"][len(real) :] == [None] * 3
    more = augment_images(real, generator=shades, prefit=True, per_class=1, keep=[])
    assert more.groups.tolist()[len(real) :] == ["unknown"] * 3


def test_real_images_of_an_unknown_group_need_no_such_group_of_the_source(real, source):
    groups = [None if index == 5 else group for index, group in enumerate(real.groups)]
    cells = [(0, 0)] * 4 + [(0, 1)] + [(2, 0)] * 8
    dataset = AugmentedDataset(tensors(real), source, per_cell="balance", groups=groups)
    assert dataset.groups == [g or "unknown" for g in groups] + [GROUPS[g] for _, g in cells]
    if not isinstance(source, SyntheticPool):
        more = augment_images(real, groups=groups, generator=source, prefit=True, per_cell="balance", keep=[])
        assert (cells_of(more.images[len(real) :]), more.groups.tolist()) == (cells, dataset.groups)


def test_groups_of_the_source_are_written_as_those_of_the_real_images(real):
    numbers = transfer(groups=(1, 2, 3))
    groups = [None, *map(str, 1 + np.searchsorted(GROUPS, real.groups[1:]))]
    dataset = AugmentedDataset(tensors(real), numbers, 3, groups=groups, random_state=0)
    assert set(dataset.groups) == {"unknown", "1", "2", "3"}
    with pytest.raises(ValueError, match="groups of the source, such as 1, are of another type than those of the real"):
        AugmentedDataset(real, numbers, 3)
    rows = rows_of(images_of(counts=[[0, 8, 8]] * 3), "names")
    rows = rows.cast_column("scanner", ClassLabel(names=["x", *GROUPS[1:]]))
    with pytest.raises(ValueError, match="the column 'scanner' has no name for group 'new' of the source"):
        augment_dataset(rows, transfer(), 3, group_column="scanner")


def test_names_of_groups_and_splits(real, pool):
    rows = rows_of(real, "names", extra=["never"])
    splits = augment_dataset(DatasetDict(train=rows, test=rows), pool, per_cell="balance", group_column="scanner")
    assert splits["train"]["scanner"][len(real) :] == [0] * 12
    assert splits["train"].features["scanner"] == rows.features["scanner"]
    assert len(splits["test"]) == len(real)


def test_what_the_source_lacks_can_be_left_out(real, tmp_path):
    pool = SyntheticPool.build(transfer(), tmp_path / "pool", per_cell={(2, "new"): 8}, random_state=0)
    with pytest.raises(ValueError, match="the pool holds no images of class '0'; build"):
        AugmentedDataset(real, pool, per_cell="balance")
    dataset = AugmentedDataset(real, pool, per_cell="balance", missing="keep")
    assert cells_of([dataset[i][0] for i in range(len(real), len(dataset))]) == [(2, 0)] * 8
    more = images_of(counts=[[4, 8, 8, 9]] * 3, groups=(*GROUPS, "zone"))
    with pytest.raises(ValueError, match="cannot sample group 'zone': the pool holds the groups 'new', 'old', 'third'"):
        AugmentedDataset(more, pool, per_cell={(2, "zone"): 1})
    assert len(AugmentedDataset(more, pool, per_cell={(2, "zone"): 1}, missing="keep")) == len(more)


def test_groups_written_as_text_are_found_beside_some_that_the_source_lacks():
    source = transfer(groups=(1, 2, 3))
    more = images_of(counts=[[4, 8, 8, 9]] * 3, groups=("1", "2", "3", "zone"))
    dataset = AugmentedDataset(more, source, per_cell={(2, "1"): 2, (2, "zone"): 1}, missing="keep")
    assert len(dataset) == len(more) + 2


def test_one_warning_of_a_class_in_a_single_group(real):
    rare = images_of(counts=[[8, 8, 8], [8, 8, 8], [0, 0, 8]])
    with pytest.warns(UserWarning, match="in one group only") as said:
        augment_images(rare, generator=transfer(), per_cell={(2, "new"): 1}, keep=[])
    assert len(said) == 1


def said_of_all(real, source, message, groups=None, **options):
    """Every face refuses with the same sentence."""
    with pytest.raises((ValueError, TypeError), match=message):
        AugmentedDataset(real, source, groups=groups, **options)
    with pytest.raises((ValueError, TypeError), match=message):
        augment_images(real, groups=groups, generator=source, prefit=True, **options)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a", "b"], "groups"),
        (np.arange(60), "groups must be shared by images, got a different one for each of 60"),
        (np.repeat([0, 1, 2], [20, 24, 16]), "groups equal the labels, such as group 0 for class 0"),
        ([np.nan] * 60, "groups are missing for all 60 images"),
        (["one"] * 60, "at least two groups are needed, got one, 'one'"),
    ],
)
def test_groups_that_say_nothing_are_refused(real, groups, message):
    assert sum(map(sum, COUNTS)) == 60
    said_of_all(real, transfer(), message, groups=groups, per_cell="balance")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_cell": 1, "per_class": 1}, "per_class and per_cell exclude each other, got both"),
        ({"per_cell": "auto"}, "per_cell must be a whole number, 'balance', or numbers by .*, got 'auto'"),
    ],
)
def test_bad_requests_are_refused(real, options, message):
    said_of_all(real, transfer(), message, **options)


def test_cells_need_groups_on_both_sides(real):
    plain, shades = replace(real, groups=None), Shades().fit(real)
    said_of_all(plain, transfer(), "per_cell needs the group of each .*image, got none; pass groups=", per_cell=1)
    said_of_all(real, shades, "per_cell needs groups, and the Shades was trained without", per_cell=1)
    with pytest.raises(ValueError, match="the fit of Shades takes none; pass per_class, or another generator"):
        augment_images(real, generator=shades, per_cell=1)
    with pytest.raises(ValueError, match="per_cell needs the group of each real image, got none; pass group_column="):
        augment_dataset(rows_of(real), transfer(), per_cell=1, fill_values={"scanner": "x"})
    with pytest.raises(ValueError, match="group_column must be a column of the dataset, got 'site'"):
        augment_dataset(rows_of(real), transfer(), per_cell=1, group_column="site")
    with pytest.raises(ValueError, match="group_column must be a column of the dataset, got 'site'"):
        augment_dataset(rows_of(real, "names"), transfer(), per_cell=1, group_column="site")
