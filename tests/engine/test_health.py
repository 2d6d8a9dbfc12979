"""Scripted failures: each is found, told with its threshold, and answered, and nothing else is."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from unchanged import Unchanged

from ganaug import Callback, RunOptions, TableGAN
from ganaug.engine import train
from ganaug.engine.callbacks.health import MIN_DIVERSITY, MIN_NEARNESS, Health
from ganaug.engine.callbacks.monitor import Monitor
from ganaug.engine.config import TrainingConfig
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.objectives.adversarial.config import AdversarialConfig
from ganaug.objectives.adversarial.objective import MAX_GAP, PENALISED, AdversarialObjective

LABELS = np.repeat([0, 1], 30)
REAL = torch.randn(60, 2, generator=torch.Generator().manual_seed(0)) + 4 * torch.from_numpy(LABELS)[:, None]


class Scripted(nn.Module):
    """A generator that draws what it is told to: a function of latents and labels."""

    def __init__(self, draw):
        super().__init__()
        self.draw, self.weight = draw, nn.Parameter(torch.zeros(()))

    def forward(self, latents, labels):
        return self.draw(latents, labels) + self.weight


class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))

    def forward(self, samples, labels):
        return samples @ self.weight


def healthy(latents, labels):
    return latents + 4 * labels[:, None]


def constant(latents, labels):
    return torch.where(labels[:, None] == 1, torch.full((), 4.0), healthy(latents, labels))


def copying(noise):
    """Real samples of the class, beside noise whose size a function gives."""

    def draw(latents, labels):
        chosen = labels * 30 + (latents[:, 0].abs() * 1e4).long() % 30
        return REAL[chosen] + noise() * latents

    return draw


class WithGap(AdversarialObjective):
    """Reports a logit gap that is a number, or a function of the step."""

    def __init__(self, gap, *arguments):
        super().__init__(*arguments)
        self.gap, self.taken = gap, []

    def step(self, kind, *tensors):
        gamma = tensors[4].item() if kind == PENALISED else None
        self.taken.append((self.optimizers["generator"].param_groups[0]["lr"], gamma))
        losses = super().step(kind, *tensors)
        losses[2] = self.gap(len(self.taken)) if callable(self.gap) else self.gap
        return losses


class Interrupted(Callback):
    """Ends a training after so many steps."""

    name = "interrupted"

    def __init__(self, at):
        self.at = at

    def on_step(self, state):
        if state.step == self.at:
            raise KeyboardInterrupt


def adversarial(draw, augment=None, augment_p=0.5, gap=0.5):
    return WithGap(gap, Scripted(draw), Judge(), AdversarialConfig(1.0, 1.0, 4, augment_p, 2), augment)


def run(draw, tmp_path, gap=0.5, mode="report", steps=250, augment_p=0.5):
    """Train for 250 steps."""
    config = TrainingConfig(steps, 4, 1e-4, 1e-4, 0.0)
    health = Health(LABELS, ["cat", "dog"], lambda i: REAL[i], config, mode)
    augment = Unchanged()
    trained = adversarial(draw, augment, augment_p, gap)
    state = train(
        trained,
        config,
        ClassBalancedSampler(LABELS),
        lambda i: REAL[i],
        torch.Generator().manual_seed(0),
        callbacks=[Monitor(config.steps, verbose=False, log_dir=tmp_path), health],
    )
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    events = [line for line in lines if "event" in line]
    assert [{"finding": e.pop("event"), **e} for e in events] == state.findings
    state.looks = health.looks
    return state, augment.asked, trained.taken


def test_a_healthy_run_has_no_findings_and_is_looked_at_four_times(tmp_path):
    state, _, _ = run(healthy, tmp_path)
    assert state.findings == []
    assert [look["step"] for look in state.looks] == [100, 150, 200, 250]
    for look in state.looks:
        for values in look["classes"].values():
            assert 0.7 < values["diversity"] < 1.4
            assert 0.3 < values["nearness"] < 2


def test_mode_collapse_is_found_in_its_class(tmp_path):
    state, _, _ = run(constant, tmp_path)
    assert {(f["finding"], f["class"], f["action"]) for f in state.findings} == {("mode_collapse", "dog", "reported")}
    assert [f["step"] for f in state.findings] == [100, 150, 200, 250]
    assert all(f["value"] < MIN_DIVERSITY == f["threshold"] for f in state.findings)


def test_mode_collapse_is_answered_by_a_larger_penalty_within_limits(tmp_path):
    state, _, steps = run(constant, tmp_path, mode="adapt", steps=500)
    assert [f["action"] for f in state.findings] == ["gamma times 2", "gamma times 4", "gamma times 8", "none left"]
    penalties = [gamma for _, gamma in steps if gamma]
    assert sorted(set(penalties)) == pytest.approx([4, 8, 16, 32])
    assert penalties == sorted(penalties)


def test_memorisation_is_found_where_samples_come_nearer_and_nearer(tmp_path):
    sizes = iter([1.0, 0.5, 0.04, 0.02])
    size = [1.0]

    def shrinking():
        return size[0]

    measure = Health.measure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Health, "measure", lambda *a: (size.__setitem__(0, next(sizes)), measure(*a))[1])
        state, _, _ = run(copying(shrinking), tmp_path)
    assert [(f["finding"], f["step"]) for f in state.findings] == [("memorisation", s) for s in (200, 200, 250, 250)]
    assert {f["class"] for f in state.findings} == {"cat", "dog"}
    assert all(f["value"] < MIN_NEARNESS == f["threshold"] for f in state.findings)


def test_exact_copies_are_at_distance_zero():
    config = TrainingConfig(200, 4, 1e-4, 1e-4, 0.0)
    measured = Health(LABELS, ["cat", "dog"], lambda i: REAL[i], config).measure(
        adversarial(copying(lambda: 0.0)).samples, 0
    )
    assert [values["nearness"] for values in measured.values()] == [0.0, 0.0]


def test_a_discriminator_that_has_won_is_found_after_three_readings(tmp_path):
    state, _, _ = run(healthy, tmp_path, gap=lambda step: 9.0 if step > 50 else 1.0, steps=350)
    assert [(f["finding"], f["step"]) for f in state.findings] == [("discriminator_collapse", s) for s in (200, 350)]
    assert all(f["value"] == pytest.approx(9) and f["threshold"] == MAX_GAP for f in state.findings)
    # Now and then a wide gap is none.
    state, _, _ = run(healthy, tmp_path, gap=lambda step: 9.0 if step % 100 < 50 else 1.0, steps=350)
    assert state.findings == []


def test_a_discriminator_that_has_won_is_answered_by_augmentation_then_by_the_learning_rate(tmp_path):
    state, seen, steps = run(healthy, tmp_path, gap=9.0, mode="adapt", steps=1200, augment_p=0.65)
    actions = [f["action"] for f in state.findings]
    assert actions[:2] == ["augment_p 0.75", "augment_p 0.8"]
    assert actions[2:5] == [f"learning rate times {0.5**n:g}" for n in (1, 2, 3)]
    assert set(actions[5:]) == {"none left"}
    assert seen[300] == pytest.approx(0.8)
    assert max(seen) == pytest.approx(0.8)
    assert steps[-1][0] == pytest.approx(1e-4 / 8)


def test_without_augmentation_the_learning_rate_is_lowered(tmp_path):
    state, _, _ = run(healthy, tmp_path, gap=9.0, mode="adapt", steps=200, augment_p=0.0)
    assert [f["action"] for f in state.findings] == ["learning rate times 0.5"]


def test_weights_that_are_not_finite_are_among_the_findings(tmp_path):
    state, _, _ = run(healthy, tmp_path / "a")
    assert state.findings == []
    with pytest.raises(AssertionError):  # told as "rollback" in the log, as ever
        run(healthy, tmp_path / "b", gap=lambda step: float("nan") if step == 70 else 1.0)
    lines = [json.loads(line) for line in (tmp_path / "b" / "metrics.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines if "event" in line] == ["rollback"]


def test_reporting_changes_nothing_that_is_learnt(tmp_path):
    weights = []
    for n, measure in enumerate((Health.measure, lambda *a: {})):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Health, "measure", measure)
            state, _, _ = run(constant, tmp_path / str(n))
        weights.append(state.objective.ema["generator"].weight)
    assert torch.equal(*weights)


def test_classes_too_small_or_without_differences_are_left_out():
    config = TrainingConfig(200, 4, 1e-4, 1e-4, 0.0)
    labels = np.repeat([0, 1, 2], [3, 10, 10])
    real = torch.cat([torch.randn(13, 2), torch.ones(10, 2)])
    health = Health(labels, "abc", lambda i: real[i], config)
    assert list(health.measure(adversarial(healthy).samples, 0)) == ["b"]
    assert Health(np.array([0, 1]), "ab", lambda i: real[i], config).measure(adversarial(healthy).samples, 0) == {}


def test_of_many_classes_the_rarest_are_looked_at():
    config = TrainingConfig(200, 4, 1e-4, 1e-4, 0.0)
    labels = np.repeat(np.arange(30), np.arange(5, 35))
    real = torch.randn(len(labels), 2)
    health = Health(labels, [str(c) for c in range(30)], lambda i: real[i], config)
    assert list(health.measure(adversarial(healthy).samples, 0)) == [str(c) for c in range(10)]


def test_findings_are_kept_with_the_model_and_across_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr("ganaug.engine.callbacks.health.MIN_DIVERSITY", 9.0)
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.repeat(["cat", "dog"], 20)
    options = {"steps": 200, "batch_size": 4, "members": 2, "width": 8, "random_state": 0, "verbose": False}
    whole = TableGAN(**options).fit(X, y)
    assert [(f["step"], f["class"]) for f in whole.health_] == [(s, c) for s in (100, 150, 200) for c in ("cat", "dog")]
    assert TableGAN.load(whole.save(tmp_path / "m")).health_ == whole.health_
    options |= {"run": RunOptions(health="adapt")}
    whole = TableGAN(**options).fit(X, y)
    options["run"] = RunOptions(health="adapt", checkpoint_dir=tmp_path / "c", checkpoint_every=20)
    with pytest.raises(KeyboardInterrupt):
        TableGAN(**options).set_params(run__callbacks=[Interrupted(130)]).fit(X, y)
    options["run"].set_params(callbacks=())
    resumed = TableGAN(**options).fit(X, y)
    assert resumed.health_ == whole.health_
    for name, tensor in resumed.tensors().items():
        assert torch.equal(tensor, whole.tensors()[name])


def of_class(asked):
    """Real samples, of the class that a function of the labels gives, beside a little noise."""

    def draw(latents, labels):
        chosen = asked(labels) * 30 + (latents[:, 0].abs() * 1e4).long() % 30
        return REAL[chosen] + 0.5 * latents

    return draw


@pytest.mark.parametrize("mode", ["report", "adapt"])
def test_samples_of_other_classes_than_asked_for_are_found_at_the_end(tmp_path, mode):
    state, _, steps = run(of_class(lambda labels: 1 - labels), tmp_path, mode=mode)
    (found,) = state.findings
    assert (found["finding"], found["step"], found["action"]) == ("class_inconsistency", 250, "reported")
    assert set(found["classes"]) == {"cat", "dog"}
    assert max(found["classes"].values()) < 0.1 < found["value"] + 0.4 < found["threshold"]
    assert {rate for rate, _ in steps} == {1e-4}


def test_a_generator_that_ignores_the_class_is_found_and_one_of_unlearnable_classes_is_not(tmp_path):
    ignoring = of_class(torch.zeros_like)
    state, _, _ = run(ignoring, tmp_path)
    assert [f["finding"] for f in state.findings] == ["class_inconsistency"]
    assert state.findings[0]["value"] == pytest.approx(0.5, abs=0.05)

    config = TrainingConfig(200, 4, 1e-4, 1e-4, 0.0)
    health = Health(np.tile([0, 1], 30), ["cat", "dog"], lambda i: REAL[i], config)  # labels at random
    assert not health.consistency(adversarial(ignoring).samples, 0).failed


def test_consistency_is_measured_of_every_class_that_has_two_real_samples():
    config = TrainingConfig(200, 4, 1e-4, 1e-4, 0.0)
    labels = np.repeat(np.arange(40), np.r_[1, np.full(39, 2)])
    real = torch.from_numpy(labels)[:, None] + torch.zeros(len(labels), 2)
    health = Health(labels, [str(c) for c in range(40)], lambda i: real[i], config)
    exact = adversarial(lambda latents, asked: asked[:, None] + 0.01 * latents)
    measured = health.consistency(exact.samples, 0)
    assert measured.classes == {str(c): 1.0 for c in range(1, 40)}
    assert measured.real == 1
    assert Health(labels[:3], "ab", lambda i: real[i], config).consistency(exact.samples, 0) is None
