"""The any-order objective and its network, against enumeration of a tiny grid of rows."""

import itertools

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from ganaug.data.tables.layout import RowLayout
from ganaug.engine.layers import initialise
from ganaug.generators.tables.autoregressive_networks import AnyOrderNetwork, AutoregressiveArchitecture
from ganaug.objectives.autoregressive import AnyOrderObjective, AutoregressiveConfig, any_order_loss

# A number of three values that may be missing, a block of three levels, and a number of two values.
LAYOUT = RowLayout(2, blocks=(2, 3), gates=(0, -1))
NUMBERS = [(-1.0, 1, 0), (0.0, 1, 0), (0.5, 1, 0), (0.0, 0, 1)]
GRID = [
    [number, other, present, missing, *np.eye(3)[level]]
    for (number, present, missing), other, level in itertools.product(NUMBERS, (-0.5, 0.5), range(3))
]
ROWS = torch.tensor(GRID, dtype=torch.float32)


def network(n_groups=0, temperature=1.0):
    arch = AutoregressiveArchitecture(LAYOUT, n_classes=2, bins=4, width=8, n_groups=n_groups)
    made = AnyOrderNetwork(arch)
    rng = np.random.default_rng(0)
    chosen = np.concatenate([np.arange(len(GRID)), rng.integers(len(GRID), size=60)])
    groups = np.arange(len(chosen)) % n_groups if n_groups else None
    made.set_statistics(ROWS.numpy()[chosen], np.arange(len(chosen)) % 2, groups)
    initialise(made, torch.Generator().manual_seed(1))
    with torch.no_grad():
        made.out.weight.mul_(20)  # so that columns tell much of each other
    made.temperature = temperature
    return made


@pytest.mark.parametrize(("n_groups", "condition"), [(0, 1), (3, [1, 2]), (3, [0, -1]), (3, [-1, 1])])
@torch.no_grad()
def test_probabilities_of_all_rows_sum_to_one_and_are_those_of_samples(n_groups, condition):
    made = network(n_groups)
    conditions = torch.tensor([condition] * len(ROWS))
    exact = made.log_density(ROWS, conditions).exp()
    assert exact.sum().item() == pytest.approx(1, abs=1e-5)
    levels, found = made.discretise(ROWS), torch.zeros(len(made.orders), len(ROWS))
    for k, order in enumerate(made.orders):
        known = torch.zeros(len(ROWS), made.n_columns, dtype=torch.bool)
        for column in order:
            log_p = made.logits(levels, known, conditions)[:, column].log_softmax(1)
            found[k] += log_p.gather(1, levels[:, column, None])[:, 0]
            known[:, column] = True
    torch.testing.assert_close(exact, found.exp().mean(0))  # what is trained is what rows are drawn and scored by
    n = 20_000
    noise = torch.randn(n, made.arch.noise_dim, generator=torch.Generator().manual_seed(0))
    drawn = made(noise, conditions[:1].repeat_interleave(n, 0))
    found = (drawn[:, None] == ROWS).all(2)
    assert found.any(1).all()  # nothing is drawn that is no row of the grid
    assert (found.float().mean(0) - exact).abs().max() < 4 * (0.25 / n) ** 0.5


@torch.no_grad()
def test_the_loss_is_the_likelihood_averaged_over_all_orders():
    made, conditions = network(), torch.zeros(len(ROWS), dtype=torch.int64)
    levels = made.discretise(ROWS)
    columns = range(made.n_columns)
    expected = torch.zeros(len(ROWS))
    for order in itertools.permutations(columns):
        for place, column in enumerate(order):
            known = torch.tensor([d in order[:place] for d in columns]).expand(len(ROWS), -1)
            log_p = made.logits(levels, known, conditions)[:, column].log_softmax(1)
            expected -= log_p.gather(1, levels[:, column, None])[:, 0] / 6
    found = torch.zeros(len(ROWS))
    for size in columns:
        sets = list(itertools.combinations(columns, size))
        for chosen in sets:
            known = torch.tensor([d in chosen for d in columns]).expand(len(ROWS), -1)
            found += any_order_loss(made.logits(levels, known, conditions), levels, known) / len(sets) / 3
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_a_low_temperature_draws_the_likeliest_level_and_what_is_known_stays():
    made = network(temperature=0.01)
    known = torch.zeros(len(ROWS), 3, dtype=torch.bool)
    known[:, 0] = True
    noise = torch.randn(len(ROWS), made.arch.noise_dim, generator=torch.Generator().manual_seed(0))
    conditions = torch.zeros(len(ROWS), dtype=torch.int64)
    drawn = made.complete(ROWS, known, noise, conditions)
    assert torch.equal(drawn[:, [0, 2, 3]], ROWS[:, [0, 2, 3]])
    same = (drawn[:, None, [0, 2]] == drawn[None, :, [0, 2]]).all(2)
    of_order = (torch.special.ndtr(noise[:, 0]) * 4).long()
    same &= of_order[:, None] == of_order
    assert (drawn[:, None] == drawn)[same].all()
    never = torch.tensor([made.arch.bins, -1, -1])
    present = made.complete(ROWS, known & False, noise, conditions, never)
    assert present[:, 3].sum() == 0


class NoNumbersOfTheHost(TorchFunctionMode):
    """Refuses tensors made of lists, which a GPU would wait for and a CUDA graph cannot hold."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        assert func not in (torch.tensor, torch.as_tensor), "a step waits for the host"
        return func(*args, **(kwargs or {}))


def test_steps_leave_out_class_and_group_and_lower_the_loss():
    made = network(n_groups=3)
    objective = AnyOrderObjective(made, AutoregressiveConfig(weight_decay=0.0, marginal_share=0.5))
    randomness = torch.Generator().manual_seed(0)
    objective.optimizers["generator"].param_groups[0]["lr"] = 0.01
    places = torch.arange(240) % len(ROWS)
    conditions = torch.stack([(places >= 12).long(), places % 3], 1)
    batch = type("Batch", (), {"samples": ROWS[places], "labels": conditions, "known_labels": conditions})
    losses = []
    for step in range(60):
        kind, (rows, known, asked) = objective.draw(batch, step, 0.0, randomness)
        assert not known.all(1).any()
        left_out = (asked == -1).float().mean(0)
        assert (left_out - 0.25).abs().max() < 0.15
        assert not (asked == -1).all(1).any()
        with NoNumbersOfTheHost():
            losses.append(objective.step(kind, rows, known, asked).item())
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
