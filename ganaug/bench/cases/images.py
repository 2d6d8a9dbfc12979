"""Cases of images: generators fitted once per split, classifiers trained on batches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ganaug.audit import audit
from ganaug.bench.cases.case import Task, global_states, scored
from ganaug.bench.cases.image_choices import Draw, ImageChoices
from ganaug.bench.cases.image_keys import INNER, cell_gate_of, choice_of, part_of
from ganaug.bench.inputs.datasets import image_split_columns, load_images
from ganaug.bench.methods.adapted import has_batch_norm
from ganaug.bench.methods.arms import arm_batches, find_filter, transform_name
from ganaug.bench.methods.cells import Grouped, cell_batches
from ganaug.bench.records.store import Store
from ganaug.bench.suite.schema import ImageArm, Suite
from ganaug.classifiers.features import DataExtractor, features
from ganaug.classifiers.image_classifier import balanced_class_weight, class_consistency, train_classifier
from ganaug.classifiers.pixel_range import PixelRange
from ganaug.data import LabelledImages
from ganaug.data.files import write_atomically
from ganaug.data.images.pictures import png_bytes
from ganaug.data.json_values import short
from ganaug.engine.devices import random_generator, resolve_device
from ganaug.metrics.distances import frechet_distance
from ganaug.metrics.matching import matched_samples
from ganaug.metrics.sheets import comparison_sheet

__all__ = ["ImageCase"]

JUDGE_STEPS = 1000
FEWEST = 2  # images of a class that a generator learns from


class ImageCase(ImageChoices):
    """Images of one dataset; see :class:`~ganaug.bench.cases.case.Case`."""

    def __init__(self, suite: Suite, index: int, store: Store) -> None:
        super().__init__(suite, index, store)
        self.data = load_images(self.spec.dataset)
        self.classes, self.targets = np.unique(self.data.labels, return_inverse=True)
        self._splits = self.split(self.data.labels, self.data.groups, image_split_columns(self.spec.dataset))
        self.check_apart(self.targets, chance=False)
        self._check_arms_by_group()
        sizes = [np.bincount(self.targets[part]) for part in self.splits.training]
        if all(size.min() == size.max() for size in sizes):
            plain = [arm for arm in self.arms if arm.like_without_weights(self.arms) is None]
            # What these are compared with runs anywhere, or the comparison would be gone.
            asked = {*self.experiment.baselines, *(name for arm in plain for name in arm.against)}
            self.arms = tuple(arm for arm in self.arms if arm in plain or arm.name in asked)
        self._parts = {}
        for name in self.experiment.drawn_from():
            mine = [arm for arm in self.arms if name in arm.sources and arm.synthetic > 0]
            parts = [""] if mine else []
            parts += [INNER] if any(arm.gate and arm.cells is None for arm in mine) else []
            self._parts |= {part_of(name, part): name for part in parts}
        first = self.data.subset(self.splits.training[0])
        # Some check parameters and data before they train: what is wrong is found out now.
        made = {name: self._new(name) for name in self._parts.values()}
        if any(hasattr(gan, "resolve") for gan in made.values()):
            self._check_training_parts(sizes)
        self._configs = {
            name: gan.resolve(first).to_dict() if hasattr(gan, "resolve") else None for name, gan in made.items()
        }
        self._choices = {
            choice_of(arm.transforms, network): (arm.transforms, network)
            for arm in self.arms
            if isinstance(arm.transform, tuple)
            for network in self.experiment.classifiers
        }
        self._cell_gates = {
            cell_gate_of(arm, network): (arm, network)
            for arm in self.arms
            if arm.gate and arm.cells is not None
            for network in self.experiment.classifiers
        }
        self._judges: dict[int, nn.Module] = {}

    def _check_training_parts(self, sizes: list[NDArray[np.signedinteger]]) -> None:
        """Find out whether generators can be trained on as many images of each class."""
        fewest = np.min([np.pad(size, (0, len(self.classes) - len(size))) for size in sizes], axis=0)
        rare = int(fewest.argmin())
        if fewest[rare] < FEWEST:
            name, n = self.data.name(self.classes.tolist()[rare]), int((self.targets == rare).sum())
            raise ValueError(
                f"class {short(name)} has {n} images and {fewest[rare]} in the training part of a split, where a "
                f"generator needs {FEWEST}; add images, or merge or drop the class"
            )

    def _check_arms_by_group(self) -> None:
        """Find out whether the groups and networks are there that arms by group need.

        Raises
        ------
        ValueError
        """
        needing = next((arm.name for arm in self.arms if arm.by_cells or arm.adapt), None)
        if needing is not None and self.groups is None:
            raise ValueError(
                f"{self.spec.dataset.name}: arm {short(needing)} needs groups; name them by the key groups of the "
                "dataset"
            )
        for arm in self.arms:
            for network in self.experiment.classifiers if arm.adapt else ():
                with global_states(0):
                    made = self._network(network)(self.data.image_shape, len(self.classes))
                if not has_batch_norm(made):
                    raise ValueError(
                        f"arm {short(arm.name)} adapts batch normalisation, which network {short(network.name)} lacks; "
                        "name another network, such as resnet18"
                    )

    def run(self, task: Task, keys: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]] | None]:
        """Fit the GAN of a split, or train and test one classifier."""
        (key,) = keys
        if task.arm is None and task.classifiers[0] in self._choices:
            yield key, self._choose_transform(task.split, task.classifiers[0])
        elif task.arm is None and task.classifiers[0] in self._cell_gates:
            yield key, self._decide_cells(task.split, task.classifiers[0])
        elif task.arm is None:
            yield key, self._fit_gan(task.split, task.classifiers[0])
        else:
            yield key, self._train_and_test(task, self.experiment.arm(task.arm))

    def _fit_gan(self, split: int, part: str) -> dict[str, Any]:
        name = self._parts[part]
        started = time.perf_counter()
        gan = self._fit(split, part)
        about: dict[str, Any] = {"generator": name, "fit_seconds": time.perf_counter() - started, "steps": _steps(gan)}
        if part.endswith(INNER):
            return about
        started = time.perf_counter()
        images, labels = self._draw(gan, split, ())
        about["draw_seconds"] = 1000 * (time.perf_counter() - started) / len(images)
        about["fid"] = self._distance(split, images, labels)
        consistency = class_consistency(self._judge(split), images, labels, len(self.classes))
        if split == 0:
            real = self._training(split)
            sheet = comparison_sheet(real, images, self.classes[labels])
            place = self.experiment.drawn_from().index(name)
            write_atomically(self.store.sheet(self.index, place), png_bytes(sheet))
            about["audit"] = self._audit(images, labels, real)
        return {**about, "consistency": consistency.tolist()}

    def _distance(self, split: int, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> float:
        """Fréchet distance of the judge's features to those of real test images, as many of each class."""
        test = self.splits.test[split]
        by_name = {"test": self.targets[test], "synthetic": labels}
        randomness = np.random.default_rng(self.seed("matched", split))
        sides = zip(
            (self.data.images[test], images),
            matched_samples(
                by_name, np.arange(len(self.classes)), at_least=1, reason="a distance", randomness=randomness
            ),
            strict=True,
        )
        judge = DataExtractor(self._judge(split))
        found = [features(of[np.concatenate(own)], judge, device=self.experiment.device) for of, own in sides]
        return frechet_distance(*found)

    def _audit(self, images: NDArray[np.uint8], labels: NDArray[np.integer], real: LabelledImages) -> dict[str, str]:
        """Are they copies? The test images are the holdout; nothing is decided by it."""
        drawn, test = LabelledImages(images, self.classes[labels]), self.data.subset(self.splits.test[0])
        try:
            found = audit(drawn, real, test, device=self.experiment.device, random_state=self.seed("audit"))
        except ValueError as error:
            return {"verdict": "not assessable", "text": str(error)}
        return {"verdict": found.verdict, "text": str(found)}

    def _train_and_test(self, task: Task, arm: ImageArm) -> dict[str, Any]:
        (network,) = (n for n in self.experiment.classifiers if n.name == task.classifiers[0])
        make = self._network(network)
        about: dict[str, Any] = {}
        notes = []
        gate = None
        if arm.gate and arm.cells is not None:
            gate = self._made(task.split, cell_gate_of(arm, network))
            about = {"gate": gate["gate"], "fit_seconds": gate["seconds"] + self._seconds_to_fit(task.split, arm)}
        if isinstance(arm.transform, tuple):
            record = self._made(task.split, choice_of(arm.transforms, network))
            arm = replace(arm, transform=arm.transforms[record["chosen"]])
            notes.append(f"transform {transform_name(arm.transforms[0])} chosen")
        chosen = self.splits.training[task.split]
        targets = self.targets[chosen]
        weighs = arm.class_weight and not arm.by_cells
        weight = balanced_class_weight(targets, len(self.classes)) if weighs else None
        seed = self.seed("cell", task.split, arm.name, network.name, task.repeat)
        share, keep = np.full(len(self.classes), arm.synthetic), tuple(find_filter(name) for name in arm.keep)
        if arm.gate and gate is None:
            with global_states(seed, resolve_device(self.experiment.device)):
                share, keep, note, about = self._ask_gate(task.split, arm, make, seed)
            notes.append(note)
        if arm.by_cells:
            filling = self._fill(task.split, arm)
            if arm.cells is not None and filling is None:
                notes.append("no cell lacked samples")
            elif gate is not None and filling is not None:
                chosen_cells = np.array(gate["filled"])
                kept = chosen_cells[filling.labels, filling.groups]
                filling = Grouped(*(part[kept] for part in filling)) if kept.any() else None
                notes.append(f"{chosen_cells.sum()} cells filled")
            assert self.groups is not None
            real = Grouped(self.data.images[chosen], targets, self.groups[chosen])
            draw: Draw = partial(cell_batches, arm, real, filling, n_classes=len(self.classes))
        else:
            synthetic = self._synthetic_images(task.split, arm, keep) if share.any() else None
            if synthetic is not None:
                notes += self._lacking(synthetic[1])
                share[np.bincount(synthetic[1], minlength=len(self.classes)) == 0] = 0
            draw = partial(arm_batches, arm, (self.data.images[chosen], targets), synthetic, share=share)
        if notes:
            about["note"] = "; ".join(notes)
        test = self.splits.test[task.split]
        adapt = self.groups[test] if arm.adapt and self.groups is not None else None
        scale = PixelRange.of(self.data.images[chosen])
        found = self._predictions(draw, scale, network, seed, self.data.images[test], weight, adapt)
        seen = self.seen(task.split)
        return {**scored(self.targets[test], found, seen=seen, **self.of_groups(task.split)), **about}

    def _judge(self, split: int) -> nn.Module:
        """A classifier trained on the real test images, which the GAN has not seen; it decides nothing."""
        test = self.splits.test[split]
        one_test = self.splits.correlation is None  # the same one for all splits
        place = 0 if one_test else split
        if place not in self._judges:
            generator = random_generator(self.seed("judge", place), "judge")
            draw = arm_batches(ImageArm("judge"), (self.data.images[test], self.targets[test]), None, generator)
            config = type(self.experiment.training)(steps=JUDGE_STEPS)
            device = resolve_device(self.experiment.device)
            self._judges[place] = train_classifier(
                draw,
                self.data.image_shape,
                len(self.classes),
                config,
                generator,
                device=device,
                pixel_range=PixelRange.of(self.data.images[test]),
            )
        return self._judges[place]

    def _lacking(self, labels: NDArray[np.integer]) -> list[str]:
        """Say of how many classes filters let pass too few synthetic images, or none, from the labels of others."""
        counts = np.bincount(labels, minlength=len(self.classes))
        none, few = int((counts == 0).sum()), int(((counts > 0) & (counts < self.experiment.synthetic_per_class)).sum())
        found = [f"classes of which no synthetic image passed the filters: {none}"] if none else []
        return found + ([f"classes of which too few synthetic images passed the filters: {few}"] if few else [])

    @property
    def keys(self) -> NDArray[np.uint8]:
        """The images themselves."""
        return self.data.images

    def describe(self) -> dict[str, Any]:
        """Classes, sizes and hash."""
        return {
            "classes": [self.data.name(label) for label in self.classes.tolist()],
            "shape": "x".join(map(str, self.data.image_shape)),
            **self.sizes(),
            **self.duplicates(),
            **self.describe_groups(),
            "sha256": self.data.fingerprint(),
        }


def _steps(gan: Any) -> int | None:
    """Training steps of a generator that keeps a history of them."""
    last = (getattr(gan, "history_", None) or [None])[-1]
    return last.get("step") if isinstance(last, dict) else None
