"""A suite: what a benchmark compares, declared before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from ganaug.bench.suite import types
from ganaug.bench.suite.plugins import Plugin
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.data.files import sha256_of

__all__ = [
    "DEFAULT_GENERATOR",
    "SUITES",
    "Arm",
    "Experiment",
    "ImageArm",
    "ImageExperiment",
    "Sizes",
    "Suite",
    "TableArm",
    "TableExperiment",
    "arm_values",
    "digest",
    "plain_values",
    "weighted_variants",
]

DEFAULT_GENERATOR = "ImageGAN"  # trained with the parameters of the table gan
LATER = {
    "generator": DEFAULT_GENERATOR,
    "generators": (),
    "split": "samples",
    "group_share": 0.5,
    "class_share": 0.5,
    "n_per_cell": None,
    "cells": None,
    "adapt": False,
    "n_samples": (),
    "per_class": 0,
}  # keys that runs of before them lack, and what that means


@dataclass(frozen=True)
class _Declared:
    """What pydantic checks when a suite is read or run; in some fields one value stands for itself alone."""

    __pydantic_config__: ClassVar[Any] = types.CHECKED
    SEVERAL: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for key in self.SEVERAL:
            object.__setattr__(self, key, types.as_tuple(getattr(self, key)))  # which is frozen


@dataclass(frozen=True)
class ImageArm(_Declared):
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
    balanced : bool or "cells"
        Draw all classes equally often, as if the images of rare classes were duplicated; or all cells of class and
        group.
    class_weight : bool or "cells"
        Weigh the loss of each image by the inverse frequency of its class, or of its cell. Where all classes are of
        one size their weights are one: an arm that has a like without them is not run there, unless it is a baseline
        or an arm that is run is against it.
    keep : tuple of str or Plugin
        Filters that synthetic images pass, in this order: "discriminator rank", "class consistency",
        "learning dynamics", "no copies", or import paths of classes; one with arguments is a plugin.
    gate : bool
        Choose by inner validation how much is synthetic, from nothing to `synthetic`, and through which filters
        (:func:`ganaug.choose_ratio`, with one split); or with ``cells = "empty"`` whether the empty cells are
        filled, and which (:func:`ganaug.curation.choose_cells`, once for all starts).
    generator : str or tuple of str
        What draws the synthetic images: one of the experiment's `generators` by its name, or "ImageGAN", which is
        trained with the parameters in its `gan`. Of several each draws an equal part.
    cells : {"empty", "balance"} or None
        Add synthetic images to cells of class and group, in place of replacing images by their like: to those that the
        training images lack, or to all up to the size of the largest. `synthetic` is then how far they are filled, 1
        being up to the largest cell. Its generators must learn groups.
    adapt : bool
        Predict the images of each test group with the statistics of batch normalisation of this group (AdaBN), for
        which all its test images are seen, without their labels.
    against : tuple of str
        Arms that a verdict compares this one with; if empty, and `synthetic` is not zero, the arm that is alike but for
        synthetic images.

    Examples
    --------
    >>> from ganaug.bench import ImageArm
    >>> arm = ImageArm("gan+affine", synthetic=0.3, transform="affine", keep=("class consistency",))
    >>> arm.synthetic, arm.keep
    (0.3, ('class consistency',))
    """

    SEVERAL: ClassVar[tuple[str, ...]] = ("keep", "against")

    name: types.Name
    synthetic: types.Share = 0.0
    transform: types.Transform = None
    mix: str | None = None
    balanced: types.FlagOrCells = False
    class_weight: types.FlagOrCells = False
    keep: types.Filters = ()
    gate: types.Flag = False
    against: Annotated[tuple[str, ...], types.Several] = ()
    generator: types.Generators = DEFAULT_GENERATOR
    cells: Literal["empty", "balance"] | None = None
    adapt: types.Flag = False

    def __post_init__(self) -> None:
        for key in ("transform", "keep"):
            object.__setattr__(self, key, types.as_plugins(getattr(self, key)))
        super().__post_init__()
        if isinstance(self.generator, list):
            object.__setattr__(self, "generator", tuple(self.generator))

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of its generators."""
        return self.generator if isinstance(self.generator, tuple) else (self.generator,)

    @property
    def by_cells(self) -> bool:
        """Whether its batches depend on groups."""
        return self.cells is not None or types.CELLS in (self.balanced, self.class_weight)

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
        return next((other for other in arms if self.class_weight is True and plain.is_like(other)), None)

    def without_synthetic(self) -> dict[str, Any]:
        """What is left of the arm without synthetic data, but for its name."""
        return {k: v for k, v in self.likeness().items() if k not in ("keep", "gate", "generator", "cells")}


@dataclass(frozen=True)
class TableArm(_Declared):
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
    per_class : int
        Rows that are added to every class, however many it has, in place of filling up.
    class_weight : bool or "cells"
        Give classifiers that take it ``class_weight="balanced"``; or those that take sample weights the inverse
        frequency of the cell of class and group of each row.
    threshold : bool or {"balanced accuracy", "F1", "MCC"}
        Tune the decision threshold for this metric, by default for balanced accuracy, on the training rows; for two
        classes.
    prior_correction : bool
        Divide predicted probabilities by the class frequencies that the classifier was trained on.
    raw : bool
        Give a sampler that is found by its import path the table as it is, and not its columns as numbers.
    gate : bool
        Choose for each classifier by inner validation how much the sampler adds, nothing included
        (:class:`ganaug.SafeOverSampler`). The sampler is "gan", or takes tables as they are (`raw`); or fills
        `cells`, by ``cv="cells"``.
    against : tuple of str
        Arms that a verdict compares this one with.
    cells : {"empty", "balance"} or None
        Add rows to cells of class and group: to those that the training rows lack, or to all up to the size of the
        largest, times `ratio`. The sampler is then a generator that learns groups: "additive-transfer", "table-gan",
        another registered one, or a class by its import path; or "gan", with ``balance="cells"``.

    Examples
    --------
    >>> from ganaug.bench import TableArm
    >>> from ganaug.bench.suite.plugins import Plugin
    >>> TableArm("SMOTE", Plugin("smote", "smote"), against=("none",)).ratio
    1.0
    """

    SEVERAL: ClassVar[tuple[str, ...]] = ("against",)

    name: types.Name
    sampler: types.Named | None = None
    ratio: types.Share = 1.0
    fill_to: types.Amount = 0
    per_class: types.Amount = 0
    class_weight: types.FlagOrCells = False
    threshold: types.Threshold = False
    prior_correction: types.Flag = False
    raw: types.Flag = False
    gate: types.Flag = False
    against: Annotated[tuple[str, ...], types.Several] = ()
    cells: Literal["empty", "balance"] | None = None

    @property
    def by_cells(self) -> bool:
        """Whether it depends on groups."""
        return self.cells is not None or self.class_weight == types.CELLS

    @property
    def amount(self) -> float:
        """How much is synthetic."""
        return self.ratio if self.sampler is not None else 0.0

    def likeness(self) -> dict[str, Any]:
        """All but the name and the amount of synthetic data."""
        return {k: v for k, v in asdict(self).items() if k not in ("name", "ratio", "against")}


