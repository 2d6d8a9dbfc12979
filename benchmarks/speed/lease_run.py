"""How much the parts of lease.py do, on what, and where their rows go."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganaug import ImageGAN, LabelledImages, labelled_images
from ganaug.engine.devices import resolve_device

__all__ = ["SIZES", "Run"]

CLASSES = 10


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes
    ----------
    presets : tuple of str
        Of which single steps are looked at.
    batches : dict
        Batch sizes by preset, of which recorded steps are timed; the first of each in eager steps too.
    matrix, copied : int
        Side of a product, bytes of a copy: more than caches hold, on a GPU.
    side, images : int
        Of made-up data.
    steps : int
        Of a training that is timed: a multiple of 50, as readings are.
    budgets : tuple of float
        Seconds of the trainings whose samples are kept.
    kept, drawn : int
        Samples of each, and in the timing of drawing.
    options : dict
        Of all GANs.
    """

    presets: tuple[str, ...]
    batches: dict[str, tuple[int, ...]]
    matrix: int
    copied: int
    side: int
    images: int
    steps: int
    budgets: tuple[float, ...]
    kept: int
    drawn: int
    options: dict[str, Any] = field(default_factory=dict)


SIZES = {
    "": Size(
        presets=("small", "base"),
        batches={"small": (64, 128, 256, 512), "base": (64, 256)},
        matrix=8192,
        copied=2**30,
        side=32,
        images=16_000,
        steps=150,
        budgets=(20, 60, 120),
        kept=5_000,
        drawn=50_000,
    ),
    "small": Size(
        presets=("tiny",),
        batches={"tiny": (4, 8)},
        matrix=256,
        copied=2**24,
        side=8,
        images=600,
        steps=100,
        budgets=(1, 2),
        kept=100,
        drawn=200,
        options={"batch_size": 4},
    ),
}


class Run:
    """One part: where it runs, on which data, and where its rows go."""

    def __init__(self, part: str, rows: str, samples: str, started: str, device: str, data: str, size: str) -> None:
        self.part, self.rows, self.samples, self.started = part, Path(rows), Path(samples), float(started)
        self.device, self.size, self._data = resolve_device(device), SIZES[size], data
        self.arguments = [rows, samples, started, device, data, size]
        self.machine = f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
        if self.device.type == "cuda":
            self.machine = torch.cuda.get_device_name(self.device)

    def row(self, what: str, **values: Any) -> None:
        """Write a row to the disk at once."""
        known = {"part": self.part, "device": self.machine, "at": round(time.time() - self.started, 1), "what": what}
        with self.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**known, **values}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @cached_property
    def data(self) -> LabelledImages:
        """The images that are given, or made-up ones: a colour and a stripe for each class, in noise."""
        if self._data:
            return labelled_images(self._data)
        rng, side = np.random.default_rng(0), self.size.side
        labels = np.arange(self.size.images) % CLASSES
        images = rng.integers(60, 120, (len(labels), side, side, 3))
        images += (labels[:, None] * np.array([9, -5, 3]))[:, None, None, :] + 40
        images[np.arange(len(labels)), labels % side] += 60
        return labelled_images(images.clip(0, 255).astype(np.uint8), labels)

    def split(self) -> tuple[LabelledImages, LabelledImages]:
        """Four fifths to train on, the rest held out; no image is on both sides."""
        data = self.data
        _, first = np.unique(data.images.reshape(len(data), -1), axis=0, return_index=True)
        mixed = np.random.default_rng(0).permutation(first)
        train, held_out = (data.subset(part) for part in np.split(mixed, [len(mixed) * 4 // 5]))
        return train, held_out

    def gan(self, preset: str | None = None, **options: Any) -> ImageGAN:
        """A GAN of a preset, by default the first, on the device."""
        known = {"preset": preset or self.size.presets[0], "device": str(self.device), "random_state": 0}
        known |= {"steps": self.size.steps, "verbose": False, **self.size.options}
        return ImageGAN(**{**known, **options})

    def wait(self) -> float:
        """The time once the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def seconds(self, call: Callable[[], object]) -> float:
        """How long a call takes."""
        started = self.wait()
        call()
        return self.wait() - started
