"""Spoken commands with few recordings: a folder of sounds, a generator, SyntheticMix, and a classifier.

python examples/sound.py FOLDER (with a folder of WAV, FLAC or Ogg files per class, and files named SPEAKER_NUMBER);
without FOLDER chirps of four made-up speakers are used. The classifier sees spectrograms with bands of time and
frequency masked (SpecAugment), with and without synthetic ones, and is tested on a speaker whom it has never heard.
Writes sounds.png, and four synthetic sounds to be listened to.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from ganaug import ImageGAN, MelSpectrogram, SyntheticMix, labelled_audio, spectrograms_to_audio

RATE = 8000
CLASSES = {"up": (400, 1600), "down": (1600, 400), "high": (1600, 1600), "low": (400, 400)}  # Hz, first and last
SPEAKERS = {"ann": 1.2, "bob": 0.8, "cleo": 1.0, "dan": 0.9}  # pitch


def write_chirps(folder: Path, n: int = 12) -> None:
    randomness = np.random.default_rng(0)
    for name, (first, last) in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for speaker, pitch in SPEAKERS.items():
            for number in range(n):
                length = int(RATE * randomness.uniform(0.3, 0.5))
                hertz = np.linspace(first, last, length) * pitch * randomness.uniform(0.9, 1.1)
                sound = np.sin(2 * np.pi * np.cumsum(hertz) / RATE) * np.hanning(length)
                sound += randomness.normal(0, 0.02, length)
                soundfile.write(str(folder / name / f"{speaker}_{number}.wav"), sound / 2, RATE)


def masked(images: torch.Tensor) -> torch.Tensor:
    """SpecAugment: one band of frequencies and one of times of each batch become silent, each of up to a quarter."""
    images = images.clone()
    for side in (2, 3):
        size = images.shape[side]
        width = int(torch.randint(size // 4 + 1, ()))
        images.narrow(side, int(torch.randint(size - width + 1, ())), width).fill_(images.min())
    return images


def train(real, mix: SyntheticMix | None, n_classes: int, epochs: int) -> torch.nn.Module:
    """A small network; of each batch SyntheticMix replaces a part by synthetic images of the same classes."""
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for n_in, n_out in ((1, 16), (16, 32), (32, 64)):
        layers += [torch.nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), torch.nn.BatchNorm2d(n_out), torch.nn.ReLU()]
    head = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(64, n_classes)]
    network = torch.nn.Sequential(*layers, *head)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in DataLoader(real, batch_size=32, shuffle=True, drop_last=True):
            images, labels = batch if mix is None else mix(*batch)
            F.cross_entropy(network(masked(images) / 40 + 1), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--groups", default="/([^/_]+)_[^/]*$", help="pattern of the speaker in the paths of files")
    parser.add_argument("--tested", help="speaker to test on; by default the last one")
    parser.add_argument("--steps", type=int, default=400, help="of the GAN")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.folder is None:
            write_chirps(Path(temporary))
        sounds = labelled_audio(arguments.folder or temporary, duration=0.5, groups=arguments.groups)
    is_test = sounds.groups == (arguments.tested or sorted(set(sounds.groups.tolist()))[-1])
    known, tested = sounds.subset(np.flatnonzero(~is_test)), sounds.subset(np.flatnonzero(is_test))
    print(f"{len(known)} spectrograms of {known.image_shape[1:]} to train on, {len(tested)} of another speaker to test")

    gan = ImageGAN(preset="tiny", steps=arguments.steps, random_state=0, verbose=False).fit(known)
    gan.show("sounds.png")
    positions = torch.from_numpy(np.searchsorted(gan.classes_, known.labels))
    real = TensorDataset(torch.from_numpy(known.images), positions)
    expected = np.searchsorted(gan.classes_, tested.labels)
    for name, mix in (("SpecAugment", None), ("with SyntheticMix", SyntheticMix(gan, p=0.3))):
        network = train(real, mix, len(gan.classes_), epochs=8)
        with torch.no_grad():
            found = network(torch.from_numpy(tested.images) / 40 + 1).argmax(1).numpy()
        print(f"{name:18s} accuracy {np.mean(found == expected):.3f}")

    # For listening only: phases are guessed, so that these are no sounds to train on.
    heard = spectrograms_to_audio(gan.sample(gan.classes_, random_state=0), gan, random_state=0)
    for label, samples in zip(gan.classes_, heard, strict=True):
        soundfile.write(f"synthetic_{label}.wav", samples, MelSpectrogram.of(gan).sample_rate)


if __name__ == "__main__":
    main()
