"""What is found from the cells of a run: what report, pages, figures and shell share.

Each record is written to ``summary.json`` by ``to_dict`` and read by ``from_dict``. Means and differences are in
points, hundredths of the metric; a positive difference is better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from ganaug.bench.suite.schema import DEFAULT_GENERATOR
from ganaug.metrics.paired import Difference

__all__ = [
    "AmountCurve",
    "ArmMeans",
    "ArmResult",
    "CaseResult",
    "ClassifierResult",
    "DatasetsTest",
    "EquivalentSamples",
    "ExperimentResult",
    "Failure",
    "Findings",
    "GainCurve",
    "GanResult",
    "LearningCurve",
    "Note",
]

Points = list[list[float]]  # [x, y], or with the ends of an interval [x, y, low, high]


@dataclass(frozen=True)
class Record:
    """Something with plain values, in the order in which they are written."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in ``summary.json``."""
        return {f.metadata.get("key", f.name): _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record whose plain values these are.

        Raises
        ------
        TypeError
            If one is missing.
        """
        keys = {f.name: f.metadata.get("key", f.name) for f in fields(cls)}
        read = {f.name: f.metadata.get("read", _as_it_is) for f in fields(cls)}
        return cls(**{name: read[name](values[key]) for name, key in keys.items() if key in values})


def _plain(value: Any) -> Any:
    if isinstance(value, Record | Difference):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: _plain(content) for key, content in value.items()}
    return [_plain(content) for content in value] if isinstance(value, list | tuple) else value


def _as_it_is(value: Any) -> Any:
    return value


def _difference(values: Mapping[str, Any]) -> Difference:
    """A difference; those of older summaries have no p-value."""
    return Difference(**{"p": float("nan"), **values})


def _several(read: Callable[[Any], Any]) -> dict[str, Any]:
    """What a field says of several records."""
    return {"read": lambda values: tuple(map(read, values))}


def _named(read: Callable[[Any], Any]) -> dict[str, Any]:
    """What a field says of records by name."""
    return {"read": lambda values: {name: read(content) for name, content in values.items()}}


@dataclass(frozen=True)
class ClassifierResult(Record):
    """An arm with one classifier: the mean of the first metric, and the difference to each baseline."""

    mean: float | None
    differences: dict[str, Difference] = field(metadata=_named(_difference))


@dataclass(frozen=True)
class ArmResult(Record):
    """An arm in a case.

    Attributes
    ----------
    name : str
    mean, deviation : float or None
        Of the first metric over splits; None without a finished split, or with one alone.
    splits : int
        Those that count.
    metrics : dict or None
        Mean of each.
    recall : list of float or None
        Of each class, in percent.
    calibration : list of list of float or None
        As :func:`~ganaug.bench.methods.scores.calibration` gives it, summed over cells.
    seconds : float or None
        Per classifier.
    seconds_synthetic : float
        Per GAN, or draw of rows.
    differences : dict of str to Difference
        To each baseline.
    classifiers : dict of str to ClassifierResult
    generator : str or None
        What its samples are drawn from, where arms of the suite draw from several.
    """

    name: str
    mean: float | None
    deviation: float | None
    splits: int
    metrics: dict[str, float | None] | None
    recall: list[float] | None
    calibration: list[list[float]] | None
    seconds: float | None
    seconds_synthetic: float
    differences: dict[str, Difference] = field(metadata=_named(_difference))
    classifiers: dict[str, ClassifierResult] = field(metadata=_named(ClassifierResult.from_dict))
    generator: str | None = None

    @property
    def title(self) -> str:
        """What tables call it."""
        return self.name if self.generator is None else f"{self.name} ({self.generator})"


@dataclass(frozen=True)
class GanResult(Record):
    """The fits of a generator in a case.

    Attributes
    ----------
    consistency : list of float
        Of each class, in percent.
    seconds : float
        Of training.
    steps : int or None
        Of training, where there are any.
    audit : dict or None
        Of the first split.
    generator : str
        Its name in the suite.
    place : int
        Among the generators that arms draw from.
    fid : float or None
        Fréchet distance to real test images, as many of each class, by the features of a classifier of these; runs of
        before it was measured have none.
    seconds_drawing : float or None
        Of drawing 1,000 images.
    """

    consistency: list[float]
    seconds: float
    steps: int | None
    audit: dict[str, Any] | None = None
    generator: str = DEFAULT_GENERATOR
    place: int = 0
    fid: float | None = None
    seconds_drawing: float | None = None


@dataclass(frozen=True)
class CaseResult(Record):
    """All arms on one dataset at one size.

    Attributes
    ----------
    about : dict
        What is known of the data without any cell: name, dataset, classes, sizes, hash, and how it was split.
    index : int
        Among the cases of the suite.
    arms : tuple of ArmResult
        Those that the case has.
    gan : GanResult or None
        Of the first generator.
    other_gans : tuple of GanResult
        Of the others that arms draw from.
    left_out : tuple of str
        Arms whose class weights would change nothing in it.
    """

    about: dict[str, Any]
    index: int
    arms: tuple[ArmResult, ...] = field(metadata=_several(ArmResult.from_dict))
    left_out: tuple[str, ...] = ()
    gan: GanResult | None = field(
        default=None, metadata={"read": lambda values: None if values is None else GanResult.from_dict(values)}
    )
    other_gans: tuple[GanResult, ...] = field(default=(), metadata=_several(GanResult.from_dict))

    @property
    def gans(self) -> tuple[GanResult, ...]:
        """Of all generators."""
        return (self.gan, *self.other_gans) if self.gan is not None else ()

    @property
    def name(self) -> str:
        """Dataset and size."""
        return self.about["name"]

    @property
    def splits(self) -> int:
        """How many there are, finished or not."""
        return self.about["splits"]

    @property
    def classes(self) -> list[Any]:
        """Their names."""
        return self.about["classes"]

    @property
    def common_samples(self) -> bool:
        """Whether training sets of two splits have samples in common; older summaries tell it by the test share."""
        return self.about.get("common_samples", self.about["correlation"] is not None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is known of the data stands beside the rest."""
        found = super().to_dict()
        return {**found.pop("about"), **found}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record whose plain values these are."""
        own = {f.name for f in fields(cls)}
        return super().from_dict({**values, "about": {key: v for key, v in values.items() if key not in own}})


@dataclass(frozen=True)
class ArmMeans(Record):
    """An arm over all cases: mean and mean rank by each metric, None where it has finished nothing."""

    name: str
    metrics: dict[str, float | None] | None
    ranks: dict[str, float | None] | None


@dataclass(frozen=True)
class DatasetsTest(Record):
    """One arm against another over datasets, by one metric.

    Attributes
    ----------
    arm, base, metric : str
    datasets : int
        Those with a finished split.
    origins : int
        What those come from; datasets that are cut from one count as one in all but `won` and `lost`.
    mean, low, high : float
        Mean difference and its bootstrap interval.
    won, lost, clear_gain, clear_harm : int
        Datasets on which the arm is better or worse, and cases that are clear by themselves.
    p : float
        Of Wilcoxon's signed-rank test.
    worse, equal, better : float
        Probabilities for another dataset.
    harm : float
        Share of the pairs of dataset and classifier that are worse by more than counts as equal.
    p_holm : float
        Adjusted for the number of tests.
    """

    arm: str
    base: str
    metric: str
    datasets: int
    origins: int
    mean: float
    low: float
    high: float
    won: int
    lost: int
    clear_gain: int
    clear_harm: int
    p: float
    worse: float
    equal: float
    better: float
    harm: float
    p_holm: float

    @property
    def has_interval(self) -> bool:
        """There are always datasets enough for one."""
        return True


@dataclass(frozen=True)
class EquivalentSamples(Record):
    """How many more real samples would have given the gain of an arm, read from the other arm's curve.

    Attributes
    ----------
    arm, base : str
    n : int
        Real samples of the largest class, or of all classes together.
    extra, low, high : float or {"more", "fewer"}
        Of the mean gain and of the ends of its interval; a word for what is beyond the ends of the curve.
    """

    arm: str
    base: str
    n: int
    extra: float | str
    low: float | str
    high: float | str


@dataclass(frozen=True)
class GainCurve(Record):
    """By how much each other arm is better than a baseline, by real samples of the largest class or in all."""

    base: str
    points: dict[str, Points]


@dataclass(frozen=True)
class LearningCurve(Record):
    """The first metric by real samples of the largest class or in all, for one dataset and imbalance."""

    dataset: str
    imbalance: float
    points: dict[str, Points]
    gains: tuple[GainCurve, ...] = field(default=(), metadata=_several(GainCurve.from_dict))
    equivalent: tuple[EquivalentSamples, ...] = field(default=(), metadata=_several(EquivalentSamples.from_dict))


@dataclass(frozen=True)
class AmountCurve(Record):
    """Gain against how much is synthetic, for arms that differ in nothing else; named after the first."""

    case: str
    arm: str
    base: str
    points: Points


@dataclass(frozen=True)
class Note(Record):
    """What could not be done as asked, and in how many cells."""

    arm: str
    note: str
    cells: int


@dataclass(frozen=True)
class ExperimentResult(Record):
    """The results of images or of tables.

    Attributes
    ----------
    kind : {"images", "tables"}
    verdicts : list of str
        Sentences, the most important first.
    metrics : list of str
        All that there are figures of.
    compared : list of str
        Those that arms are compared by; the verdict is on the first.
    cases : tuple of CaseResult
    overall : tuple of ArmMeans
        Empty for a single case.
    tests : tuple of DatasetsTest
        Empty for few datasets.
    curves : tuple of LearningCurve
    amounts : tuple of AmountCurve
    notes : tuple of Note
    """

    kind: str
    verdicts: list[str]
    metrics: list[str]
    compared: list[str]
    cases: tuple[CaseResult, ...] = field(metadata=_several(CaseResult.from_dict))
    overall: tuple[ArmMeans, ...] = field(metadata=_several(ArmMeans.from_dict))
    tests: tuple[DatasetsTest, ...] = field(metadata=_several(DatasetsTest.from_dict))
    curves: tuple[LearningCurve, ...] = field(metadata=_several(LearningCurve.from_dict))
    amounts: tuple[AmountCurve, ...] = field(metadata=_several(AmountCurve.from_dict))
    notes: tuple[Note, ...] = field(metadata=_several(Note.from_dict))


@dataclass(frozen=True)
class Failure(Record):
    """A cell, or the fit of a GAN, that has failed."""

    split: int
    repeat: int
    status: str
    reason: str
    arm: str
    classifier: str
    case: str


@dataclass(frozen=True)
class Findings(Record):
    """Everything that is found from the records of a run.

    Attributes
    ----------
    cautions : list of str
        Sentences on test samples that stand in a training set too, with the figures on the others.
    verdicts : list of str
        Sentences, the most important first.
    experiments : tuple of ExperimentResult
        One each for images and tables.
    failed : tuple of Failure
    """

    cautions: list[str]
    verdicts: list[str]
    experiments: tuple[ExperimentResult, ...] = field(metadata=_several(ExperimentResult.from_dict))
    failed: tuple[Failure, ...] = field(metadata=_several(Failure.from_dict))
