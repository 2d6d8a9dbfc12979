"""Over-sampling with a class-conditional GAN, for imbalanced-learn's pipelines."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from imblearn.over_sampling.base import BaseOverSampler
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval

from ganaug.curation import ClassConsistency, GaussianSampler, LocalSampler
from ganaug.data.labels import listed
from ganaug.data.tables.containers import Container, as_table
from ganaug.data.tables.encoder import Encoder, fit_encoder
from ganaug.data.tables.wide import WideEncoder
from ganaug.generators.contract import draws_encoded, kind_of_samples
from ganaug.generators.images.gan import ImageGAN
from ganaug.generators.tables.gan import TableGAN
from ganaug.resampling.base import TableOverSampler, copied, seeds
from ganaug.resampling.images import as_images, fitted_image_gan, like_images

__all__ = ["GANOverSampler"]

MIN_ADVERSARIAL = 8  # rows of a class below which no GAN learns anything about it
CANDIDATES = 2  # drawn for each row that is kept


class GANOverSampler(TableOverSampler):
    """Over-sample classes with a class-conditional GAN.

    Rows are drawn by two generators, a GAN and a local sampler that stays near real rows, and selected: a classifier
    trained on real rows only must find them as typical of their class as most real rows are. Tables may mix numbers,
    dates, strings, booleans and categories, with values missing anywhere.

    Parameters
    ----------
    generator : generator or None, default=None
        None stands for ``TableGAN()``, or for images ``ImageGAN()``, of which parameters are set and searched for as
        ``generator__steps``. Any other generator of rows, or of images, takes its place: what has ``fit(X, y)`` and
        ``sample(labels, random_state=...)``, on data frames for rows. It is cloned, unless `prefit`.
    sampling_strategy : float, str, dict or callable, default="auto"
        What imbalanced-learn means by it.
    categorical_features : "auto", None or array-like, default="auto"
        Columns to take for names though they hold numbers, or text that is numbers: positions, names or a mask. "auto"
        takes the generator's.
    local_share : float in [0, 1], default=0.5
        Share of the rows that the local sampler draws. Which share serves a table best can be searched for like any
        parameter, inside the training data.
    selection : bool, default=True
        Keep rows only that are consistent with their class, as far as enough can be drawn.
    image_shape : tuple of int or None, default=None
        (height, width) or (height, width, channels): the rows of `X` are images, for an :class:`ganaug.ImageGAN`.
        Arrays of shape (n, height, width, channels) are images anyway. Images come from the GAN alone, unselected.
    prefit : bool, default=False
        Take `generator` as it is, fitted before on other rows with the same columns and classes. Clones share it.
    random_state : int, RandomState or None, default=None
        The same integer gives the same rows, whatever container they come in.

    Attributes
    ----------
    sampling_strategy_ : dict
        Rows to add to each class.
    generator_ : generator or None
        The fitted one; None if there was nothing for it to draw.
    synthetic_mask_ : ndarray of shape (n_rows_new,), bool
        Which rows of the result are synthetic: the last ones.
    anchor_indices_ : ndarray of shape (n_rows_new,), int64
        The row of `X` that each synthetic row of the local sampler grew from; -1 for those of the GAN, which have none,
        and for original rows.
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

    How long the GAN is trained, searched for inside the training data:

    >>> from imblearn.pipeline import make_pipeline
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> pipeline = make_pipeline(GANOverSampler(selection=False, random_state=0), LogisticRegression())
    >>> grid = GridSearchCV(pipeline, {"ganoversampler__generator__steps": [5, 10]}, cv=2).fit(X, y)
    >>> grid.best_params_["ganoversampler__generator__steps"] in (5, 10)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseOverSampler._parameter_constraints,
        "generator": [HasMethods(["fit", "sample"]), None],
        "categorical_features": ["array-like", str, None],
        "local_share": [Interval(Real, 0, 1, closed="both")],
        "selection": ["boolean"],
        "image_shape": ["array-like", tuple, None],
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
        image_shape: Any = None,
        prefit: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.generator = generator
        self.categorical_features = categorical_features
        self.local_share = local_share
        self.selection = selection
        self.image_shape = image_shape
        self.prefit = prefit
        self.random_state = random_state

    def _defaults(self) -> dict[str, Any]:
        return {"generator": TableGAN() if self.image_shape is None else ImageGAN()}

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        images = self.image_shape is not None or getattr(X, "ndim", 2) == 4
        self._check_generator(images)
        wanted = self._wanted()
        n_new = sum(wanted.values())
        self.synthetic_mask_ = np.arange(len(y) + n_new) >= len(y)
        self.anchor_indices_ = np.full(len(y) + n_new, -1, dtype=np.int64)
        self.generator_: Any = self.generator if self.prefit else None
        self.fallback_: dict[Any, str] = {}
        if not n_new:
            return copied(X), y.copy()
        if images:
            return self._resample_images(X, y, wanted)
        table, container = as_table(X)
        classes, targets = np.unique(y, return_inverse=True)
        run = _Run(table, container, y, classes, targets, *map(int, seeds(self.random_state, 3)))
        encoder = self._encoder(run)
        drawn, anchors, drawn_targets = self._draw(encoder, run, wanted)
        self.anchor_indices_[len(y) :] = anchors
        synthetic = encoder.inverse_transform(drawn, drawn_targets, run.decode_seed)
        labels = np.repeat(np.array(list(wanted), dtype=y.dtype), list(wanted.values()))
        return container.extend(X, table, _like(synthetic, table, container)), np.concatenate([y, labels])

    def _resample_images(self, X: Any, y: NDArray[Any], wanted: dict[Any, int]) -> tuple[Any, NDArray[Any]]:
        fit_seed, sample_seed = map(int, seeds(self.random_state, 2))
        rows = None if getattr(X, "ndim", 2) == 4 else as_table(X)
        pixels = X if rows is None else rows[0].to_numpy()
        self.generator_ = fitted_image_gan(
            self.generator, as_images(pixels, self.image_shape), y, fit_seed, prefit=self.prefit
        )
        labels = np.repeat(np.array(list(wanted), dtype=y.dtype), list(wanted.values()))
        drawn = like_images(self.generator_.sample(labels, random_state=sample_seed), pixels)
        y = np.concatenate([y, labels])
        if rows is None:
            return np.concatenate([X, drawn]), y
        table, container = rows
        new = pd.DataFrame(drawn, columns=table.columns).astype(table.dtypes.to_dict())
        return container.extend(X, table, new), y

    def _check_generator(self, images: bool) -> None:
        kind, called = kind_of_samples(self.generator), type(self.generator).__name__
        if images and kind == "rows":
            raise ValueError(f"generator draws rows, as every {called}, and X holds images; pass an ImageGAN")
        if not images and kind == "images":
            raise ValueError(
                f"generator draws images, as every {called}, and X holds rows; pass a TableGAN, or image_shape if rows "
                "are images"
            )
        if not self.prefit:
            return
        if self.generator is None or (kind is not None and not hasattr(self.generator, "sample_spec_")):
            raise ValueError("prefit=True needs a fitted generator; fit it first, or pass prefit=False")

    def _encoder(self, run: _Run) -> Encoder:
        if self.prefit and draws_encoded(self.generator):
            if self.generator.classes_.tolist() != run.classes.tolist():
                raise ValueError(
                    f"the prefit generator knows the classes {listed(self.generator.classes_.tolist())}, "
                    f"y holds {listed(run.classes.tolist())}; fit it on the same classes"
                )
            return self.generator.encoder_
        features, unset = self.categorical_features, self.categorical_features is None
        if (unset or isinstance(features, str)) and draws_encoded(self.generator):
            features = self.generator.categorical_features
        return fit_encoder(run.table, run.targets, features)

    def _draw(
        self, encoder: Encoder, run: _Run, wanted: dict[Any, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Encoded rows of each class in turn, their anchors, and the positions of their classes."""
        rows, targets = encoder.transform(run.table), run.targets
        counts = np.bincount(targets)
        randomness = np.random.default_rng(run.seed)
        # In many dimensions neighbours say little, but the covariance of all classes together does.
        local = GaussianSampler() if isinstance(encoder, WideEncoder) else LocalSampler()
        local.fit(rows, targets, encoder.layout_)
        # Where every class is tiny there is nothing to learn from.
        sound = self.selection and encoder.width_ and counts.max() >= MIN_ADVERSARIAL
        consistency = ClassConsistency().fit(rows, targets, randomness) if sound else None
        positions = np.searchsorted(run.classes, np.array(list(wanted), dtype=run.classes.dtype))
        asked = np.array(list(wanted.values()))
        n_local = asked
        if encoder.width_:
            sizes = zip(wanted.items(), counts[positions].tolist(), strict=True)
            n_local = np.array([self._n_local(label, n, count) for (label, n), count in sizes])
        parts = []
        for numbers, from_gan in ((asked - n_local, True), (n_local, False)):
            if not numbers.any():
                continue
            candidate_targets = np.repeat(positions, numbers * (CANDIDATES if consistency else 1))
            if from_gan:
                candidates = self._from_generator(encoder, run, rows, candidate_targets)
                from_anchor = np.full(len(candidates), -1)
            else:
                candidates, from_anchor = local.sample(candidate_targets, randomness)
            chosen = np.arange(len(candidates))
            if consistency:
                chosen = consistency.choose(
                    candidates, candidate_targets, numbers[numbers > 0], randomness, from_anchor
                )
            parts.append((candidates[chosen], from_anchor[chosen], candidate_targets[chosen]))
        drawn, anchors, drawn_targets = map(np.concatenate, zip(*parts, strict=True))
        by_class = np.argsort(drawn_targets, kind="stable")
        return drawn[by_class], anchors[by_class], drawn_targets[by_class]

    def _n_local(self, label: Any, n: int, count: int) -> int:
        """Rows of a class that the local sampler draws."""
        if count >= MIN_ADVERSARIAL:
            return round(self.local_share * n)
        self.fallback_[label] = "local" if count > 1 else "copies"
        if count == 1:
            message = f"class {label!r} has a single row, which is repeated; collect more"
            warnings.warn(message, UserWarning, stacklevel=2)
        return n

    def _from_generator(
        self, encoder: Encoder, run: _Run, rows: NDArray[np.float32], asked: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Encoded rows of the classes asked for, one after the other, from the generator, trained if need be."""
        if self.generator_ is None:
            generator = self._defaults()["generator"] if self.generator is None else clone(self.generator)
            if generator.get_params().get("random_state", 0) is None:
                generator.set_params(random_state=run.gan_seed)
            if draws_encoded(generator):
                self.generator_ = generator.fit_encoded(encoder, rows, run.y, run.container)
            else:
                self.generator_ = generator.fit(run.table, run.y)
        counts = np.bincount(asked)
        return np.concatenate([self._of_class(encoder, run, k, counts[k]) for k in np.flatnonzero(counts).tolist()])

    def _of_class(self, encoder: Encoder, run: _Run, index: int, n: int) -> NDArray[np.float32]:
        # Each class has noise of its own.
        random_state = (run.gan_seed + index) % 2**31
        if draws_encoded(self.generator_):
            return self.generator_.sample_encoded(np.full(n, index), random_state=random_state)
        drawn, _ = as_table(self.generator_.sample(np.repeat(run.classes[index], n), random_state=random_state))
        if len(drawn) != n:
            raise ValueError(f"generator must draw one row per label, {n} were asked for and {len(drawn)} came")
        drawn.columns = run.table.columns
        return encoder.transform(drawn)

    def __sklearn_clone__(self) -> GANOverSampler:
        params = self.get_params(deep=False)
        if not self.prefit:
            params["generator"] = clone(self.generator, safe=False)
        return type(self)(**params)


@dataclass(frozen=True)
class _Run:
    """What one call of ``fit_resample`` works on."""

    table: pd.DataFrame
    container: Container
    y: NDArray[Any]
    classes: NDArray[Any]
    targets: NDArray[np.int64]
    seed: int
    gan_seed: int
    decode_seed: int


def _like(rows: pd.DataFrame, table: pd.DataFrame, container: Container) -> pd.DataFrame:
    """Rows with the dtypes of a table, rounded where these are whole numbers: a prefit generator may have others."""
    for name, dtype in table.dtypes.items():
        if rows[name].dtype == dtype:
            continue
        if isinstance(dtype, np.dtype) and dtype.kind in "iub" and rows[name].isna().any():
            nullable = pd.Series(dtype=dtype).convert_dtypes().dtype
            if container.kind != "frame":  # there any type may have missing values
                raise ValueError(
                    f"the prefit generator draws missing values in column {name!r}, where dtype {dtype} of X has none; "
                    f"convert the column to {nullable}"
                )
            dtype = nullable  # noqa: PLW2901
        rounded = rows[name].round() if pd.api.types.is_integer_dtype(dtype) else rows[name]
        rows[name] = rounded.astype(dtype)
    return rows
