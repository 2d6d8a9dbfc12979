"""The training loop: schedules, moving average, health and bookkeeping around the step."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from ganaug.data.json_values import clip, whole
from ganaug.engine.callbacks.checkpoints import Checkpoints
from ganaug.engine.callbacks.health import Health
from ganaug.engine.callbacks.monitor import Monitor
from ganaug.engine.callbacks.validation import Selection
from ganaug.engine.config import PRECISIONS, TrainingConfig, cosine
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.graphs import Eager
from ganaug.engine.interrupts import Interrupts
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.engine.state import TrainingState
from ganaug.objectives.adversarial.augment import Augmentation
from ganaug.objectives.adversarial.step import Players, adversarial_step

__all__ = ["TrainingConfig", "TrainingDiverged", "make_players", "one_step", "train"]

ADAM_EPSILON = 1e-8
CHECK_EVERY = 50  # steps between two readings of the losses
AGREE_EVERY = 10  # steps between two times that several processes ask each other for signals, which a GPU waits for
MAX_ROLLBACKS = 3
ROLLBACK_FACTOR = 0.5  # of the learning rate
AUGMENT_RAMP = 0.2  # share of the training over which augmentation reaches its probability
EMA_RAMP = 0.05  # half-life as a share of the images seen so far
EMA_MOST = 0.02  # and at most as a share of all images


class TrainingDiverged(RuntimeError):  # noqa: N818 - the name users know from Lightning and Keras
    """Losses became infinite or NaN again and again, in spite of lower learning rates."""


def make_players(generator: nn.Module, discriminator: nn.Module, *, recorded: bool = False) -> Players:
    """Add optimisers and a moving average to two networks that are on their device.

    For steps that are recorded, the optimisers keep their learning rate in memory of the device.
    """

    def adam(network: nn.Module) -> torch.optim.Optimizer:
        weights = list(network.parameters())
        rate = torch.zeros((), device=weights[0].device) if recorded else 0.0
        return torch.optim.Adam(weights, lr=rate, betas=(0.0, 0.9), eps=ADAM_EPSILON, fused=True, capturable=recorded)

    average = copy.deepcopy(generator).requires_grad_(False)
    return Players(generator, discriminator, average, adam(generator), adam(discriminator))


def _set_learning_rate(players: Players, value: float) -> None:
    for optimizer in (players.generator_optimizer, players.discriminator_optimizer):
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value


@torch.no_grad()
def _update_average(players: Players, config: TrainingConfig, step: int) -> None:
    seen = step * config.batch_size
    half_life = min(EMA_RAMP * seen, EMA_MOST * config.steps * config.batch_size)
    keep = 0.5 ** (config.batch_size / max(half_life, 1e-8))
    torch._foreach_lerp_(list(players.average.parameters()), list(players.generator.parameters()), 1 - keep)


def _healthy(players: Players, losses: Tensor) -> bool:
    weights = [*players.generator.parameters(), *players.discriminator.parameters()]
    finite = torch.stack([w.isfinite().all() for w in weights]).all()
    return bool(finite) and bool(losses.isfinite().all())


class _Clock:
    """Time since the run began, and since the last reading or rollback."""

    def __init__(self, state: TrainingState) -> None:
        self._began = time.perf_counter() - state.seconds
        self.restart(state.step)

    def restart(self, step: int) -> None:
        self._last_time, self._last_step = time.perf_counter(), step

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def steps_per_second(self, step: int) -> float:
        return (step - self._last_step) / max(time.perf_counter() - self._last_time, 1e-9)


def _go_on(state: TrainingState, checkpoints: Checkpoints, steps: int) -> int:
    """Take up the state that was found, if there is one, and return how many lines the log had then."""
    if checkpoints.found is None:
        return 0
    tensors, values = checkpoints.found
    try:
        state.load(tensors, values)
        if state.step >= steps and not state.history:
            raise ValueError("a finished run has a history")
        return whole(values["log_lines"], "log_lines", 0, 2**53)
    except (LookupError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(
            f"checkpoint_dir {checkpoints.folder} holds a state that is not one of these networks "
            f"({clip(str(error), 200)}); choose another folder"
        ) from None


def train(
    players: Players,
    config: TrainingConfig,
    sampler: ClassBalancedSampler,
    real_samples: Callable[[Tensor], Tensor],
    augment: Augmentation,
    generator: Generator,
    monitor: Monitor,
    *,
    checkpoints: Checkpoints | None = None,
    health: Health | None = None,
    selection: Selection | None = None,
    processes: DistributedContext = ALONE,
    runner: Eager | None = None,
) -> TrainingState:
    """Run the adversarial step `config.steps` times.

    Every 50 steps the losses and weights are looked at. If they are finite, the state is kept;
    if not, training goes back to the state kept last and on with half the learning rate.

    Parameters
    ----------
    players : Players
        From :func:`make_players`; changed in place.
    config : TrainingConfig
    sampler : ClassBalancedSampler
        Over the labels of the real samples.
    real_samples : callable
        Takes int64 indices of shape (batch,) on the CPU, returns those real samples on the networks' device,
        scaled as the generator's output.
    augment : Augmentation
        In front of the discriminator.
    generator : torch.Generator
        On the CPU; source of all randomness here, and of that in `real_samples` and `augment`.
    monitor : Monitor
        Told of every reading.
    checkpoints : Checkpoints, optional
        Where the state is written to, and what an earlier run is gone on with from; the run was described to it.
        SIGINT and SIGTERM then wait until the step at hand is done and a checkpoint is written; with several processes,
        up to ten steps.
    health : Health, optional
        Looks at the run after readings.
    selection : Selection, optional
        Chooses the moving average that the players end with; without it, that is the last.
    processes : DistributedContext, optional
        Those that share each batch; all of them call this with equal arguments.
    runner : Eager, optional
        What calls the steps on the device of `players`, which must be made to be recorded if it does so.

    Returns
    -------
    TrainingState
        Its history has one entry per reading: step, losses, logit gap, penalty, learning rate, images per second,
        seconds. Its findings say what went wrong and what was done about it.

    Raises
    ------
    TrainingDiverged
        After going back three times.
    """
    processes.start_alike(players)
    state = TrainingState(players, generator)
    runner = runner or Eager(state.sums.device)
    monitor.begin(state.step, 0 if checkpoints is None else _go_on(state, checkpoints, config.steps))
    clock = _Clock(state)

    def save() -> None:
        processes.average([state.sums])
        tensors, values = state.dump()
        if checkpoints is not None and processes.first:
            checkpoints.save(state.step, tensors, {**values, "seconds": clock.seconds, "log_lines": monitor.lines})

    agree_every = 1 if processes.count == 1 else AGREE_EVERY
    with Interrupts(enabled=checkpoints is not None) as interrupts:
        while state.step < config.steps:
            rate = one_step(state, config, sampler, real_samples, augment, processes, runner)
            reading = state.step % CHECK_EVERY == 0 or state.step == config.steps
            if reading:
                processes.average([state.sums])
                if not _take_reading(state, config, rate, clock, monitor, health, selection):
                    runner.forget()
            if checkpoints is not None:
                due = checkpoints.due(state.step, reading=reading) or state.step == config.steps
                # Processes differ in what is due at readings only, where their clocks tell it; the first one's counts.
                if due or reading or state.step % agree_every == 0:
                    if processes.any((due and processes.first) or interrupts.caught, state.sums.device):
                        save()
                    interrupts.deliver()
    if state.best:
        players.average.load_state_dict(state.best)
    for optimizer in (players.generator_optimizer, players.discriminator_optimizer):
        optimizer.zero_grad()  # which frees memory
    return state


def one_step(
    state: TrainingState,
    config: TrainingConfig,
    sampler: ClassBalancedSampler,
    real_samples: Callable[[Tensor], Tensor],
    augment: Augmentation,
    processes: DistributedContext = ALONE,
    runner: Eager | None = None,
) -> float:
    """Take one step by the schedules, and return its learning rate; the rest is as for :func:`train`."""
    progress = state.step / max(1, config.steps)
    rate = state.scale * cosine(config.learning_rate, config.final_learning_rate, progress)
    _set_learning_rate(state.players, rate)
    penalised = config.gamma > 0 and state.step % config.penalty_every == 0
    gamma = state.penalty_factor * cosine(config.gamma, config.final_gamma, progress) * config.penalty_every
    p = (config.augment_p + state.augment_extra) * min(1.0, progress / AUGMENT_RAMP)

    labels, indices, judged = sampler.draw(config.batch_size, state.randomness)
    real = real_samples(processes.share(indices))
    latents = torch.randn(config.batch_size, config.latent_dim, generator=state.randomness)
    parts = (processes.share(part) for part in (labels, latents, judged))
    inputs = (real, *parts, torch.tensor(gamma), *augment.draw(2 * len(real), p))

    def step(real: Tensor, labels: Tensor, latents: Tensor, judged: Tensor, gamma: Tensor, *numbers: Tensor) -> Tensor:
        return adversarial_step(
            state.players,
            real,
            labels,
            latents,
            lambda samples: augment.apply(samples, numbers),
            gamma if penalised else None,
            judged,
            PRECISIONS[config.precision],
        )

    runner = runner or Eager(state.sums.device)
    state.sums += runner(step, inputs, penalised)
    state.penalties += penalised
    state.step += 1
    _update_average(state.players, config, state.step)
    return rate


def _take_reading(
    state: TrainingState,
    config: TrainingConfig,
    rate: float,
    clock: _Clock,
    monitor: Monitor,
    health: Health | None,
    selection: Selection | None,
) -> bool:
    """Keep the state if it is healthy, and go back to the one kept last if it is not; return which."""
    healthy = _healthy(state.players, state.sums)
    if healthy:
        taken = state.step - state.good_step
        d_loss, g_loss, gap, penalty = (state.sums / taken).tolist()
        state.history.append(
            {
                "step": state.step,
                "discriminator_loss": d_loss,
                "generator_loss": g_loss,
                "logit_gap": gap,
                "gradient_penalty": penalty * taken / max(1, state.penalties),
                "learning_rate": rate,
                "images_per_second": clock.steps_per_second(state.step) * config.batch_size,
                "seconds": clock.seconds,
            }
        )
        monitor.reading(state.history[-1], state.players.average)
        if health is not None:
            health.attend(state, monitor)
        if selection is not None:
            selection.attend(state)
        state.keep()
    else:
        state.rollbacks += 1
        if state.rollbacks > MAX_ROLLBACKS:
            raise TrainingDiverged(
                f"the losses were not finite before step {state.step}, {state.rollbacks} times in spite of going back "
                f"to the last good state with a lower learning rate; try a learning_rate below {rate:.2g} or a larger "
                "gamma"
            )
        state.scale *= ROLLBACK_FACTOR
        lower = rate * ROLLBACK_FACTOR
        action = f"back to step {state.good_step}, learning rate {lower:.2g}"
        state.findings.append({"finding": "not_finite", "step": state.step, "action": action})
        monitor.event("rollback", step=state.step, to_step=state.good_step, learning_rate=lower)
        state.go_back()
    clock.restart(state.step)
    state.start_sums()
    return healthy
