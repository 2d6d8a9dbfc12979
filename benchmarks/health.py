"""What healthy runs show of what ganaug/engine/callbacks/health.py looks at, beside its thresholds.

    python benchmarks/health.py

Prints, over all runs of a kind, the largest logit gap of a reading, the smallest diversity and nearness of a class, and
the least by which the consistency of the classes lies above its threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_wine, make_classification

from ganaug import ImageGAN, TableGAN, labelled_images
from ganaug.data.tables.encoder import as_table
from ganaug.engine.callbacks.health import MIN_DIVERSITY, MIN_NEARNESS, Health
from ganaug.objectives.adversarial.objective import MAX_GAP, AdversarialObjective


def measured(gan: Any, real: torch.Tensor, labels: np.ndarray) -> tuple[float, float, float, float]:
    indices = gan.class_indices(labels)
    health = Health(indices, [str(c) for c in gan.classes_], lambda chosen: real[chosen], gan.config_.training)
    objective = AdversarialObjective(gan.generator_, gan.discriminator_, gan.config_.objective, augment=None)
    classes = health.measure(objective.samples, 0).values()
    consistency = health.consistency(objective.samples, 0)
    gap = max(reading["logit_gap"] for reading in gan.history_)
    return (
        gap,
        min(c["diversity"] for c in classes),
        min(c["nearness"] for c in classes),
        consistency.share - consistency.threshold,
    )


def images() -> list[tuple[float, float, float, float]]:
    digits, found = labelled_images("digits"), []
    for n, steps in ((60, 1500), (200, 1000), (1000, 1000)):
        data = digits.subset(range(n))
        gan = ImageGAN(steps=steps, device="cpu", random_state=0, verbose=False).fit(data)
        found.append(measured(gan, torch.from_numpy(data.images).float() / 127.5 - 1, data.labels))
    return found


def tables() -> list[tuple[float, float, float, float]]:
    found = []
    rare = make_classification(300, 20, weights=[0.9], random_state=0)
    for X, y in (load_wine(return_X_y=True), load_breast_cancer(return_X_y=True), rare):
        gan = TableGAN(random_state=0, verbose=False).fit(X, y)
        found.append(measured(gan, torch.from_numpy(gan.encoder_.transform(as_table(X)[0])), y))
    return found


def main() -> None:
    head = f"gap (at most {MAX_GAP:g})  diversity (at least {MIN_DIVERSITY})  nearness (at least {MIN_NEARNESS})"
    print(f"{'':8} {head}  consistency (above its threshold by)")
    for name, found in (("images", images()), ("tables", tables())):
        gaps, diversities, nearness, consistency = zip(*found, strict=True)
        print(f"{name:8} {max(gaps):<18.2f} {min(diversities):<25.2f} {min(nearness):<24.2f} {min(consistency):.2f}")


if __name__ == "__main__":
    main()
