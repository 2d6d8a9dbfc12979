"""What a generator is to everything that draws from one: its protocols, and the questions that are asked of it.

Pools, transforms, samplers, audits and the command line know generators by these protocols alone, never by a class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug.data.groups import positions_of_groups
from ganaug.data.kinds import KINDS
from ganaug.data.labels import class_positions
from ganaug.data.tables.containers import Container
from ganaug.data.tables.encoder import Encoder

__all__ = [
    "EncodedGenerator",
    "Generator",
    "SampleSpec",
    "Scorer",
    "check_generator",
    "check_metadata",
    "class_indices",
    "class_name",
    "class_names",
    "device_of",
    "draw_images",
    "draws_encoded",
    "group_indices",
    "has_groups",
    "is_generator",
    "kind_of_samples",
    "scorer",
    "takes",
    "training_data",
]

METHODS = ("fit", "sample")


@dataclass(frozen=True)
class SampleSpec:
    """What a fitted generator draws.

    Attributes
    ----------
    kind : str
        "images", "rows" or another that :data:`ganaug.data.kinds.KINDS` holds.
    shape : tuple of int
        Of one sample: (channels, height, width) of an image, (n_columns,) of a row.
    dtype : str
        Name of the dtype of the samples; "mixed" for rows whose columns have dtypes of their own.

    Raises
    ------
    ValueError
        For another kind, or a shape that no sample of it has.

    Examples
    --------
    >>> SampleSpec("images", (1, 8, 8), "uint8")
    SampleSpec(kind='images', shape=(1, 8, 8), dtype='uint8')
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        sides, dimensions = self.shape, KINDS[self.kind].dimensions
        if len(sides) != dimensions or not all(isinstance(side, Integral) and side > 0 for side in sides):
            raise ValueError(f"shape must be {dimensions} positive numbers for {self.kind}, got {sides}")


@runtime_checkable
class Generator(Protocol):
    """An estimator in scikit-learn's manner that draws samples of given classes, as it is once it is fitted.

    It has ``get_params`` and ``set_params`` where it is cloned: by the gate and by over-samplers. It may say more:
    ``sample_kind``, the kind of what it draws, before it is fitted; ``class_names_``, display names by label;
    ``training_data_``, a dict with the number and the fingerprint of what it was trained on; ``device_``, where it
    draws; ``tensors()``, its weights by name; and ``sample_positions(positions, groups=None, *, random_state=None,
    device="cpu")``, which draws as ``sample`` does, by positions in ``classes_`` and ``groups_``, images on a device.

    One that is trained on class and group has ``groups_``, an ndarray of shape (n_groups,) of groups as they were
    given, sorted, and ``cell_counts_``, int64 of shape (n_classes, n_groups): the training samples of each combination.
    It draws any of these, those without training samples among them. Without groups ``groups_`` is None or not there;
    a generator that cannot learn groups may lack the parameters of that name.

    The shell trains those that have ``save(path)`` and a class method ``load(path)``, which may take a ``device``.
    :func:`ganaug.load` finds the class of a folder whose ``config.json`` says ``"format": "ganaug.NAME"``, if NAME is
    that of a registered class; :func:`ganaug.generators.write_bundle` writes such a folder. With ``fit(X, y,
    metadata=)`` it keeps facts that commands need again, such as the column of the classes, in ``training_data_``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels as they were given, sorted.
    sample_spec_ : SampleSpec

    Examples
    --------
    A generator that draws rows near those of the class:

    >>> import numpy as np
    >>> from ganaug.generators import Generator, SampleSpec
    >>> class Jitter:
    ...     def fit(self, X, y, groups=None):
    ...         self.X_, self.y_ = np.asarray(X), np.asarray(y)
    ...         self.classes_ = np.unique(y)
    ...         self.sample_spec_ = SampleSpec("rows", self.X_.shape[1:], str(self.X_.dtype))
    ...         return self
    ...     def sample(self, labels, groups=None, *, random_state=None):
    ...         rng = np.random.default_rng(random_state)
    ...         rows = [self.X_[rng.choice(np.flatnonzero(self.y_ == label))] for label in labels]
    ...         return np.stack(rows) + rng.normal(0, 0.1, (len(labels), self.X_.shape[1]))
    ...
    >>> jitter = Jitter().fit([[0.0], [1.0], [9.0]], ["low", "low", "high"])
    >>> isinstance(jitter, Generator)
    True
    >>> jitter.sample(["high", "high"], random_state=0).round(1)
    array([[9.],
           [9.]])
    """

    classes_: NDArray[Any]
    sample_spec_: SampleSpec

    def fit(self, X: Any, y: Any, groups: Any = None) -> Any:
        """Train on labelled samples; images may come as one source with labels and groups of its own in place of `X`.

        `groups` names the speaker, scanner, site or whatever else each sample comes from.
        """

    def sample(self, labels: Any, groups: Any = None, *, random_state: Any = None) -> Any:
        """Draw one sample per label: images (n, channels, height, width), or rows like those it was trained on.

        With `groups`, one for each label, they are of these groups; without, groups are drawn as in training.
        `random_state` is None or a whole number below 2**32, as :func:`sklearn.utils.check_random_state` takes it.
        """


