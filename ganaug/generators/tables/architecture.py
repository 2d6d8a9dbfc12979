"""What descriptions of networks of encoded rows share: how they stand in files, and what is checked of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from ganaug.data.json_values import whole
from ganaug.data.tables.layout import RowLayout

__all__ = ["LAYERS", "SIZE", "RowArchitecture"]

SIZE, LAYERS = 2**24, 64  # the largest, in descriptions that are read from files
LAYOUT = frozenset(field.name for field in fields(RowLayout))


@dataclass(frozen=True)
class RowArchitecture:
    """Base of what networks of encoded rows need to know to be built.

    A family adds its fields, and checks their values in :meth:`_check`.

    Attributes
    ----------
    layout : RowLayout
        Of the encoded rows.
    n_classes : int
    """

    layout: RowLayout
    n_classes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``; those of the layout stand beside the others."""
        values = asdict(self)
        return values.pop("layout") | values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`, also after a trip through JSON; ``ValueError`` for what cannot be."""
        rest = {key: value for key, value in values.items() if key not in LAYOUT}
        arch = cls(RowLayout.from_dict(values), **rest)
        arch._check()
        return arch

    def _check(self) -> None:
        """Raise ``ValueError`` for values that no network can have."""
        raise NotImplementedError

    def _check_blocks(self) -> None:
        """Raise ``ValueError`` where the levels would not fit into a rectangle."""
        blocks = self.layout.blocks
        whole(len(blocks) * max(blocks, default=0), "levels, all blocks being as wide as the widest,", 0, SIZE)
