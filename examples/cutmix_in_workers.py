"""Synthetic images, then CutMix or MixUp, in the workers of a DataLoader."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset, default_collate
from torchvision.transforms import v2

from ganaug import ImageGAN, SyntheticMix, SyntheticPool, labelled_images


class Collate:
    """A class of the module, so that workers that are spawned can be given it."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __call__(self, samples: list[Any]) -> Any:
        """Stack samples, then transform the batch."""
        return self.transform(*default_collate(samples))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600, help="of the GAN")
    arguments = parser.parse_args()
    digits = labelled_images("digits").subset(range(500))
    gan = ImageGAN(steps=arguments.steps, random_state=0).fit(digits)
    with tempfile.TemporaryDirectory() as folder:
        pool = SyntheticPool.build(gan, Path(folder) / "pool", per_class=50, random_state=0)
        batches = v2.Compose(
            [
                SyntheticMix(pool, p=0.3),  # before what makes labels soft
                v2.ToDtype(torch.float32, scale=True),
                v2.RandomChoice([v2.CutMix(num_classes=10), v2.MixUp(num_classes=10)]),
            ]
        )
        print(batches)
        real = TensorDataset(torch.from_numpy(digits.images), torch.from_numpy(digits.labels))
        loader = DataLoader(real, batch_size=100, shuffle=True, num_workers=2, collate_fn=Collate(batches))
        for images, labels in loader:
            print(tuple(images.shape), images.dtype, tuple(labels.shape))
        pool.close()


if __name__ == "__main__":
    main()
