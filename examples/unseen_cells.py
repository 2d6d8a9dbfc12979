"""Digits that one of three scanners has never seen, drawn by a GAN that has learnt digits and scanners.

python examples/unseen_cells.py FOLDER --withheld GROUP (with files at class/group/file); without FOLDER digits of three
made-up scanners are used. Half of the classes are withheld from one group; a classifier is tested on these, with and
without synthetic images of them.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.svm import SVC

from ganaug import ImageGAN, labelled_images
from ganaug.data.images.pictures import picture

SCANNERS = {"clear": lambda image: image, "faint": lambda image: image // 2 + 60, "inverted": lambda image: 255 - image}


def write_scans(folder: Path) -> None:
    digits = labelled_images("digits").subset(range(900))
    for number, (image, digit) in enumerate(zip(digits.images, digits.labels, strict=True)):
        scanner = list(SCANNERS)[number % 3]
        place = folder / str(digit) / scanner
        place.mkdir(parents=True, exist_ok=True)
        picture(SCANNERS[scanner](image)).save(place / f"{number}.png")


def accuracy(images, labels, tested) -> float:
    classifier = SVC().fit(images.reshape(len(images), -1) / 255, labels)
    return classifier.score(tested.images.reshape(len(tested), -1) / 255, tested.labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--withheld", default="faint", help="group from which half of the classes are withheld")
    parser.add_argument("--steps", type=int, default=1000, help="of the GAN")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.folder is None:
            write_scans(Path(temporary))
        data = labelled_images(arguments.folder or temporary, groups="folder")
    classes = data.classes[len(data.classes) // 2 :]
    unseen = np.isin(data.labels, classes) & (data.groups == arguments.withheld)
    real, tested = data.subset(np.flatnonzero(~unseen)), data.subset(np.flatnonzero(unseen))

    gan = ImageGAN(steps=arguments.steps, random_state=0).fit(real)
    labels = np.repeat(classes, 50)
    synthetic = gan.sample(labels, [arguments.withheld] * len(labels), random_state=0).numpy()

    print(f"{len(real)} images of {len(real.classes)} classes in {len(gan.groups_)} groups")
    print(f"{(gan.cell_counts_ == 0).sum()} cells of class and group have none; accuracy on these:")
    print(f"real images only       {accuracy(real.images, real.labels, tested):.3f}")
    both = np.concatenate([real.images, synthetic]), np.concatenate([real.labels, labels])
    print(f"with synthetic images  {accuracy(*both, tested):.3f}")


if __name__ == "__main__":
    main()
