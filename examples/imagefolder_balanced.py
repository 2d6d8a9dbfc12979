"""An ImageFolder with rare classes, filled up with synthetic images.

python examples/imagefolder_balanced.py FOLDER (with a folder per class); without FOLDER a long tail of digits is used.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from ganaug import AugmentedDataset, ImageGAN, labelled_images
from ganaug.data.images.pictures import picture


def write_digits(folder: Path) -> None:
    digits = labelled_images("digits")
    for digit in range(10):
        (folder / str(digit)).mkdir()
        chosen = digits.images[digits.labels == digit][: 60 - 5 * digit]
        for number, image in enumerate(chosen):
            picture(image).save(folder / str(digit) / f"{number}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--size", type=int, default=8, help="of the images that the GAN learns and the classifier sees")
    parser.add_argument("--steps", type=int, default=600, help="of the GAN")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.folder is None:
            write_digits(Path(temporary))
        root = arguments.folder or temporary
        # ImageFolder opens everything in colour, and so does the GAN when it is given the ImageFolder.
        size = (arguments.size, arguments.size)
        gan = ImageGAN(steps=arguments.steps, random_state=0).fit(ImageFolder(root, transform=v2.Resize(size)))
        transform = v2.Compose([v2.Resize(size), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
        real = ImageFolder(root, transform=transform)
        dataset = AugmentedDataset(real, gan, "balance", random_state=0)
        print(dataset)
        print("real     ", dict(Counter(real.classes[label] for label in real.targets)))
        print("augmented", dict(Counter(dataset.classes[label] for label in dataset.targets)))
        for images, labels in DataLoader(dataset, batch_size=200, shuffle=True):
            print(tuple(images.shape), labels[:8].tolist())


if __name__ == "__main__":
    main()