@runtime_checkable
class Scorer(Protocol):
    """A generator that can say how well samples fit its classes: by logits, a likelihood or a bound of it.

    An attribute ``likelihood_scores = True`` says that it is one of the last two. Its highest values are then those of
    the samples nearest to the middle of a class, so that default filters do not keep samples by it.

    Examples
    --------
    >>> from ganaug import TableAutoregressive
    >>> from ganaug.generators import Scorer
    >>> X, y = [[0.1], [0.2], [1.0], [1.1]] * 5, ["low", "low", "high", "high"] * 5
    >>> model = TableAutoregressive(steps=20, random_state=0, verbose=False).fit(X, y)
    >>> isinstance(model, Scorer)
    True
    >>> model.score_samples([[0.15], [1.05]], ["low", "low"]).shape
    (2,)
    """

    def score_samples(self, X: Any, labels: Any) -> NDArray[np.floating]:
        """One number per sample: the higher, the more it is like the training data of that class."""


class EncodedGenerator(Generator, Protocol):
    """A generator of rows that learns and draws them encoded, so that a sampler need not decode what it encodes again.

    Attributes
    ----------
    encoder_ : TableEncoder or WideEncoder
        Once it is fitted: between rows and their encoding.
    categorical_features : "auto", None or array-like
        The parameter that an encoder is fitted with.
    """

    encoder_: Encoder
    categorical_features: Any

    def fit_encoded(
        self,
        encoder: Encoder,
        rows: NDArray[np.float32],
        labels: NDArray[Any],
        container: Container,
        groups: NDArray[Any] | None = None,
    ) -> Any:
        """Train on rows that are encoded already."""

    def sample_encoded(
        self, positions: NDArray[np.integer], groups: NDArray[np.integer] | None = None, *, random_state: Any = None
    ) -> NDArray[np.float32]:
        """Draw one encoded row per position in ``classes_``; `groups` are positions in ``groups_``."""


def is_generator(thing: Any) -> bool:
    """Whether something is a generator, fitted or not, rather than samples.

    Examples
    --------
    >>> is_generator(np.zeros(3))
    False
    """
    return not isinstance(thing, type) and not _lacking(thing, METHODS)


def draws_encoded(generator: Any) -> TypeGuard[EncodedGenerator]:
    """Whether a generator, fitted or not, learns and draws encoded rows."""
    return not _lacking(generator, ("fit_encoded", "sample_encoded"))


def kind_of_samples(generator: Any) -> str | None:
    """What a generator draws, "images" or "rows"; None where it does not say so before it is fitted."""
    spec = getattr(generator, "sample_spec_", None)
    return getattr(generator, "sample_kind", None) if spec is None else spec.kind


