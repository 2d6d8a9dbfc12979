import copy
import dataclasses
import json
import signal

import numpy as np
import pytest
import torch
from torch import nn
from unchanged import Unchanged

from ganaug.engine import Callback, TrainingConfig, TrainingDiverged, loop, train
from ganaug.engine.callbacks.checkpoints import Checkpoints
from ganaug.engine.callbacks.monitor import Monitor
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.objectives.adversarial.config import AdversarialConfig
from ganaug.objectives.adversarial.objective import PENALISED, AdversarialObjective

POINTS = torch.tensor([[0.0, 0.0], [4.0, 4.0]]).repeat_interleave(50, 0)


FIXED = {"penalty_every": 4, "augment_p": 0.5, "latent_dim": 2}


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
        "label_temperature": 0.0,
    }
    return TrainingConfig(**{**values, **changes})


class Watched(AdversarialObjective):
    """Keeps the weights of its penalties, and makes the weights of its generator infinite in the calls named."""

    def __init__(self, *arguments, poisoned=()):
        super().__init__(*arguments)
        self.poisoned, self.penalties = poisoned, []

    def step(self, kind, *tensors):
        self.penalties.append(tensors[4].item() if kind == PENALISED else None)
        losses = super().step(kind, *tensors)
        if len(self.penalties) in self.poisoned:
            with torch.no_grad():
                self.networks["generator"].mean.fill_(float("nan"))
        return losses


def adversarial(augment=None, poisoned=(), **changes):
    config = AdversarialConfig(**{"gamma": 0.1, "final_gamma": 0.01, **changes}, **FIXED)
    return Watched(ToyGenerator(), ToyDiscriminator(), config, augment or Unchanged(), poisoned=poisoned)


def run(trained=None, log_dir=None, callbacks=(), processes=ALONE, **changes):
    trained = trained or adversarial()
    labels = np.repeat([0, 1], 50)
    cfg = config(**changes)
    state = train(
        trained,
        cfg,
        ClassBalancedSampler(labels),
        lambda i: POINTS[i] + 0.1 * torch.randn(len(i), 2, generator=torch.Generator().manual_seed(int(i.sum()))),
        torch.Generator().manual_seed(0),
        callbacks=[Monitor(cfg.steps, verbose=False, log_dir=log_dir), *callbacks],
        processes=processes,
    )
    return trained, state.history


def test_generator_finds_the_mean_of_each_class():
    trained, _ = run(steps=1500, learning_rate=2e-2)
    assert torch.allclose(trained.ema["generator"].mean, torch.tensor([[0.0, 0.0], [4.0, 4.0]]), atol=0.5)


def test_readings_come_every_50_steps_and_at_the_end():
    _, history = run()
    assert [entry["step"] for entry in history] == [50, 100, 120]
    assert all(np.isfinite(list(entry.values())).all() for entry in history)


def test_same_seed_same_weights():
    first, second = (run()[0] for _ in range(2))
    for a, b in zip(first.ema["generator"].parameters(), second.ema["generator"].parameters(), strict=True):
        assert torch.equal(a, b)


def test_average_follows_the_generator_but_is_not_it():
    trained, _ = run(steps=60)
    assert not torch.equal(trained.ema["generator"].mean, trained.networks["generator"].mean)
    assert (trained.ema["generator"].mean - trained.networks["generator"].mean).abs().max() < 1.0


def test_augmentation_probability_ramps_up():
    augment = Unchanged()
    run(adversarial(augment), steps=100)
    seen = augment.asked
    assert seen[0] == 0.0
    assert seen[10] == pytest.approx(0.25)
    assert seen[20:] == [0.5] * 80


def test_penalty_is_lazy_and_weighted():
    trained, history = run(adversarial(final_gamma=0.1), steps=10)
    assert trained.penalties == [pytest.approx(0.4) if step % 4 == 0 else None for step in range(10)]
    assert history[0]["gradient_penalty"] > 0


