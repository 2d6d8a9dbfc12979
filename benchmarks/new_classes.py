"""Whether a generator helps a classifier to learn new classes of which there are few images.

    python benchmarks/new_classes.py omniglot.npz --output benchmarks/results/new-classes.md

The file holds `images`, uint8 (n, height, width), `labels`, `groups` (who drew an image) and `alphabet`. One alphabet
at a time is new: five of its drawers are for training, the others for the test; all images of four other alphabets,
drawn at random, are the base. Arms, each a convolutional classifier with random shifts, rotations and scales:

* from scratch: trained on the five drawings of each new class;
* on both: trained on base and new classes in equal shares, and read among the new classes;
* pretrained: trained on the base classes, its last layer replaced, and trained on the new ones;
* pretrained, with 30 or 60 % of the drawings replaced by synthetic ones of their class;
* pretrained, with 30 % by those synthetic drawings that "pretrained" takes for the class asked.

The generator is trained on base and new classes together. Points against "pretrained" are of the mean over starts, with
95 % intervals of Student's t over alphabets, and Holm's correction over the arms with synthetic drawings. The last
column is how often a classifier of the drawings for the test takes synthetic drawings for the class asked. A process of
one thread takes a quarter to half an hour for each alphabet.
"""

from __future__ import annotations

import argparse
import copy
import platform
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from many_classes import generator_named, trained_on_drawings
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.bench.inputs.datasets import resized
from ganaug.bench.results.stats import holm
from ganaug.classifiers.batches import Labelled
from ganaug.classifiers.image_classifier import ClassifierConfig, class_consistency, predict_proba
from ganaug.classifiers.networks import SmallCNN
from ganaug.data.files import write_atomically
from ganaug.metrics.paired import paired_difference

SHARES, SHARE_OF_RECOGNISED = (0.3, 0.6), 0.3
DRAWERS = 5
BASE_ALPHABETS = 4


@dataclass(frozen=True)
class Alphabet:
    """The parts of the data when one alphabet is new; both base and new classes are counted from 0."""

    base: Labelled
    new: Labelled
    test: Labelled

    @property
    def n_base(self) -> int:
        """Number of base classes."""
        return int(self.base[1].max()) + 1

    @property
    def n_new(self) -> int:
        """Number of new classes."""
        return int(self.new[1].max()) + 1

    @property
    def both(self) -> Labelled:
        """Base and new images, new classes counted on from the base."""
        images = np.concatenate([self.base[0], self.new[0]])
        return images, np.concatenate([self.base[1], self.new[1] + self.n_base])


def split(path: Path, new: int, side: int) -> tuple[str, Alphabet]:
    """The name of the alphabet that is new, and the parts of the data."""
    with np.load(path) as data:
        pixels, labels, groups, alphabets = (data[name] for name in ("images", "labels", "groups", "alphabet"))
        name = str(data["alphabet_names"][new])
    rng = np.random.default_rng(new)
    others = rng.choice(np.delete(np.unique(alphabets), new), BASE_ALPHABETS, replace=False)
    drawers = rng.choice(np.unique(groups[alphabets == new]), DRAWERS, replace=False)
    images, trained = resized(pixels[:, None], side), np.isin(groups, drawers)

    def part(chosen: NDArray[np.bool_]) -> Labelled:
        return images[chosen], np.unique(labels[chosen], return_inverse=True)[1]

    of_new = alphabets == new
    return name, Alphabet(part(np.isin(alphabets, others)), part(of_new & trained), part(of_new & ~trained))


