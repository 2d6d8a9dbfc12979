"""Cases of images: generators fitted once per split, classifiers trained on batches."""

from __future__ import annotations

import contextlib
import functools
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Generator as Randomness
from torch import Tensor, nn

from ganaug.audit import audit
from ganaug.bench.cases.case import CELLS, CHOICE, GAN, GENERATOR, Case, Task, global_states, prepared, scored
from ganaug.bench.inputs.datasets import load_images
from ganaug.bench.inputs.splits import copies
from ganaug.bench.methods.adapted import adapted_proba, has_batch_norm
from ganaug.bench.methods.arms import TRANSFORMS, arm_batches, find_filter, find_mix, make_transform, transform_name
from ganaug.bench.methods.cell_gates import Together, filled_cells
from ganaug.bench.methods.cells import Grouped, cell_batches, lacking_samples
from ganaug.bench.methods.making import make_generator
from ganaug.bench.methods.scores import SMALLEST, checked_probabilities
from ganaug.bench.records.provenance import code_of
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin, construct, resolve
from ganaug.bench.suite.schema import DEFAULT_GENERATOR, ImageArm, ImageExperiment, Suite, digest, plain_values
from ganaug.classifiers.batches import Labelled
from ganaug.classifiers.image_classifier import (
    balanced_class_weight,
    class_consistency,
    predict_proba,
    train_classifier,
)
from ganaug.classifiers.networks import NETWORKS
from ganaug.curation import choose_cells, choose_ratio
from ganaug.curation.drawing import draw_filtered
from ganaug.curation.image_filters import FILTERS, ImageFilter
from ganaug.curation.inner_validation import inner_split
from ganaug.data import LabelledImages
from ganaug.data.files import write_atomically
from ganaug.data.images.pictures import png_bytes
from ganaug.data.json_values import short
from ganaug.engine.devices import random_generator, resolve_device
from ganaug.generators import Generator
from ganaug.generators.contract import draw_images, group_indices, training_data
from ganaug.metrics.sheets import comparison_sheet

__all__ = ["ImageCase"]

JUDGE_STEPS = 1000
INNER = "of the inner split"
Draw = Callable[[Randomness], Callable[[int], tuple[Tensor, Tensor]]]  # makes what draws training batches
GATE_RATIOS = (0, 0.25, 0.5, 1)  # of the synthetic images per real one that an arm has at most


