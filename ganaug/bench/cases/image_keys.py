"""What is made for the images of one dataset, and the keys of the records: hashes of all that they depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from numpy.typing import NDArray

from ganaug.bench.cases.case import CELLS, CHOICE, GAN, GENERATOR, Case, Task, prepared
from ganaug.bench.methods.arms import TRANSFORMS
from ganaug.bench.records.provenance import code_of
from ganaug.bench.suite.plugins import Plugin
from ganaug.bench.suite.schema import DEFAULT_GENERATOR, ImageArm, ImageExperiment, arm_values, digest
from ganaug.classifiers.networks import NETWORKS
from ganaug.curation.image_filters import FILTERS
from ganaug.data import LabelledImages
from ganaug.engine.devices import resolve_device

__all__ = ["INNER", "ImageKeys", "cell_gate_of", "choice_of", "part_of"]

INNER = "of the inner split"


class ImageKeys(Case):
    """The tasks on the images of one dataset, and where the store has what each makes; a subclass sets the attributes.

    Attributes
    ----------
    data : LabelledImages
    classes : ndarray of shape (n_classes,)
    """

    experiment: ImageExperiment
    data: LabelledImages
    classes: NDArray[Any]
    _parts: dict[str, str]  # what is fitted in each split, and the generator that it is a fit of
    _configs: dict[str, dict[str, Any] | None]  # of the generators
    _choices: dict[str, tuple[tuple[str | Plugin, ...], Plugin]]  # of transforms, and the network that makes each
    _cell_gates: dict[str, tuple[ImageArm, Plugin]]  # arms that choose cells, and the network that does

    def named(self, arm: ImageArm, classifier: Plugin) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """A transform, filters, a network and a generator."""
        for named in arm.transforms:
            yield "transforms", named.target if isinstance(named, Plugin) else named, TRANSFORMS
        for named in arm.keep:
            yield "filters", named.target if isinstance(named, Plugin) else named, FILTERS
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
                            "arm": arm_values(arm),
                            "repeat": repeat,
                            "network": asdict(network),
                            "training": self._training_config(),
                            "gan": self._gan_keys(split, arm) if arm.synthetic > 0 else None,
                            "inner_gan": self._inner_key(split, arm, network) if arm.gate else None,
                            **(
                                {"choice": self._choice_key(split, choice_of(arm.transforms, network))}
                                if several
                                else {}
                            ),
                            **self.own_code(arm.name, network.name),
                        }
                        yield Task(self.index, CELLS, split, arm.name, repeat, (digest(cell),), (network.name,))

    def _training_config(self) -> dict[str, Any]:
        """How classifiers are trained, with the precision that "auto" is on this machine."""
        training = self.experiment.training
        return asdict(replace(training, precision=training.resolved(resolve_device(self.experiment.device))))

    def _gan_keys(self, split: int, arm: ImageArm) -> str | list[str]:
        keys = [self._gan_key(split, part_of(name)) for name in arm.sources]
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
            return self._gan_key(split, part_of(arm.sources[0], INNER))
        return self._cell_gate_key(split, cell_gate_of(arm, network))

    def _cell_gate_key(self, split: int, name: str) -> str:
        arm, network = self._cell_gates[name]
        several = isinstance(arm.transform, tuple)
        return digest(
            {
                **self.shared(split, self.data.fingerprint()),
                "arm": arm_values(arm),
                "gans": self._gan_keys(split, arm),
                "network": asdict(network),
                "training": self._training_config(),
                **({"choice": self._choice_key(split, choice_of(arm.transforms, network))} if several else {}),
                **self.own_code(arm.name, network.name),
            }
        )

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


def part_of(generator: str, part: str = "") -> str:
    """What is fitted of a generator in a split; of the one of the table gan its name is not part of it."""
    return f"{'' if generator == DEFAULT_GENERATOR else GENERATOR + generator} {part}".strip()


def choice_of(transforms: tuple[str | Plugin, ...], network: Plugin) -> str:
    """What is chosen among transforms for a network."""
    return f"{CHOICE}{', '.join(map(_in_full, transforms))} for {network.name}"


def cell_gate_of(arm: ImageArm, network: Plugin) -> str:
    """What an arm chooses of its cells for a network."""
    return f"{CHOICE}cells of {arm.name} for {network.name}"


def _in_full(transform: str | Plugin) -> str:
    """A transform with its parameters: arms may choose among transforms of one name that differ in these."""
    if not isinstance(transform, Plugin):
        return transform
    params = ", ".join(f"{key}={value!r}" for key, value in transform.params.items())
    return f"{transform.target}({params})"