class Finetuned(nn.Module):
    """A copy of a trained network with a fresh last layer; as it has no ``reset``, its weights are not drawn anew."""

    def __init__(self, start: SmallCNN, n_classes: int) -> None:
        super().__init__()
        self.network = copy.deepcopy(start)
        self.network.logits = nn.Linear(start.logits.in_features, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits."""
        return self.network(images)


def trained(real: Labelled, steps: int, seed: int, *, start: nn.Module | None = None, **synthetic: Any) -> nn.Module:
    """A classifier of images, from a pretrained start or its own."""
    make = SmallCNN if start is None else lambda _, n_classes: Finetuned(start, n_classes)
    config = ClassifierConfig(steps=steps, precision="auto")
    return trained_on_drawings(real, config, seed, make_network=make, balanced=True, **synthetic)


def drawn(data: Alphabet, generator: str, per_class: int, seed: int) -> NDArray[np.uint8]:
    """Synthetic images of the new classes, `per_class` of each in turn, by a generator given as NAME or NAME:STEPS."""
    model = generator_named(generator, random_state=seed, verbose=False)
    images, labels = data.both
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of steps that are too few, which consistency shows
        model.fit(images.transpose(0, 2, 3, 1), labels)
    wanted = np.arange(data.n_new).repeat(per_class) + data.n_base
    found = np.asarray(model.sample(wanted, random_state=seed))
    return found.reshape(len(found), 1, *images.shape[2:])


def accuracies(data: Alphabet, synthetic: Labelled, args: argparse.Namespace, start: int) -> dict[str, float]:
    """Accuracy of each arm on the test, of one start, in percent."""

    def accuracy(network: nn.Module, first: int = 0) -> float:
        return 100 * float((predict_proba(network, data.test[0])[:, first:].argmax(1) == data.test[1]).mean())

    base = trained(data.base, args.base_steps, start)
    plain = trained(data.new, args.steps, start, start=base)
    found = {
        "from scratch": accuracy(trained(data.new, args.steps, start)),
        "on both": accuracy(trained(data.both, args.base_steps, start), data.n_base),
        "pretrained": accuracy(plain),
    }
    for share in SHARES:
        network = trained(data.new, args.steps, start, synthetic=synthetic, share=share, start=base)
        found[f"{share:.0%} synthetic"] = accuracy(network)
    recognised = predict_proba(plain, synthetic[0]).argmax(1) == synthetic[1]
    kept = synthetic[0][recognised], synthetic[1][recognised]
    shares = np.where(np.bincount(kept[1], minlength=data.n_new) > 0, SHARE_OF_RECOGNISED, 0)
    network = trained(data.new, args.steps, start, synthetic=kept, share=shares, start=base)
    found[f"{SHARE_OF_RECOGNISED:.0%} recognised"] = accuracy(network)
    return found


def measured(args: argparse.Namespace, new: int) -> tuple[str, dict[str, float]]:
    """The name of an alphabet, and what was found with it as the new one, on one thread."""
    torch.set_num_threads(1)
    name, data = split(args.data, new, args.side)
    labels = np.arange(data.n_new).repeat(args.per_class)
    synthetic = drawn(data, args.generator, args.per_class, new), labels
    each = [accuracies(data, synthetic, args, start) for start in range(args.starts)]
    judge = trained(data.test, args.steps, 0)
    consistency = 100 * float(class_consistency(judge, *synthetic, data.n_new).mean())
    row = {arm: float(np.mean([one[arm] for one in each])) for arm in each[0]}
    return f"{name}, {data.n_new} characters", {**row, "consistency": consistency}


def table(found: dict[str, dict[str, float]], args: argparse.Namespace) -> str:
    """All alphabets, and differences over them, as Markdown."""
    arms = [name for name in next(iter(found.values())) if name != "consistency"]
    lines = [
        f"New alphabets of Omniglot, {DRAWERS} drawings of each character, {args.side}x{args.side} pixels,",
        f"{args.starts} starts; accuracy in percent, by `{args.command}`",
        f"({platform.machine()}, {torch.get_num_threads()} thread, torch {torch.__version__}).",
        "",
        f"| new alphabet | {' | '.join(arms)} | synthetic drawings of the class asked |",
        "|---" * (len(arms) + 2) + "|",
    ]
    for name, row in found.items():
        lines.append(f"| {name} | {' | '.join(f'{row[arm]:.1f}' for arm in [*arms, 'consistency'])} |")
    if len(found) > 1:
        differences = {
            arm: paired_difference([row[arm] - row["pretrained"] for row in found.values()], rope=0.0)
            for arm in arms
            if arm != "pretrained"
        }
        tested = [arm for arm in differences if "%" in arm]
        corrected = dict(zip(tested, holm([differences[arm].p for arm in tested]), strict=True))
        lines += ["", '| against "pretrained" | points [95 % interval] | p, by Holm |', "|---|---|---|"]
        for arm, d in differences.items():
            p = f"{corrected[arm]:.2f}" if arm in corrected else ""
            lines.append(f"| {arm} | {d.mean:+.1f} [{d.low:+.1f}, {d.high:+.1f}] | {p} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="npz file with images, labels, groups and alphabet")
    parser.add_argument("--alphabets", type=int, nargs="+", default=[3, 5, 6, 2], help="each is new in turn")
    parser.add_argument("--generator", default="image-gan", metavar="NAME[:STEPS]")
    parser.add_argument("--side", type=int, default=16, help="of the images, in pixels")
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--base-steps", type=int, default=4000, help="of classifiers of the base classes")
    parser.add_argument("--steps", type=int, default=1500, help="of classifiers of the new classes")
    parser.add_argument("--per-class", type=int, default=50, help="synthetic drawings of each new class")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, help="Markdown, written after each alphabet")
    args = parser.parse_args()
    given = " ".join(str(number) for number in args.alphabets)
    args.command = f"python benchmarks/new_classes.py omniglot.npz --alphabets {given} --generator {args.generator}"
    found: dict[str, dict[str, float]] = {}
    run = Parallel(n_jobs=args.jobs, return_as="generator")
    for name, row in run(delayed(measured)(args, new) for new in args.alphabets):
        found[name] = row
        print(name, row, flush=True)
        if args.output:
            write_atomically(args.output, table(found, args))
    print(table(found, args))


if __name__ == "__main__":
    main()
