"""The training loop: schedules, moving averages, readings and what is done when they are not finite."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial

import torch
from torch import Generator, Tensor
from torch.optim import Optimizer

from ganaug.engine.callback import Callback
from ganaug.engine.config import TrainingConfig, cosine
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.graphs import Eager
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.engine.objective import Batch, Objective
from ganaug.engine.state import TrainingState

__all__ = ["TrainingConfig", "TrainingDiverged", "one_step", "train"]

CHECK_EVERY = 50  # steps between two readings of the losses
MAX_ROLLBACKS = 3
ROLLBACK_FACTOR = 0.5  # of the learning rate
EMA_RAMP = 0.05  # half-life as a share of the samples seen so far
EMA_MOST = 0.02  # and at most as a share of all samples


class TrainingDiverged(RuntimeError):  # noqa: N818 - the name users know from Lightning and Keras
    """Losses became infinite or NaN again and again, in spite of lower learning rates.

    Examples
    --------
    >>> from ganaug import TableGAN, TrainingDiverged
    >>> X, y = [[0.1], [0.2], [1.0], [1.1]] * 5, [0, 0, 1, 1] * 5
    >>> try:
    ...     TableGAN(steps=60, width=8, learning_rate=1e30, random_state=0, verbose=False).fit(X, y)
    ... except TrainingDiverged as error:
    ...     print(str(error).split(",")[0])
    ...
    the losses were not finite before step 50
    """


def _set_learning_rate(optimizers: Iterable[Optimizer], value: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value


@torch.no_grad()
def _update_ema(state: TrainingState) -> None:
    config = state.config
    seen = state.step * config.batch_size
    half_life = min(EMA_RAMP * seen, EMA_MOST * config.steps * config.batch_size)
    keep = 0.5 ** (config.batch_size / max(half_life, 1e-8))
    for average in state.averages:
        average.update(1 - keep)


def _healthy(objective: Objective, losses: Tensor) -> bool:
    weights = [weight for network in objective.networks.values() for weight in network.parameters()]
    finite = torch.stack([w.isfinite().all() for w in weights]).all()
    return bool(finite) and bool(losses.isfinite().all())


class _Clock:
    """Steps a second since the last reading or rollback."""

    def __init__(self, step: int) -> None:
        self.restart(step)

    def restart(self, step: int) -> None:
        self._last_time, self._last_step = time.perf_counter(), step

    def steps_per_second(self, step: int) -> float:
        return (step - self._last_step) / max(time.perf_counter() - self._last_time, 1e-9)


def train(
    objective: Objective,
    config: TrainingConfig,
    sampler: ClassBalancedSampler,
    real_samples: Callable[[Tensor], Tensor],
    randomness: Generator,
    *,
    callbacks: Sequence[Callback] = (),
    processes: DistributedContext = ALONE,
    runner: Eager | None = None,
) -> TrainingState:
    """Take `config.steps` steps of an objective, or fewer if a callback asks for the end.

    Every 50 steps the losses and weights are looked at. If they are finite, the state is kept;
    if not, training goes back to the state kept last and on with half the learning rate.

    Parameters
    ----------
    objective : Objective
        Its networks are changed in place.
    config : TrainingConfig
    sampler : ClassBalancedSampler
        Over the labels of the real samples.
    real_samples : callable
        Takes int64 indices of shape (batch,) on the CPU, returns those real samples on the networks' device,
        scaled as the samples of the objective.
    randomness : torch.Generator
        On the CPU; source of all randomness here, and of that in `real_samples` and the objective.
    callbacks : sequence of Callback, default=()
        Called in this order; checkpoints come last, so that they hold what the others came to.
    processes : DistributedContext, optional
        Those that share each batch; all of them call this with equal arguments.
    runner : Eager, optional
        What calls the steps on the device of the objective, which must be made to be recorded if it does so.

    Returns
    -------
    TrainingState
        Its history has one entry per reading: step, losses, learning rate, images per second, seconds. Its findings say
        what went wrong and what was done about it.

    Raises
    ------
    ValueError
        If two callbacks have the same name.
    TrainingDiverged
        After going back three times.

    Examples
    --------
    A normal distribution of each class, by maximum likelihood:

    >>> import numpy as np
    >>> import torch
    >>> from ganaug.engine import TrainingConfig, train
    >>> from ganaug.engine.label_embedding import ClassBalancedSampler
    >>> from ganaug.engine.objective import Objective
    >>> class Means(Objective):
    ...     loss_names = ("negative_log_likelihood",)
    ...     def __init__(self):
    ...         means = torch.nn.Embedding(2, 1)
    ...         self.networks, self.ema = {"means": means}, {}
    ...         self.optimizers = {"means": torch.optim.Adam(means.parameters())}
    ...     def draw(self, batch, step, progress, randomness):
    ...         return "step", [batch.samples, batch.labels]
    ...     def step(self, kind, samples, labels):
    ...         loss = ((samples - self.networks["means"](labels)) ** 2).mean() / 2
    ...         self.optimizers["means"].zero_grad()
    ...         loss.backward()
    ...         self.optimizers["means"].step()
    ...         return loss.detach()[None]
    ...     def samples(self, labels, batch_size, randomness):
    ...         return self.networks["means"](labels) + torch.randn(len(labels), 1, generator=randomness)
    ...
    >>> labels = np.repeat([0, 1], 50)
    >>> values = torch.tensor(labels * 4.0, dtype=torch.float32)[:, None]
    >>> objective = Means()
    >>> config = TrainingConfig(200, 32, learning_rate=0.1, final_learning_rate=0.01, label_temperature=0)
    >>> sampler = ClassBalancedSampler(labels, temperature=0)
    >>> state = train(objective, config, sampler, lambda indices: values[indices], torch.Generator().manual_seed(0))
    >>> [reading["step"] for reading in state.history]
    [50, 100, 150, 200]
    >>> objective.networks["means"].weight.detach().round().int().flatten().tolist()
    [0, 4]
    """
    names = [callback.name for callback in callbacks]
    if len(set(names)) < len(names):
        raise ValueError(f"callbacks must have names of their own, got {names}; set `name` in your classes")
    processes.start_alike([*objective.networks.values(), *objective.ema.values()], objective.optimizers.values())
    state = TrainingState(objective, config, randomness, callbacks, processes)
    runner = runner or Eager(state.sums.device)
    for callback in callbacks:
        callback.on_resume(state)
    with ExitStack() as ends:
        for callback in callbacks:
            callback.on_begin(state)
            ends.callback(callback.on_end, state)
        clock = _Clock(state.step)
        while state.step < config.steps and not state.ended:
            rate = one_step(state, sampler, real_samples, runner)
            if state.step % CHECK_EVERY == 0 or state.step == config.steps:
                processes.average([state.sums])
                if not _take_reading(state, rate, clock, callbacks):
                    runner.forget()
            for callback in callbacks:
                callback.on_step(state)
    for optimizer in objective.optimizers.values():
        optimizer.zero_grad()  # which frees memory
    return state


def one_step(
    state: TrainingState,
    sampler: ClassBalancedSampler,
    real_samples: Callable[[Tensor], Tensor],
    runner: Eager | None = None,
) -> float:
    """Take one step by the schedules, and return its learning rate; the rest is as for :func:`train`."""
    objective, config = state.objective, state.config
    progress = state.step / max(1, config.steps)
    rate = state.scale * cosine(config.learning_rate, config.final_learning_rate, progress)
    _set_learning_rate(objective.optimizers.values(), rate)

    labels, indices, known_labels = sampler.draw(config.batch_size, state.randomness)
    own = real_samples(state.processes.share(indices))
    batch = Batch(own, labels, known_labels, partial(real_samples, indices))
    kind, tensors = objective.draw(batch, state.step, progress, state.randomness)
    runner = runner or Eager(state.sums.device)
    state.sums += runner(partial(objective.step, kind), tensors, kind)
    state.kinds[kind] = state.kinds.get(kind, 0) + 1
    state.step += 1
    _update_ema(state)
    return rate


def _take_reading(state: TrainingState, rate: float, clock: _Clock, callbacks: Sequence[Callback]) -> bool:
    """Keep the state if it is healthy, and go back to the one kept last if it is not; return which."""
    healthy = _healthy(state.objective, state.sums)
    if healthy:
        state.history.append(
            {
                "step": state.step,
                **state.objective.means(state.sums, state.kinds),
                "learning_rate": rate,
                "images_per_second": clock.steps_per_second(state.step) * state.config.batch_size,
                "seconds": state.seconds,
            }
        )
        for callback in callbacks:
            callback.on_reading(state)
        state.keep()
        state.ended = state.step == state.config.steps or state.processes.any(state.stopping)
    else:
        _roll_back(state, rate)
    clock.restart(state.step)
    state.start_sums()
    return healthy


def _roll_back(state: TrainingState, rate: float) -> None:
    state.rollbacks += 1
    if state.rollbacks > MAX_ROLLBACKS:
        remedies = " or ".join([f"a learning_rate below {rate:.2g}", *state.objective.remedies])
        raise TrainingDiverged(
            f"the losses were not finite before step {state.step}, {state.rollbacks} times in spite of going back "
            f"to the last good state with a lower learning rate; try {remedies}"
        )
    state.scale *= ROLLBACK_FACTOR
    lower = rate * ROLLBACK_FACTOR
    action = f"back to step {state.good_step}, learning rate {lower:.2g}"
    state.findings.append({"finding": "not_finite", "step": state.step, "action": action})
    state.report("rollback", step=state.step, to_step=state.good_step, learning_rate=lower)
    state.go_back()
