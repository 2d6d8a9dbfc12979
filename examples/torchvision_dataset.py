"""Train on a torchvision dataset and hand real and synthetic images to one DataLoader.

python examples/torchvision_dataset.py [--steps 1000]
"""

import argparse

import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader
from torchvision.datasets import FakeData
from torchvision.transforms import v2

from ganaug import ImageGAN

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=1000)
arguments = parser.parse_args()

to_tensor = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
real = FakeData(
    size=64, image_size=(3, 16, 16), num_classes=4, transform=to_tensor
)  # or CIFAR10(...), ImageFolder(...)

gan = ImageGAN(steps=arguments.steps, batch_size=16, random_state=0).fit(real)
labels = np.repeat(gan.classes_, 10)
synthetic = list(zip(gan.sample(labels, random_state=0).float() / 255, labels.tolist(), strict=True))

loader = DataLoader(ConcatDataset([real, synthetic]), batch_size=26, shuffle=True)
for images, targets in loader:
    print(f"{tuple(images.shape)}, classes {sorted(set(targets.tolist()))}")
