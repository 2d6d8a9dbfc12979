"""Generators of other packages, each behind ``fit(X, y)`` and ``sample(labels)``, in the GAN's place in arms of tables.

arf (package arfpy, MIT)
    The class is a column of one model, and rows of other classes are thrown away. Names are levels.
forest-diffusion (ForestDiffusion, MIT)
    Trees of each class, as its `label_y` makes them. Names are a number for each level, of which the largest wins.
tabular-argn (mostlyai-engine, Apache-2.0)
    The class is a column of one model, with which drawn rows begin. Names are levels.

Missing values are filled with values of other rows of the class before any of them learns, and are missing in drawn
rows together as they are in real ones: not all of them can learn from gaps.
"""

from __future__ import annotations

import contextlib
import functools
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ganaug._text import visible
from ganaug.bench.methods.generators import ByClass, CTGANGenerator, Gaussian, Kernel, global_numpy
from ganaug.bench.suite.plugins import require
from ganaug.engine.devices import global_states_seeded
from ganaug.generators import TableCopula

__all__ = ["GENERATORS", "AdversarialForest", "ForestDiffusion", "TabularARGN", "require_package"]

DRAWS = 200  # times that a model which cannot be conditioned may draw as many rows as are wanted
AT_ONCE = 500  # rows at the least
FEW = 50  # values of whole numbers, that are drawn as levels


