"""What images without labels are worth: 20 labelled digits of each class, and all others of MNIST-5k without labels.

    pip install ".[bench]"
    python benchmarks/unlabelled.py [-o benchmarks/results/unlabelled.md]

In each split 20 images of each digit keep their labels, 1,500 others are tested on, the rest has no labels. All arms
train the same classifier for the same number of steps, each from a random start of its own. "Pseudo-labels" are those
of that classifier, trained on the labelled images, where it is sure by more than .9: the honest baseline.
Twenty minutes of a CPU core.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import joblib
import numpy as np
import torch

from ganaug import ImageGAN, LabelledImages, labelled_images
from ganaug.classifiers.batches import batch_drawer
from ganaug.classifiers.image_classifier import ClassifierConfig, predict_proba, train_classifier
from ganaug.data.files import write_atomically
from ganaug.engine.devices import random_generator
from ganaug.metrics.paired import paired_difference

PER_CLASS, N_TEST, SPLITS = 20, 1500, 4
TRAINING = ClassifierConfig(steps=600)
GAN_STEPS, DRAWN, SHARE, SURE = 1000, 200, 0.5, 0.9
ARMS = {
    "labelled images only": "",
    "pseudo-labels": "",
    "GAN of the labelled images": "labelled images only",
    "GAN of all images": "labelled images only",
    "pseudo-labels + GAN of all images": "pseudo-labels",
    "all true labels": "",
}


def accuracy_of_arms(split: int) -> dict[str, float]:
    torch.set_num_threads(1)
    data = labelled_images("mnist5k")
    order = np.random.default_rng(split).permutation(len(data))
    test, rest = data.subset(order[:N_TEST]), data.subset(order[N_TEST:])
    known = np.concatenate([np.flatnonzero(rest.labels == c)[:PER_CLASS] for c in range(10)])
    partly = np.full(len(rest), -1)
    partly[known] = rest.labels[known]
    labelled = rest.subset(known)

    def accuracy(arm: str, real: LabelledImages, synthetic: LabelledImages | None = None) -> tuple[float, object]:
        generator = random_generator(split, arm)
        drawn = None if synthetic is None else (synthetic.images, synthetic.labels)
        draw = batch_drawer(
            (real.images, real.labels), generator, synthetic=drawn, share=0.0 if drawn is None else SHARE, balanced=True
        )
        network = train_classifier(draw, real.image_shape, 10, TRAINING, generator)
        return float((predict_proba(network, test.images).argmax(1) == test.labels).mean()), network

    def synthetic(data: LabelledImages) -> LabelledImages:
        gan = ImageGAN(preset="tiny", steps=GAN_STEPS, random_state=split, device="cpu", verbose=False).fit(data)
        labels = np.repeat(np.arange(10), DRAWN)
        return LabelledImages(gan.sample(labels, random_state=split).numpy(), labels)

    found = {}
    found["labelled images only"], judge = accuracy("labelled images only", labelled)
    guesses = predict_proba(judge, rest.images)
    sure = np.union1d(known, np.flatnonzero(guesses.max(1) > SURE))
    guessed = LabelledImages(rest.images[sure], np.where(partly[sure] < 0, guesses.argmax(1)[sure], partly[sure]))
    of_labelled, of_all = synthetic(labelled), synthetic(LabelledImages(rest.images, partly))
    found["pseudo-labels"], _ = accuracy("pseudo-labels", guessed)
    found["GAN of the labelled images"], _ = accuracy("GAN of the labelled images", labelled, of_labelled)
    found["GAN of all images"], _ = accuracy("GAN of all images", labelled, of_all)
    found["pseudo-labels + GAN of all images"], _ = accuracy("both", guessed, of_all)
    found["all true labels"], _ = accuracy("all true labels", rest)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--jobs", type=int, default=joblib.cpu_count())
    arguments = parser.parse_args()
    found = joblib.Parallel(arguments.jobs)(joblib.delayed(accuracy_of_arms)(split) for split in range(SPLITS))
    rows = []
    for arm, base in ARMS.items():
        points = 100 * np.array([split[arm] for split in found])
        against = ""
        if base:
            difference = paired_difference(points - 100 * np.array([split[base] for split in found]), rope=0.5)
            against = f"{difference.mean:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}] against {base}"
        rows.append(f"| {arm} | {points.mean():.2f} ({points.std(ddof=1):.2f}) | {against} |")
    text = "\n".join(
        [
            f"MNIST-5k, {PER_CLASS} labels a class, the others without, {SPLITS} splits ({platform.machine()}, torch "
            f"{torch.__version__}), by `python benchmarks/unlabelled.py`.",
            "",
            "| arm | accuracy (SD), % | difference, 95 % interval |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
    print(text)
    if arguments.output:
        write_atomically(arguments.output, text)


if __name__ == "__main__":
    main()