class ImageCase(Case):
    """Images of one dataset; see :class:`~ganaug.bench.cases.case.Case`."""

    experiment: ImageExperiment

    def __init__(self, suite: Suite, index: int, store: Store) -> None:
        super().__init__(suite, index, store)
        self.data = load_images(self.spec.dataset)
        self.classes, self.targets = np.unique(self.data.labels, return_inverse=True)
        self._splits = self.split(self.data.labels, self.data.groups)
        self.check_apart(chance=False)
        self._check_arms_by_group()
        sizes = [np.bincount(self.targets[part]) for part in self.splits.training]
        if all(size.min() == size.max() for size in sizes):
            plain = [arm for arm in self.arms if arm.like_without_weights(self.arms) is None]
            # What these are compared with runs anywhere, or the comparison would be gone.
            asked = {*self.experiment.baselines, *(name for arm in plain for name in arm.against)}
            self.arms = tuple(arm for arm in self.arms if arm in plain or arm.name in asked)
        self._parts: dict[str, str] = {}  # what is fitted in each split, and the generator that it is a fit of
        for name in self.experiment.drawn_from():
            mine = [arm for arm in self.arms if name in arm.sources and arm.synthetic > 0]
            parts = [""] if mine else []
            parts += [INNER] if any(arm.gate and arm.cells is None for arm in mine) else []
            self._parts |= {_part(name, part): name for part in parts}
        first = self.data.subset(self.splits.training[0])
        # Some check parameters and data before they train: what is wrong is found out now.
        made = {name: self._new(name) for name in self._parts.values()}
        self._configs = {
            name: gan.resolve(first).to_dict() if hasattr(gan, "resolve") else None for name, gan in made.items()
        }
        self._choices = {
            _choice(arm.transforms, network): (arm.transforms, network)
            for arm in self.arms
            if isinstance(arm.transform, tuple)
            for network in self.experiment.classifiers
        }
        self._cell_gates = {
            _cell_gate(arm, network): (arm, network)
            for arm in self.arms
            if arm.gate and arm.cells is not None
            for network in self.experiment.classifiers
        }
        self._synthetic: dict[tuple[int, str, tuple[str, ...]], Labelled] = {}  # of one split
        self._filling: dict[tuple[int, str, str, float, int], Grouped] = {}  # of one split
        self._judges: dict[int, nn.Module] = {}

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

    def named(self, arm: ImageArm, classifier: Plugin) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """A transform, filters, a network and a generator."""
        for named in arm.transforms:
            yield "transforms", named.target if isinstance(named, Plugin) else named, TRANSFORMS
        for name in arm.keep:
            yield "filters", name, FILTERS
        yield "networks", classifier.target, NETWORKS
        for name in arm.sources if arm.synthetic > 0 else ():
            if "." in (path := self.experiment.generator(name).target):
                yield "generators", path, {}

    def tasks(self) -> Iterator[Task]:
        """One fit of each generator per split, then one cell per arm, repeat and network."""
        for split in range(len(self.splits)):
            for part in self._parts:
                yield Task(self.index, GAN, split, None, 0, (self._gan_key(split, part),), (part,))
            for name in self._choices:
                yield Task(self.index, GAN, split, None, 0, (self._choice_key(split, name),), (name,))
            for name in self._cell_gates:
                yield Task(self.index, GAN, split, None, 0, (self._cell_gate_key(split, name),), (name,))
            for arm in self.arms:
                for repeat in range(self.experiment.repeats):
                    for network in self.experiment.classifiers:
                        several = isinstance(arm.transform, tuple)
                        cell = {
                            **self.shared(split, self.data.fingerprint()),
                            "arm": plain_values(arm),
                            "repeat": repeat,
                            "network": asdict(network),
                            "training": self._training_config(),
                            "gan": self._gan_keys(split, arm) if arm.synthetic > 0 else None,
                            "inner_gan": self._inner_key(split, arm, network) if arm.gate else None,
                            **(
                                {"choice": self._choice_key(split, _choice(arm.transforms, network))} if several else {}
                            ),
                            **self.own_code(arm.name, network.name),
                        }
                        yield Task(self.index, CELLS, split, arm.name, repeat, (digest(cell),), (network.name,))

    def _training_config(self) -> dict[str, Any]:
        """How classifiers are trained, with the precision that "auto" is on this machine."""
        training = self.experiment.training
        dtype = training.dtype(resolve_device(self.experiment.device))
        return asdict(replace(training, precision=str(dtype).removeprefix("torch.")))

    def _gan_keys(self, split: int, arm: ImageArm) -> str | list[str]:
        keys = [self._gan_key(split, _part(name)) for name in arm.sources]
        return keys if len(keys) > 1 else keys[0]

    def _gan_key(self, split: int, part: str) -> str:
        name = self._parts[part]
        named = self.experiment.generator(name)
        code = code_of("generators", named.target, {}) if "." in named.target else {}
        return digest(
            {
                **self.shared(split, self.data.fingerprint()),
                "part": part,
                "gan": named.params if name == DEFAULT_GENERATOR else asdict(named),
                "config": self._configs[name],
                "synthetic_per_class": self.experiment.synthetic_per_class,
                **({"code": code} if code else {}),
            }
        )

    def _choice_key(self, split: int, choice: str) -> str:
        transforms, network = self._choices[choice]
        code = code_of("networks", network.target, NETWORKS)
        for named in transforms:
            code |= code_of("transforms", named.target if isinstance(named, Plugin) else named, TRANSFORMS)
        return digest(
            {
                **self.shared(split, self.data.fingerprint()),
                "transforms": [asdict(named) if isinstance(named, Plugin) else named for named in transforms],
                "network": asdict(network),
                "training": self._training_config(),
                **({"code": code} if code else {}),
            }
        )

    def _inner_key(self, split: int, arm: ImageArm, network: Plugin) -> str:
        """Key of what the gate of an arm needs: a GAN of a part of the training images, or what it decided on cells."""
        if arm.cells is None:
            return self._gan_key(split, _part(arm.sources[0], INNER))
        return self._cell_gate_key(split, _cell_gate(arm, network))

    def _cell_gate_key(self, split: int, name: str) -> str:
        arm, network = self._cell_gates[name]
        several = isinstance(arm.transform, tuple)
        return digest(
            {
                **self.shared(split, self.data.fingerprint()),
                "arm": plain_values(arm),
                "gans": self._gan_keys(split, arm),
                "network": asdict(network),
                "training": self._training_config(),
                **({"choice": self._choice_key(split, _choice(arm.transforms, network))} if several else {}),
                **self.own_code(arm.name, network.name),
            }
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

    def _training(self, split: int, part: str = "") -> LabelledImages:
        """The training images of a split, or those of them that its gate trains on."""
        chosen = self.splits.training[split]
        return self.data.subset(chosen[self._inner(split)[0]] if part.endswith(INNER) else chosen)

    def _inner(self, split: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return inner_split(self.data.labels[self.splits.training[split]], self.seed("inner split", split))

    def _new(self, name: str, **extra: Any) -> Any:
        """A generator that is not fitted yet."""
        extra = {"device": self.experiment.device, "verbose": False, **extra}
        return make_generator(self.experiment.generator(name), "images", **extra)

    def _fit(self, split: int, part: str) -> Generator:
        """Fit a generator, and save it where it can be."""
        seed = self.seed(f"gan {part}".strip(), split)
        gan = self._new(self._parts[part], random_state=seed)
        with global_states(seed, resolve_device(self.experiment.device)):
            gan.fit(self._training(split, part))
        if hasattr(gan, "save"):
            gan.save(self.store.gan_folder(self._gan_key(split, part)))
        return gan

    def _fit_gan(self, split: int, part: str) -> dict[str, Any]:
        name = self._parts[part]
        started = time.perf_counter()
        gan = self._fit(split, part)
        about: dict[str, Any] = {"generator": name, "fit_seconds": time.perf_counter() - started, "steps": _steps(gan)}
        if part.endswith(INNER):
            return about
        images, labels = self._draw(gan, split, ())
        consistency = class_consistency(self._judge(split), images, labels, len(self.classes))
        if split == 0:
            real = self._training(split)
            sheet = comparison_sheet(real, images, self.classes[labels])
            place = self.experiment.drawn_from().index(name)
            write_atomically(self.store.sheet(self.index, place), png_bytes(sheet))
            about["audit"] = self._audit(images, labels, real)
        return {**about, "consistency": consistency.tolist()}

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
            gate = self._made(task.split, _cell_gate(arm, network))
            about = {"gate": gate["gate"], "fit_seconds": gate["seconds"] + self._seconds_to_fit(task.split, arm)}
        if isinstance(arm.transform, tuple):
            record = self._made(task.split, _choice(arm.transforms, network))
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
                share[np.bincount(synthetic[1], minlength=len(self.classes)) == 0] = 0
            draw = partial(arm_batches, arm, (self.data.images[chosen], targets), synthetic, share=share)
        if notes:
            about["note"] = "; ".join(notes)
        test = self.splits.test[task.split]
        adapt = self.groups[test] if arm.adapt and self.groups is not None else None
        found = self._predictions(draw, network, seed, self.data.images[test], weight, adapt)
        seen = self.seen(task.split)
        return {**scored(self.targets[test], found, seen=seen, **self.of_groups(task.split)), **about}

    def _predictions(
        self,
        draw: Draw,
        network: Plugin,
        seed: int,
        test: NDArray[np.uint8],
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
            )
            predicted = predict_proba(trained, test) if adapt is None else adapted_proba(trained, test, adapt)
        return checked_probabilities(f"network {short(network.name)}", predicted, len(test), len(self.classes))

    def _seconds_to_fit(self, split: int, arm: ImageArm) -> float:
        return float(sum(self._made(split, _part(name))["fit_seconds"] for name in arm.sources))

    def _decide_cells(self, split: int, name: str) -> dict[str, Any]:
        """Which empty cells an arm fills, by withholding others: the same for all starts."""
        arm, network = self._cell_gates[name]
        seed = self.seed(name, split)
        if isinstance(arm.transform, tuple):
            choice = _choice(arm.transforms, network)
            # What is made in the first stage is made in any order.
            known = self.store.read(self._choice_key(split, choice)) or {}
            chosen = known["chosen"] if "chosen" in known else self._choose_transform(split, choice)["chosen"]
            arm = replace(arm, transform=arm.transforms[chosen])
        with global_states(seed, resolve_device(self.experiment.device)):
            decision = choose_cells(
                lambda: Together([self._new(source, random_state=seed) for source in arm.sources]),
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
            probabilities = self._predictions(partial(arm_batches, arm, real, None), network, seed, images[test])
            right = probabilities.argmax(1) == targets[test]
            balanced = np.mean([right[targets[test] == c].mean() for c in np.unique(targets[test])])
            of_target = probabilities[np.arange(len(test)), targets[test]]
            results.append((float(balanced), -float(np.log(np.clip(of_target, SMALLEST, 1)).mean())))
        best = min(range(len(transforms)), key=lambda i: (-results[i][0], results[i][1]))
        return {"chosen": best, "scores": [list(result) for result in results]}

    def _network(self, network: Plugin) -> Callable[..., nn.Module]:
        make = resolve("networks", network.target, NETWORKS)
        if not network.params:
            return make
        return lambda image_shape, n_classes: construct(
            make, network.params, image_shape=image_shape, n_classes=n_classes
        )

    def _ask_gate(
        self, split: int, arm: ImageArm, make_network: Callable[..., nn.Module], seed: int
    ) -> tuple[NDArray[np.float64], tuple[ImageFilter, ...], str, dict[str, Any]]:
        """Share of synthetic images of each class, their filters, a note, and what the record says of the choice."""
        started = time.perf_counter()
        most = arm.synthetic / (1 - arm.synthetic)
        fixed = tuple(find_filter(name) for name in arm.keep)
        decision = choose_ratio(
            lambda: _Fitted(self._gan(split, _part(arm.sources[0], INNER))),
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
        fits = [self._made(split, _part(arm.sources[0], part))["fit_seconds"] for part in ("", INNER)]
        note = f"{decision.candidates[decision.decision.position]} chosen"
        seconds = sum(fits) + time.perf_counter() - started
        return ratios / (1 + ratios), decision.keep, note, {"gate": decision.to_dict(), "fit_seconds": seconds}

    def _judge(self, split: int) -> nn.Module:
        """A classifier trained on the real test images, which the GAN has not seen; it decides nothing."""
        test = self.splits.test[split]
        one_test = self.splits.test_share is None  # the same one for all splits
        place = 0 if one_test else split
        if place not in self._judges:
            generator = random_generator(self.seed("judge", place), "judge")
            draw = arm_batches(ImageArm("judge"), (self.data.images[test], self.targets[test]), None, generator)
            config = type(self.experiment.training)(steps=JUDGE_STEPS)
            device = resolve_device(self.experiment.device)
            self._judges[place] = train_classifier(
                draw, self.data.image_shape, len(self.classes), config, generator, device=device
            )
        return self._judges[place]

    def _made(self, split: int, part: str) -> dict[str, Any]:
        """The record of what the first stage has made for a split."""
        if part in self._cell_gates:
            key = self._cell_gate_key(split, part)
        else:
            key = self._choice_key(split, part) if part in self._choices else self._gan_key(split, part)
        record = self.store.read(key)
        if record is None or record["status"] != "done":
            raise RuntimeError(f"the {prepared(part or 'of this split')} failed")
        return record

    def _gan(self, split: int, part: str) -> Generator:
        """A fitted generator: the saved one, or the same fitted again."""
        self._made(split, part)
        params = self.experiment.generator(self._parts[part]).params
        made = self._new(self._parts[part])
        if hasattr(made, "save") and hasattr(made, "load"):
            read = functools.partial(type(made).load, self.store.gan_folder(self._gan_key(split, part)))
            # Its folder may have been deleted or damaged after it was finished.
            with contextlib.suppress(ValueError):
                return construct(read, {}, device=params.get("device", self.experiment.device))
        return self._fit(split, part)

    def _synthetic_images(self, split: int, arm: ImageArm, keep: tuple[ImageFilter, ...]) -> Labelled:
        """The synthetic images of a split that pass some filters, of all generators of an arm."""
        drawn = [self._of_generator(split, _part(name), keep) for name in arm.sources]
        if len(drawn) == 1:
            return drawn[0]
        return np.concatenate([images for images, _ in drawn]), np.concatenate([labels for _, labels in drawn])

    def _fill(self, split: int, arm: ImageArm) -> Grouped | None:
        """Synthetic images of the cells that an arm fills, as many of each generator; None without such cells."""
        if arm.cells is None or self.groups is None or self.group_names is None:
            return None
        chosen = self.splits.training[split]
        counts = np.zeros((len(self.classes), len(self.group_names)), dtype=np.int64)
        np.add.at(counts, (self.targets[chosen], self.groups[chosen]), 1)
        cells = np.argwhere(lacking_samples(counts, arm.cells, arm.synthetic))
        if not len(cells):
            return None
        n = -(-self.experiment.synthetic_per_class // len(arm.sources))
        labels, groups = np.repeat(cells, n, axis=0).T
        drawn = []
        for name in arm.sources:
            place = split, name, arm.cells, arm.synthetic, n
            if place not in self._filling:
                self._filling = {known: part for known, part in self._filling.items() if known[0] == split}
                gan, seed = self._gan(split, _part(name)), self.seed("sample cells", split, name)
                of = group_indices(gan, self.group_names[groups])
                images = draw_images(gan, labels, groups=of, random_state=seed).numpy()
                self._refuse_test_images(images, split)
                self._filling[place] = Grouped(images, labels, groups)
            drawn.append(self._filling[place])
        return Grouped(*(np.concatenate(parts) for parts in zip(*drawn, strict=True)))

    def _of_generator(self, split: int, part: str, keep: tuple[ImageFilter, ...]) -> Labelled:
        place = split, part, tuple(step.name for step in keep)
        if place not in self._synthetic:
            drawn = self._draw(self._gan(split, part), split, keep)
            self._synthetic = {known: images for known, images in self._synthetic.items() if known[0] == split}
            self._synthetic[place] = drawn
        return self._synthetic[place]

    def _draw(self, gan: Generator, split: int, keep: tuple[ImageFilter, ...]) -> Labelled:
        n, seed = self.experiment.synthetic_per_class, self.seed("sample", split)
        if keep:
            with warnings.catch_warnings(), global_states(seed, resolve_device(self.experiment.device)):
                warnings.simplefilter("ignore", UserWarning)  # classes that stay short are shown fewer
                images, labels = draw_filtered(gan, n, real=self._training(split), keep=keep, random_state=seed)
        else:
            labels = np.repeat(np.arange(len(self.classes)), n)
            images = draw_images(gan, labels, random_state=seed).numpy()
        self._refuse_test_images(images, split)
        return images, labels

    def _refuse_test_images(self, images: NDArray[np.uint8], split: int) -> None:
        # What stands in both parts of the data itself is no sign of a leak.
        test, training = self.data.images[self.splits.test[split]], self.data.images[self.splits.training[split]]
        leaked = copies(images, test) & ~copies(images, training)
        if leaked.any():
            raise RuntimeError(f"{leaked.sum()} of {len(images)} synthetic images are test images: the test set leaked")

    @property
    def keys(self) -> NDArray[np.uint8]:
        """The images themselves."""
        return self.data.images

    def describe(self) -> dict[str, Any]:
        """Classes, sizes and hash."""
        return {
            "classes": [self.data.name(label) for label in self.classes.tolist()],
            "shape": "x".join(map(str, self.data.image_shape)),
            "n_train": len(self.splits.training[0]),
            "n_test": len(self.splits.test[0]),
            **self.duplicates(),
            **self.describe_groups(),
            "sha256": self.data.fingerprint(),
        }


def _part(generator: str, part: str = "") -> str:
    """What is fitted of a generator in a split; of the one of the table gan its name is not part of it."""
    return f"{'' if generator == DEFAULT_GENERATOR else GENERATOR + generator} {part}".strip()


def _steps(gan: Any) -> int | None:
    """Training steps of a generator that keeps a history of them."""
    last = (getattr(gan, "history_", None) or [None])[-1]
    return last.get("step") if isinstance(last, dict) else None


def _choice(transforms: tuple[str | Plugin, ...], network: Plugin) -> str:
    return f"{CHOICE}{', '.join(map(_in_full, transforms))} for {network.name}"


def _cell_gate(arm: ImageArm, network: Plugin) -> str:
    return f"{CHOICE}cells of {arm.name} for {network.name}"


def _in_full(transform: str | Plugin) -> str:
    """A transform with its parameters: arms may choose among transforms of one name that differ in these."""
    if not isinstance(transform, Plugin):
        return transform
    params = ", ".join(f"{key}={value!r}" for key, value in transform.params.items())
    return f"{transform.target}({params})"


class _Fitted:
    """A generator that is fitted already, on just the images that it is asked to fit."""

    def __init__(self, gan: Generator) -> None:
        self._gan = gan

    def fit(self, real: LabelledImages) -> Generator:
        """Check that, and return the generator."""
        asked = real.fingerprint(groups=False)
        if training_data(self._gan).get("sha256", asked) != asked:
            raise AssertionError("the inner generator was fitted on other images")
        return self._gan
