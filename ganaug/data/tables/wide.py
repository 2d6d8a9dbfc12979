"""Wide tables of numbers, such as embeddings: standardised and reduced to their principal components."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from ganaug.data.host_states import plain_states
from ganaug.data.json_values import floats
from ganaug.data.labels import listed
from ganaug.data.tables.columns.names import names_from_state, names_to_state
from ganaug.data.tables.columns.values import dtype_from_name
from ganaug.data.tables.layout import RowLayout

__all__ = ["WideEncoder", "check_columns", "is_wide"]

WIDE = 64  # columns from which a table of numbers is taken for an embedding
MAX_COMPONENTS = 128
MOST = float(np.finfo(np.float64).max)
MOST_IN_FULL = 1000  # rows or columns, up to which all components are computed


def is_wide(table: pd.DataFrame) -> bool:
    """Whether a table has many columns, all of them floating-point numbers without missing ones."""
    floats = all(isinstance(dtype, np.dtype) and dtype.kind == "f" for dtype in table.dtypes)
    return table.shape[1] >= WIDE and floats and not bool(table.isna().to_numpy().any())


def check_columns(table: pd.DataFrame, names: list[Any]) -> None:
    """Raise ``ValueError`` unless a table has the columns of the training data, in their order."""
    given = list(table.columns)
    if given == names:
        return
    absent, more = ([name for name in own if name not in other] for own, other in ((names, given), (given, names)))
    if absent or more or len(given) != len(names):
        found = [f"lacks {listed(list(map(repr, absent)))}"] if absent else []
        found += [f"has {listed(list(map(repr, more)))} too"] if more else []
        what = " and ".join(found) or f"has {len(given)}"
        raise ValueError(f"the columns must be the {len(names)} of the training data; the table {what}")
    place = next(i for i, (name, own) in enumerate(zip(names, given, strict=True)) if name != own)
    raise ValueError(
        f"the columns must have the order of the training data: column {place} must be {names[place]!r}, got "
        f"{given[place]!r}"
    )


class WideEncoder:
    """Rows of many numbers as principal components, and back.

    Columns are standardised and the first components kept, all divided by the deviation of the first, so that distances
    keep their proportions. Beyond 1,000 rows and 1,000 columns these are found by a randomised method (Halko,
    Martinsson, Tropp, SIAM Review 2011), in a time proportional to rows times columns. On the way back each column gets
    independent noise of the variance that the other components had; then it is brought into the range that it had in
    training, and rounded where it held whole numbers.

    Attributes
    ----------
    layout_ : RowLayout
        All entries of an encoded row are numbers.
    width_ : int
        Components kept: at most 128, and fewer than there are rows.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> table = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 100)))
    >>> encoder = WideEncoder().fit(table)
    >>> encoder.transform(table).shape, encoder.inverse_transform(encoder.transform(table)).shape
    ((50, 49), (50, 100))
    """

    kind: ClassVar[str] = "wide"

    names_: pd.Index
    dtypes_: list[str]
    centre_: NDArray[np.float64]
    components_: NDArray[np.float64]
    residual_: NDArray[np.float64]
    least_: NDArray[np.float64]
    most_: NDArray[np.float64]
    whole_: NDArray[np.float64]

    @property
    def width_(self) -> int:
        """Entries of an encoded row."""
        return len(self.components_)

    @property
    def layout_(self) -> RowLayout:
        """Which entries of an encoded row hold what."""
        return RowLayout(self.width_)

    def fit(self, table: pd.DataFrame) -> Self:
        """Learn means, deviations and components from training rows."""
        values = self._values(table)
        self.names_ = table.columns
        self.dtypes_ = [str(dtype) for dtype in table.dtypes]
        self.centre_ = values.mean(0)
        self.least_, self.most_ = values.min(0), values.max(0)
        self.whole_ = (values == np.rint(values)).all(0).astype(np.float64)
        scale = values.std(0)
        scale[scale == 0] = 1.0
        standard = (values - self.centre_) / scale
        # All components of many rows and columns take a time that grows with the square of the columns.
        solver: Any = "full" if min(values.shape) <= MOST_IN_FULL else "randomized"
        pca = PCA(min(MAX_COMPONENTS, len(values) - 1, values.shape[1]), svd_solver=solver, random_state=0)
        scores = pca.fit_transform(standard)
        self.residual_ = (standard - scores @ pca.components_).std(0) * scale
        # Rows of the matrix that turns an encoded row back, and of which the pseudo-inverse encodes it.
        self.components_ = pca.components_ * (scores[:, 0].std() or 1.0) * scale
        self.scale_ = scale
        return self

    @plain_states()
    def transform(self, table: pd.DataFrame, *, strict: bool = True) -> NDArray[np.float32]:
        """Encode rows: shape (n_rows, ``width_``), float32."""
        check_columns(table, list(self.names_))
        directions = self.components_ / self.scale_
        weights = directions / np.square(directions).sum(1, keepdims=True)
        return (((self._values(table) - self.centre_) / self.scale_) @ weights.T).astype(np.float32)

    @plain_states()
    def inverse_transform(
        self,
        encoded: NDArray[np.floating],
        classes: NDArray[np.int64] | None = None,
        random_state: int | np.random.Generator = 0,
        *,
        follow: bool = True,
    ) -> pd.DataFrame:
        """Decode rows; `random_state` draws what was lost. No column follows from another."""
        noise = np.random.default_rng(random_state).normal(size=(len(encoded), len(self.names_)))
        values = encoded @ self.components_ + self.centre_ + noise * self.residual_
        values = np.where(self.whole_ > 0, np.rint(values), values).clip(self.least_, self.most_)
        table = pd.DataFrame(values).astype(dict(enumerate(self.dtypes_)))
        table.columns = self.names_
        return table

    def _values(self, table: pd.DataFrame) -> NDArray[np.float64]:
        values = table.to_numpy(dtype=np.float64)
        bad = ~np.isfinite(values).all(0)
        if bad.any():
            name = table.columns[bad.argmax()]
            raise ValueError(f"column {name!r} holds infinite or missing values; remove or replace them first")
        return values

    def know_groups(self, values: Any) -> None:
        """As of :class:`TableEncoder`; changes nothing."""

    def to_state(self) -> dict[str, Any]:
        """JSON values from which :meth:`from_state` makes the fitted encoder."""
        keys = ("centre_", "scale_", "components_", "residual_", "least_", "most_", "whole_")
        arrays = {key: getattr(self, key).tolist() for key in keys}
        return {"kind": self.kind, **names_to_state(self.names_, "names_"), "dtypes_": self.dtypes_, **arrays}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_state`; ``ValueError`` for what cannot be."""
        encoder = cls()
        encoder.names_ = names_from_state(state, "names_")
        encoder.dtypes_ = [str(dtype_from_name(dtype)) for dtype in state["dtypes_"]]
        n = len(encoder.names_)
        # Older files do not hold the ranges of columns, nor which are of whole numbers.
        older = {"least_": [-MOST] * n, "most_": [MOST] * n, "whole_": [0.0] * n}
        for key in ("centre_", "scale_", "residual_", *older):
            setattr(encoder, key, floats({**older, **state}[key], key, n))
        encoder.components_ = floats(state["components_"], "components_", -1, len(encoder.names_))
        if not (encoder.scale_ > 0).all() or not np.square(encoder.components_).sum(1).all():
            raise ValueError("columns and components must vary")
        return encoder
