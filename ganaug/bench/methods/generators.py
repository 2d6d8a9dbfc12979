"""Peers that generate rows of a class: what takes the GAN's place in an over-sampler."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from ganaug._text import visible
from ganaug.bench.suite.plugins import require
from ganaug.curation import GaussianSampler

__all__ = ["ByClass", "CTGANGenerator", "Gaussian", "Kernel", "global_numpy"]

DRAWS = 200  # times that a generator which cannot be conditioned may draw as many rows as are wanted


class ByClass(BaseEstimator):
    """A generator that knows the rows of each class by themselves."""

    def __init__(self, nominal: tuple[str, ...] = ()) -> None:
        self.nominal = nominal

    def fit(self, X: pd.DataFrame, y: NDArray[Any]) -> ByClass:
        """Keep the rows of each class."""
        self.parts_ = {label: X[y == label].reset_index(drop=True) for label in np.unique(y)}
        return self

    def sample(self, labels: NDArray[Any], random_state: int) -> pd.DataFrame:
        """Draw one row per label."""
        randomness = np.random.default_rng(random_state)
        labels = np.asarray(labels)
        drawn = [self._drawn(label, int((labels == label).sum()), randomness) for label in np.unique(labels)]
        return _in_order(pd.concat(drawn, ignore_index=True), labels)

    def _drawn(self, label: Any, n: int, randomness: np.random.Generator) -> pd.DataFrame:
        """Rows of a class, in which values are missing together as they are in real rows."""
        part = self.parts_[label]
        missing = part.isna()
        rows = self._draw(label, self._filled(part, missing, randomness), n, randomness)
        if missing.to_numpy().any():
            rows = rows.mask(missing.iloc[randomness.integers(len(part), size=n)].reset_index(drop=True))
        return _as(part, rows)

    def _numeric(self, part: pd.DataFrame) -> list[str]:
        return [name for name in part.columns if name not in self.nominal]

    def _filled(self, part: pd.DataFrame, missing: pd.DataFrame, randomness: np.random.Generator) -> pd.DataFrame:
        """The rows with dates as numbers, and with values of other rows in the place of missing ones."""
        filled = {name: _nanoseconds(part[name]) for name in part.columns}
        for name in part.columns[missing.any()]:
            there = part.index[~missing[name]]
            is_name = name in self.nominal
            values = filled[name].astype(object)
            chosen = randomness.choice(there, int(missing[name].sum())) if len(there) else None
            values[missing[name]] = ("" if is_name else 0.0) if chosen is None else values[chosen].to_numpy()
            filled[name] = values if is_name else values.astype(float)
        return pd.DataFrame(filled)

    def _all_filled(self, randomness: np.random.Generator) -> tuple[pd.DataFrame, NDArray[np.int64]]:
        """The rows of all classes without gaps, one class after another, and the position of the class of each."""
        parts = [self._filled(part, part.isna(), randomness) for part in self.parts_.values()]
        return pd.concat(parts, ignore_index=True), np.repeat(np.arange(len(parts)), list(map(len, parts)))

    def _draw(self, label: Any, part: pd.DataFrame, n: int, randomness: np.random.Generator) -> pd.DataFrame:
        """Rows of a class without gaps; `part` holds its real ones."""
        raise NotImplementedError


def _nanoseconds(column: pd.Series) -> pd.Series:
    """Dates as numbers; anything else as it is."""
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column
    return column.dt.as_unit("ns").astype("int64").astype(float)


def _in_order(rows: pd.DataFrame, labels: NDArray[Any]) -> pd.DataFrame:
    """Bring rows that are sorted by class into the order of the labels."""
    place = np.empty(len(labels), dtype=int)
    place[np.argsort(labels, kind="stable")] = np.arange(len(labels))
    return rows.iloc[place].reset_index(drop=True)


class Kernel(ByClass):
    """Kernel density of each class: a real row plus Gaussian noise of Silverman's width on its standardised numbers.

    Parameters
    ----------
    nominal : tuple of str
        Columns of names, which are copied.
    """

    def _draw(self, label: Any, part: pd.DataFrame, n: int, randomness: np.random.Generator) -> pd.DataFrame:
        numeric = self._numeric(part)
        centres = randomness.integers(len(part), size=n)
        rows = part.iloc[centres].reset_index(drop=True)
        if not numeric:
            return rows
        values = part[numeric].to_numpy(dtype=float)
        spread = values.std(0)
        standard = (values - values.mean(0)) / np.where(spread > 0, spread, 1)
        width = KernelDensity(bandwidth="silverman").fit(standard).bandwidth_
        noisy = values[centres] + width * spread * randomness.normal(size=(n, len(numeric)))
        return rows.assign(**dict(zip(numeric, noisy.T, strict=True)))


def _as(part: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Round whole numbers and restore dtypes."""
    plain = {}
    for name, dtype in part.dtypes.items():
        if pd.api.types.is_datetime64_any_dtype(dtype):
            dates = pd.to_datetime(rows[name], unit="ns")
            plain[name] = dates.dt.tz_localize("UTC") if isinstance(dtype, pd.DatetimeTZDtype) else dates
        elif pd.api.types.is_integer_dtype(dtype):
            plain[name] = pd.Series(np.rint(rows[name].to_numpy(dtype=float, na_value=np.nan)), rows.index)
    return rows.assign(**plain).astype(part.dtypes.to_dict())


