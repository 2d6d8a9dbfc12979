"""Which moving average of a run is the best, by samples that it was not trained on, never by its losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from ganaug.data.images.labelled import UNLABELLED
from ganaug.data.json_values import number
from ganaug.engine.callback import Callback
from ganaug.engine.callbacks.health import distances, mixed_classes, spread
from ganaug.engine.config import TrainingConfig
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.state import TrainingState, check_records

__all__ = ["Selection", "held_out"]

READINGS = 20  # of the held-out samples over a training
PER_CLASS = 64  # samples drawn
MAX_HELD_OUT = 256  # of a class that are compared with


def held_out(
    class_indices: NDArray[np.integer], fraction: float, groups: NDArray[np.integer] | None = None
) -> NDArray[np.int64]:
    """Positions of samples that are kept from training: a share of each class, the same whatever the seed.

    At least one and at most all but two of a class; of classes of two, and of samples without a class, none. With
    groups they are spread over the cells of a class in proportion to their sizes, and every cell keeps one.

    Examples
    --------
    >>> held_out(np.array([0] * 10 + [1] * 3 + [2] * 2), 0.2).tolist()
    [4, 6, 10]
    >>> held_out(np.zeros(10, int), 0.5, np.repeat([0, 1, 2], [1, 3, 6])).tolist()
    [2, 3, 4, 6, 7]
    """
    chosen, randomness = [], np.random.default_rng(0)
    for c in np.unique(class_indices[class_indices != UNLABELLED]) if fraction > 0 else ():
        members = np.flatnonzero(class_indices == c)
        n = min(max(1, round(fraction * len(members))), len(members) - 2)
        members = randomness.permutation(members)
        chosen.append((members if groups is None else _spread_over_cells(members, groups[members]))[:n])
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def _spread_over_cells(members: NDArray[np.int64], groups: NDArray[np.integer]) -> NDArray[np.int64]:
    """Samples of a class, the first ones of its groups in their proportions; without one of each group."""
    shares = np.empty(len(members))
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        shares[own] = np.arange(1, len(own) + 1) / len(own)
    order = np.argsort(shares, kind="stable")
    return members[order[shares[order] < 1]]


class Selection(Callback):
    """Keeps the moving average whose samples are nearest to held-out ones, class by class.

    What is measured is the energy distance (Székely and Rizzo, 2013) between samples of a class and its held-out ones,
    as a multiple of the mean distance between two held-out samples; the score is its mean over classes. It is taken at
    twenty readings, with the same noise each time.

    Parameters
    ----------
    positions : ndarray of shape (n_held_out,)
        Among the real samples.
    class_indices : ndarray of shape (n_samples,), integer
    names : sequence of str
        Of the classes, for reports.
    real_samples : callable
        As for :func:`train`.
    config : TrainingConfig
    processes : DistributedContext, optional
        Those that train together; all go by what the first measures.

    Attributes
    ----------
    readings : list of dict
        Step, score, and what was measured of each class.

    Examples
    --------
    >>> import numpy as np, torch
    >>> real = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    >>> config = TrainingConfig(
    ...     steps=200, batch_size=8, learning_rate=0.1, final_learning_rate=0.1, label_temperature=0,
    ...     validation_fraction=0.5,
    ... )
    >>> labels = np.repeat([0, 1], 20)
    >>> selection = Selection(held_out(labels, 0.5), labels, ["a", "b"], lambda chosen: real[chosen], config)
    >>> def right(labels, batch_size, randomness):
    ...     return torch.randn(len(labels), 2, generator=randomness)
    >>> def wrong(labels, *others):
    ...     return right(labels, *others) + 2 * labels[:, None]
    >>> right, wrong = selection.measure(right), selection.measure(wrong)
    >>> right["a"] == wrong["a"], right["b"] < wrong["b"]
    (True, True)
    """

    name = "validation"

    def __init__(
        self,
        positions: NDArray[np.int64],
        class_indices: NDArray[np.integer],
        names: Sequence[str],
        real_samples: Callable[[Tensor], Tensor],
        config: TrainingConfig,
        processes: DistributedContext = ALONE,
    ) -> None:
        of = class_indices[positions]
        self._names = {int(c): names[c] for c in np.unique(of)}
        self._real = {
            c: real_samples(torch.from_numpy(positions[of == c][:MAX_HELD_OUT])).flatten(1) for c in self._names
        }
        self._inside = {c: spread(real) for c, real in self._real.items()}
        self._unit = spread(torch.cat(list(self._real.values()))) or 1.0
        self._config = config
        self._processes = processes
        self.readings: list[dict[str, Any]] = []
        self._best: dict[str, Tensor] = {}

    def on_begin(self, state: TrainingState) -> None:
        """Refuse averages of an earlier run that are not those of these networks."""
        shapes = [{name: t.shape for name, t in ts.items()} for ts in (self._best, _weights(state.objective.ema))]
        if self._best and shapes[0] != shapes[1]:
            raise ValueError(
                "checkpoint_dir holds a best moving average with other weights than these networks; choose another "
                "folder"
            )

    def draws(self, state: TrainingState) -> bool:
        """Whether a measurement is due."""
        last = self.readings[-1]["step"] if self.readings else 0
        return state.step >= self._config.steps or state.step - last >= self._config.steps / READINGS

    def on_reading(self, state: TrainingState) -> None:
        """Measure the run's average at a reading, if that is due, and keep it if it is the best so far."""
        if not self.draws(state):
            return
        classes = self.measure(state.objective.samples)
        score = float(np.mean(list(classes.values())))
        if score < min((reading["score"] for reading in self.readings), default=math.inf):
            self._best = {name: tensor.clone() for name, tensor in _weights(state.objective.ema).items()}
        self.readings.append({"step": state.step, "score": score, "classes": classes})

    def on_end(self, state: TrainingState) -> None:
        """Return the moving averages to the best ones, once the training is done."""
        if state.ended and self._best:
            for part, network in state.objective.ema.items():
                own = {
                    name.removeprefix(f"{part}."): t for name, t in self._best.items() if name.startswith(f"{part}.")
                }
                network.load_state_dict(own)

    def state_dict(self) -> dict[str, Any]:
        """All readings, and the weights of the best averages."""
        return {"readings": self.readings, **{f"best.{name}": tensor for name, tensor in self._best.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        check_records("readings", state["readings"], ("score",))
        for reading in state["readings"]:
            for score in dict(reading["classes"]).values():
                number(score, "score")
        self.readings = list(state["readings"])
        self._best = {name.removeprefix("best."): t for name, t in state.items() if isinstance(t, Tensor)}

    @torch.no_grad()
    def measure(self, draw: Callable[[Tensor, int, Generator], Tensor]) -> dict[str, float]:
        """Energy distance of each class by name; not below about 0, where samples are as the held-out ones.

        Parameters
        ----------
        draw : callable
            As :meth:`Objective.samples`.
        """
        device = next(iter(self._real.values())).device
        randomness = torch.Generator().manual_seed(0)
        labels = mixed_classes(torch.tensor(list(self._names)), PER_CLASS, self._config.batch_size, randomness)
        samples = draw(labels, self._config.batch_size, randomness)
        labels = labels.to(device)
        found = []
        for c, real in self._real.items():
            own = samples[labels == c]
            across = distances(own, real).mean().item()
            found.append((2 * across - spread(own) - self._inside[c]) / self._unit)
        found = self._processes.agree(found)
        return dict(zip(self._names.values(), found, strict=True))


def _weights(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Tensors of networks by dotted names."""
    return {f"{part}.{name}": t for part, network in networks.items() for name, t in network.state_dict().items()}
