"""What the memory layout and bfloat16 gain in training a classifier on a CPU, and what bfloat16 costs in accuracy.

    python benchmarks/speed/classifiers.py [--rounds 10] [--seeds digits:5 --seeds mnist5k:2] [-o FILE.md]

Steps of "small-cnn" in each of the ways are taken turn by turn on one thread, and timed by the processor's time: the
median of all rounds, and how many times as fast it is as contiguous float32. Accuracies are of the default training on
a stratified half of a data set, tested on the other half, in float32 and in bfloat16 from the same start with the same
batches; their difference in points is the mean over seeds with its standard error.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from report import publish
from sklearn.model_selection import train_test_split
from torch import nn

from ganaug import labelled_images
from ganaug.classifiers.batches import batch_drawer
from ganaug.classifiers.image_classifier import ClassifierConfig, predict_proba, train_classifier
from ganaug.classifiers.networks import SmallCNN

SHAPES = {"8x8": (1, 8, 8), "28x28": (1, 28, 28), "32x32, colour": (3, 32, 32)}
WAYS = {"contiguous, fp32": "fp32", "channels_last, fp32": "fp32", "channels_last, bf16": "bf16"}
STEPS = 6  # of a turn; the first ones warm up
N_CLASSES = 10


def turn(way: str, shape: tuple[int, int, int]) -> float:
    """Seconds of the processor that a step takes."""
    seconds: list[float] = []
    images, labels = torch.rand(64, *shape), torch.arange(64) % N_CLASSES

    def network(image_shape: tuple[int, int, int], n_classes: int) -> nn.Module:
        made = SmallCNN(image_shape, n_classes)
        return made.to(memory_format=torch.contiguous_format) if way.startswith("contiguous") else made

    started = 0.0

    def draw(_: int) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal started
        started = time.process_time()
        return images, labels

    def note(*_: object) -> None:
        seconds.append(time.process_time() - started)

    config = ClassifierConfig(steps=STEPS, precision=WAYS[way])
    generator = torch.Generator().manual_seed(0)
    train_classifier(draw, shape, N_CLASSES, config, generator, make_network=network, after_step=note)
    return statistics.median(seconds[2:])


def speeds(rounds: int) -> list[list[str]]:
    """One row for each size and way."""
    rows = []
    for size, shape in SHAPES.items():
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, seconds in taken.items():
                seconds.append(turn(way, shape))
        medians = {way: statistics.median(seconds) for way, seconds in taken.items()}
        first = next(iter(medians.values()))
        rows += [[f"{size}, {way}", f"{1000 * s:.1f} ms/step", f"{first / s:.2f}"] for way, s in medians.items()]
    return rows


def accuracies(dataset: str, seeds: int) -> list[str]:
    """Mean accuracy in bfloat16, and how much it differs from that in float32."""
    data = labelled_images(dataset)
    targets = np.searchsorted(data.classes, data.labels)
    found: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for seed in range(seeds):
        train, test = train_test_split(np.arange(len(targets)), test_size=0.5, stratify=targets, random_state=seed)
        for precision, values in found.items():
            generator = torch.Generator().manual_seed(seed)
            draw = batch_drawer((data.images[train], targets[train]), generator)
            config = ClassifierConfig(precision=precision)
            network = train_classifier(draw, data.image_shape, len(data.classes), config, generator)
            values.append(100 * float(np.mean(predict_proba(network, data.images[test]).argmax(1) == targets[test])))
        print(dataset, seed, {precision: round(values[-1], 2) for precision, values in found.items()}, flush=True)
    difference = np.subtract(found["bf16"], found["fp32"])
    error = difference.std(ddof=1) / np.sqrt(seeds)
    case = f"{dataset}, accuracy in bfloat16, {seeds} seeds"
    return [case, f"{np.mean(found['bf16']):.2f} %", f"{difference.mean():+.2f} ± {error:.2f} points"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seeds", action="append", metavar="DATASET:N", help="default: digits:5, mnist5k:2")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    title = "Steps of small-cnn at batch 64 on one thread of a CPU, and its accuracy in bfloat16"
    rows = speeds(arguments.rounds)
    publish(title, "classifiers.py", rows, arguments.output)  # what is known by then, should it be cut off
    for case in arguments.seeds or ["digits:5", "mnist5k:2"]:
        dataset, seeds = case.split(":")
        rows.append(accuracies(dataset, int(seeds)))
        publish(title, "classifiers.py", rows, arguments.output)


if __name__ == "__main__":
    main()
