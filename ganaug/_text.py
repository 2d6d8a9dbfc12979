"""Text out of data, which may come from anyone, for terminals, messages and logs."""

from __future__ import annotations

import unicodedata
from typing import Any

__all__ = ["visible", "visible_values"]

MOST_MARKS = 3  # on one letter: some languages write two; heaps of them cover the lines above and below
MARKS = ("Mn", "Me")
# Letters and symbols by name that show nothing.
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def visible(text: Any) -> str:
    r"""Text as a terminal may show it: all that would move, colour, reverse or hide other text is written as an escape.

    That is what ``repr`` escapes (control characters, line ends, marks of the direction of writing, characters without
    width), characters that look like nothing, and accents heaped upon each other. Ordinary text of any language stays
    as it is.

    Parameters
    ----------
    text : object
        What is no string is written as ``str`` does.

    Examples
    --------
    >>> print(visible("Zürich\x1b[2J\n"))
    Zürich\x1b[2J\n
    >>> visible(3)
    '3'
    """
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = MOST_MARKS  # there is no letter yet that one could stand on
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in MARKS else 0
        plain = character.isprintable() and character not in BLANK and marks <= MOST_MARKS
        shown.append(character if plain else character.encode("unicode_escape", "surrogatepass").decode())
    return "".join(shown)


def visible_values(tree: Any) -> Any:
    """JSON values with each text in them, keys too, as :func:`visible` shows it."""
    if isinstance(tree, dict):
        return {visible_values(key): visible_values(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [visible_values(value) for value in tree]
    return visible(tree) if isinstance(tree, str) else tree
