"""What the engine asks of an objective: what is minimised, by which networks, with which random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from ganaug.data.json_values import short

__all__ = ["Batch", "Objective"]


class Batch(NamedTuple):
    """The real samples of one step.

    Attributes
    ----------
    samples : Tensor of shape (batch / processes, ...)
        Those of this process, on the device of the networks.
    labels : Tensor of shape (batch,) or (batch, 2), int64
        Classes of the whole batch, on the CPU; where the data have groups, rows of class and group.
    known_labels : Tensor of the same shape, int64
        `labels`, with -1 where the real sample has no class, or no group.
    whole : callable
        Returns the samples of all processes, (batch, ...), on the same device.
    """

    samples: Tensor
    labels: Tensor
    known_labels: Tensor
    whole: Callable[[], Tensor]


class Objective(Protocol):
    """Networks, their optimisers, and the step that trains them.

    An objective that derives from this class has to add :meth:`draw`, :meth:`step` and :meth:`samples`; what else is
    asked has an answer here that holds for any.

    Attributes
    ----------
    networks : dict of Module
        All of them on one device.
    optimizers : dict of Optimizer
        Adam or AdamW, together over all parameters that are trained. The engine sets their learning rates.
    ema : dict of Module
        Exponential moving averages of networks, by the name of the network. The engine updates them.
    loss_names : sequence of str
        What :meth:`step` returns.
    period : int
        The kinds of steps repeat after so many; those whose number is a multiple of it need the most memory.
    remedies : sequence of str
        What a user may try, beside a lower learning rate, where losses do not stay finite, such as "a larger gamma".
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    ema: dict[str, nn.Module]
    loss_names: Sequence[str]
    period: int = 1
    remedies: Sequence[str] = ()

    def draw(self, batch: Batch, step: int, progress: float, randomness: Generator) -> tuple[str, list[Tensor]]:
        """Draw every random number of a step, on the CPU.

        Parameters
        ----------
        batch : Batch
        step : int
            Steps taken before this one.
        progress : float
            The same as a share of all steps.
        randomness : torch.Generator

        Returns
        -------
        kind : str
            Steps of one kind do the same to tensors of the same shapes, so that they can be recorded.
        tensors : list of Tensor
            What :meth:`step` takes; they may be on the CPU.
        """

    def step(self, kind: str, *tensors: Tensor) -> Tensor:
        """Take a step: a function of tensors alone, on the device, that never waits for it.

        Returns
        -------
        Tensor of shape (len(loss_names),)
            Detached, on the device.
        """

    def means(self, sums: Tensor, kinds: Mapping[str, int]) -> dict[str, float]:
        """Means of the losses by name, from their sums and the number of steps of each kind."""
        return dict(zip(self.loss_names, (sums / sum(kinds.values())).tolist(), strict=True))

    def summary(self, means: Mapping[str, float]) -> str:
        """Losses in a few words, for the progress bar."""
        return "  ".join(f"{name} {means[name]:.3f}" for name in self.loss_names)

    def samples(self, labels: Tensor, batch_size: int, randomness: Generator) -> Tensor:
        """Draw from the moving average.

        Parameters
        ----------
        labels : Tensor of shape (n,), int64
            On the CPU; `n` is a multiple of `batch_size`.
        batch_size : int
            Samples drawn at once.
        randomness : torch.Generator
            On the CPU.

        Returns
        -------
        Tensor of shape (n, numbers in a sample)
            On the device, scaled as the real samples.
        """

    def findings(
        self, history: Sequence[Mapping[str, float]], found: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """What goes wrong by the readings so far, beside what was found earlier.

        Returns
        -------
        list of dict
            With "finding", "step", "value" and "threshold".
        """
        return []

    def answer(self, finding: str) -> str | None:
        """Change what only this objective has against a finding, within limits.

        Returns
        -------
        str or None
            What was done; None leaves it to the engine, which lowers the learning rate.
        """
        return None

    def before_drawing(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Learn what is fitted to the averages, when the training has ended or samples are looked at in it.

        By default there is nothing. It must not change what is trained.

        Parameters
        ----------
        batches : iterable of (Tensor, Tensor)
            The training samples that have a class, once each, or where a class has many a part of them, and their
            classes, or rows of class and group, both on the device.
        """
        return

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`answer` has changed so far, as JSON values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`; ``ValueError``, ``LookupError`` or ``TypeError`` for what cannot be one."""
        if state:
            raise ValueError(f"there is nothing that {type(self).__name__} changes, got {short(state)}")
