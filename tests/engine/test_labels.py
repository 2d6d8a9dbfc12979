import numpy as np
import pytest
import torch

from ganaug.engine.label_embedding import CellBalancedSampler, ClassBalancedSampler, cells_of

LABELS = np.repeat([0, 1, 2], [80, 15, 5])


@pytest.mark.parametrize(
    ("temperature", "expected"), [(0.0, [1 / 3, 1 / 3, 1 / 3]), (1.0, [0.80, 0.15, 0.05]), (0.5, [0.589, 0.255, 0.147])]
)
def test_temperature_runs_from_balanced_to_natural(temperature, expected):
    sampler = ClassBalancedSampler(LABELS, temperature)
    weights = np.array([80, 15, 5.0]) ** temperature
    assert sampler.probabilities.numpy() == pytest.approx(weights / weights.sum())
    drawn = sampler.draw_labels(20_000, torch.Generator().manual_seed(0))
    assert np.bincount(drawn, minlength=3) / 20_000 == pytest.approx(expected, abs=0.02)


def test_indices_are_of_the_class_asked_for_and_reach_every_sample():
    shuffled = np.random.default_rng(0).permutation(LABELS)
    sampler = ClassBalancedSampler(shuffled)
    labels = sampler.draw_labels(5000, torch.Generator().manual_seed(0))
    indices = sampler.draw_indices(labels, torch.Generator().manual_seed(1))
    assert np.array_equal(shuffled[indices], labels)
    assert set(indices.tolist()) == set(range(100))


GROUPS = np.repeat([0, 1, 0, 1, 1], [40, 40, 5, 10, 5])  # no sample of the last class is in group 0
CELLS = np.stack([LABELS, GROUPS], axis=1)


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
def test_cells_are_drawn_with_a_temperature(temperature):
    asked, indices, known = CellBalancedSampler(CELLS, temperature).draw(20_000, torch.Generator().manual_seed(0))
    assert np.array_equal(CELLS[indices], asked)
    assert torch.equal(known, asked)
    shares = [((asked == torch.tensor(cell)).all(1)).float().mean().item() for cell in np.unique(CELLS, axis=0)]
    weights = np.array([40, 40, 5, 10, 5]) ** temperature
    assert shares == pytest.approx(weights / weights.sum(), abs=0.02)


@pytest.mark.parametrize("labels", [LABELS, np.where(np.arange(100) % 3, LABELS, -1)])
def test_without_groups_cells_are_classes(labels):
    without = np.array([0, 81])
    drawn, expected = (
        sampler(labels, 0.5, without).draw(50, torch.Generator().manual_seed(0))
        for sampler in (CellBalancedSampler, ClassBalancedSampler)
    )
    assert all(torch.equal(a, b) for a, b in zip(drawn, expected, strict=True))


def test_cells_that_are_held_out_whole_are_not_drawn():
    held_out = np.flatnonzero((CELLS == (1, 0)).all(1))
    _, indices, _ = CellBalancedSampler(CELLS, without=held_out).draw(2000, torch.Generator().manual_seed(0))
    assert set(indices.tolist()) == set(range(100)) - set(held_out.tolist())


def test_what_a_sample_lacks_is_asked_for_all_the_same():
    cells = np.array([[0, 0], [1, 1], [1, -1], [-1, 1], [-1, -1]])
    asked, indices, known = CellBalancedSampler(cells).draw(2000, torch.Generator().manual_seed(0))
    assert torch.equal(known, torch.from_numpy(cells)[indices])
    assert asked[:, 0].min() == 0
    assert set(asked[indices == 3].unique(dim=0)[:, 0].tolist()) == {0, 1}
    assert set(asked[indices == 3][:, 1].tolist()) == {1}  # its own group, so that both of a pair are of one
    assert set(asked[indices == 2][:, 1].tolist()) == {-1}


@pytest.mark.parametrize("groups", [1, 3])
def test_cells_of_very_many_samples_are_those_that_occur(groups):
    rng, n = np.random.default_rng(0), 2**17 + 9
    conditions = np.stack([rng.integers(-1, 4, n), rng.integers(-1, groups, n)], axis=1).astype(np.int32)
    conditions[-1] = (9, 0)
    cells, of = cells_of(conditions)
    known = conditions[:, 0] >= 0
    assert np.array_equal(cells, np.unique(conditions[known], axis=0))
    assert np.array_equal(cells[of[known]], conditions[known])
    assert set(of[~known].tolist()) == {-1}
