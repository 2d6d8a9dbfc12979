"""What scikit-learn is told of estimators that take tables of any columns."""

from __future__ import annotations

from typing import Any

__all__ = ["TableTags"]


class TableTags:
    """Says that missing values, names and sparse rows are taken; stands before scikit-learn's own bases."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        return tags