Arm = ImageArm | TableArm


@dataclass(frozen=True)
class Sizes(_Declared):
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

    SEVERAL: ClassVar[tuple[str, ...]] = ("n_per_class", "imbalance")

    n_per_class: Annotated[tuple[types.Count, ...], types.Several]
    imbalance: Annotated[tuple[types.Ratio, ...], types.Several] = (1.0,)


@dataclass(frozen=True)
class Experiment(_Declared):
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
    n_samples : tuple of int
        Sizes of the training sets in the place of `n_per_class`: samples of all classes together, of which each has an
        equal part, whatever their number is.
    imbalance : tuple of float
        How often the largest class has the samples of the smallest; the classes between lie on a geometric line, in a
        random order in each split.
    sizes : tuple of Sizes
        In the place of both, where not each size goes with each imbalance: few samples of equal classes, and a long
        tail of many.
    splits : int
        Training sets of each size, without a common sample where the data allow it; the rest is the test set.
    folds : int
        Of a stratified cross-validation, where none of `n_per_class`, `n_samples` and `sizes` is there.
    repeats : int
        Random starts of sampler and classifier per arm and split; none is shared by two cells.
    metrics : tuple of str
        What is compared; the verdict is on the first.
    rope : float
        Points (hundredths of the metric) within which two arms count as equal.
    split : {"samples", "groups", "leave one group out", "cells", "given"}
        What training and test sets share none of. "given" splits as the `split_columns` of each dataset say
        (:func:`~ganaug.bench.inputs.given_splits.given_splits`). The others need its `groups`: "groups" keeps them
        whole in `folds`, "leave one group out" tests on each in turn, and "cells" withholds combinations of class and
        group from training in each of `splits` splits, and tests on the groups that lack some.
    group_share, class_share : float in (0, 1)
        With "cells": the groups that lack cells, and the classes that they lack.
    n_per_cell : int or None
        With "cells": training samples of each cell that is not withheld; by default half of a cell's samples where it
        is tested on, and all where it is not.
    """

    SEVERAL: ClassVar[tuple[str, ...]] = ("n_per_class", "n_samples", "imbalance", "sizes")
    kind: ClassVar[str]
    arm_type: ClassVar[type[ImageArm] | type[TableArm]]

    datasets: tuple[types.Dataset, ...]
    arms: tuple[Any, ...]
    baselines: tuple[str, ...]
    classifiers: tuple[types.Named, ...]
    metrics: tuple[str, ...]
    n_per_class: Annotated[tuple[types.Count, ...], types.Several] = ()
    imbalance: Annotated[tuple[types.Ratio, ...], types.Several] = (1.0,)
    sizes: Annotated[tuple[Sizes, ...], types.Several] = ()
    splits: types.Parts = 5
    folds: types.Parts = 5
    repeats: types.Repeats = 1
    rope: types.Number = 0.5
    split: Literal["samples", "groups", "leave one group out", "cells", "given"] = "samples"
    group_share: types.OpenShare = 0.5
    class_share: types.OpenShare = 0.5
    n_per_cell: types.Count | None = None
    n_samples: Annotated[tuple[types.Count, ...], types.Several] = ()

    def drawn_sizes(self) -> list[tuple[int | None, float]]:
        """Samples of the largest class and imbalance of each size; None stands for all data, in folds.

        Sizes in `n_samples` are none of them.
        """
        if self.n_samples:
            return []
        sizes = self.sizes or (Sizes(self.n_per_class, self.imbalance),)
        return [(n, imbalance) for some in sizes for n in some.n_per_class or (None,) for imbalance in some.imbalance]

    def arm(self, name: str) -> Any:
        """The arm of a name."""
        return next(arm for arm in self.arms if arm.name == name)

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        """Each arm that a verdict is given on, with the one it is compared with: the baselines, if no arm says."""
        found = list(self._pairs_that_arms_name())
        bases = [self.arm(name) for name in self.baselines]
        yield from found or ((arm, base) for arm in self.arms for base in bases if arm.name not in self.baselines)

    def _pairs_that_arms_name(self) -> Iterator[tuple[Any, Any]]:
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
        Parameters of :class:`ganaug.ImageGAN`, which draws for arms that name no other generator.
    synthetic_per_class : int
        Images of each class sampled from each generator.
    device : str
        Where generators and classifiers are trained: "auto", "cpu", "cuda", "mps".
    generators : tuple of Plugin
        Others that arms name: registered ones, or classes by their import path, each with its parameters. Arms of one
        generator share its fits.

    Examples
    --------
    >>> from ganaug.bench import load_suite
    >>> images = load_suite("quick").images
    >>> images.synthetic_per_class, [arm.name for arm in images.arms]
    (200, ['real', 'classical', 'mixup', 'cutmix', 'synthetic only', 'gan', 'gan+classical'])
    """

    kind: ClassVar[str] = "images"
    arm_type: ClassVar[type[ImageArm]] = ImageArm

    arms: tuple[ImageArm, ...]
    classifiers: tuple[types.Named, ...] = (Plugin("small-cnn", "small-cnn"),)
    metrics: tuple[str, ...] = ("accuracy",)
    training: types.Training = field(default_factory=ClassifierConfig)
    gan: dict[str, Any] = field(default_factory=dict)
    synthetic_per_class: types.Count = 200
    device: str = "auto"
    generators: tuple[types.Named, ...] = ()

    def generator(self, name: str) -> Plugin:
        """The generator of a name."""
        known = (Plugin(DEFAULT_GENERATOR, DEFAULT_GENERATOR, self.gan), *self.generators)
        return next(plugin for plugin in known if plugin.name == name)

    def drawn_from(self) -> list[str]:
        """Names of the generators that any arm draws from, in the order of the arms."""
        return list(dict.fromkeys(name for arm in self.arms if arm.synthetic > 0 for name in arm.sources))


