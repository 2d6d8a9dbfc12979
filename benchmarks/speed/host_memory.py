"""What it costs to take the memory of each step from the system anew.

    python benchmarks/speed/host_memory.py [--steps 6] [--rounds 3] [-o FILE.md]

On a CPU, by one thread, RGB images of 32x32:

* a training step of ImageGAN, with and without :func:`ganaug.engine.host.memory_kept`;
* 1,000 images drawn, and 2,000 classified, in the batches that are taken, and in batches of 500 and 1,000, which were
  taken before;
* features of 100 images by EfficientNet-lite0 at 160x160, with and without memory kept (extra "features").

Each is done in a process of its own, since the C library remembers what was taken before, and once before it is
measured. Ways take turns; figures are medians over rounds. Seconds are those that the process computed, and "by the
system" is the share of them that the kernel computed for it, mostly to clear pages. A ratio is to the first way.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from report import publish

from ganaug import ImageGAN, RunOptions
from ganaug.classifiers.features import features
from ganaug.classifiers.image_classifier import PREDICTION_BATCH, predict_proba
from ganaug.classifiers.networks import SmallCNN
from ganaug.engine import host
from ganaug.generators.images import drawing

COMMAND = [sys.executable, __file__]
SIDE, CLASSES = 32, 10


class Taken(NamedTuple):
    """By a piece of work: seconds of the processor, how many of them in the kernel, and MiB that the process held."""

    seconds: float
    system: float
    peak: float


def taken(work: Callable[[], object]) -> Taken:
    """What a call takes the second time."""
    work()
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    system = after.ru_stime - before.ru_stime
    return Taken(after.ru_utime - before.ru_utime + system, system, after.ru_maxrss / 1024)


def step(preset: str, precision: str, steps: int) -> Taken:
    """One step of a training: the difference of two trainings, divided by that of their steps."""
    images = np.random.default_rng(0).integers(256, size=(200, SIDE, SIDE, 3), dtype=np.uint8)
    labels = np.arange(len(images)) % CLASSES

    def fit(n: int) -> Taken:
        run = RunOptions(precision=precision)
        gan = ImageGAN(preset=preset, steps=n, device="cpu", random_state=0, verbose=False, run=run)
        return taken(lambda: gan.fit(images, labels))

    less, more = fit(2), fit(2 + steps)
    return Taken((more.seconds - less.seconds) / steps, (more.system - less.system) / steps, more.peak)


def drawn(preset: str) -> Taken:
    """1,000 images drawn by a generator that has hardly been trained."""
    images = np.random.default_rng(0).integers(256, size=(40, SIDE, SIDE, 3), dtype=np.uint8)
    gan = ImageGAN(preset=preset, steps=1, device="cpu", random_state=0, verbose=False)
    gan.fit(images, np.arange(len(images)) % CLASSES)
    return taken(lambda: gan.sample(np.arange(1000) % CLASSES, random_state=0))


def classified(batch_size: int | None = None) -> Taken:
    """2,000 images classified."""
    images = np.random.default_rng(0).integers(256, size=(2000, 3, SIDE, SIDE), dtype=np.uint8)
    network = SmallCNN((3, SIDE, SIDE), CLASSES)
    network.reset(torch.Generator().manual_seed(0))
    return taken(lambda: predict_proba(network.eval(), images, batch_size=batch_size))


def described() -> Taken:
    """Features of 100 images."""
    images = np.random.default_rng(0).integers(256, size=(100, 3, SIDE, SIDE), dtype=np.uint8)
    return taken(lambda: features(images, "efficientnet-lite0", device="cpu"))


def not_kept() -> AbstractContextManager[object]:
    """Compute without keeping memory."""
    return patch.object(host, "memory_kept", nullcontext)


def in_batches_of_500() -> AbstractContextManager[object]:
    """Draw as before."""
    return patch.object(drawing, "samples_at_once", lambda numbers: drawing.SAMPLING_BATCH)


def within(context: Callable[[], AbstractContextManager[object]], work: Callable[[], Taken]) -> Taken:
    """What a piece of work takes in a context."""
    with context():
        return work()


def cases(steps: int) -> dict[str, dict[str, Callable[[], Taken]]]:
    """Pieces of work by name, each in two ways."""
    found: dict[str, dict[str, Callable[[], Taken]]] = {}
    for preset, precision in itertools.product(("tiny", "small"), ("fp32", "bf16")):
        work = partial(step, preset, precision, steps)
        found[f"step of {preset}, {precision}"] = {"memory kept": work, "not kept": partial(within, not_kept, work)}
    for preset in ("tiny", "small"):
        work = partial(drawn, preset)
        ways = {"few at a time": work, "500 at a time": partial(within, in_batches_of_500, work)}
        found[f"1,000 images drawn by {preset}"] = ways
    many = partial(classified, PREDICTION_BATCH)
    found["2,000 images classified"] = {"few at a time": classified, "1,000 at a time": many}
    found["features of 100 images"] = {"memory kept": described, "not kept": partial(within, not_kept, described)}
    return found


def elsewhere(case: str, way: str, steps: int) -> Taken:
    """What a way takes in a process of its own."""
    command = [*COMMAND, "--steps", str(steps), "--only", case, way]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Taken(*json.loads(done.stdout))


def in_turn(case: str, ways: list[str], rounds: int, steps: int) -> list[list[str]]:
    """A row for each way, beside the first."""
    found: dict[str, list[Taken]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            found[way].append(elsewhere(case, way, steps))
    middle = {way: Taken(*map(statistics.median, zip(*many, strict=True))) for way, many in found.items()}
    first = middle[ways[0]].seconds
    return [
        [
            f"{case}, {way}",
            f"{1000 * one.seconds:,.0f} ms, {one.system / one.seconds:.0%} by the system, {one.peak:,.0f} MiB",
            f"{one.seconds / first:.2f}",
        ]
        for way, one in middle.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs=2, metavar=("CASE", "WAY"), help="in this process; as JSON")
    parser.add_argument("-o", "--output", type=Path, help="Markdown")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.only:
        case, way = args.only
        print(json.dumps(cases(args.steps)[case][way]()))
        return
    rows = [row for case, ways in cases(args.steps).items() for row in in_turn(case, [*ways], args.rounds, args.steps)]
    publish("Memory that is taken from the system anew, on one thread", "host_memory.py", rows, args.output)


if __name__ == "__main__":
    main()
