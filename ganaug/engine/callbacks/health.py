"""Whether a training run goes well: what is measured, the thresholds, and what is done about it.

Losses and weights that are not finite are found, and answered by going back, in the loop. Here is what stays finite and
is worthless all the same, beside what only the objective can find:

- *mode collapse*: samples of a class differ much less from each other than the real ones do.
- *memorisation*: samples of a class come nearer and nearer to training samples, much nearer than these are to each
  other.
- *class inconsistency*: samples are nearest to real samples of other classes than the one asked for, much more often
  than real ones are.

The thresholds lie well outside of what healthy runs show, which ``benchmarks/health.py`` prints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from ganaug.data.counting_sort import positions_by_class
from ganaug.data.json_values import number
from ganaug.engine.callback import Callback
from ganaug.engine.callbacks.consistency import ClassConsistency, nearest_class_shares
from ganaug.engine.config import TrainingConfig
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.state import TrainingState, check_records

__all__ = ["Health", "distances", "mixed_classes", "spread"]

MIN_DIVERSITY = 0.2  # mean distance between samples of a class, over that between real ones
MIN_NEARNESS = 0.25  # median distance to the nearest real sample, over that between real ones; and falling

LOOKS_AT = (0.4, 0.6, 0.8, 1.0)  # shares of the training after which samples are drawn
MIN_STEPS = 200  # nothing can be said of shorter runs
MAX_CLASSES = 10  # the rarest ones
PER_CLASS = 32  # samples drawn, at least
MIN_REAL, MAX_REAL = 4, 128  # real samples of a class that are compared with

# Of all classes together, for their consistency at the end.
SAMPLES, REAL, NUMBERS = 1024, 4096, 2**24  # samples, real ones, and numbers in each of both

LOWEST_SCALE = 0.125  # of the learning rate


class Health(Callback):
    """Examines a training run now and then, reports what it finds, and changes the training if asked to.

    Parameters
    ----------
    class_indices : ndarray of shape (n_samples,), integer
        Class of each real sample, -1 for none.
    names : sequence of str
        Of the classes, for reports.
    real_samples : callable
        As for :func:`train`.
    config : TrainingConfig
    mode : {"report", "adapt"}, default="report"
        "adapt" also changes the training, within limits: what the objective has against a finding, else a lower
        learning rate.
    processes : DistributedContext, optional
        Those that train together; all go by what the first measures.

    Attributes
    ----------
    looks : list of dict
        What was measured, and after which step.

    Examples
    --------
    >>> import numpy as np, torch
    >>> real = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    >>> config = TrainingConfig(
    ...     steps=200, batch_size=8, learning_rate=0.1, final_learning_rate=0.1, label_temperature=0
    ... )
    >>> health = Health(np.repeat([0, 1], 20), ["a", "b"], lambda chosen: real[chosen], config)
    >>> def constant(labels, batch_size, randomness):
    ...     return torch.where(labels[:, None] == 0, torch.randn(len(labels), 2, generator=randomness), 1.0)
    >>> health.measure(constant, 0)["b"]["diversity"]
    0.0
    """

    name = "health"

    def __init__(
        self,
        class_indices: NDArray[np.integer],
        names: Sequence[str],
        real_samples: Callable[[Tensor], Tensor],
        config: TrainingConfig,
        mode: Literal["report", "adapt"] = "report",
        processes: DistributedContext = ALONE,
    ) -> None:
        members = _members(class_indices)
        counts = [len(of_class) for of_class in members]
        rarest = [int(c) for c in np.argsort(counts, kind="stable") if counts[c] >= MIN_REAL][:MAX_CLASSES]
        self._labels = class_indices
        self._members = {c: torch.from_numpy(members[c][:MAX_REAL].astype(np.int64)) for c in sorted(rarest)}
        self._names = names
        self._real_samples = real_samples
        self._config = config
        self.looks: list[dict[str, Any]] = []
        self._due = [share * config.steps for share in LOOKS_AT] if config.steps >= MIN_STEPS else []
        self._adapt = mode == "adapt"
        self._processes = processes
        self._real: dict[int, tuple[Tensor, float, float]] = {}

    def draws(self, state: TrainingState) -> bool:
        """Whether a look at samples is due."""
        last = self.looks[-1]["step"] if self.looks else 0
        return any(last < due <= state.step for due in self._due)

    def on_reading(self, state: TrainingState) -> None:
        """Look at a run after a reading that was finite; record and report what is found."""
        found = state.objective.findings(state.history, state.findings)
        looked = self.draws(state)
        if looked:
            found += self._samples(state)
        for finding in found:
            finding["action"] = _answer(finding["finding"], state) if self._adapt else "reported"
        if looked and state.step >= self._config.steps:
            found += self._inconsistency(state)
        for finding in found:
            state.findings.append(finding)
            state.report(finding["finding"], **{k: v for k, v in finding.items() if k != "finding"})

    def state_dict(self) -> dict[str, Any]:
        """All looks so far."""
        return {"looks": self.looks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        check_records("looks", state["looks"])
        for look in state["looks"]:
            for measured in dict(look["classes"]).values():
                for figure in ("diversity", "nearness"):
                    number(measured[figure], figure)
        self.looks = list(state["looks"])

    def _samples(self, state: TrainingState) -> list[dict[str, Any]]:
        measured = self.measure(state.objective.samples, state.step)
        before = self.looks[-1]["classes"] if self.looks else {}
        self.looks.append({"step": state.step, "classes": measured})
        found = []
        for name, values in measured.items():
            if values["diversity"] < MIN_DIVERSITY:
                found.append(_finding("mode_collapse", state.step, name, values["diversity"], MIN_DIVERSITY))
            elif name in before and values["nearness"] < min(MIN_NEARNESS, before[name]["nearness"]):
                found.append(_finding("memorisation", state.step, name, values["nearness"], MIN_NEARNESS))
        return found

    @torch.no_grad()
    def measure(self, draw: Callable[[Tensor, int, Generator], Tensor], step: int) -> dict[str, dict[str, float]]:
        """Compare samples of the rarest classes with real ones.

        Parameters
        ----------
        draw : callable
            As :meth:`Objective.samples`.
        step : int
            Seed of the noise.

        Returns
        -------
        dict of dict
            For each class by name "diversity", the mean distance between two of its samples, and "nearness", the median
            distance of a sample to the nearest real one; both Euclidean, as multiples of those among real samples.
            Classes whose real samples do not differ are left out.
        """
        if not self._members:
            return {}
        classes = torch.tensor(list(self._members))
        randomness = torch.Generator().manual_seed(step)
        labels = mixed_classes(classes, PER_CLASS, self._config.batch_size, randomness)
        measured = {}
        samples: Tensor | None = None
        for c in self._members:
            real, width, apart = self._of_class(c)
            if width <= 0 or apart <= 0:
                continue
            if samples is None:
                samples = draw(labels, self._config.batch_size, randomness)
            own = samples[(labels == c).to(samples.device)]
            nearest = distances(own, real).min(1).values.median().item()
            values = self._processes.agree([spread(own) / width, nearest / apart])
            measured[self._names[c]] = dict(zip(("diversity", "nearness"), values, strict=True))
        return measured

    def _inconsistency(self, state: TrainingState) -> list[dict[str, Any]]:
        """What is found at the end, when nothing can be changed any more."""
        measured = self.consistency(state.objective.samples, state.step)
        if measured is None or not measured.failed:
            return []
        values = {"value": measured.share, "threshold": measured.threshold, "classes": measured.classes}
        return [{"finding": "class_inconsistency", "step": state.step, **values, "action": "reported"}]

    @torch.no_grad()
    def consistency(self, draw: Callable[[Tensor, int, Generator], Tensor], step: int) -> ClassConsistency | None:
        """Compare the classes that were asked for with those of the real samples that are nearest.

        Parameters
        ----------
        draw : callable
            As :meth:`Objective.samples`.
        step : int
            Seed of the noise.

        Returns
        -------
        ClassConsistency or None
            Of all classes with two real samples; None where there are not two such classes.
        """
        members = _members(self._labels, len(self._names))
        classes = [c for c, of_class in enumerate(members) if len(of_class) > 1]
        n = len(classes)
        if n < 2:
            return None
        most = NUMBERS // self._real_samples(torch.from_numpy(members[classes[0]][:1].astype(np.int64))).numel()
        each = max(2, min(MAX_REAL, min(REAL, most) // n))
        chosen = [
            members[c][np.linspace(0, len(members[c]) - 1, min(each, len(members[c])), dtype=int)] for c in classes
        ]
        real = self._real_samples(torch.from_numpy(np.concatenate(chosen).astype(np.int64))).flatten(1)
        of_real = torch.arange(n).repeat_interleave(torch.tensor([len(of_class) for of_class in chosen]))

        randomness = torch.Generator().manual_seed(step)
        labels = mixed_classes(torch.arange(n), max(2, min(SAMPLES, most) // n), self._config.batch_size, randomness)
        samples = draw(torch.tensor(classes)[labels], self._config.batch_size, randomness)
        shares = nearest_class_shares(samples, labels, real, of_real, n).tolist()
        among_real = nearest_class_shares(real, of_real, real, of_real, n).mean().item()
        *shares, among_real = self._processes.agree([*shares, among_real])
        named = dict(zip([self._names[c] for c in classes], shares, strict=True))
        return ClassConsistency(named, among_real, len(labels), len(real))

    def _of_class(self, c: int) -> tuple[Tensor, float, float]:
        """Real samples of a class, their mean distance, and the median one to the nearest other."""
        if c not in self._real:
            real = self._real_samples(self._members[c]).flatten(1)
            apart = distances(real, real).fill_diagonal_(torch.inf)
            self._real[c] = real, spread(real), apart.min(1).values.median().item()
        return self._real[c]


def _members(class_indices: NDArray[np.integer], n_classes: int = 0) -> list[NDArray[np.signedinteger]]:
    """Positions of the samples of each class, rising."""
    positions, counts = positions_by_class(class_indices, n_classes)
    return np.split(positions, np.cumsum(counts)[:-1])


def _answer(finding: str, state: TrainingState) -> str:
    """Change the training, within limits, and say how."""
    action = state.objective.answer(finding)
    if action is not None:
        return action
    if state.scale > LOWEST_SCALE:
        state.scale *= 0.5
        return f"learning rate times {state.scale:g}"
    return "none left"


def _finding(name: str, step: int, of_class: str, value: float, threshold: float) -> dict[str, Any]:
    return {"finding": name, "step": step, "class": of_class, "value": value, "threshold": threshold}


def mixed_classes(classes: Tensor, per_class: int, batch_size: int, randomness: Generator) -> Tensor:
    """Labels of at least so many samples of each class, mixed, in whole batches.

    Networks that train side by side share a batch out.
    """
    n = math.ceil(per_class * len(classes) / batch_size) * batch_size
    return classes.repeat(math.ceil(n / len(classes)))[:n][torch.randperm(n, generator=randomness)]


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances of all rows of one to all rows of the other."""
    # By way of a matrix product copies would not be at distance 0.
    return torch.cdist(a.float(), b.float(), compute_mode="donot_use_mm_for_euclid_dist")


def spread(samples: Tensor) -> float:
    """Mean distance between two rows; 0 where there are not two."""
    n = len(samples)
    if n < 2:
        return 0.0
    return distances(samples, samples).sum().item() / (n * (n - 1))
