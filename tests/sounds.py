"""Short sounds for tests: tones of two pitches by several "speakers", 0.1 s at 4,000 Hz."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 4000
MEL = {"n_mels": 8, "hop_length": 50, "n_fft": 128}
PITCHES = {"low": 300, "high": 1200}
SPEAKERS = {"ann": 1.0, "bob": 1.2}


def tone(pitch, seconds=0.1, rate=RATE, seed=0):
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.01, len(times))
    return 0.5 * np.sin(2 * np.pi * pitch * times) * np.exp(-5 * times) + noise


def write(path, samples, rate=RATE, **options):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), samples, rate, **options)
    return path


def write_folder(root, n=4, suffix=".wav"):
    """Files root/CLASS/SPEAKER_NUMBER.wav: `n` of each class and speaker."""
    for kind, pitch in PITCHES.items():
        for speaker, factor in SPEAKERS.items():
            for number in range(n):
                sound = tone(pitch * factor * (1 + 0.02 * number), seed=number)
                write(root / kind / f"{speaker}_{number}{suffix}", sound)
    return root
