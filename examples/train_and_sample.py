"""Train a class-conditional GAN on digits, look at it, save it, and draw labelled images.

python examples/train_and_sample.py [--steps 1000] [--output model]
"""

import argparse

from ganaug import ImageGAN, labelled_images

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--output", default="model")
arguments = parser.parse_args()

# Labelled images are also: arrays with labels, a folder per class, a torchvision or a Hugging Face dataset.
digits = labelled_images("digits").subset(range(500))

gan = ImageGAN(steps=arguments.steps, random_state=0).fit(digits)
gan.show(f"{arguments.output}/samples.png")
gan.save(arguments.output)

gan = ImageGAN.load(arguments.output)
images = gan.sample([3, 3, 8], random_state=1)
print(f"two threes and an eight: {tuple(images.shape)}, {images.dtype}")
