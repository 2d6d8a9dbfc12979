"""How often images that a generator draws are of the class asked for, against the number of classes and of steps.

    python benchmarks/many_classes.py omniglot.npz --classes 183 --generator image-gan:3000 --generator image-flow \
        --output many_classes.json --table many_classes.md

The file holds `images`, uint8 (n, height, width), and `labels`, 20 characters or so a class. For each seed a set of
classes is drawn, and the images of each are halved: the generators train on the one half, and a convolutional
classifier, with random shifts, rotations and scales, on the other. The classifier says what the images are that a
generator draws while it is trained; its accuracy on the half that the generators were trained on is the most that can
be expected.

Prints a line per reading, and writes all of them, with the configuration and what `health_` says at the end, as JSON,
and the last ones as a table; both after each training.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms import v2

from ganaug import RunOptions
from ganaug.bench.inputs.datasets import resized
from ganaug.classifiers.batches import batch_drawer
from ganaug.classifiers.image_classifier import ClassifierConfig, class_consistency, train_classifier
from ganaug.classifiers.networks import SmallCNN
from ganaug.data.files import write_atomically
from ganaug.engine.callback import Callback
from ganaug.engine.state import TrainingState
from ganaug.generators import generator_class

Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]


class Consistency(Callback):
    """Draws images of every class at some of the steps, and has the classifier say what they are."""

    name = "consistency"

    def __init__(self, judge: torch.nn.Module, n_classes: int, readings: int, per_class: int) -> None:
        self.judge, self.n_classes, self.n_readings, self.per_class = judge, n_classes, readings, per_class
        self.readings: list[dict[str, float]] = []

    @torch.no_grad()
    def on_reading(self, state: TrainingState) -> None:
        """Take a reading when it is due."""
        last = self.readings[-1]["step"] if self.readings else 0
        if state.step < min(last + state.config.steps / self.n_readings, state.config.steps):
            return
        labels = torch.arange(self.n_classes).repeat(self.per_class)
        randomness, size = torch.Generator().manual_seed(state.step), state.config.batch_size
        padded = torch.cat([labels, labels[: -len(labels) % size]])
        drawn = state.objective.samples(padded, size, randomness)[: len(labels)]
        shape = state.objective.networks["generator"].arch.image_shape
        images = ((drawn.reshape(-1, *shape) + 1) * 127.5).round().clamp(0, 255).byte().cpu().numpy()
        found = class_consistency(self.judge, images, labels.numpy(), self.n_classes)
        reading = {
            "step": state.step,
            "consistency": float(found.mean()),
            "worst_tenth": float(np.sort(found)[: max(1, len(found) // 10)].mean()),
        }
        self.readings.append(reading)
        print(" ".join(f"{name} {value:g}" for name, value in reading.items()), flush=True)


def halves(path: Path, n_classes: int, side: int, seed: int) -> tuple[Labelled, Labelled]:
    """Images and class indices of the classes drawn, for the GAN and for the classifier."""
    with np.load(path) as data:
        pixels, labels = data["images"], data["labels"]
    if not 2 <= n_classes <= len(np.unique(labels)):
        raise SystemExit(
            f"--classes must be from 2 to {len(np.unique(labels))}, the classes in {path}, got {n_classes}"
        )
    randomness = np.random.default_rng(seed)
    chosen = np.sort(randomness.choice(np.unique(labels), n_classes, replace=False))
    first, second = [], []
    for label in chosen:
        members = randomness.permutation(np.flatnonzero(labels == label))
        first.append(members[: len(members) // 2])
        second.append(members[len(members) // 2 :])
    images = resized(pixels[:, None], side)
    parts = (np.concatenate(first), np.concatenate(second))
    of_gan, of_judge = ((images[i], np.searchsorted(chosen, labels[i])) for i in parts)
    return of_gan, of_judge


def generator_named(generator: str, **options: Any) -> Any:
    """A generator of images that is given as NAME or NAME:STEPS."""
    name, _, steps = generator.partition(":")
    return generator_class(name, "images")(steps=int(steps) if steps else "auto", **options)


def trained_on_drawings(
    data: Labelled,
    config: ClassifierConfig,
    seed: int,
    *,
    make_network: Callable[[tuple[int, int, int], int], torch.nn.Module] = SmallCNN,
    device: str = "cpu",
    **drawing: Any,
) -> torch.nn.Module:
    """A classifier of images with random shifts, rotations and scales; `drawing` is for its batches."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # which the transform draws from
    affine = v2.RandomAffine(degrees=10, translate=(0.1, 0.1), scale=(0.85, 1.15))
    draw = batch_drawer(data, generator, transform=affine, **drawing)
    shape, n_classes = data[0].shape[1:], int(data[1].max()) + 1
    return train_classifier(draw, shape, n_classes, config, generator, make_network=make_network, device=device)