class Gaussian(ByClass):
    """Gaussian of each class with one covariance of all, shrunk (:class:`ganaug.curation.GaussianSampler`).

    Parameters
    ----------
    nominal : tuple of str
        Columns of names; there must be none.
    """

    def fit(self, X: pd.DataFrame, y: NDArray[Any]) -> Gaussian:
        """Estimate the mean of each class, and the covariance of all, of standardised numbers.

        Raises
        ------
        ValueError
            For a table with columns of names.
        """
        if self.nominal:
            raise ValueError(
                f"gaussian draws numbers only, but column {self.nominal[0]!r} holds names; name the generator 'copula' "
                "in its place"
            )
        super().fit(X, y)
        rows, positions = self._all_filled(np.random.default_rng(0))
        self._scaler = StandardScaler().fit(rows.to_numpy(float))
        self._gaussian = GaussianSampler().fit(self._scaler.transform(rows.to_numpy(float)), positions)
        return self

    def _draw(self, label: Any, part: pd.DataFrame, n: int, randomness: np.random.Generator) -> pd.DataFrame:
        position = list(self.parts_).index(label)
        drawn, _ = self._gaussian.sample(np.full(n, position), randomness)
        return pd.DataFrame(self._scaler.inverse_transform(drawn.astype(float)), columns=part.columns)


class CTGANGenerator(BaseEstimator):
    """CTGAN or TVAE of the package ctgan, with the class as one more column; rows of other classes are thrown away.

    The package is under the Business Source License: it is never installed with ganaug.

    Parameters
    ----------
    nominal : tuple of str
        Columns of names.
    model : {"CTGAN", "TVAE"}
    epochs : int
    """

    def __init__(self, nominal: tuple[str, ...] = (), model: str = "CTGAN", epochs: int = 300) -> None:
        self.nominal = nominal
        self.model = model
        self.epochs = epochs

    def fit(self, X: pd.DataFrame, y: NDArray[Any]) -> CTGANGenerator:
        """Train on the rows with their labels."""
        from ganaug.engine.devices import global_states_seeded, resolve_device

        make = getattr(require("ctgan", self.model.lower()), self.model)
        # It draws from the global states, on a GPU where there is one.
        with global_states_seeded(0, resolve_device("auto")), global_numpy(0):
            self.model_ = make(epochs=self.epochs)
            self.model_.fit(X.assign(**{"\0": [f"{label}" for label in y]}), [*self.nominal, "\0"])
        return self

    def sample(self, labels: NDArray[Any], random_state: int) -> pd.DataFrame:
        """Draw one row per label."""
        from ganaug.engine.devices import global_states_seeded, resolve_device

        labels = np.asarray(labels)
        wanted = {f"{label}": int((labels == label).sum()) for label in np.unique(labels)}
        found: dict[str, list[pd.DataFrame]] = {label: [] for label in wanted}
        with global_states_seeded(random_state, resolve_device("auto")), global_numpy(random_state):
            for label, n in wanted.items():
                condition = {"condition_column": "\0", "condition_value": label} if self.model == "CTGAN" else {}
                for _ in range(DRAWS):
                    rows = self.model_.sample(max(n, 500), **condition)
                    found[label].append(rows[rows["\0"] == label].drop(columns="\0"))
                    if sum(map(len, found[label])) >= n:
                        break
                else:
                    raise RuntimeError(f"{self.model} draws too few rows of class {visible(label)}")
        parts = {label: pd.concat(rows, ignore_index=True).iloc[: wanted[label]] for label, rows in found.items()}
        return _in_order(pd.concat([parts[f"{label}"] for label in np.unique(labels)], ignore_index=True), labels)


class global_numpy:  # noqa: N801 - a context manager
    """Seed numpy's global state and put it back."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self.state = np.random.get_state()  # noqa: NPY002
        np.random.seed(self.seed % 2**32)  # noqa: NPY002

    def __exit__(self, *_: object) -> None:
        np.random.set_state(self.state)  # noqa: NPY002
