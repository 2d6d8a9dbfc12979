"""The ends of messages about names that are not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ganaug.data.json_values import short

__all__ = ["nearest"]

MOST_COMPARED = 200  # letters of a word: finding the nearest takes a time that grows with the square of them
MOST_NAMED = 30


def nearest(word: object, known: Iterable[str]) -> str:
    """The end of an error message: the name that was probably meant, or all names, of many the first in the alphabet.

    Examples
    --------
    >>> nearest("imagegan", ["image-gan", "table-gan"]), nearest("flow", ["vae"])
    ("; did you mean 'image-gan'?", "; known are 'vae'")
    """
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(str(word)[:MOST_COMPARED].lower(), names, n=1)
    if close:
        return f"; did you mean {names[close[0]]!r}?"
    found = list(names.values())
    named = found if len(found) <= MOST_NAMED else sorted(found)[:MOST_NAMED]
    more = f" and {len(found) - len(named)} more" if len(named) < len(found) else ""
    return f"; known are {', '.join(map(short, named))}{more}"