def measured(
    args: argparse.Namespace, generator: str, of_gan: Labelled, judge: torch.nn.Module, n_classes: int, seed: int
) -> dict[str, Any]:
    """Train a generator, given as NAME or NAME:STEPS, and have the classifier look on."""
    readings = Consistency(judge, n_classes, args.readings, args.per_class)
    run = RunOptions(callbacks=[readings])
    model = generator_named(generator, run=run, device=args.device, random_state=seed)
    images, labels = of_gan[0].transpose(0, 2, 3, 1), of_gan[1]
    auto = type(model)(device=args.device).resolve(images, labels)
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of steps that are too few, which the table shows
        model.fit(images, labels)
    seconds = time.process_time() - started
    config = model.config_.to_dict()
    return {
        "generator": generator.partition(":")[0],
        "classes": n_classes,
        "seed": seed,
        "auto_steps": auto.training.steps,
        "readings": readings.readings,
        "cpu_seconds": seconds,
        "config": config,
        "health": model.health_,
    }


def table(found: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """The last reading of each training, as Markdown."""
    lines = [
        f"Images of the class asked for, {args.side}x{args.side} ({platform.machine()}, "
        f"{torch.get_num_threads()} thread, torch {torch.__version__}):",
        "",
        '| generator | classes | seed | steps, of those of "auto" | processor, min | of the class, % | '
        "worst tenth of the classes, % | real images, % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        training, last = row["config"]["training"], row["readings"][-1]
        cells = [
            row["generator"],
            row["classes"],
            row["seed"],
            f"{training['steps']:,} of {training['batch_size']}, {training['steps'] / row['auto_steps']:.0%}",
            f"{row['cpu_seconds'] / 60:.1f}",
            f"{100 * last['consistency']:.1f}",
            f"{100 * last['worst_tenth']:.1f}",
            f"{100 * row['real']:.1f}",
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="npz file with images and labels")
    parser.add_argument("--classes", type=int, nargs="+", default=[183])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--side", type=int, default=32, help="of the images, in pixels")
    parser.add_argument(
        "--generator", action="append", metavar="NAME[:STEPS]", help="may be repeated; default image-gan"
    )
    parser.add_argument("--judge-steps", type=int, default=6000, help="of the classifier")
    parser.add_argument("--per-class", type=int, default=8, help="images drawn of each class for a reading")
    parser.add_argument("--readings", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="JSON of all readings")
    parser.add_argument("--table", type=Path, help="Markdown of the last ones")
    args = parser.parse_args()
    found: list[dict[str, Any]] = []
    for n_classes in args.classes:
        for seed in args.seeds:
            of_gan, of_judge = halves(args.data, n_classes, args.side, seed)
            config = ClassifierConfig(steps=args.judge_steps)
            judge = trained_on_drawings(of_judge, config, seed, device=args.device)  # of the other half
            real = float(class_consistency(judge, *of_gan, n_classes).mean())
            print(f"{n_classes} classes, seed {seed}: real images {real:.3f}", flush=True)
            for generator in args.generator or ["image-gan"]:
                print(generator, flush=True)
                found.append({"real": real, **measured(args, generator, of_gan, judge, n_classes, seed)})
                if args.output:
                    write_atomically(args.output, json.dumps(found, indent=1))
                if args.table:
                    write_atomically(args.table, table(found, args))


if __name__ == "__main__":
    main()
