"""A training loop of Hugging Face accelerate (pip install accelerate): only the collate function knows of the GAN."""

import argparse
import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

from ganaug import ImageGAN, SyntheticMix, SyntheticPool, labelled_images


def train(collate: Any, data: TensorDataset) -> float:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    loader = DataLoader(data, batch_size=50, shuffle=True, collate_fn=collate)
    network, optimizer, loader = accelerator.prepare(network, optimizer, loader)
    for _ in range(5):
        for images, labels in loader:
            loss = nn.functional.cross_entropy(network(images.float() / 255), labels)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
    return loss.item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600, help="of the GAN")
    arguments = parser.parse_args()
    if importlib.util.find_spec("accelerate") is None:
        print("accelerate is not installed: pip install accelerate")
        return
    digits = labelled_images("digits").subset(range(500))
    gan = ImageGAN(steps=arguments.steps, random_state=0).fit(digits)
    data = TensorDataset(torch.from_numpy(digits.images), torch.from_numpy(digits.labels))
    with tempfile.TemporaryDirectory() as folder:
        pool = SyntheticPool.build(gan, Path(folder) / "pool", per_class=50, random_state=0)
        mix = SyntheticMix(pool, p=0.3)
        print(f"last loss {train(lambda samples: mix(*default_collate(samples)), data):.3f}")
        pool.close()


if __name__ == "__main__":
    main()
