"""Which modality is asked: by the kind that a generator says it draws, or by what a user passed."""

from __future__ import annotations

from typing import Any

from ganaug.data.kinds import KINDS
from ganaug.metrics.modalities.images import Images
from ganaug.metrics.modalities.protocol import Modality
from ganaug.metrics.modalities.rows import Rows

__all__ = ["MODALITIES", "modality_for", "modality_of", "register"]

MODALITIES: dict[str, Modality] = {}


def register(modality: Modality) -> None:
    """Add a kind of samples; generators may then say in ``sample_spec_`` that they draw it.

    Examples
    --------
    A kind of one's own is an object with the methods of :class:`~ganaug.metrics.modalities.Modality`; one that is there
    already is replaced:

    >>> from ganaug.metrics.modalities import Images, modality_for, register
    >>> register(Images())
    >>> modality_for("image").kind.name
    'images'
    """
    KINDS[modality.kind.name] = modality.kind
    MODALITIES[modality.kind.name] = modality


def modality_for(kind: str) -> Modality:
    """The modality of samples by what several or one of them are called: "images" or "image".

    Raises
    ------
    ValueError
        For a kind that is not registered.

    Examples
    --------
    >>> modality_for("rows").kind.one
    'row'
    """
    for modality in MODALITIES.values():
        if kind in (modality.kind.name, modality.kind.one):
            return modality
    raise ValueError(f"kind must be one of {', '.join(MODALITIES)}, got {kind!r}; register a modality for it")


def modality_of(samples: Any) -> Modality:
    """The modality of what a user passed.

    Examples
    --------
    >>> modality_of([[1.0, 2.0]]).kind.name, modality_of("folder").kind.name
    ('rows', 'images')
    """
    # The last first: images, which come in the most forms, claim all that no other kind does.
    return next(modality for modality in reversed(MODALITIES.values()) if modality.claims(samples))


for _modality in (Images(), Rows()):
    register(_modality)
