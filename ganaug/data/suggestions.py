"""The ends of messages about names that are not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ganaug.data.json_values import short

__all__ = ["nearest"]

MOST_COMPARED = 200  # letters of a word: finding the nearest takes a time that grows with the square of them


def nearest(word: object, known: Iterable[str]) -> str:
    """The end of an error message: the name that was probably meant, or all names.

    Examples
    --------
    >>> nearest("imagegan", ["image-gan", "table-gan"]), nearest("flow", ["vae"])
    ("; did you mean 'image-gan'?", "; known are 'vae'")
    """
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(str(word)[:MOST_COMPARED].lower(), names, n=1)
    return f"; did you mean {names[close[0]]!r}?" if close else f"; known are {', '.join(map(short, names.values()))}"
