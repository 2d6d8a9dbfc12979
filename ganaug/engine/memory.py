"""Batches that do not fit into memory."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.errors import is_out_of_memory, may_be_out_of_memory
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.engine.loop import TrainingConfig, one_step
from ganaug.engine.objective import Objective
from ganaug.engine.state import TrainingState

__all__ = ["PROBED", "OutOfMemory", "largest_fitting", "try_batch"]

PROBED = frozenset({"cuda"})  # devices whose memory is small, and fails soon enough, to be tried out


class OutOfMemory(RuntimeError):  # noqa: N818 - named as torch.OutOfMemoryError and the rest of the field say it
    """A batch does not fit into memory.

    Examples
    --------
    >>> from ganaug import OutOfMemory, TableGAN
    >>> X, y = [[0.1], [0.2], [1.0], [1.1]] * 5, [0, 0, 1, 1] * 5
    >>> gan = TableGAN(steps=2, width=8, random_state=0, verbose=False)
    >>> try:
    ...     gan = gan.fit(X, y)
    ... except OutOfMemory:  # its sentence says which batch size fits; "auto" takes it
    ...     gan = gan.set_params(batch_size="auto").fit(X, y)
    ...
    >>> gan.sample([0, 1, 1]).shape
    (3, 1)
    """


def largest_fitting(attempt: Callable[[int], None], batch_size: int) -> int | None:
    """Halve a batch size until `attempt` no longer runs out of memory with it.

    Parameters
    ----------
    attempt : callable
        Called with a batch size; what it raises beside running out of memory is raised. So is what may have been that,
        if it is so of a batch of 1 too.
    batch_size : int
        The first to try.

    Returns
    -------
    int or None
        None if not even 1 fits.

    Examples
    --------
    >>> def attempt(size):
    ...     if size > 12:
    ...         raise MemoryError
    >>> largest_fitting(attempt, 64)
    8
    """
    while batch_size >= 1:
        if _fits(attempt, batch_size):
            return batch_size
        batch_size //= 2
    return None


def _fits(attempt: Callable[[int], None], batch_size: int) -> bool:
    try:
        attempt(batch_size)
    except (RuntimeError, MemoryError) as error:
        if not (is_out_of_memory(error) or (batch_size > 1 and may_be_out_of_memory(error))):
            raise
        return False
    finally:
        # Only now that the error is gone, and with it what its traceback held on to, is the memory free.
        gc.collect()
        if torch.cuda.is_initialized():
            with contextlib.suppress(RuntimeError):  # after a recording that failed
                torch.cuda.empty_cache()
    return True


def try_batch(
    objective: Callable[[], Objective],
    config: TrainingConfig,
    sampler: ClassBalancedSampler,
    real_samples: Callable[[Tensor], Tensor],
    randomness: Generator,
    processes: DistributedContext = ALONE,
) -> None:
    """Train copies of networks for two steps that need as much memory as any; the rest is as for :func:`train`.

    `randomness` is left as it was.

    Parameters
    ----------
    objective : callable
        Returns one over copies of the networks, on their device.
    """
    before = randomness.get_state()
    try:
        state = TrainingState(objective(), config, randomness, processes=processes)
        for _ in range(2):
            # As at the end of the schedules, and beside a copy of everything to go back to.
            state.step = state.objective.period * config.steps
            one_step(state, sampler, real_samples)
            state.keep()
    finally:
        randomness.set_state(before)
