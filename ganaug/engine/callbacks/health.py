"""Whether a training run goes well: what is looked at, the thresholds, and what is done about it.

Losses and weights that are not finite are found, and answered by going back, in ``training/loop.py``. Here is what
stays finite and is worthless all the same:

- *discriminator collapse*: the logits of real and generated samples lie so far apart that the discriminator has nothing
  left to learn. Only differences of logits have a meaning under the relativistic loss, so the gap is what is read.
- *mode collapse*: samples of a class differ much less from each other than the real ones do.
- *memorisation*: samples of a class come nearer and nearer to training samples, much nearer than these are to each
  other.

The thresholds lie well outside of what healthy runs show, which ``benchmarks/health.py`` prints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.data.images.labelled import UNLABELLED
from ganaug.engine.callbacks.monitor import Monitor
from ganaug.engine.config import TrainingConfig
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.state import TrainingState

__all__ = ["Health", "distances", "drawn", "noise_and_classes", "spread"]

MAX_GAP, GAP_READINGS = 6.0, 3  # mean of D(real) - D(fake), in so many readings one after the other
MIN_DIVERSITY = 0.2  # mean distance between samples of a class, over that between real ones
MIN_NEARNESS = 0.25  # median distance to the nearest real sample, over that between real ones; and falling

LOOKS_AT = (0.4, 0.6, 0.8, 1.0)  # shares of the training after which samples are drawn
MIN_STEPS = 200  # nothing can be said of shorter runs
MAX_CLASSES = 10  # the rarest ones
PER_CLASS = 32  # samples drawn, at least
MIN_REAL, MAX_REAL = 4, 128  # real samples of a class that are compared with

AUGMENT_STEP, AUGMENT_MOST = 0.1, 0.8
MAX_CHANGES = 3  # of gamma and of the learning rate


class Health:
    """Looks at a training run now and then, tells what it finds, and answers it if asked to.

    Parameters
    ----------
    class_indices : ndarray of shape (n_samples,), integer
        Class of each real sample, -1 for none.
    names : sequence of str
        Of the classes, as they are told.
    real_samples : callable
        As for :func:`train`.
    config : TrainingConfig
    mode : {"report", "adapt"}, default="report"
        "adapt" also changes the training, within limits: more augmentation, and a lower learning rate where there is
        none or no more to add, against discriminator collapse and memorisation; a larger gradient penalty against mode
        collapse.
    processes : DistributedContext, optional
        Those that train together; all go by what the first measures.

    Examples
    --------
    >>> import numpy as np, torch
    >>> real = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    >>> config = TrainingConfig(
    ...     steps=200, batch_size=8, learning_rate=0.1, final_learning_rate=0.1, gamma=1, final_gamma=1,
    ...     penalty_every=1, augment_p=0, label_temperature=0, latent_dim=2,
    ... )
    >>> health = Health(np.repeat([0, 1], 20), ["a", "b"], lambda chosen: real[chosen], config)
    >>> class Constant(torch.nn.Module):
    ...     def forward(self, latents, labels):
    ...         return torch.where(labels[:, None] == 0, latents, torch.ones(2))
    >>> health.measure(Constant(), 0)["b"]["diversity"]
    0.0
    """

    def __init__(
        self,
        class_indices: NDArray[np.integer],
        names: Sequence[str],
        real_samples: Callable[[Tensor], Tensor],
        config: TrainingConfig,
        mode: Literal["report", "adapt"] = "report",
        processes: DistributedContext = ALONE,
    ) -> None:
        counts = np.bincount(class_indices[class_indices != UNLABELLED])
        rarest = [int(c) for c in np.argsort(counts, kind="stable") if counts[c] >= MIN_REAL][:MAX_CLASSES]
        self._members = {c: torch.from_numpy(np.flatnonzero(class_indices == c)[:MAX_REAL]) for c in sorted(rarest)}
        self._names = names
        self._real_samples = real_samples
        self._config = config
        self._looks = [share * config.steps for share in LOOKS_AT] if config.steps >= MIN_STEPS else []
        self._adapt = mode == "adapt"
        self._processes = processes
        self._real: dict[int, tuple[Tensor, float, float]] = {}

    def attend(self, state: TrainingState, monitor: Monitor) -> None:
        """Look at a run after a reading that was finite; keep and tell what is found."""
        found = self._discriminator(state)
        last = state.looks[-1]["step"] if state.looks else 0
        if any(last < due <= state.step for due in self._looks):
            found += self._samples(state)
        for finding in found:
            finding["action"] = self._answer(finding["finding"], state) if self._adapt else "reported"
            state.findings.append(finding)
            monitor.event(finding["finding"], **{k: v for k, v in finding.items() if k != "finding"})

    def _discriminator(self, state: TrainingState) -> list[dict[str, Any]]:
        told = [f["step"] for f in state.findings if f["finding"] == "discriminator_collapse"]
        since = [e["logit_gap"] for e in state.history if e["step"] > max(told, default=0)][-GAP_READINGS:]
        if len(since) < GAP_READINGS or min(since) <= MAX_GAP:
            return []
        return [_finding("discriminator_collapse", state.step, None, since[-1], MAX_GAP)]

    def _samples(self, state: TrainingState) -> list[dict[str, Any]]:
        measured = self.measure(state.players.average, state.step)
        before = state.looks[-1]["classes"] if state.looks else {}
        state.looks.append({"step": state.step, "classes": measured})
        found = []
        for name, values in measured.items():
            if values["diversity"] < MIN_DIVERSITY:
                found.append(_finding("mode_collapse", state.step, name, values["diversity"], MIN_DIVERSITY))
            elif name in before and values["nearness"] < min(MIN_NEARNESS, before[name]["nearness"]):
                found.append(_finding("memorisation", state.step, name, values["nearness"], MIN_NEARNESS))
        return found

    @torch.no_grad()
    def measure(self, average: nn.Module, step: int) -> dict[str, dict[str, float]]:
        """Compare samples of the rarest classes with real ones.

        Parameters
        ----------
        average : Module
            The averaged generator.
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
        latents, labels = noise_and_classes(classes, PER_CLASS, self._config, step)
        measured = {}
        samples: Tensor | None = None
        for c in self._members:
            real, width, apart = self._of_class(c)
            if width <= 0 or apart <= 0:
                continue
            if samples is None:
                samples = drawn(average, latents, labels, self._config.batch_size, real.device)
            own = samples[(labels == c).to(samples.device)]
            nearest = distances(own, real).min(1).values.median().item()
            values = self._processes.agree([spread(own) / width, nearest / apart], real.device)
            measured[self._names[c]] = dict(zip(("diversity", "nearness"), values, strict=True))
        return measured

    def _of_class(self, c: int) -> tuple[Tensor, float, float]:
        """Real samples of a class, their mean distance, and the median one to the nearest other."""
        if c not in self._real:
            real = self._real_samples(self._members[c]).flatten(1)
            apart = distances(real, real).fill_diagonal_(torch.inf)
            self._real[c] = real, spread(real), apart.min(1).values.median().item()
        return self._real[c]

    def _answer(self, finding: str, state: TrainingState) -> str:
        """Change the training, within limits, and say how."""
        if finding == "mode_collapse":
            if state.penalty_factor >= 2**MAX_CHANGES:
                return "none left"
            state.penalty_factor *= 2
            return f"gamma times {state.penalty_factor:g}"
        if 0 < self._config.augment_p < AUGMENT_MOST:
            extra = min(state.augment_extra + AUGMENT_STEP, AUGMENT_MOST - self._config.augment_p)
            if extra > state.augment_extra:
                state.augment_extra = extra
                return f"augment_p {self._config.augment_p + extra:.2g}"
        if state.scale > 0.5**MAX_CHANGES:
            state.scale *= 0.5
            return f"learning rate times {state.scale:g}"
        return "none left"


def _finding(name: str, step: int, of_class: str | None, value: float, threshold: float) -> dict[str, Any]:
    where = {} if of_class is None else {"class": of_class}
    return {"finding": name, "step": step, **where, "value": value, "threshold": threshold}


def noise_and_classes(classes: Tensor, per_class: int, config: TrainingConfig, seed: int) -> tuple[Tensor, Tensor]:
    """Noise and mixed classes for at least so many samples of each, in whole batches.

    Networks that train side by side share a batch out.
    """
    randomness = torch.Generator().manual_seed(seed)
    n = math.ceil(per_class * len(classes) / config.batch_size) * config.batch_size
    labels = classes.repeat(math.ceil(n / len(classes)))[:n][torch.randperm(n, generator=randomness)]
    return torch.randn(n, config.latent_dim, generator=randomness), labels


def drawn(
    average: Callable[[Tensor, Tensor], Tensor], latents: Tensor, labels: Tensor, batch: int, device: torch.device
) -> Tensor:
    """Samples for noise and classes, batch by batch, each as one row."""
    parts = zip(latents.split(batch), labels.split(batch), strict=True)
    return torch.cat([average(z.to(device), y.to(device)).flatten(1) for z, y in parts])


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
