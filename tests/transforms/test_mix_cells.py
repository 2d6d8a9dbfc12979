"""SyntheticMix that shows cells of class and group equally often."""

import pickle

import numpy as np
import pytest
import torch
from cell_data import COUNTS, GROUPS, Shades, cells_of, images_of, transfer

from ganaug import SyntheticMix, SyntheticPool


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return SyntheticPool.build(transfer(), tmp_path_factory.mktemp("pools") / "pool", per_cell=4, random_state=0)


def epochs(n):
    """The training data, n times: images, labels, and groups as positions."""
    real = images_of()
    groups = torch.from_numpy(np.searchsorted(GROUPS, real.groups))
    return tuple(
        part.repeat(n, *[1] * (part.ndim - 1)) for part in map(torch.as_tensor, (real.images, real.labels, groups))
    )


def shown(images):
    table = np.zeros((3, 3))
    np.add.at(table, tuple(np.transpose(cells_of(images))), 1)
    return table / table.sum()


@pytest.mark.parametrize("p", [0.6, 0.1])
@pytest.mark.parametrize("kind", ["pool", "generator"])
def test_cells_are_shown_equally_often_or_as_often_as_p_allows(pool, p, kind):
    mix = SyntheticMix(pool if kind == "pool" else transfer(), p, cells="balance")
    torch.manual_seed(0)
    images, labels, groups = mix(*epochs(50))
    assert cells_of(images) == list(zip(labels.tolist(), groups.tolist(), strict=True))
    expected = mix.cell_shares
    assert (expected.index.tolist(), expected.columns.tolist()) == ([0, 1, 2], list(GROUPS))
    assert np.allclose(shown(images), expected, atol=0.015)
    if p == 0.6:
        assert np.allclose(expected, 1 / 9)
    else:  # all of it goes to the empty cell and the rare one, to one level
        real = 0.9 * np.array(COUNTS) / 60
        assert np.isclose(expected.loc[0, "new"], expected.loc[2, "new"])
        assert np.isclose(expected.loc[2, "new"], (0.1 + real[0, 0]) / 2)
        assert np.allclose(expected.drop(columns="new"), real[:, 1:])


@pytest.mark.parametrize(
    "write",
    [
        lambda at: [GROUPS[g] for g in at.tolist()],
        lambda at: np.array(GROUPS)[at.numpy()],
        lambda at: at.to(torch.int32),
    ],
)
@pytest.mark.parametrize("form", ["tuple", "mapping"])
def test_groups_come_back_as_they_were_written(pool, write, form):
    images, labels, groups = epochs(1)
    one_hot, given = torch.nn.functional.one_hot(labels, 3), write(groups)
    mix = pickle.loads(pickle.dumps(SyntheticMix(pool, 0.9, cells="balance")))
    if form == "tuple":
        mixed, new_labels, new = mix(images, one_hot, given)
    else:
        done = mix({"image": images, "label": one_hot, "group": given})
        mixed, new_labels, new = done["image"], done["label"], done["group"]
    assert type(new) is type(given)
    at = new.tolist() if isinstance(new, torch.Tensor) else [GROUPS.index(g) for g in new]
    assert cells_of(mixed) == list(zip(new_labels.argmax(1).tolist(), at, strict=True))
    assert torch.equal(given, groups.int()) if isinstance(given, torch.Tensor) else list(write(groups)) == list(given)


def test_a_batch_needs_no_groups_and_other_items_stay(pool):
    images, labels, _ = epochs(1)
    weights = torch.rand(60)
    mix = SyntheticMix(pool, 1.0, cells="balance")
    assert [c for c, _ in cells_of(mix(images, labels)[0])] != labels.tolist()
    assert mix(images, labels, weights)[2] is weights
    numbers = torch.arange(60)
    with pytest.raises(ValueError, match="groups must be among 0, 1, 2, got 3; pass those of the training data, or gr"):
        mix(images, labels, numbers)
    assert SyntheticMix(pool, 1.0, cells="balance", groups_getter=None)(images, labels, numbers)[2] is numbers
    assert SyntheticMix(pool, 1.0)(images, labels, numbers)[2] is numbers
    with pytest.raises(ValueError, match="a batch must hold a group for each image, got 2 groups and 60 images"):
        mix(images, labels, ["new", "old"])


