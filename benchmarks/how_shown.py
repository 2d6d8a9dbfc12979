"""How synthetic images are best shown to a classifier, where each class has few real ones.

    pip install ".[bench]"
    python benchmarks/how_shown.py [--case digits:20] [--case mnist5k:20] [--splits 6] [-o FILE.md]

A case is a data set and a number of training images a class. Training images of splits are disjoint; a split is tested
on all images that it does not train on. A generator is trained on the training images, and draws 200 images of each
class. All ways train the same convolutional classifier for as many steps, with random rotations, shifts and scales:

* "real images": these alone, which the others are compared with;
* "three of ten": each image is replaced by a synthetic one with a probability of .3;
* "three of ten, half as heavy": the same, with half the weight of the loss for synthetic ones;
* "fewer and fewer": with a probability that falls from .6 to 0;
* "first synthetic, then real": synthetic ones in the first three tenths of the steps, real ones from then on;
* "three of ten, told by a teacher": with class probabilities in place of labels for synthetic ones, the means of five
  classifiers of the real images;
* "real images, told by a teacher": the same for real images alone, to tell what the teacher does from what synthetic
  images do;
* "all told by a teacher": real and synthetic ones, three of ten.

Points are means over starts, with 95 % intervals of Student's t over splits, and Holm's correction over the ways of a
case. On one thread; three minutes for a split of MNIST, one for one of digits.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from many_classes import generator_named
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug import LabelledImages, labelled_images
from ganaug.bench.results.stats import holm
from ganaug.classifiers.image_classifier import ClassifierConfig, predict_proba, train_classifier
from ganaug.data.files import write_atomically
from ganaug.metrics.paired import paired_difference

TEACHERS, PER_CLASS, SHARE = 5, 200, 0.3
DEGREES, SHIFT, SCALE = 10.0, 0.1, 0.15  # of rotations, of the side, and around 1; the largest


Measured = Callable[
    [LabelledImages, NDArray[np.intp], NDArray[np.intp], argparse.Namespace, int],
    dict[str, float],
]


class Told(NamedTuple):
    """Images, uint8 (n, channels, height, width), and the class probabilities that a classifier is told of them."""

    images: NDArray[np.uint8]
    targets: Tensor


class Way(NamedTuple):
    """How training images are shown: real ones, synthetic ones, and the share of these at a moment in [0, 1)."""

    real: Told
    synthetic: Told
    share: Callable[[float], float]


def moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image rotated, shifted and scaled at random; the border is repeated."""
    n = len(images)
    angle, scale, *shift = torch.rand(4, n, generator=generator) * 2 - 1
    angle, scale = angle * np.pi * DEGREES / 180, 1 + SCALE * scale
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [torch.stack([cosine, -sine, 2 * SHIFT * shift[0]], 1), torch.stack([sine, cosine, 2 * SHIFT * shift[1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def trained(way: Way, config: ClassifierConfig, seed: int) -> nn.Module:
    """A classifier of images shown in that way."""
    generator, done = torch.Generator().manual_seed(seed), 0
    pools = [torch.from_numpy(told.images) for told in (way.real, way.synthetic)]

    def draw(batch_size: int) -> tuple[Tensor, Tensor]:
        nonlocal done
        drawn = torch.rand(batch_size, generator=generator) < way.share(done / config.steps)
        done += 1
        chosen = [torch.randint(len(pool), (batch_size,), generator=generator) for pool in pools]
        images = torch.where(drawn[:, None, None, None], pools[1][chosen[1]], pools[0][chosen[0]])
        targets = torch.where(drawn[:, None], way.synthetic.targets[chosen[1]], way.real.targets[chosen[0]])
        return moved(images / 255, generator), targets

    shape = way.real.images.shape[1:]
    return train_classifier(draw, shape, way.real.targets.shape[1], config, generator)


def ways(real: Told, synthetic: Told, config: ClassifierConfig, seed: int) -> dict[str, Way]:
    """All ways by name."""
    alone = Way(real, synthetic, lambda moment: 0.0)
    teachers = [trained(alone, config, 1000 * seed + i + 1) for i in range(TEACHERS)]

    def taught(told: Told) -> Told:
        each = np.mean([predict_proba(teacher, told.images) for teacher in teachers], axis=0)
        return Told(told.images, torch.from_numpy(each))

    def mixed(moment: float) -> float:
        return SHARE

    def falling(moment: float) -> float:
        return 2 * SHARE * (1 - moment)

    def first(moment: float) -> float:
        return float(moment < SHARE)

    lighter = Told(synthetic.images, synthetic.targets / 2)
    taught_real, taught_synthetic = taught(real), taught(synthetic)
    return {
        "real images": alone,
        "three of ten": Way(real, synthetic, mixed),
        "three of ten, half as heavy": Way(real, lighter, mixed),
        "fewer and fewer": Way(real, synthetic, falling),
        "first synthetic, then real": Way(real, synthetic, first),
        "three of ten, told by a teacher": Way(real, taught_synthetic, mixed),
        "real images, told by a teacher": Way(taught_real, synthetic, alone.share),
        "all told by a teacher": Way(taught_real, taught_synthetic, mixed),
    }


def parts(data: LabelledImages, per_class: int, splits: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Training and test images of each split, as indices."""
    order = np.random.default_rng(0).permutation(len(data))
    of_class = [order[data.labels[order] == label] for label in data.classes]
    most = min(len(each) for each in of_class) // per_class
    if splits > most:
        raise SystemExit(f"--splits must be at most {most} for {per_class} images a class, got {splits}")
    found = []
    for split in range(splits):
        taken = np.concatenate([each[split * per_class : (split + 1) * per_class] for each in of_class])
        found.append((taken, np.setdiff1d(order, taken)))
    return found


def measured(
    data: LabelledImages, train: NDArray[np.intp], test: NDArray[np.intp], args: argparse.Namespace, seed: int
) -> dict[str, float]:
    """Accuracy of each way on the test images of a split, in percent."""
    model = generator_named(args.generator, random_state=seed, verbose=False)
    model.fit(data.subset(train))
    positions = np.arange(len(data.classes)).repeat(PER_CLASS)
    drawn = np.asarray(model.sample(data.classes[positions], random_state=seed))
    targets = np.searchsorted(data.classes, data.labels)
    one_hot = torch.eye(len(data.classes))
    real, synthetic = Told(data.images[train], one_hot[targets[train]]), Told(drawn, one_hot[positions])
    config = ClassifierConfig(steps=args.steps, precision="auto")
    found = {}
    for way, shown in ways(real, synthetic, config, seed).items():
        networks = [trained(shown, config, 1000 * seed + TEACHERS + i + 1) for i in range(args.starts)]
        found[way] = accuracy(networks, data.images[test], targets[test])
    return found


def accuracy(networks: list[nn.Module], images: NDArray[np.uint8], targets: NDArray[np.integer]) -> float:
    """Mean accuracy of classifiers, in percent."""
    return 100 * float(np.mean([(predict_proba(each, images).argmax(1) == targets).mean() for each in networks]))


def table(case: str, found: list[dict[str, float]]) -> list[str]:
    """Means over splits, and differences to real images alone."""
    name, n = case.split(":")
    lines = [f"{name}, {n} images a class, {len(found)} splits:", "", "| way | accuracy | points | p, by Holm |"]
    lines.append("|---|---|---|---|")
    values = {way: np.array([one[way] for one in found]) for way in found[0]}
    first, *others = values
    differences = {way: paired_difference(values[way] - values[first], rope=0.0) for way in others}
    corrected = dict(zip(others, holm([d.p for d in differences.values()]), strict=True))
    for way, each in values.items():
        cells = [f"{each.mean():.1f}", "", ""]
        if way in differences:
            d = differences[way]
            cells[1:] = [f"{d.mean:+.1f} [{d.low:+.1f}, {d.high:+.1f}]", f"{corrected[way]:.2f}"]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return [*lines, ""]


def report(
    description: str | None, generator: str, heading: Callable[[argparse.Namespace], list[str]], measured: Measured
) -> None:
    """Read the command line, measure all splits of all cases, and print, or write, a table for each case.

    Parameters
    ----------
    description : str
        For ``--help``.
    generator : str
        The one that is taken where none is named.
    heading : callable
        Takes what the command line says; returns the lines above the tables.
    measured : callable
        What is measured in a split; see the function of that name.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", metavar="DATASET:N", help="default: digits:20, mnist5k:20")
    parser.add_argument("--generator", default=generator, metavar="NAME[:STEPS]")
    parser.add_argument("--splits", type=int, default=6)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--steps", type=int, default=500, help="of classifiers")
    parser.add_argument("-o", "--output", type=Path, help="Markdown")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = heading(args)
    for case in args.case or ["digits:20", "mnist5k:20"]:
        name, n = case.split(":")
        data, found = labelled_images(name), []
        for seed, (train, test) in enumerate(parts(data, int(n), args.splits)):
            found.append(measured(data, train, test, args, seed))
            print(case, seed, found[-1], flush=True)
        lines += table(case, found)
    text = "\n".join(lines)
    print(text)
    if args.output:
        write_atomically(args.output, text)


def heading(args: argparse.Namespace) -> list[str]:
    """What stands above the tables."""
    return [
        f"Ways to show synthetic images by {args.generator} to a classifier ({platform.machine()}, 1 thread, torch",
        f"{torch.__version__}), by `python benchmarks/how_shown.py --generator {args.generator} --starts",
        f"{args.starts}`. Accuracy in percent.",
        "",
    ]


if __name__ == "__main__":
    report(__doc__, "image-flow", heading, measured)
