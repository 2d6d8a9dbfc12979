"""Cases of images: GANs fitted once per split, classifiers trained on batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ganaug.bench.arms import batch_drawer
from ganaug.bench.cases import CELLS, GAN, Case, Task, scored
from ganaug.bench.datasets import load_images
from ganaug.bench.plugins import construct, resolve
from ganaug.bench.splits import copies
from ganaug.bench.store import Store
from ganaug.bench.suite import ImageArm, ImageExperiment, Suite, digest
from ganaug.data.files import write_atomically
from ganaug.data.pictures import png_bytes
from ganaug.gans import ImageGAN
from ganaug.quality.classifier import class_consistency, predict_proba, train_classifier
from ganaug.quality.networks import NETWORKS
from ganaug.quality.sheets import comparison_sheet
from ganaug.training.devices import random_generator, resolve_device

__all__ = ["ImageCase"]

JUDGE_STEPS = 1000


class ImageCase(Case):
    """Images of one dataset; see :class:`~ganaug.bench.cases.Case`."""

    experiment: ImageExperiment

    def __init__(self, suite: Suite, index: int, store: Store) -> None:
        super().__init__(suite, index, store)
        self.data = load_images(self.spec.dataset)
        self.classes, self.targets = np.unique(self.data.labels, return_inverse=True)
        self._splits = self.split(self.data.labels)
        self.gan_params = {"device": self.experiment.device, **self.experiment.gan}
        self.needs_gan = any(arm.synthetic > 0 for arm in self.experiment.arms)
        first = self.data.subset(self.splits.training[0])
        self.gan_config = ImageGAN(**self.gan_params).resolve(first).to_dict() if self.needs_gan else None
        self._synthetic: tuple[str, tuple[NDArray[np.uint8], NDArray[np.int64]]] | None = None
        self._judges: dict[int, nn.Module] = {}

    def tasks(self) -> Iterator[Task]:
        """One GAN per split, then one cell per arm, repeat and network."""
        for split in range(len(self.splits)):
            gan = self._gan_key(split)
            if self.needs_gan:
                yield Task(self.index, GAN, split, None, 0, (gan,), ("",))
            for arm in self.experiment.arms:
                for repeat in range(self.experiment.repeats):
                    for network in self.experiment.classifiers:
                        cell = {
                            **self.shared(split, self.data.fingerprint()),
                            "arm": asdict(arm),
                            "repeat": repeat,
                            "network": asdict(network),
                            "training": asdict(self.experiment.training),
                            "gan": gan if arm.synthetic > 0 else None,
                        }
                        yield Task(self.index, CELLS, split, arm.name, repeat, (digest(cell),), (network.name,))

    def _gan_key(self, split: int) -> str:
        return digest(
            {
                **self.shared(split, self.data.fingerprint()),
                "gan": self.experiment.gan,
                "config": self.gan_config,
                "synthetic_per_class": self.experiment.synthetic_per_class,
            }
        )

    def run(self, task: Task, keys: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]] | None]:
        """Fit the GAN of a split, or train and test one classifier."""
        (key,) = keys
        if task.arm is None:
            yield key, self._fit_gan(task.split)
        else:
            yield key, self._train_and_test(task, self.experiment.arm(task.arm))

    def _fit_gan(self, split: int) -> dict[str, Any]:
        real = self.data.subset(self.splits.training[split])
        seed = self.seed("gan", split)
        gan = ImageGAN(**{"random_state": seed, **self.gan_params, "verbose": False}).fit(real)
        gan.save(self.store.gan_folder(self._gan_key(split)))
        images, labels = self._sample(gan, split)
        consistency = class_consistency(self._judge(split), images, labels, len(self.classes))
        if split == 0:
            sheet = comparison_sheet(real, images, self.classes[labels])
            write_atomically(self.store.sheet(self.index), png_bytes(sheet))
        return {
            "fit_seconds": gan.history_[-1]["seconds"],
            "consistency": consistency.tolist(),
            "steps": gan.config_.training.steps,
        }

    def _train_and_test(self, task: Task, arm: ImageArm) -> dict[str, Any]:
        (network,) = (n for n in self.experiment.classifiers if n.name == task.classifiers[0])
        make = resolve("networks", network.target, NETWORKS)
        synthetic = self._synthetic_images(task.split) if arm.synthetic > 0 else None
        chosen = self.splits.training[task.split]
        targets = self.targets[chosen]
        counts = np.bincount(targets, minlength=len(self.classes))
        weight = torch.from_numpy(len(targets) / (len(counts) * counts)).float() if arm.class_weight else None
        seed = self.seed("cell", task.split, arm.name, network.name, task.repeat)
        generator = random_generator(seed, "classifier")
        with torch.random.fork_rng(devices=[]):
            # torchvision's transforms draw from the global state.
            torch.default_generator.manual_seed(random_generator(seed, "transform").initial_seed())
            draw = batch_drawer(arm, (self.data.images[chosen], targets), synthetic, generator)
            trained = train_classifier(
                draw,
                self.data.image_shape,
                len(self.classes),
                self.experiment.training,
                generator,
                make_network=make
                if not network.params
                else lambda *shape: construct(
                    make, network.params, **dict(zip(("image_shape", "n_classes"), shape, strict=True))
                ),
                class_weight=weight,
                device=resolve_device(self.experiment.device),
            )
        test = self.splits.test[task.split]
        return scored(self.targets[test], predict_proba(trained, self.data.images[test]))

    def _judge(self, split: int) -> nn.Module:
        """A classifier trained on the real test images, which the GAN has not seen; it decides nothing."""
        test = self.splits.test[split]
        one_test = self.splits.test_share is None  # the same one for all splits
        place = 0 if one_test else split
        if place not in self._judges:
            generator = random_generator(self.seed("judge", place), "judge")
            draw = batch_drawer(ImageArm("judge"), (self.data.images[test], self.targets[test]), None, generator)
            config = type(self.experiment.training)(steps=JUDGE_STEPS)
            device = resolve_device(self.experiment.device)
            self._judges[place] = train_classifier(
                draw, self.data.image_shape, len(self.classes), config, generator, device=device
            )
        return self._judges[place]

    def _synthetic_images(self, split: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The synthetic images of a split, from its saved GAN."""
        key = self._gan_key(split)
        fitted = self.store.read(key)
        if fitted is None or fitted["status"] != "done":
            raise RuntimeError("the GAN of this split failed")
        if self._synthetic is None or self._synthetic[0] != key:
            folder, device = self.store.gan_folder(key), self.gan_params["device"]
            try:
                gan = ImageGAN.load(folder, device=device)
            except ValueError:
                # Its folder was deleted or damaged after it was finished.
                self._fit_gan(split)
                gan = ImageGAN.load(folder, device=device)
            self._synthetic = key, self._sample(gan, split)
        return self._synthetic[1]

    def _sample(self, gan: ImageGAN, split: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        labels = np.repeat(np.arange(len(self.classes)), self.experiment.synthetic_per_class)
        images = gan.sample(self.classes[labels], random_state=self.seed("sample", split)).cpu().numpy()
        # What stands in both parts of the data itself is no sign of a leak.
        test, training = self.data.images[self.splits.test[split]], self.data.images[self.splits.training[split]]
        leaked = copies(images, test) & ~copies(images, training)
        if leaked.any():
            raise RuntimeError(f"{leaked.sum()} of {len(images)} synthetic images are test images: the test set leaked")
        return images, labels

    def describe(self) -> dict[str, Any]:
        """Classes, sizes and hash."""
        images = self.data.images
        again = [
            copies(images[b], images[a]).sum() for a, b in zip(self.splits.training, self.splits.test, strict=True)
        ]
        return {
            "classes": [self.data.name(label) for label in self.classes.tolist()],
            "shape": "x".join(map(str, self.data.image_shape)),
            "n_train": len(self.splits.training[0]),
            "n_test": len(self.splits.test[0]),
            "duplicates": int(max(again)),
            "sha256": self.data.fingerprint(),
        }