def check_generator(
    thing: Any, argument: str = "gan", kind: str | None = None, *, fitted: bool = True, reason: str = ""
) -> None:
    """Refuse what is no generator, is not fitted, or draws another kind of samples.

    Parameters
    ----------
    thing : object
    argument : str
        What messages call it.
    kind : {"images", "rows"}, optional
        That is needed; images must be uint8 or float32.
    fitted : bool
        Whether it must be fitted.
    reason : str
        Ends the sentence about what is no generator, in place of what to pass.

    Raises
    ------
    TypeError
        For what has no ``fit`` or ``sample``.
    ValueError
        For a generator that is not fitted, or draws something else.

    Examples
    --------
    >>> check_generator("model", "source")
    Traceback (most recent call last):
    ...
    TypeError: source must be a generator, got a str without fit and sample; pass one such as ganaug.ImageGAN
    """
    called = type(thing).__name__
    if isinstance(thing, type):
        raise TypeError(f"{argument} must be a generator, got the class {thing.__name__}; pass an instance of it")
    if lacking := _lacking(thing, METHODS):
        remedy = reason or f"pass one such as ganaug.{'TableGAN' if kind == 'rows' else 'ImageGAN'}"
        raise TypeError(f"{argument} must be a generator, got a {called} without {' and '.join(lacking)}; {remedy}")
    if fitted and not isinstance(thing, Generator):
        missing = [name for name in ("classes_", "sample_spec_") if not hasattr(thing, name)]
        raise ValueError(
            f"{argument} must be a fitted generator, got a {called} without {' and '.join(missing)}; call fit first, "
            "or load a saved one"
        )
    found = kind_of_samples(thing)
    if kind is not None and found not in (kind, None):
        raise ValueError(f"{argument} must draw {kind}, got a {called}, which draws {found}; pass another generator")
    spec = getattr(thing, "sample_spec_", None)
    dtypes = KINDS[kind].dtypes if kind is not None else ()
    if dtypes and spec is not None and spec.dtype not in dtypes:
        raise ValueError(
            f"{argument} must draw {kind} of {' or '.join(dtypes)}, got a {called}, which draws {spec.dtype}"
        )


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of that name, or any.

    Examples
    --------
    >>> takes(sorted, "key"), takes(sorted, "device"), takes(dict.update, "device")
    (True, False, False)
    """
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # of what is written in C
        return False
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def check_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Facts about the training data that a generator keeps in ``training_data_``.

    Raises
    ------
    TypeError
        For anything but a mapping of names to strings, numbers and booleans.

    Examples
    --------
    >>> check_metadata({"target": "species"}), check_metadata(None)
    ({'target': 'species'}, {})
    """
    facts = {} if metadata is None else metadata
    if not isinstance(facts, Mapping):
        raise TypeError(
            f"metadata must be a dict, got a {type(metadata).__name__}; pass one such as {{'source': 'lab'}}"
        )
    for name, value in facts.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float | bool):
            raise TypeError(
                f"metadata must hold strings, numbers or booleans by name, got {name!r}: {value!r}; convert it first"
            )
    return dict(facts)


def scorer(thing: Any, needed_by: str) -> Scorer:
    """The generator itself, or ``TypeError`` if it cannot score samples; `needed_by` begins the sentence.

    Examples
    --------
    >>> scorer("model", "a rank")
    Traceback (most recent call last):
    ...
    TypeError: a rank needs a generator with score_samples, which a str lacks; leave it out, or pass another generator
    """
    if not isinstance(thing, Scorer):
        raise TypeError(
            f"{needed_by} needs a generator with score_samples, which a {type(thing).__name__} lacks; leave it out, or "
            "pass another generator"
        )
    return thing


def training_data(generator: Generator) -> dict[str, Any]:
    """What a generator keeps of what it was trained on; empty if it keeps nothing."""
    return getattr(generator, "training_data_", {})


def class_names(generator: Generator) -> dict[Any, str]:
    """Display names of the classes that have one."""
    return getattr(generator, "class_names_", {})


