import json
import signal

import numpy as np
import pytest
import torch
from torch import nn
from unchanged import Unchanged

from ganaug.engine import TrainingConfig, TrainingDiverged, loop, make_players, train
from ganaug.engine.callbacks.checkpoints import Checkpoints
from ganaug.engine.callbacks.monitor import Monitor
from ganaug.engine.distributed import DistributedContext
from ganaug.engine.label_embedding import ClassBalancedSampler

POINTS = torch.tensor([[0.0, 0.0], [4.0, 4.0]]).repeat_interleave(50, 0)


class ToyGenerator(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2, 2))
        self.noise = nn.Parameter(torch.eye(2) * 0.1)

    def forward(self, latents, labels):
        return self.mean[labels] + latents @ self.noise


class ToyDiscriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 2))
        self.square = nn.Parameter(torch.zeros(2))

    def forward(self, samples, labels):
        return (samples * self.weight[labels]).sum(1) + samples.square().sum(1) * self.square[labels]


def config(**changes):
    values = {
        "steps": 120,
        "batch_size": 16,
        "learning_rate": 1e-2,
        "final_learning_rate": 1e-3,
        "gamma": 0.1,
        "final_gamma": 0.01,
        "penalty_every": 4,
        "augment_p": 0.5,
        "label_temperature": 0.0,
        "latent_dim": 2,
    }
    return TrainingConfig(**{**values, **changes})


def run(players=None, augment=None, log_dir=None, options=(), **changes):
    players = players or make_players(ToyGenerator(), ToyDiscriminator())
    labels = np.repeat([0, 1], 50)
    cfg = config(**changes)
    with Monitor(cfg.steps, verbose=False, log_dir=log_dir) as monitor:
        history = train(
            players,
            cfg,
            ClassBalancedSampler(labels),
            lambda i: POINTS[i] + 0.1 * torch.randn(len(i), 2, generator=torch.Generator().manual_seed(int(i.sum()))),
            augment or Unchanged(),
            torch.Generator().manual_seed(0),
            monitor,
            **dict(options),
        ).history
    return players, history


def test_generator_finds_the_mean_of_each_class():
    players, _ = run(steps=1500, learning_rate=2e-2)
    assert torch.allclose(players.average.mean, torch.tensor([[0.0, 0.0], [4.0, 4.0]]), atol=0.5)


def test_readings_come_every_50_steps_and_at_the_end():
    _, history = run()
    assert [entry["step"] for entry in history] == [50, 100, 120]
    assert all(np.isfinite(list(entry.values())).all() for entry in history)


def test_same_seed_same_weights():
    first, second = (run()[0] for _ in range(2))
    for a, b in zip(first.average.parameters(), second.average.parameters(), strict=True):
        assert torch.equal(a, b)


def test_average_follows_the_generator_but_is_not_it():
    players, _ = run(steps=60)
    assert not torch.equal(players.average.mean, players.generator.mean)
    assert (players.average.mean - players.generator.mean).abs().max() < 1.0


def test_augmentation_probability_ramps_up():
    augment = Unchanged()
    run(augment=augment, steps=100)
    seen = augment.asked
    assert seen[0] == 0.0
    assert seen[10] == pytest.approx(0.25)
    assert seen[20:] == [0.5] * 80


def test_penalty_is_lazy_and_weighted(monkeypatch):
    weights = []
    step = loop.adversarial_step
    monkeypatch.setattr(loop, "adversarial_step", lambda *a: (weights.append(a[5]), step(*a))[1])
    run(steps=10, final_gamma=0.1)
    assert weights == [pytest.approx(0.4) if step % 4 == 0 else None for step in range(10)]


def poisoned_step(monkeypatch, at):
    """Make the weights infinite in the calls named."""
    calls = []
    step = loop.adversarial_step

    def poisoned(players, *rest):
        losses = step(players, *rest)
        calls.append(1)
        if len(calls) in at:
            with torch.no_grad():
                players.generator.mean.fill_(float("nan"))
        return losses

    monkeypatch.setattr(loop, "adversarial_step", poisoned)


def test_nan_goes_back_to_the_last_good_state_with_a_lower_rate(monkeypatch, tmp_path):
    poisoned_step(monkeypatch, at={70})
    players, history = run(log_dir=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    events = [line for line in lines if "event" in line]
    assert [(e["event"], e["step"], e["to_step"]) for e in events] == [("rollback", 100, 50)]
    assert [entry["step"] for entry in history] == [50, 100, 120]
    # Half of what the cosine schedule gives for the step before the reading.
    assert history[1]["learning_rate"] == pytest.approx(loop.cosine(1e-2, 1e-3, 99 / 120) / 2)
    assert players.average.mean.isfinite().all()


def test_three_rollbacks_are_survived_and_a_fourth_is_an_error(monkeypatch):
    poisoned_step(monkeypatch, at={1, 51, 101})
    players, history = run()
    assert history[-1]["step"] == 120
    assert players.generator.mean.isfinite().all()
    poisoned_step(monkeypatch, at={1, 51, 101, 151})
    with pytest.raises(TrainingDiverged, match="not finite before step 50, 4 times"):
        run()


class Pretended(DistributedContext):
    """One of two that need not talk to each other, but are asked whether they agree."""

    def share(self, rows, parts=1):
        return rows

    def start_alike(self, players):
        pass

    def average(self, tensors):
        pass

    def any(self, flag, device):
        self.asked.append(flag)
        return flag


@pytest.fixture(params=[0, 1])
def pretended(request, monkeypatch):
    monkeypatch.setattr(Pretended, "asked", [], raising=False)
    return Pretended(request.param, 2)


def test_several_processes_ask_each_other_every_ten_steps_only(pretended, tmp_path):
    """And at readings, and where all of them know that a checkpoint is due."""
    run(options={"checkpoints": Checkpoints(tmp_path / "auto"), "processes": pretended})
    assert pretended.asked == [False] * 11 + [pretended.first]
    pretended.asked.clear()
    run(options={"checkpoints": Checkpoints(tmp_path / "set", every=25), "processes": pretended}, steps=60)
    assert pretended.asked == [pretended.first and due for due in (False, False, True, False, False, True, True)]


def test_when_a_checkpoint_is_due_the_first_of_several_processes_says(pretended, tmp_path, monkeypatch):
    """The clocks of the others, which write none, say so from the first minute on."""
    monkeypatch.setattr("ganaug.engine.callbacks.checkpoints.AUTO_SECONDS", 0.0)
    monkeypatch.setattr("ganaug.engine.callbacks.checkpoints.AUTO_SHARE", 1e9)
    run(options={"checkpoints": Checkpoints(tmp_path), "processes": pretended})
    assert any(pretended.asked) == pretended.first


def test_a_signal_waits_until_all_processes_can_act_on_it(pretended, tmp_path, monkeypatch):
    step, calls = loop.adversarial_step, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 13:
            signal.raise_signal(signal.SIGINT)
        return step(*arguments)

    monkeypatch.setattr(loop, "adversarial_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(options={"checkpoints": Checkpoints(tmp_path), "processes": pretended})
    assert len(calls) == 20
    assert pretended.asked == [False, True]
    assert [path.name.split("-")[2] for path in tmp_path.iterdir()] == ["step20"] * pretended.first


def test_metrics_are_json_lines_and_tensorboard_scalars(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, history = run(log_dir=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == history
    board = EventAccumulator(str(tmp_path)).Reload()
    assert [s.step for s in board.Scalars("discriminator_loss")] == [50, 100, 120]