@dataclass(frozen=True)
class TableExperiment(Experiment):
    """Arms of classification on tables: rows are drawn once per arm, split and repeat, for all classifiers.

    Attributes
    ----------
    components : int or None
        Principal components, of the training rows, that the encoded columns are reduced to.

    Examples
    --------
    >>> from ganaug.bench import load_suite
    >>> tables = load_suite("quick").tables
    >>> tables.folds, [arm.name for arm in tables.arms]
    (5, ['none', 'class weight', 'prior-corrected', 'random', 'SMOTE', 'gan'])
    """

    kind: ClassVar[str] = "tables"
    arm_type: ClassVar[type[TableArm]] = TableArm

    arms: tuple[TableArm, ...]
    classifiers: tuple[types.Named, ...] = tuple(Plugin(n, n) for n in ("logistic", "knn", "forest", "boosting"))
    metrics: tuple[str, ...] = ("balanced accuracy",)
    components: types.Repeats | None = None


@dataclass(frozen=True)
class Suite(_Declared):
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

    Examples
    --------
    >>> from dataclasses import replace
    >>> from ganaug.bench import load_suite
    >>> suite = load_suite("quick")
    >>> suite.title, suite.seed
    ('Does augmentation help? Digits as images, and tables with a long tail', 0)
    >>> replace(suite, name="mine", images=None).images is None
    True
    """

    name: types.SuiteName
    title: str
    images: ImageExperiment | None = None
    tables: TableExperiment | None = None
    seed: Annotated[int, Field(strict=True, ge=0, le=2**64)] = 0
    timeout: Annotated[types.Number, Field(ge=1e-3)] | None = None
    budget: types.Number | None = None
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
        return json.loads(json.dumps(plain_values(self)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Suite:
        """The suite whose plain values these are; pydantic's ``ValidationError`` says what is wrong with them."""
        return SUITES.validate_python(values)


