"""What the presets made for a GPU are chosen by: samples after as many operations, with other networks and batches.

    python benchmarks/speed/presets.py [--preset small] [--case digits:60:32000] [--seeds 3] [--only NAME] [-o FILE.md]

A case is a data set, the training images a class, and the images that the preset as it is shows in training; all else
is given as many operations, so that a step of twice as many is taken half as often. The other images judge. For each
seed, which also draws the training images, a GAN is trained on one thread with

* the preset as it is, whose convolutions of 3x3 are in groups inside blocks that are twice as wide as their stage;
* dense convolutions in blocks of .65 times that width, which takes about as many operations an image as the preset;
* dense convolutions in blocks as wide as their stage, which takes more operations and fewer bytes;
* batches of 256, with the learning rate as it is, times two (as the root of the batch) and times four (as the batch).

Operations are those of convolutions and matrix products, bytes those that all operations of a step read and write,
each on its own, per real image. Class consistency is the share of 200 samples a class that a classifier of the judging
images finds to be of the class asked for; CAS the accuracy on the judging images of a classifier of these samples.
Means over seeds, with differences to the preset as it is and their standard errors. Time is the processor's.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from rivals import Operations, Task, ganaug_cycle
from training import Traffic, markdown

from ganaug import ImageGAN, LabelledImages, labelled_images
from ganaug.data.files import write_atomically
from ganaug.engine.config import PRECISIONS
from ganaug.engine.layers import initialise
from ganaug.generators.images.networks import build_networks
from ganaug.generators.images.presets import PRESETS, ImageGANConfig

sys.path.append(str(Path(__file__).parents[1]))
from choices import judging, measured, split

FIRST = "as it is"
DENSE = {"group_width": 0}
VARIANTS: dict[str, dict[str, Any]] = {
    FIRST: {},
    "dense, .65 times as wide": {**DENSE, "expansion": 0.65},
    "dense, as wide": {**DENSE, "expansion": 1.0},
    "batch 256": {"batch_size": 256},
    "batch 256, rate times 2": {"batch_size": 256, "times": 2},
    "batch 256, rate times 4": {"batch_size": 256, "times": 4},
}


class Cost(NamedTuple):
    """Of a step, penalties counted as they come, for each real image."""

    operations: float
    bytes: float


class Case(NamedTuple):
    """A data set, training images a class, and real images shown in the training of the preset as it is."""

    data: str
    per_class: int
    shown: int

    @classmethod
    def of(cls, text: str) -> Case:
        """From what stands on the command line."""
        data, per_class, shown = text.rsplit(":", 2)
        return cls(data, int(per_class), int(shown))


@contextmanager
def variant(preset: str, change: dict[str, Any]) -> Iterator[None]:
    """A preset is changed in this context."""
    times = {"learning_rate": PRESETS[preset].learning_rate * change.get("times", 1)}
    changed = {name: value for name, value in change.items() if name != "times"}
    with patch.dict(PRESETS, {preset: replace(PRESETS[preset], **times, **changed)}):
        yield


def cost(config: ImageGANConfig) -> Cost:
    """What a training of this configuration takes for each real image."""
    batch, arch = config.training.batch_size, config.architecture
    networks = build_networks(arch)
    for network in networks:
        initialise(network, torch.Generator().manual_seed(0))
    real = torch.rand(batch, *arch.image_shape) * 2 - 1
    task = Task(real, torch.arange(batch) % arch.n_classes, PRECISIONS[config.training.precision])
    cycle = ganaug_cycle(networks, config.objective, task)
    with Operations() as operations:
        cycle.run(0)
    with Traffic() as traffic:
        cycle.run(0)
    images = batch * cycle.batches
    return Cost(operations.counted / images, traffic.bytes / images)


def trained(
    preset: str,
    change: dict[str, Any],
    data: tuple[LabelledImages, LabelledImages],
    judge: torch.nn.Module,
    **given: Any,
) -> tuple[list[float], Cost, int]:
    """Seconds, consistency and CAS of a training with so many operations; what it took an image, and its steps."""
    train, judges = data
    seed = given["random_state"]
    with variant(preset, change):
        options = {"preset": preset, "device": "cpu", "random_state": seed, "verbose": False}
        config = ImageGAN(**options).resolve(train)
        taken = cost(config)
        steps = max(1, round(given["operations"] / taken.operations / config.training.batch_size))
        gan = ImageGAN(**options, steps=steps)
        return measured(gan, train, judges, judge, seed), taken, steps


def read_rows(kept: Path | None) -> dict[tuple[Any, ...], tuple[list[float], Cost, int]]:
    """Trainings that a file tells of, one a line, by preset, data, images a class, images shown, variant and seed."""
    lines = kept.read_text().splitlines() if kept and kept.exists() else []
    return {tuple(key): (result, Cost(*each), steps) for key, result, each, steps in map(json.loads, lines)}


def against(values: NDArray[np.float64], first: NDArray[np.float64]) -> str:
    """Mean, and the difference to the first with its standard error."""
    difference = values - first
    if len(values) < 2 or not difference.any():
        return f"{values.mean():.1f}"
    error = difference.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.1f} ({difference.mean():+.1f} ± {error:.1f})"


def rows(preset: str, case: Case, names: Sequence[str], seeds: int, kept: Path | None) -> list[dict[str, str]]:
    """One for each variant."""
    data = labelled_images(case.data)
    done = read_rows(kept)
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    taken: dict[str, tuple[Cost, int]] = {}
    for seed in range(seeds):
        parts = split(data, case.per_class, seed)
        judge = judging(parts[1], seed)
        config = ImageGAN(preset=preset, device="cpu").resolve(parts[0])
        operations = case.shown * cost(config).operations
        for name in names:
            key = (preset, Path(case.data).stem, case.per_class, case.shown, name, seed)
            if key not in done:
                done[key] = trained(preset, VARIANTS[name], parts, judge, random_state=seed, operations=operations)
                if kept:
                    with kept.open("a") as file:
                        file.write(json.dumps([key, *done[key]]) + "\n")
            result, each, steps = done[key]
            found[name].append(result)
            taken[name] = each, steps
            print(*key, steps, *(f"{value:.2f}" for value in result), sep="; ", flush=True)
    figures = {name: np.array(values) for name, values in found.items()}
    return [
        {
            "networks and batch": name,
            "MFLOP an image": f"{taken[name][0].operations / 1e6:,.0f}",
            "MB an image": f"{taken[name][0].bytes / 1e6:,.1f}",
            "steps": f"{taken[name][1]:,}",
            "time": f"{values[:, 0].mean():.0f} s",
            "class consistency, %": against(values[:, 1], figures[names[0]][:, 1]),
            "CAS, %": against(values[:, 2], figures[names[0]][:, 2]),
        }
        for name, values in figures.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--case", action="append", metavar="DATASET:N:SHOWN", help="default: digits:60:32000")
    parser.add_argument("--only", action="append", choices=VARIANTS, help="may be repeated; default all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=Path, help="file of trainings, which are added to it and not done again")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = [name for name in VARIANTS if arguments.only is None or name in {FIRST, *arguments.only}]
    lines = [
        f"Trainings of ImageGAN's preset `{arguments.preset}` with as many operations ({platform.machine()}, 1 thread,",
        f"torch {torch.__version__}), by `python benchmarks/speed/presets.py`. Differences are to the preset as it is.",
        "",
    ]
    for case in map(Case.of, arguments.case or ["digits:60:32000"]):
        found = rows(arguments.preset, case, names, arguments.seeds, arguments.rows)
        title = (
            f"{Path(case.data).stem}, {case.per_class} images a class, {case.shown:,} shown, {arguments.seeds} seeds:"
        )
        lines += [title, "", *markdown(found), ""]
        text = "\n".join(lines)
        print(text, flush=True)
        if arguments.output:
            write_atomically(arguments.output, text)


if __name__ == "__main__":
    main()
