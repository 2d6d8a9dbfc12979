"""A plain training loop: ResNet-18 on CIFAR-10, with three in ten images of each batch replaced by synthetic ones.

python examples/cifar10_resnet.py train.parquet test.parquet (as Hugging Face writes them); without files, on digits.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import resnet18

from ganaug import ImageGAN, LabelledImages, SyntheticMix, SyntheticPool, labelled_images


def tensors(data: LabelledImages) -> TensorDataset:
    return TensorDataset(torch.from_numpy(data.images), torch.from_numpy(data.labels))


def accuracy(network: nn.Module, data: LabelledImages) -> float:
    network.eval()
    with torch.no_grad():
        parts = [network(images.float() / 255).argmax(1) == labels for images, labels in DataLoader(tensors(data), 500)]
    network.train()
    return torch.cat(parts).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="of training and test images")
    parser.add_argument("--per-class", type=int, default=100, help="training images of each class")
    parser.add_argument("--steps", type=int, default=600, help="of the GAN, and of the classifier")
    arguments = parser.parse_args()
    if arguments.files:
        train, test = map(labelled_images, arguments.files)
    else:
        digits = labelled_images("digits")
        mixed = np.random.default_rng(0).permutation(len(digits))  # they come writer by writer
        train, test = digits.subset(mixed[:1200]), digits.subset(mixed[1200:])
    few = np.concatenate([np.flatnonzero(train.labels == c)[: arguments.per_class] for c in train.classes])
    train = train.subset(few)

    gan = ImageGAN(steps=arguments.steps, random_state=0).fit(train)
    with tempfile.TemporaryDirectory() as folder:
        # Without real= every image is taken; with it, copies and what is untypical of its class are dropped.
        pool = SyntheticPool.build(gan, Path(folder) / "pool", per_class=200, random_state=0)
        for name, mix in (("real images only", None), ("three in ten synthetic", SyntheticMix(pool, p=0.3))):
            torch.manual_seed(0)
            network = resnet18(num_classes=len(train.classes))
            network.conv1 = nn.Conv2d(train.image_shape[0], 64, 3, padding=1, bias=False)  # for small images
            optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
            loader = DataLoader(tensors(train), batch_size=64, shuffle=True, drop_last=True)
            step = 0
            while step < arguments.steps:
                for images, labels in loader:
                    inputs, targets = mix(images, labels) if mix else (images, labels)
                    optimizer.zero_grad()
                    nn.functional.cross_entropy(network(inputs.float() / 255), targets).backward()
                    optimizer.step()
                    step += 1
                    if step == arguments.steps:
                        break
            print(f"{name:24s} test accuracy {accuracy(network, test):.3f}")
        pool.close()


if __name__ == "__main__":
    main()
