"""A suite: what a benchmark compares, declared before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from ganaug.bench.suite.plugins import Plugin
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.data.files import sha256_of

__all__ = [
    "Arm",
    "Experiment",
    "ImageArm",
    "ImageExperiment",
    "Sizes",
    "Suite",
    "TableArm",
    "TableExperiment",
    "digest",
    "weighted_variants",
]


@dataclass(frozen=True)
class ImageArm:
    """One way of augmenting images.

    Attributes
    ----------
    name : str
    synthetic : float in [0, 1]
        Probability with which an image of a training batch is replaced by a synthetic one of its class.
    transform : str, Plugin, tuple of these, or None
        What is applied to every training image, real or synthetic: a name, or the import path of a class such as
        ``torchvision.transforms.v2.RandomHorizontalFlip``; one with arguments is a plugin. Of several the one that does
        best without synthetic images is chosen, for each split and network on an inner split of the training images.
    mix : {"mixup", "cutmix"} or None
        What is applied to every batch last, and makes labels soft.
    balanced : bool
        Draw all classes equally often, as if the images of rare classes were duplicated.
    class_weight : bool
        Weigh the loss of each image by the inverse frequency of its class. Where all classes are of one size the
        weights are one: an arm that has a like without them is not run there, unless it is a baseline or an arm that
        is run is against it.
    keep : tuple of str
        Filters that synthetic images pass, in this order: "discriminator rank", "class consistency",
        "learning dynamics", "no copies".
    gate : bool
        Choose by inner validation how much is synthetic, from nothing to `synthetic`, and through which filters
        (:func:`ganaug.choose_ratio`, with one split).
    against : tuple of str
        Arms that a verdict compares this one with; if empty, and `synthetic` is not zero, the arm that is alike but for
        synthetic images.
    """

    name: str
    synthetic: float = 0.0
    transform: str | Plugin | tuple[str | Plugin, ...] | None = None
    mix: str | None = None
    balanced: bool = False
    class_weight: bool = False
    keep: tuple[str, ...] = ()
    gate: bool = False
    against: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.transform, list):
            object.__setattr__(self, "transform", tuple(self.transform))  # which is frozen

    @property
    def amount(self) -> float:
        """How much is synthetic."""
        return self.synthetic

    @property
    def transforms(self) -> tuple[str | Plugin, ...]:
        """All that are named."""
        if isinstance(self.transform, tuple):
            return self.transform
        return () if self.transform is None else (self.transform,)

    def likeness(self) -> dict[str, Any]:
        """All but the name and the amount of synthetic data."""
        return {k: v for k, v in asdict(self).items() if k not in ("name", "synthetic", "against")}

    def is_like(self, other: ImageArm) -> bool:
        """Whether it shows the same as another arm."""
        return (self.synthetic, self.likeness()) == (other.synthetic, other.likeness())

    def like_without_weights(self, arms: Sequence[ImageArm]) -> ImageArm | None:
        """The arm that shows the same without the class weights that this one has, if there is one."""
        plain = replace(self, class_weight=False)
        return next((other for other in arms if self.class_weight and plain.is_like(other)), None)

    def without_synthetic(self) -> dict[str, Any]:
        """What is left of the arm without synthetic data, but for its name."""
        return {k: v for k, v in self.likeness().items() if k not in ("keep", "gate")}


@dataclass(frozen=True)
class TableArm:
    """One way of treating the classes of a table.

    Attributes
    ----------
    name : str
    sampler : Plugin or None
        An over-sampler, fitted on the training rows.
    ratio : float in [0, 1]
        Share that is added of what each class lacks to be as large as the largest.
    fill_to : int
        Samples that every class is filled up to where the largest has fewer: few samples of equal classes are
        over-sampled too.
    class_weight : bool
        Give classifiers that take it ``class_weight="balanced"``.
    threshold : bool
        Tune the decision threshold for balanced accuracy on the training rows; for two classes.
    prior_correction : bool
        Divide predicted probabilities by the class frequencies that the classifier was trained on.
    raw : bool
        Give a sampler that is found by its import path the table as it is, and not its columns as numbers.
    gate : bool
        Choose for each classifier by inner validation how much the sampler adds, nothing included
        (:class:`ganaug.SafeOverSampler`). The sampler is "gan", or takes tables as they are (`raw`).
    against : tuple of str
        Arms that a verdict compares this one with.
    """

    name: str
    sampler: Plugin | None = None
    ratio: float = 1.0
    fill_to: int = 0
    class_weight: bool = False
    threshold: bool = False
    prior_correction: bool = False
    raw: bool = False
    gate: bool = False
    against: tuple[str, ...] = ()

    @property
    def amount(self) -> float:
        """How much is synthetic."""
        return self.ratio if self.sampler is not None else 0.0

    def likeness(self) -> dict[str, Any]:
        """All but the name and the amount of synthetic data."""
        return {k: v for k, v in asdict(self).items() if k not in ("name", "ratio", "against")}


Arm = ImageArm | TableArm


@dataclass(frozen=True)
class Sizes:
    """Sizes of training sets: each number of samples with each imbalance.

    Attributes
    ----------
    n_per_class : tuple of int
    imbalance : tuple of float
        Both as of :class:`Experiment`; one number stands for itself alone.

    Examples
    --------
    >>> Sizes(5) == Sizes((5,))
    True
    """

    n_per_class: tuple[int, ...]
    imbalance: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        _several(self, "n_per_class", "imbalance")


@dataclass(frozen=True)
class Experiment:
    """What images and tables have in common; see :class:`ImageExperiment` and :class:`TableExperiment`.

    Attributes
    ----------
    datasets : tuple of Plugin
    arms : tuple of ImageArm or TableArm
    baselines : tuple of str
        Arms that all others are compared with.
    classifiers : tuple of Plugin
    n_per_class : tuple of int
        Sizes of the training sets: samples of the largest class. If empty, all data are used in `folds`.
    imbalance : tuple of float
        How often the largest class has the samples of the smallest; the classes between lie on a geometric line, in a
        random order in each split.
    sizes : tuple of Sizes
        In the place of both, where not each size goes with each imbalance: few samples of equal classes, and a long
        tail of many.
    splits : int
        Training sets of each size, without a common sample where the data allow it; the rest is the test set.
    folds : int
        Of a stratified cross-validation, where neither `n_per_class` nor `sizes` are there.
    repeats : int
        Random starts of sampler and classifier per arm and split; none is shared by two cells.
    metrics : tuple of str
        What is compared; the verdict is on the first.
    rope : float
        Points (hundredths of the metric) within which two arms count as equal.
    """

    datasets: tuple[Plugin, ...]
    arms: tuple[Any, ...]
    baselines: tuple[str, ...]
    classifiers: tuple[Plugin, ...]
    metrics: tuple[str, ...]
    n_per_class: tuple[int, ...] = ()
    imbalance: tuple[float, ...] = (1.0,)
    sizes: tuple[Sizes, ...] = ()
    splits: int = 5
    folds: int = 5
    repeats: int = 1
    rope: float = 0.5

    kind: ClassVar[str]
    arm_type: ClassVar[type[ImageArm] | type[TableArm]]

    def __post_init__(self) -> None:
        _several(self, "n_per_class", "imbalance", "sizes")

    def drawn_sizes(self) -> list[tuple[int | None, float]]:
        """Samples of the largest class and imbalance of each size; None stands for all data, in folds."""
        sizes = self.sizes or (Sizes(self.n_per_class, self.imbalance),)
        return [(n, imbalance) for some in sizes for n in some.n_per_class or (None,) for imbalance in some.imbalance]

    def arm(self, name: str) -> Any:
        """The arm of a name."""
        return next(arm for arm in self.arms if arm.name == name)

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        """Each arm that a verdict is given on, with the one it is compared with."""
        for arm in self.arms:
            for name in arm.against:
                yield arm, self.arm(name)
            if not arm.against and isinstance(arm, ImageArm) and arm.synthetic > 0:
                alike = arm.without_synthetic()
                yield from ((arm, a) for a in self.arms if a.synthetic == 0 and a.without_synthetic() == alike)


@dataclass(frozen=True)
class ImageExperiment(Experiment):
    """Arms of image classification.

    Attributes
    ----------
    classifiers : tuple of Plugin
        Networks.
    training : ClassifierConfig
        How every network is trained.
    gan : dict
        Parameters of :class:`ganaug.ImageGAN`.
    synthetic_per_class : int
        Images of each class sampled from each GAN.
    device : str
        Where GANs and classifiers are trained: "auto", "cpu", "cuda", "mps".
    """

    classifiers: tuple[Plugin, ...] = (Plugin("small-cnn", "small-cnn"),)
    metrics: tuple[str, ...] = ("accuracy",)
    training: ClassifierConfig = field(default_factory=ClassifierConfig)
    gan: dict[str, Any] = field(default_factory=dict)
    synthetic_per_class: int = 200
    device: str = "auto"

    kind: ClassVar[str] = "images"
    arm_type: ClassVar[type[ImageArm]] = ImageArm


@dataclass(frozen=True)
class TableExperiment(Experiment):
    """Arms of classification on tables: rows are drawn once per arm, split and repeat, for all classifiers.

    Attributes
    ----------
    components : int or None
        Principal components, of the training rows, that the encoded columns are reduced to.
    """

    classifiers: tuple[Plugin, ...] = tuple(Plugin(n, n) for n in ("logistic", "knn", "forest", "boosting"))
    metrics: tuple[str, ...] = ("balanced accuracy",)
    components: int | None = None

    kind: ClassVar[str] = "tables"
    arm_type: ClassVar[type[TableArm]] = TableArm


@dataclass(frozen=True)
class Suite:
    """What is compared, on what, and how often.

    Attributes
    ----------
    name, title : str
    images : ImageExperiment or None
    tables : TableExperiment or None
    seed : int
    timeout : float or None
        Seconds after which a cell, or the fit of a GAN, is given up. It may change from one start of a run to the next;
        what was given up is tried again.
    budget : float or None
        Seconds that the suite was reduced to take, by :func:`~ganaug.bench.cases.budget.within_budget`.
    reduced : tuple of str
        What is less in it for that.
    """

    name: str
    title: str
    images: ImageExperiment | None = None
    tables: TableExperiment | None = None
    seed: int = 0
    timeout: float | None = None
    budget: float | None = None
    reduced: tuple[str, ...] = ()

    @property
    def experiments(self) -> tuple[ImageExperiment | TableExperiment, ...]:
        """Those that there are."""
        return tuple(part for part in (self.images, self.tables) if part is not None)

    def experiment(self, kind: str) -> Any:
        """The experiment of a kind, "images" or "tables"."""
        return getattr(self, kind)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``suite.json``."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Suite:
        """The suite whose plain values these are."""
        kinds = [kind for kind in (ImageExperiment, TableExperiment) if values.get(kind.kind) is not None]
        return cls(**{**_with_tuples(values), **{kind.kind: _experiment(kind, values[kind.kind]) for kind in kinds}})


def weighted_variants(arms: Sequence[ImageArm]) -> tuple[ImageArm, ...]:
    """The same arms with class weights, of those that neither have them nor draw all classes equally often.

    Parameters
    ----------
    arms : sequence of ImageArm

    Returns
    -------
    tuple of ImageArm
        Without those that are among the arms by another name; each is against the twins of what its arm is against.

    Examples
    --------
    >>> [arm.name for arm in weighted_variants([ImageArm("real"), ImageArm("duplicated", balanced=True)])]
    ['real+weights']
    """
    twins = {arm.name: replace(arm, class_weight=True) for arm in arms if not (arm.class_weight or arm.balanced)}
    there = {name: arm.name for name, twin in twins.items() for arm in arms if arm.is_like(twin)}
    names = {name: there.get(name, f"{name}+weights") for name in twins}
    return tuple(
        replace(twin, name=names[name], against=tuple(names.get(other, other) for other in twin.against))
        for name, twin in twins.items()
        if name not in there
    )


def _experiment(kind: type[ImageExperiment] | type[TableExperiment], values: dict[str, Any]) -> Any:
    plugins = {key: tuple(Plugin(**plugin) for plugin in values[key]) for key in ("datasets", "classifiers")}
    training = {"training": ClassifierConfig(**values["training"])} if "training" in values else {}
    arms = tuple(_arm(kind.arm_type, arm) for arm in values["arms"])
    sizes = tuple(Sizes(**_with_tuples(some)) for some in values.get("sizes", ()))
    return kind(**{**_with_tuples(values), **plugins, **training, "arms": arms, "sizes": sizes})


def _arm(kind: type[ImageArm] | type[TableArm], values: dict[str, Any]) -> Any:
    plain = _with_tuples(values)
    if values.get("sampler"):
        plain["sampler"] = Plugin(**values["sampler"])
    if isinstance(plain.get("transform"), tuple):
        plain["transform"] = tuple(Plugin(**one) if isinstance(one, dict) else one for one in plain["transform"])
    elif isinstance(plain.get("transform"), dict):
        plain["transform"] = Plugin(**plain["transform"])
    return kind(**plain)


def _several(declared: Any, *keys: str) -> None:
    """One number, or one pair of sizes, is a tuple of one; a list, a range or an array is a tuple too."""
    for key in keys:
        value = getattr(declared, key)
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
        if isinstance(value, int | float | Sizes):
            value = (value,)
        if isinstance(value, list | range):
            value = tuple(value)
        object.__setattr__(declared, key, value)  # which is frozen


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return sha256_of(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode())