@pytest.mark.parametrize("kind", ["pool", "generator"])
@pytest.mark.parametrize("balance", [None, "uniform"])
def test_without_cells_images_and_groups_stay_together(pool, kind, balance):
    images, labels, groups = epochs(10)
    mix = SyntheticMix(pool if kind == "pool" else transfer(), 0.7, balance)
    for given in (groups, [GROUPS[g] for g in groups.tolist()]):
        mixed, new_labels, new = mix(images, labels, given)
        at = new.tolist() if isinstance(new, torch.Tensor) else [GROUPS.index(g) for g in new]
        assert cells_of(mixed) == list(zip(new_labels.tolist(), at, strict=True))
        assert (new is given) == (balance is None)
        assert (mixed != images).flatten(1).any(1).float().mean() > 0.5
    mixed, new_labels = mix(images, labels)
    assert [c for c, _ in cells_of(mixed)] == new_labels.tolist()


def test_a_cell_that_a_pool_lacks_is_named_or_kept(tmp_path):
    few = SyntheticPool.build(transfer(), tmp_path / "few", per_cell={(c, "old"): 4 for c in range(3)}, random_state=0)
    with pytest.raises(ValueError, match="the pool holds no image of class 0 in group 'new'; build it with per_cell="):
        SyntheticMix(few, 1.0)(*epochs(1))
    images, labels, groups = epochs(1)
    mixed, *_ = SyntheticMix(few, 1.0, missing="keep")(images, labels, groups)
    assert torch.equal((mixed != images).flatten(1).any(1), groups == 1)
    mixed, *_ = SyntheticMix(few, 1.0, groups_getter=None)(images, labels, groups)
    assert {g for _, g in cells_of(mixed)} == {1}


def test_numbers_are_groups_by_themselves_and_unknown_ones_are_not_drawn():
    images, labels, groups = epochs(20)
    numbers = torch.tensor([-1, 3, 7])[groups]
    mix = SyntheticMix(transfer(groups=(-1, 3, 7)), 0.5, cells="balance")
    mixed, _, new = mix(images, labels, numbers)
    changed = (mixed != images).flatten(1).any(1)
    assert set(new[changed].tolist()) == {3, 7}
    assert torch.equal(new[~changed], numbers[~changed])


def test_bad_requests_are_refused(pool, tmp_path):
    few = SyntheticPool.build(transfer(), tmp_path / "few", per_cell={(2, "new"): 4, (1, "old"): 1}, random_state=0)
    plain = SyntheticPool.build(Shades().fit(images_of()), tmp_path / "plain", per_class=1)
    for source, options, said in (
        (pool, {"cells": "uniform"}, "cells must be None or 'balance', got 'uniform'"),
        (pool, {"cells": "balance", "balance": "uniform"}, "cells and balance exclude each other, got both"),
        (pool, {"cells": "balance", "classes": ["a", "b", "c"]}, "cells and classes exclude each other, got both"),
        (pool, {"cells": "balance", "groups_getter": 3}, "groups_getter must be 'default', None or a callable, got 3"),
        (plain, {"cells": "balance"}, "cells needs groups, and the pool was built without; leave it out, or build one"),
        (Shades().fit(images_of()), {"cells": "balance"}, "cells needs groups, and the Shades was trained without; le"),
        (few, {"cells": "balance"}, "the pool holds no images of class '0' in group 'new'; build the pool again"),
    ):
        with pytest.raises(ValueError, match=said):
            SyntheticMix(source, 0.5, **options)
    images, _, groups = SyntheticMix(few, 1.0, cells="balance", missing="keep")(*epochs(5))
    assert set(zip([c for c, _ in cells_of(images)], groups.tolist(), strict=True)) == {(2, 0), (1, 1)}


@pytest.mark.parametrize("balance", [{"balance": "uniform"}, {"cells": "balance"}])
def test_groups_in_lists_of_numbers_of_numpy_change_too(balance):
    images, labels, groups = epochs(1)
    mix = SyntheticMix(transfer(groups=(0, 1, 2)), 1.0, **balance)
    mixed, labels, after = mix(images, labels, [np.int64(group) for group in groups])
    assert cells_of(mixed) == list(zip(labels.tolist(), after, strict=True))


def test_missing_groups_are_the_unknown_one():
    images, labels, groups = epochs(1)
    names = [None, "a", "b"]
    source = transfer(groups=("unknown", "a", "b"))
    given = [names[group] for group in groups]
    for batch in ((images, labels, given), {"image": images, "label": labels, "group": given}):
        mixed = SyntheticMix(source, 1.0)(*batch if isinstance(batch, tuple) else [batch])
        after = mixed if isinstance(mixed, tuple) else tuple(mixed.values())
        assert after[2] == given
        assert [group for _, group in cells_of(after[0])] == groups.tolist()
    with pytest.raises(ValueError, match="integers count groups that all have a name"):
        SyntheticMix(source, 1.0)(images, labels, groups)