class Peer(ByClass):
    """What the models of other packages have in common: columns in, rows of a class out.

    Parameters
    ----------
    nominal : tuple of str
        Columns of names.
    random_state : int, RandomState or None
        Of training. Python's, numpy's and torch's global states, which the packages draw from, are as before.
    """

    name: ClassVar[str]

    def __init__(self, nominal: tuple[str, ...] = (), random_state: Any = None) -> None:
        super().__init__(nominal)
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: NDArray[Any]) -> Peer:
        """Train the model of the package on the rows with their labels."""
        super().fit(X, y)
        seed = int(check_random_state(self.random_state).randint(2**31))
        rows, positions = self._all_filled(np.random.default_rng(seed))
        self._levels = {name: pd.unique(rows[name].astype(object)) for name in rows.columns if name in self.nominal}
        with _seeded(seed):
            self.model_ = self._trained(self._coded(rows), positions, seed)
        return self

    def sample(self, labels: NDArray[Any], random_state: int) -> pd.DataFrame:
        """Draw one row per label."""
        with _seeded(random_state):
            return super().sample(labels, random_state)

    def _draw(self, label: Any, part: pd.DataFrame, n: int, randomness: np.random.Generator) -> pd.DataFrame:
        drawn = self._of_class(list(self.parts_).index(label), n)
        whole = {
            name: levels[np.clip(drawn[:, place].astype(int), 0, len(levels) - 1)]
            for place, name in enumerate(part.columns)
            if (levels := self._levels.get(name)) is not None
        }
        return pd.DataFrame(drawn, columns=part.columns).assign(**whole)

    def _coded(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Numbers as they are, and names as the positions of their levels."""
        coded = {
            name: pd.Categorical(rows[name].astype(object), self._levels[name]).codes
            if name in self._levels
            else rows[name]
            for name in rows.columns
        }
        return pd.DataFrame(coded).to_numpy(float)

    def _places(self) -> list[int]:
        """Columns of names."""
        columns = next(iter(self.parts_.values())).columns
        return [place for place, name in enumerate(columns) if name in self._levels]

    def _package(self) -> Any:
        return require_package(self.name)

    def _trained(self, rows: NDArray[np.float64], positions: NDArray[np.int64], seed: int) -> Any:
        """The model of coded rows and the positions of their classes."""
        raise NotImplementedError

    def _of_class(self, position: int, n: int) -> NDArray[np.float64]:
        """As many coded rows of a class as asked for."""
        raise NotImplementedError


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed what the packages draw from and put it back; what they say of their libraries is not the user's concern."""
    state = random.getstate()
    random.seed(seed)
    try:
        with warnings.catch_warnings(), global_numpy(seed), global_states_seeded(seed, torch.device("cpu")):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(state)


class AdversarialForest(Peer):
    """Adversarial random forests (Watson et al., 2023) of the package arfpy, with the class as one more column.

    Parameters
    ----------
    nominal, random_state
        As for :class:`Peer`.
    num_trees, min_node_size, max_iters
        As in arfpy, with its defaults.
    """

    name = "arf"

    def __init__(
        self,
        nominal: tuple[str, ...] = (),
        random_state: Any = None,
        num_trees: int = 30,
        min_node_size: int = 5,
        max_iters: int = 10,
    ) -> None:
        super().__init__(nominal, random_state)
        self.num_trees = num_trees
        self.min_node_size = min_node_size
        self.max_iters = max_iters

    def _trained(self, rows: NDArray[np.float64], positions: NDArray[np.int64], seed: int) -> Any:
        # Columns are called by their places: arfpy looks them up by number.
        table = pd.DataFrame(np.column_stack([rows, positions]))
        table = table.astype(dict.fromkeys([*self._places(), rows.shape[1]], int))
        table = table.astype(dict.fromkeys([*self._places(), rows.shape[1]], "category"))
        options = {"num_trees": self.num_trees, "min_node_size": self.min_node_size, "max_iters": self.max_iters}
        model = self._package().arf(table, verbose=False, **options)
        model.forde()
        return model

    def _of_class(self, position: int, n: int) -> NDArray[np.float64]:
        found: list[NDArray[np.float64]] = []
        for _ in range(DRAWS):
            drawn = self.model_.forge(max(n, AT_ONCE)).astype(float).to_numpy()
            found.append(drawn[drawn[:, -1] == position, :-1])
            if sum(map(len, found)) >= n:
                return np.concatenate(found)[:n]
        label = visible(list(self.parts_)[position])
        raise RuntimeError(
            f"arf draws too few rows of class {label}; name another generator, or set a smaller min_node_size"
        )


class ForestDiffusion(Peer):
    """Flow matching with boosted trees (Jolicoeur-Martineau et al., 2024) of the package ForestDiffusion.

    Parameters
    ----------
    nominal, random_state
        As for :class:`Peer`.
    n_t, duplicate_K, max_depth, n_estimators
        As in the package, with its defaults.
    """

    name = "forest-diffusion"

    def __init__(
        self,
        nominal: tuple[str, ...] = (),
        random_state: Any = None,
        n_t: int = 50,
        duplicate_K: int = 100,
        max_depth: int = 7,
        n_estimators: int = 100,
    ) -> None:
        super().__init__(nominal, random_state)
        self.n_t = n_t
        self.duplicate_K = duplicate_K
        self.max_depth = max_depth
        self.n_estimators = n_estimators

    def _trained(self, rows: NDArray[np.float64], positions: NDArray[np.int64], seed: int) -> Any:
        places = self._places()
        # Its own encoding of names writes into a table that pandas 3 keeps read-only.
        parts = [
            np.eye(len(levels))[rows[:, place].astype(int)]
            for place, levels in zip(places, self._levels.values(), strict=True)
        ]
        numbers = np.delete(rows, places, axis=1)
        whole = np.flatnonzero((numbers == np.rint(numbers)).all(0)).tolist()
        options = {key: getattr(self, key) for key in ("n_t", "duplicate_K", "max_depth", "n_estimators")}
        # On one thread: the benchmark runs a process for each core.
        return self._package().ForestDiffusionModel(
            np.column_stack([numbers, *parts]),
            label_y=positions,
            int_indexes=whole,
            n_jobs=1,
            nthread=1,
            seed=seed,
            **options,
        )

    def _of_class(self, position: int, n: int) -> NDArray[np.float64]:
        # It draws the class of each row by these, and has trees of each class.
        self.model_.y_probs = np.eye(len(self.parts_))[position]
        drawn = self.model_.generate(n)[:, :-1]
        places = self._places()
        whole = np.empty((n, drawn.shape[1] - sum(len(levels) - 1 for levels in self._levels.values())))
        numeric = np.setdiff1d(np.arange(whole.shape[1]), places)
        whole[:, numeric] = drawn[:, : len(numeric)]
        start = len(numeric)
        for place, levels in zip(places, self._levels.values(), strict=True):
            whole[:, place] = drawn[:, start : start + len(levels)].argmax(1)
            start += len(levels)
        return whole


class TabularARGN(Peer):
    """TabularARGN (Tiwald et al., 2025), autoregressive, of the package mostlyai-engine; trained on the CPU.

    Rows begin with their class, and the other columns are drawn given that. Its protection of rare values is off: in
    small tables most values are rare.

    Parameters
    ----------
    nominal, random_state
        As for :class:`Peer`.
    max_epochs, max_training_time
        As in the package, with its defaults; the time is in minutes.
    """

    name = "tabular-argn"

    def __init__(
        self,
        nominal: tuple[str, ...] = (),
        random_state: Any = None,
        max_epochs: float = 100.0,
        max_training_time: float = 14400.0,
    ) -> None:
        super().__init__(nominal, random_state)
        self.max_epochs = max_epochs
        self.max_training_time = max_training_time

    def _trained(self, rows: NDArray[np.float64], positions: NDArray[np.int64], seed: int) -> Any:
        table = pd.DataFrame(np.column_stack([rows, positions])).rename(columns=str)
        names = [str(place) for place in [*self._places(), rows.shape[1]]]
        table[names] = table[names].astype(int).astype(str)
        # What "auto" chooses, by another rule: without the protection it would take all numbers for levels.
        kinds = {
            name: f"TABULAR_NUMERIC_{'DISCRETE' if _few(table[name]) else 'BINNED'}"
            for name in table.columns.drop(names)
        }
        model = self._package().TabularARGN(
            tgt_encoding_types={**kinds, **dict.fromkeys(names, "TABULAR_CATEGORICAL")},
            value_protection=False,
            max_epochs=self.max_epochs,
            max_training_time=self.max_training_time,
            device="cpu",
            random_state=seed,
            verbose=0,
        )
        return model.fit(table)

    def _of_class(self, position: int, n: int) -> NDArray[np.float64]:
        width = len(next(iter(self.parts_.values())).columns)
        drawn = self.model_.sample(seed_data=pd.DataFrame({str(width): [str(position)] * n}))
        return drawn[[str(place) for place in range(width)]].astype(float).to_numpy()


def _few(numbers: pd.Series) -> bool:
    """Whether they are whole numbers of few values."""
    values = numbers.unique()
    return len(values) <= FEW and bool((values == np.rint(values)).all())


GENERATORS: dict[str, Callable[..., Any]] = {
    "copula": TableCopula,
    "kde": Kernel,
    "gaussian": Gaussian,
    "ctgan": CTGANGenerator,
    "tvae": functools.partial(CTGANGenerator, model="TVAE"),
    "arf": AdversarialForest,
    "forest-diffusion": ForestDiffusion,
    "tabular-argn": TabularARGN,
}
PACKAGES = {
    "ctgan": "ctgan",
    "tvae": "ctgan",
    "arf": "arfpy.arf",
    "forest-diffusion": "ForestDiffusion",
    "tabular-argn": "mostlyai.engine",
}


def require_package(name: str) -> Any:
    """Import the module that a generator needs; None for those that need none.

    Raises
    ------
    ValueError
        Naming the line that installs it.
    """
    if name not in PACKAGES:
        return None
    module = require(PACKAGES[name], name)
    if name == "arf" and not hasattr(np, "in1d"):
        raise ValueError(
            f"'arf' needs numpy below 2.4, got {np.__version__}, which lacks in1d that arfpy calls: pip install "
            '"numpy<2.4"'
        )
    return module
