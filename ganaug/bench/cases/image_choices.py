"""Classifiers trained on batches, and what is chosen by them: transforms, ratios of synthetic images, cells to fill."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Generator as Randomness
from torch import Tensor, nn

from ganaug.bench.cases.case import global_states
from ganaug.bench.cases.image_draws import ImageDraws
from ganaug.bench.cases.image_keys import INNER, choice_of, part_of
from ganaug.bench.methods.adapted import adapted_proba
from ganaug.bench.methods.arms import arm_batches, find_filter, find_mix, make_transform, transform_name
from ganaug.bench.methods.cell_gates import filled_cells
from ganaug.bench.methods.scores import SMALLEST, checked_probabilities
from ganaug.bench.suite.plugins import Plugin, construct, resolve
from ganaug.bench.suite.schema import ImageArm
from ganaug.classifiers.image_classifier import predict_proba, train_classifier
from ganaug.classifiers.networks import NETWORKS
from ganaug.classifiers.pixel_range import PixelRange
from ganaug.curation import ImageMixture, choose_cells, choose_ratio
from ganaug.curation.image_filters import ImageFilter
from ganaug.data import LabelledImages
from ganaug.data.json_values import short
from ganaug.engine.devices import random_generator, resolve_device
from ganaug.generators import Generator
from ganaug.generators.contract import training_data

__all__ = ["Draw", "ImageChoices"]

Draw = Callable[[Randomness], Callable[[int], tuple[Tensor, Tensor]]]  # makes what draws training batches
GATE_RATIOS = (0, 0.25, 0.5, 1)  # of the synthetic images per real one that an arm has at most


class ImageChoices(ImageDraws):
    """What arms choose by classifiers that see no test image, and the training of these as of all others."""

    def _network(self, network: Plugin) -> Callable[..., nn.Module]:
        make = resolve("networks", network.target, NETWORKS)
        if not network.params:
            return make
        return lambda image_shape, n_classes: construct(
            make, network.params, image_shape=image_shape, n_classes=n_classes
        )

    def _predictions(
        self,
        draw: Draw,
        scale: PixelRange,
        network: Plugin,
        seed: int,
        test: NDArray[Any],
        class_weight: Tensor | None = None,
        adapt: NDArray[np.integer] | None = None,
    ) -> NDArray[np.float64]:
        """Class probabilities of images by a network that is trained on some batches, and adapted to groups."""
        generator, device = random_generator(seed, "classifier"), resolve_device(self.experiment.device)
        # torchvision's transforms draw from the global state, and so may a network.
        with global_states(random_generator(seed, "transform").initial_seed(), device):
            trained = train_classifier(
                draw(generator),
                self.data.image_shape,
                len(self.classes),
                self.experiment.training,
                generator,
                make_network=self._network(network),
                class_weight=class_weight,
                device=device,
                pixel_range=scale,
            )
            predicted = predict_proba(trained, test) if adapt is None else adapted_proba(trained, test, adapt)
        return checked_probabilities(f"network {short(network.name)}", predicted, len(test), len(self.classes))

    def _choose_transform(self, split: int, choice: str) -> dict[str, Any]:
        """Which of several transforms does best on an inner split, without synthetic images, and how well each did.

        It is the one of the highest balanced accuracy; of several, the one of the least log-loss, and of these the
        first. Without a class of three images there is nothing to validate on: the first is taken.
        """
        transforms, network = self._choices[choice]
        chosen, (train, test) = self.splits.training[split], self._inner(split)
        images, targets = self.data.images[chosen], self.targets[chosen]
        if not len(test):
            return {"chosen": 0, "scores": []}
        results = []
        for transform in transforms:
            seed = self.seed(choice, split, transform_name(transform))
            arm, real = ImageArm("inner", transform=transform), (images[train], targets[train])
            draw, scale = partial(arm_batches, arm, real, None), PixelRange.of(images[train])
            probabilities = self._predictions(draw, scale, network, seed, images[test])
            right = probabilities.argmax(1) == targets[test]
            balanced = np.mean([right[targets[test] == c].mean() for c in np.unique(targets[test])])
            of_target = probabilities[np.arange(len(test)), targets[test]]
            results.append((float(balanced), -float(np.log(np.clip(of_target, SMALLEST, 1)).mean())))
        best = min(range(len(transforms)), key=lambda i: (-results[i][0], results[i][1]))
        return {"chosen": best, "scores": [list(result) for result in results]}

    def _decide_cells(self, split: int, name: str) -> dict[str, Any]:
        """Which empty cells an arm fills, by withholding others: the same for all starts."""
        arm, network = self._cell_gates[name]
        seed = self.seed(name, split)
        if isinstance(arm.transform, tuple):
            choice = choice_of(arm.transforms, network)
            # What is made in the first stage is made in any order.
            known = self.store.read(self._choice_key(split, choice)) or {}
            chosen = known["chosen"] if "chosen" in known else self._choose_transform(split, choice)["chosen"]
            arm = replace(arm, transform=arm.transforms[chosen])
        with global_states(seed, resolve_device(self.experiment.device)):
            decision = choose_cells(
                lambda: ImageMixture([self._new(source, random_state=seed) for source in arm.sources]),
                self._training(split),
                ratios=[1],
                classifier=self._network(network),
                transform=make_transform(arm),
                training=self.experiment.training,
                starts=1,
                device=self.experiment.device,
                random_state=seed,
            )
        assert self.group_names is not None
        filled = filled_cells(decision, self.classes, self.group_names)
        return {"gate": decision.to_dict(), "filled": filled.tolist()}

    def _ask_gate(
        self, split: int, arm: ImageArm, make_network: Callable[..., nn.Module], seed: int
    ) -> tuple[NDArray[np.float64], tuple[ImageFilter, ...], str, dict[str, Any]]:
        """Share of synthetic images of each class, their filters, a note, and what the record says of the choice."""
        started = time.perf_counter()
        most = arm.synthetic / (1 - arm.synthetic)
        fixed = tuple(find_filter(name) for name in arm.keep)
        decision = choose_ratio(
            lambda: _Fitted(self._gan(split, part_of(arm.sources[0], INNER))),
            self._training(split),
            classifier=make_network,
            ratios=[ratio * most for ratio in GATE_RATIOS],
            filters=[fixed] if fixed else None,
            cv=[self._inner(split)],
            transform=make_transform(arm),
            mix=None if arm.mix is None else find_mix(arm.mix, len(self.classes)),
            balanced=bool(arm.balanced),
            class_weight="balanced" if arm.class_weight else None,
            training=self.experiment.training,
            starts=1,
            per_class=self.experiment.synthetic_per_class,
            device=self.experiment.device,
            random_state=seed,
        )
        ratios = np.array([decision.ratios_per_class[label] for label in self.classes.tolist()])
        fits = [self._made(split, part_of(arm.sources[0], part))["fit_seconds"] for part in ("", INNER)]
        note = f"{decision.candidates[decision.decision.position]} chosen"
        seconds = sum(fits) + time.perf_counter() - started
        return ratios / (1 + ratios), decision.keep, note, {"gate": decision.to_dict(), "fit_seconds": seconds}


class _Fitted:
    """A generator that is fitted already, on just the images that it is asked to fit."""

    def __init__(self, gan: Generator) -> None:
        self._gan = gan
        self.sample = gan.sample

    def fit(self, real: LabelledImages) -> Generator:
        """Check that, and return the generator."""
        asked = real.fingerprint(groups=False)
        if training_data(self._gan).get("sha256", asked) != asked:
            raise AssertionError("the inner generator was fitted on other images")
        return self._gan