SUITES = TypeAdapter(Suite)


def plain_values(declared: Any) -> dict[str, Any]:
    """A suite, or a part of one, as a dict; its digest does not depend on keys that it leaves at their default."""
    return asdict(declared, dict_factory=lambda pairs: {k: v for k, v in pairs if k not in LATER or v != LATER[k]})


def arm_values(arm: Arm) -> dict[str, Any]:
    """All of an arm that its results depend on, as a dict: not what it is compared with.

    Examples
    --------
    >>> arm_values(ImageArm("affine", against=("real",))) == arm_values(ImageArm("affine"))
    True
    """
    return {key: value for key, value in plain_values(arm).items() if key != "against"}


def weighted_variants(arms: Sequence[ImageArm]) -> tuple[ImageArm, ...]:
    """The same arms with class weights, of those that neither have them nor draw all classes equally often.

    Parameters
    ----------
    arms : sequence of ImageArm

    Returns
    -------
    tuple of ImageArm
        Without those that are among the arms by another name; each is against the weighted variants of what its arm is
        against.

    Examples
    --------
    >>> [arm.name for arm in weighted_variants([ImageArm("real"), ImageArm("duplicated", balanced=True)])]
    ['real+weights']
    """
    weighted = {arm.name: replace(arm, class_weight=True) for arm in arms if not (arm.class_weight or arm.balanced)}
    there = {name: arm.name for name, variant in weighted.items() for arm in arms if arm.is_like(variant)}
    names = {name: there.get(name, f"{name}+weights") for name in weighted}
    return tuple(
        replace(variant, name=names[name], against=tuple(names.get(other, other) for other in variant.against))
        for name, variant in weighted.items()
        if name not in there
    )


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return sha256_of(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode())
