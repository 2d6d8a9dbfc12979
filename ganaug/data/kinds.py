"""The kinds of samples that there are, and what every room may have to know of one: its words, shape and dtypes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """A kind of samples.

    Attributes
    ----------
    name, one, described : str
        What messages call several of them, one of them, and several of them in a sentence of their own.
    dimensions : int
        Of one sample: 3 for an image (channels, height, width), 1 for a row.
    dtypes : tuple of str
        That pools, transforms and filters take; empty where a sample has no dtype of its own, as rows of mixed columns.
    repeats : bool
        Whether real samples may be equal by chance, as rows of few categories are and images are not.

    Examples
    --------
    >>> KINDS["images"].dtypes, KINDS["rows"].repeats
    (('uint8', 'float32'), True)
    """

    name: str
    one: str
    described: str
    dimensions: int
    dtypes: tuple[str, ...] = ()
    repeats: bool = False


KINDS = {
    "images": Kind("images", "image", "images", 3, ("uint8", "float32")),
    "rows": Kind("rows", "row", "rows of a table", 1, repeats=True),
}