def class_name(generator: Generator, label: Any) -> str:
    """What a class is called: by its display name, or as its label is written."""
    return class_names(generator).get(label, str(label))


def class_indices(generator: Generator, labels: Any) -> NDArray[np.int64]:
    """Positions of labels in ``classes_``; ``ValueError`` for one that was not in the training data."""
    known = "the generator was trained on the classes"
    return class_positions(labels, np.asarray(generator.classes_), known, class_names(generator))


def has_groups(generator: Any) -> bool:
    """Whether a generator was trained on class and group.

    Examples
    --------
    >>> has_groups("model")
    False
    """
    return getattr(generator, "groups_", None) is not None


def group_indices(generator: Generator, groups: Any, n: int | None = None) -> NDArray[np.int64]:
    """Positions of groups in ``groups_``.

    Parameters
    ----------
    generator : Generator
    groups : array-like of shape (n,)
        May be empty; missing ones stand for the unknown group, if it was in the training data.
    n : int, optional
        Number of labels that they stand beside.

    Returns
    -------
    ndarray of shape (n,), int64

    Raises
    ------
    ValueError
        For a group that was not in the training data, a generator that was trained without groups, and another length.
    """
    if not has_groups(generator):
        raise ValueError(
            f"the {type(generator).__name__} was trained without groups; leave groups out, or fit one with groups"
        )
    known = np.asarray(generator.groups_)  # type: ignore[attr-defined]
    positions = positions_of_groups(groups, known, "the generator was trained on the groups")
    if n is not None and len(positions) != n:
        raise ValueError(
            f"labels and groups must have the same length, got {n} labels and {len(positions)} groups; pass a group "
            "for each label"
        )
    return positions


def device_of(generator: Generator) -> torch.device:
    """Where a generator draws: the CPU if it does not say."""
    return torch.device(getattr(generator, "device_", "cpu"))


def draw_images(
    generator: Generator,
    positions: NDArray[np.integer] | Sequence[int],
    groups: NDArray[np.integer] | Sequence[int] | None = None,
    *,
    random_state: Any = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw an image for each position in ``classes_``.

    Parameters
    ----------
    generator : Generator
        Of images.
    positions : array of shape (n,), int64
    groups : array of shape (n,), int64, optional
        Positions in ``groups_``, of a generator that has groups; by default they are drawn as in training.
    random_state : int, RandomState, Generator or None
    device : device or str
        Where the images are wanted.

    Returns
    -------
    Tensor of shape (n, channels, height, width)
        Of the dtype that ``sample_spec_`` says.

    Raises
    ------
    ValueError
        If what is drawn is not what ``sample_spec_`` says, one image for each position.
    """
    positions = np.asarray(positions, dtype=np.int64)
    if isinstance(random_state, np.random.Generator):  # which scikit-learn's check_random_state does not take
        random_state = int(random_state.integers(2**31))
    # A generator that cannot learn groups may lack the parameter.
    asked = () if groups is None else (np.asarray(groups, dtype=np.int64),)
    if torch.device(device).type != "cpu" and hasattr(generator, "sample_positions"):  # they need not leave the GPU
        return generator.sample_positions(
            torch.from_numpy(positions), *map(torch.from_numpy, asked), random_state=random_state, device=device
        )
    labels = np.asarray(generator.classes_)[positions]
    named = (np.asarray(generator.groups_)[at] for at in asked)  # type: ignore[attr-defined]
    images = torch.as_tensor(generator.sample(labels, *named, random_state=random_state), device=device)
    spec = generator.sample_spec_
    if tuple(images.shape) != (len(labels), *spec.shape) or images.dtype != getattr(torch, spec.dtype):
        raise ValueError(
            f"the {type(generator).__name__} must draw {len(labels)} images of shape {spec.shape} and {spec.dtype}, as "
            f"its sample_spec_ says, got {images.dtype} of shape {tuple(images.shape)}"
        )
    return images


def _lacking(thing: Any, methods: Sequence[str]) -> list[str]:
    return [name for name in methods if not callable(getattr(thing, name, None))]
