"""Over-sampling with a class-conditional GAN, for imbalanced-learn's pipelines."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import validate_data

from ganaug.curation import ClassConsistency, LocalSampler, select
from ganaug.data.tables import TableEncoder, as_table
from ganaug.gans.table import TableGAN
from ganaug.training.devices import random_generator

__all__ = ["GANOverSampler"]

MIN_ADVERSARIAL = 8  # rows of a class below which no GAN learns anything about it
CANDIDATES = 2  # drawn for each row that is kept


class GANOverSampler(BaseOverSampler):
    """Over-sample classes with a class-conditional GAN.

    Rows are drawn by two generators, a GAN and a local sampler that stays near real rows, and selected: a classifier
    trained on real rows only must find them as typical of their class as most real rows are. Tables may mix numbers,
    dates, strings, booleans and categories, with values missing anywhere.

    Parameters
    ----------
    generator : TableGAN or None, default=None
        The GAN; None stands for ``TableGAN()``. It is cloned, unless `prefit`. Anything else with ``fit(X, y)`` and
        ``sample(labels, random_state=...)`` on data frames takes its place.
    sampling_strategy : float, str, dict or callable, default="auto"
        What imbalanced-learn means by it.
    categorical_features : "auto", None or array-like, default="auto"
        Columns to take for names though they hold numbers: positions, names or a mask.
    local_share : float in [0, 1], default=0.5
        Share of the rows that the local sampler draws.
    selection : bool, default=True
        Keep rows only that are consistent with their class, as far as enough can be drawn.
    prefit : bool, default=False
        Take `generator` as it is, fitted before on rows with the same columns and classes.
    random_state : int, RandomState or None, default=None
        The same integer gives the same rows, whatever container they come in.

    Attributes
    ----------
    sampling_strategy_ : dict
        Rows to add to each class.
    generator_ : TableGAN or None
        The fitted GAN; None if there was nothing for it to draw.
    synthetic_mask_ : ndarray of shape (n_rows_new,), bool
        Which rows of the result are synthetic: the last ones.
    anchor_indices_ : ndarray of shape (n_rows_new,), int64
        The row of `X` that each synthetic row of the local sampler grew from; -1 for other rows.
    fallback_ : dict
        Classes that were too small for the GAN, and what drew their rows instead: "local", or "copies" for a class of
        one row.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)

    See Also
    --------
    ganaug.TableGAN : The generator on its own.
    imblearn.over_sampling.SMOTENC : Interpolation for mixed tables without missing values.

    Examples
    --------
    >>> from collections import Counter
    >>> from sklearn.datasets import make_classification
    >>> from ganaug import GANOverSampler, TableGAN
    >>> X, y = make_classification(n_samples=200, weights=[0.9], random_state=0)
    >>> sampler = GANOverSampler(generator=TableGAN(steps=5), random_state=0)
    >>> X_resampled, y_resampled = sampler.fit_resample(X, y)
    >>> sorted(Counter(y_resampled.tolist()).values()) == [max(Counter(y.tolist()).values())] * 2
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseOverSampler._parameter_constraints,
        "generator": [HasMethods(["fit", "sample"]), None],
        "categorical_features": ["array-like", str, None],
        "local_share": [Interval(Real, 0, 1, closed="both")],
        "selection": ["boolean"],
        "prefit": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        generator: Any = None,
        sampling_strategy: Any = "auto",
        categorical_features: Any = "auto",
        local_share: float = 0.5,
        selection: bool = True,
        prefit: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.generator = generator
        self.categorical_features = categorical_features
        self.local_share = local_share
        self.selection = selection
        self.prefit = prefit
        self.random_state = random_state

    def _check_X_y(self, X: Any, y: Any) -> tuple[Any, Any, bool]:  # noqa: N802 - imbalanced-learn's name
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        if not isinstance(X, pd.DataFrame):
            X = check_array(X, dtype=None, accept_sparse=["csr", "csc"], ensure_all_finite=False)
        validate_data(self, X=X, y=y, reset=True, skip_check_array=True)
        return X, y, binarize_y

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        wanted = {np.asarray(label).item(): int(n) for label, n in self.sampling_strategy_.items() if n > 0}
        n_new = sum(wanted.values())
        self.synthetic_mask_ = np.arange(len(y) + n_new) >= len(y)
        self.anchor_indices_ = np.full(len(y) + n_new, -1, dtype=np.int64)
        self.generator_ = self.generator if self.prefit else None
        self.fallback_: dict[Any, str] = {}
        table, container = as_table(X)
        if not n_new:
            return X.copy(), y.copy()
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3)
        encoder = self._encoder(table)
        rows = encoder.transform(table)
        drawn, anchors = self._draw(encoder, table, rows, y, wanted, seeds)
        self.anchor_indices_[len(y) :] = anchors
        synthetic = encoder.inverse_transform(drawn, np.random.default_rng(seeds[2]))
        together = pd.concat([table, synthetic], ignore_index=True)
        labels = np.repeat(np.array(list(wanted), dtype=y.dtype), list(wanted.values()))
        return container.restore(together), np.concatenate([y, labels])

    def _encoder(self, table: pd.DataFrame) -> TableEncoder:
        if self.prefit:
            return self.generator.encoder_
        return TableEncoder(self.categorical_features).fit(table)

    def _draw(
        self,
        encoder: TableEncoder,
        table: pd.DataFrame,
        rows: NDArray[np.float32],
        y: NDArray[Any],
        wanted: dict[Any, int],
        seeds: NDArray[np.integer],
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Encoded rows of each class in turn, and their anchors."""
        classes, targets, counts = np.unique(y, return_inverse=True, return_counts=True)
        randomness = np.random.default_rng(seeds[0])
        local = LocalSampler().fit(rows, targets, encoder.blocks_)
        # Where every class is tiny there is nothing to learn from.
        sound = self.selection and encoder.width_ and counts.max() >= MIN_ADVERSARIAL
        consistency = ClassConsistency().fit(rows, targets, randomness) if sound else None
        parts, anchors = [], []
        for label, n in wanted.items():
            index = int(np.flatnonzero(classes == label)[0])
            n_local = self._n_local(label, n, counts[index]) if encoder.width_ else n
            for number, from_gan in ((n - n_local, True), (n_local, False)):
                if number == 0:
                    continue
                targets_drawn = np.full(CANDIDATES * number, index)
                if from_gan:
                    candidates = self._from_generator(encoder, table, rows, y, classes[targets_drawn], seeds[1])
                    from_anchor = np.full(len(candidates), -1)
                else:
                    candidates, from_anchor = local.sample(targets_drawn, randomness)
                if consistency is None:
                    chosen = np.arange(number)
                else:
                    scores = consistency.score(candidates, targets_drawn)
                    chosen, _ = select(scores, consistency.thresholds_[index], number, randomness)
                parts.append(candidates[chosen])
                anchors.append(from_anchor[chosen])
        return np.concatenate(parts), np.concatenate(anchors)

    def _n_local(self, label: Any, n: int, count: int) -> int:
        """Rows of a class that the local sampler draws."""
        if count >= MIN_ADVERSARIAL:
            return round(self.local_share * n)
        self.fallback_[label] = "local" if count > 1 else "copies"
        if count == 1:
            warnings.warn(
                f"class {label!r} has a single row, which is repeated; collect more", UserWarning, stacklevel=2
            )
        return n

    def _from_generator(
        self,
        encoder: TableEncoder,
        table: pd.DataFrame,
        rows: NDArray[np.float32],
        y: NDArray[Any],
        labels: NDArray[Any],
        seed: np.integer,
    ) -> NDArray[np.float32]:
        """Encoded rows from the generator, which is trained when it is first needed."""
        if self.generator_ is None:
            generator = TableGAN() if self.generator is None else clone(self.generator)
            if generator.get_params().get("random_state", 0) is None:
                generator.set_params(random_state=int(seed))
            if isinstance(generator, TableGAN):
                generator._validate_params()
                self.generator_ = generator._fit_encoded(encoder, rows, y)
            else:
                self.generator_ = generator.fit(table, y)
        # Each class has noise of its own.
        random_state = (int(seed) + int(np.flatnonzero(np.unique(y) == labels[0])[0])) % 2**31
        if isinstance(self.generator_, TableGAN):
            indices = self.generator_.class_indices(labels)
            return self.generator_._sample_encoded(indices, random_generator(random_state, "resample"))
        drawn, _ = as_table(self.generator_.sample(labels, random_state=random_state))
        return encoder.transform(drawn)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        return tags