def test_nan_goes_back_to_the_last_good_state_with_a_lower_rate(tmp_path):
    trained, history = run(adversarial(poisoned={70}), log_dir=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    events = [line for line in lines if "event" in line]
    assert [(e["event"], e["step"], e["to_step"]) for e in events] == [("rollback", 100, 50)]
    assert [entry["step"] for entry in history] == [50, 100, 120]
    # Half of what the cosine schedule gives for the step before the reading.
    assert history[1]["learning_rate"] == pytest.approx(loop.cosine(1e-2, 1e-3, 99 / 120) / 2)
    assert trained.ema["generator"].mean.isfinite().all()


def test_three_rollbacks_are_survived_and_a_fourth_is_an_error():
    trained, history = run(adversarial(poisoned={1, 51, 101}))
    assert history[-1]["step"] == 120
    assert trained.networks["generator"].mean.isfinite().all()
    with pytest.raises(TrainingDiverged, match="not finite before step 50, 4 times"):
        run(adversarial(poisoned={1, 51, 101, 151}))


@dataclasses.dataclass(frozen=True)
class Pretended(DistributedContext):
    """One of two that need not talk to each other, but are asked whether they agree."""

    asked: list = dataclasses.field(default_factory=list)

    def share(self, rows, parts=1):
        return rows

    def start_alike(self, networks, optimizers):
        pass

    def average(self, tensors):
        pass

    def any(self, flag):
        self.asked.append(flag)
        return flag


@pytest.fixture(params=[0, 1])
def pretended(request):
    return Pretended(request.param, 2)


def test_several_processes_ask_each_other_every_ten_steps_only(pretended, tmp_path):
    """And at readings, where a callback may end the training, and where all of them know that a checkpoint is due."""
    run(callbacks=[Checkpoints(tmp_path / "auto")], processes=pretended)
    assert pretended.asked == [False] * 13 + [pretended.first]
    pretended.asked.clear()
    run(callbacks=[Checkpoints(tmp_path / "set", every=25)], processes=pretended, steps=60)
    assert pretended.asked == [pretended.first and due for due in (False, False, True, False, False, False, True, True)]


def test_when_a_checkpoint_is_due_the_first_of_several_processes_says(pretended, tmp_path, monkeypatch):
    """The clocks of the others, which write none, say so from the first minute on."""
    monkeypatch.setattr("ganaug.engine.callbacks.checkpoints.AUTO_SECONDS", 0.0)
    monkeypatch.setattr("ganaug.engine.callbacks.checkpoints.AUTO_SHARE", 1e9)
    run(callbacks=[Checkpoints(tmp_path)], processes=pretended)
    assert any(pretended.asked) == pretended.first


class Signalled(Callback):
    """Sends this process SIGINT after 13 steps."""

    name = "signalled"

    def on_step(self, state):
        self.steps = state.step
        if state.step == 13:
            signal.raise_signal(signal.SIGINT)


def test_a_signal_waits_until_all_processes_can_act_on_it(pretended, tmp_path):
    signalled = Signalled()
    with pytest.raises(KeyboardInterrupt):
        run(callbacks=[signalled, Checkpoints(tmp_path)], processes=pretended)
    assert signalled.steps == 20
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


class Diary(Callback):
    """Takes down what it is told, and asks for the end at a step."""

    name = "diary"

    def __init__(self, stop_at=None):
        self.told, self.stop_at = [], stop_at

    def on_begin(self, state):
        self.told.append(("begin", state.step))

    def on_step(self, state):
        if state.step == self.stop_at:
            state.stop()

    def on_reading(self, state):
        self.told.append(("reading", state.history[-1]["step"]))

    def on_event(self, name, **values):
        self.told.append((name, values["step"]))

    def on_end(self, state):
        self.told.append(("end", state.ended))

    def state_dict(self):
        return {"told": self.told, "seen": torch.tensor(len(self.told))}

    def load_state_dict(self, state):
        self.told = [tuple(entry) for entry in state["told"]]
        assert state["seen"] == len(self.told)


def test_a_callback_is_called_for_everything():
    diary = Diary()
    run(adversarial(poisoned={70}), callbacks=[diary])
    told = [("begin", 0), ("reading", 50), ("rollback", 100), ("reading", 100), ("reading", 120), ("end", True)]
    assert diary.told == told
    diary = Diary()
    with pytest.raises(TrainingDiverged):
        run(adversarial(poisoned={1, 51, 101, 151}), callbacks=[diary])
    assert diary.told[-1] == ("end", False)


def test_a_callback_changes_nothing_and_may_end_the_training(tmp_path):
    whole, _ = run()
    watched, history = run(callbacks=[Diary()])
    assert torch.equal(watched.ema["generator"].mean, whole.ema["generator"].mean)
    assert [entry["step"] for entry in history] == [50, 100, 120]
    for stop_at, end in ((50, 100), (51, 100), (49, 50)):
        _, history = run(callbacks=[Diary(stop_at)])
        assert history[-1]["step"] == end
    # A training that was ended is not resumed.
    stopped, _ = run(callbacks=[Diary(1), Checkpoints(tmp_path)])
    again, history = run(callbacks=[Checkpoints(tmp_path)])
    assert [entry["step"] for entry in history] == [50]
    assert torch.equal(again.ema["generator"].mean, stopped.ema["generator"].mean)


def test_the_state_of_a_callback_is_in_the_checkpoint(tmp_path):
    run(callbacks=[Diary(), Checkpoints(tmp_path, every=70)])
    max(tmp_path.iterdir()).unlink()  # that of step 120
    diary = Diary()
    run(callbacks=[diary, Checkpoints(tmp_path)])
    told = [("begin", 0), ("reading", 50), ("begin", 70), ("reading", 100), ("reading", 120), ("end", True)]
    assert diary.told == told


def test_numbers_of_numpy_go_through_a_checkpoint_and_what_cannot_is_named_before_training(tmp_path):
    class Kept(Callback):
        name, kept = "kept", None

        def __init__(self, own):
            self.own = own

        def state_dict(self):
            return {"own": self.own}

        def load_state_dict(self, state):
            self.kept = state["own"]
            if self.own == "fails":
                raise KeyError("lost")

    own = {"best": np.float32(0.5), "steps": (np.int64(3), np.bool_(True), None)}
    run(callbacks=[Kept(own), Checkpoints(tmp_path / "a", every=70)])
    again = Kept(own)
    run(callbacks=[again, Checkpoints(tmp_path / "a")])
    assert again.kept == {"best": 0.5, "steps": [3, True, None]}
    with pytest.raises(
        ValueError, match=r"cannot load \(load_state_dict of the callback 'kept' failed with KeyError: 'lost'"
    ):
        run(callbacks=[Kept("fails"), Checkpoints(tmp_path / "a")])
    for strange in (np.zeros(2), [{1: 2}], {"deep": {3}}):
        diary = Diary()
        with pytest.raises(
            TypeError, match=r"the callback 'kept' has .* in its state under 'own', which a checkpoint cannot"
        ):
            run(callbacks=[diary, Kept(strange), Checkpoints(tmp_path / "b")])
        assert diary.told == [("begin", 0), ("end", False)]


def test_two_callbacks_of_one_name_are_refused():
    with pytest.raises(ValueError, match="callbacks must have names of their own"):
        run(callbacks=[Diary(), Diary()])


class Regression:
    """An objective that is not adversarial: points by class, learnt by least squares, with a buffer that moves."""

    loss_names, period = ("loss",), 1

    def __init__(self):
        network = nn.Embedding(2, 2)
        network.register_buffer("seen", torch.zeros(()))
        network.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.networks, self.ema = {"points": network}, {"points": copy.deepcopy(network).requires_grad_(False)}
        self.optimizers = {"points": torch.optim.Adam(network.parameters(), lr=0.0, fused=True)}

    def draw(self, batch, step, progress, randomness):
        return "only", [batch.samples, batch.labels]

    def step(self, kind, samples, labels):
        network = self.networks["points"]
        loss = (network(labels) - samples).square().mean()
        self.optimizers["points"].zero_grad()
        loss.backward()
        self.optimizers["points"].step()
        network.seen += 1
        network.count += 1
        return loss.detach()[None]

    def means(self, sums, kinds):
        return {"loss": sums.item() / kinds["only"]}

    def summary(self, means):
        return f"{means['loss']:.3f}"

    def samples(self, labels, batch_size, randomness):
        return self.ema["points"](labels)

    def findings(self, history, found):
        return []

    def answer(self, finding):
        return None

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def test_the_engine_trains_what_is_not_adversarial_and_resumes_it(tmp_path):
    torch.manual_seed(0)
    first = Regression()
    same, other = copy.deepcopy(first), copy.deepcopy(first)
    _, history = run(first, steps=300, learning_rate=0.1)
    assert history[-1]["loss"] < 0.05 < history[0]["loss"]
    average = first.ema["points"]
    assert torch.allclose(average.weight, torch.tensor([[0.0, 0.0], [4.0, 4.0]]), atol=0.2)
    assert 250 < average.seen < 300 == average.count
    run(same, steps=300, learning_rate=0.1, callbacks=[Checkpoints(tmp_path, every=70)])
    max(tmp_path.iterdir()).unlink()
    run(other, steps=300, learning_rate=0.1, callbacks=[Checkpoints(tmp_path)])
    for name, tensor in other.ema["points"].state_dict().items():
        assert torch.equal(tensor, average.state_dict()[name])
