"""What is known about where a synthetic sample comes from, as text, as JSON and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganaug._text import visible
from ganaug.metrics.modalities import Move, modality_for

__all__ = ["Explanation", "Neighbour", "explanation_sheet"]

LIKELY = 0.01  # probability from which a class is named


@dataclass(frozen=True)
class Neighbour:
    """A real sample.

    Attributes
    ----------
    index : int
        Position in the training data.
    label : str
        Name of its class.
    distance : float
        From the synthetic sample, as in an audit.
    group : str or None
        Name of its group, where it has one.
    """

    index: int
    label: str
    distance: float
    group: str | None = None


@dataclass(frozen=True)
class Explanation:
    """Result of :func:`ganaug.audit._explain` for one sample.

    Attributes
    ----------
    kind : str
        "image", "row", or what one sample of another kind is called.
    index : int
        Position among the samples.
    label : str
        Name of the class that it was made for.
    same_class, other_class : tuple of Neighbour
        The nearest real samples of its class and of all others, those without a label among them, nearest first.
    probabilities : dict
        Of each class, by a classifier trained on the real samples.
    discriminator_rank : float or None
        Share of the samples drawn for its class that the discriminator finds less real; None without a GAN.
    anchor : Neighbour or None
        The real row that it grew from; None where none is known.
    group : str or None
        Name of the group that it was made for, where that is known.
    moves : tuple of Move
        Of a row: the columns that differ from its anchor, or without one from the nearest row of its class; those that
        moved farthest first.
    shown : dict
        Of an image: itself and its neighbours, (n, channels, height, width).

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.audit import explain
    >>> X, y = np.array([[0.0], [1.0], [8.0], [9.0]] * 5) + np.arange(20)[:, None] / 100, np.array([0, 0, 1, 1] * 5)
    >>> (why,) = explain(np.array([[8.5]]), X, labels=[1], train_labels=y, random_state=0)
    >>> why.label, why.same_class[0].index, round(why.probabilities["1"], 1)
    ('1', 18, 0.8)
    """

    kind: str
    index: int
    label: str
    same_class: tuple[Neighbour, ...]
    other_class: tuple[Neighbour, ...]
    probabilities: dict[str, float]
    discriminator_rank: float | None = None
    anchor: Neighbour | None = None
    moves: tuple[Move, ...] = ()
    shown: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)
    group: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values, without the pixels, and without groups where there are none."""

        def known(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            return {name: value for name, value in pairs if name != "group" or value is not None}

        return {name: value for name, value in asdict(self, dict_factory=known).items() if name != "shown"}

    def __str__(self) -> str:
        likely = sorted(self.probabilities.items(), key=lambda item: -item[1])
        facts = [("class probabilities", ", ".join(f"{name} {100 * p:.0f} %" for name, p in likely if p >= LIKELY))]
        if self.discriminator_rank is not None:
            rank = f"more real than {100 * self.discriminator_rank:.0f} % of those drawn for its class"
            facts.append(("by the discriminator", rank))
        facts.append(("nearest real ones of its class", _listed(self.same_class)))
        if self.other_class:
            facts.append(("nearest real ones of other classes", _listed(self.other_class, labels=True)))
        if self.anchor is not None:
            facts.append(("grown from", _listed((self.anchor,))))
        group = "" if self.group is None else f" and group {self.group}"
        lines = [f"Synthetic {self.kind} {self.index} of class {self.label}{group}"]
        lines += [f"  {what:<35} {value}" for what, value in facts]
        if not self.shown:  # words in place of pictures
            origin = f"row {self.same_class[0].index}" if self.anchor is None else "its anchor"
            lines.append(f"  moved from {origin}:" if self.moves else f"  the same as {origin}")
            lines += [f"    {move.column:<33} {move}" for move in self.moves]
        return "\n".join(map(visible, lines))


def explanation_sheet(explanations: Sequence[Explanation]) -> Image.Image:
    """Draw a row per image: itself | the nearest real images of its class | those of other classes.

    Parameters
    ----------
    explanations : sequence of Explanation
        Of images, at least one.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    ValueError
        For none, or for rows of a table.

    Examples
    --------
    >>> from ganaug import ImageGAN, labelled_images
    >>> from ganaug.audit import explain, explanation_sheet
    >>> digits = labelled_images("digits").subset(range(100))
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(digits)
    >>> made = gan.sample([3, 8], random_state=0)
    >>> explanation_sheet(explain(made, digits, labels=[3, 8], gan=gan, random_state=0)).size
    (441, 122)
    """
    if not explanations or any(not each.shown for each in explanations):
        raise ValueError("explanations must be of images, at least one; print those of rows")
    rows = []
    for each in explanations:
        own = f"{each.label} ({100 * each.probabilities[each.label]:.0f} %)"
        rows.append((own, np.concatenate([each.shown[part] for part in ("itself", "same_class", "other_class")])))
    near = len(explanations[0].same_class)
    heading = "synthetic | nearest real of its class | of other classes"
    return modality_for(explanations[0].kind).sheet(rows, breaks=(1, 1 + near), heading=heading)


def _listed(neighbours: Sequence[Neighbour], *, labels: bool = False) -> str:
    return ", ".join(f"{n.index} ({', '.join(_names(n, labels=labels))}{n.distance:.3g} apart)" for n in neighbours)


def _names(neighbour: Neighbour, *, labels: bool) -> list[str]:
    """Class and group of a neighbour, as far as they are to be named, and a last part that is empty."""
    group = [] if neighbour.group is None else [f"group {neighbour.group}"]
    return [*([neighbour.label] if labels else []), *group, ""]
