"""Over-sampling with a class-conditional GAN, for imbalanced-learn's pipelines."""

from __future__ import annotations

import warnings
from copy import deepcopy
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from imblearn.over_sampling.base import BaseOverSampler
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from ganaug.curation import (
    AdditiveSampler,
    ClassConsistency,
    GaussianSampler,
    GeneratorSampler,
    LocalSampler,
    Mixture,
)
from ganaug.curation.generator_sampler import MIN_ROWS
from ganaug.data.labels import listed
from ganaug.data.tables.containers import Container, as_table
from ganaug.data.tables.encoded import EncodedTable, encode_table
from ganaug.data.tables.wide import WideEncoder
from ganaug.engine.devices import RandomStateLike, seeded
from ganaug.generators.auto import AUTO
from ganaug.generators.contract import check_generator, draws_encoded, kind_of_samples
from ganaug.generators.images.gan import ImageGAN
from ganaug.generators.registry import generator_class
from ganaug.generators.tables.gan import TableGAN
from ganaug.resampling.base import TableOverSampler, copied, seeds
from ganaug.resampling.cells import NewRows, RowGroups, extended, groups_as_trained
from ganaug.resampling.images import as_images, fitted_image_gan, like_images

__all__ = ["GANOverSampler"]


class GANOverSampler(TableOverSampler):
    """Over-sample classes with a class-conditional GAN.

    Rows are drawn by two samplers, a GAN and a local sampler that stays near real rows, and selected: a classifier
    trained on real rows only must find them as typical of their class as most real rows are. Tables may mix numbers,
    dates, strings, booleans and categories, with values missing anywhere. A subclass that overrides
    :meth:`make_mixture` draws from other samplers.

    Rows may have groups, such as sites or customers. Then the GAN is conditioned on class and group, and new rows are
    drawn for cells of both, also for cells that have no rows: besides the GAN from rows of the class in other groups,
    which are moved by what sets the groups apart (:class:`ganaug.curation.AdditiveTransfer`).

    Parameters
    ----------
    generator : generator, "auto" or None, default=None
        None stands for ``TableGAN()``, or for images ``ImageGAN()``, of which parameters are set and searched for as
        ``generator__steps``. "auto" takes the family that did best, or costs least where none did, on data for choosing
        settings (:mod:`ganaug.generators.auto`). Any other generator of rows, or of images, takes its place: what has
        ``fit(X, y)`` and ``sample(labels, random_state=...)``, on data frames for rows. One of rows with
        ``fit_encoded`` and ``sample_encoded`` spares decoding and encoding again. For groups it has ``fit(X, y,
        groups)`` and ``sample(labels, groups, random_state=...)``. It is cloned, unless `prefit`.
    sampling_strategy : float, str, dict or callable, default="auto"
        What imbalanced-learn means by it. With ``balance="cells"``, "auto" fills every cell of a known group
        up to the largest, and a dict holds the rows that there are to be by (class, group).
    balance : {"classes", "cells"}, default="classes"
        What is filled up: classes, or cells of class and group. With classes, groups of new rows are drawn as often as
        they occur in the class.
    categorical_features : "auto", None or array-like, default="auto"
        Columns to encode as categories though they hold numbers, or text that reads as numbers: positions, names or a
        mask. "auto" takes the generator's.
    local_share : float in [0, 1], default=0.5
        Share of the rows that the local sampler draws. Which share serves a table best can be searched for like any
        parameter, inside the training data. With groups the local sampler stays within cells of at least two rows, and
        rows moved from other groups have the same weight as its own: a third each of a cell with rows at the default,
        and half of one without.
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
        Rows to add to each class, or to each cell by (class, group).
    generator_ : generator or None
        The fitted one; None if there was nothing for it to draw.
    synthetic_mask_ : ndarray of shape (n_rows_new,), bool
        Which rows of the result are synthetic: the last ones.
    anchor_indices_ : ndarray of shape (n_rows_new,), int64
        The row of `X` that each synthetic row of the local sampler grew from, or that was moved from another group; -1
        for those of generators, unless these move rows, and for original rows.
    groups_resampled_ : ndarray of shape (n_rows_new,) or None
        Group of each row of the result; None without groups.
    fallback_ : dict
        Classes that were too small for the GAN, and what the default mixture draws their rows from: "local", or
        "copies" for a class of one row. With groups also "other groups", all by (class, group).
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (``n_features_in_``,)

    See Also
    --------
    ganaug.TableGAN : The generator on its own.
    ganaug.curation.Mixture : Several samplers in given shares, with selection, on its own.
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

    Cells of class and group, here without a GAN; the last group lacks a class:

    >>> import numpy as np
    >>> from ganaug.curation import AdditiveTransfer
    >>> groups = np.where(y == 1, 0, np.arange(200) % 3)
    >>> sampler = GANOverSampler(generator=AdditiveTransfer(), balance="cells", random_state=0)
    >>> _, y_resampled = sampler.fit_resample(X, y, groups=np.where(np.arange(200) < 20, np.arange(200) % 3, groups))
    >>> len(set(Counter(zip(y_resampled.tolist(), sampler.groups_resampled_.tolist())).values()))
    1

    Rows from a Gaussian of each class beside those of the GAN:

    >>> from ganaug.curation import GaussianSampler, Mixture
    >>> class WithGaussian(GANOverSampler):
    ...     def make_mixture(self, generator, data):
    ...         return Mixture([(generator, 1), (GaussianSampler(), 3)])
    >>> sampler = WithGaussian(generator=TableGAN(steps=5), random_state=0)
    >>> len(sampler.fit_resample(X, y)[0]) == len(X_resampled)
    True
    """

    _min_rows = MIN_ROWS  # of a class, for the generator; SafeOverSampler may ask for more

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseOverSampler._parameter_constraints,
        "generator": [HasMethods(["fit", "sample"]), StrOptions({AUTO}), None],
        "categorical_features": ["array-like", str, None],
        "local_share": [Interval(Real, 0, 1, closed="both")],
        "selection": ["boolean"],
        "image_shape": ["array-like", tuple, None],
        "balance": [StrOptions({"classes", "cells"})],
        "prefit": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        generator: Any = None,
        sampling_strategy: Any = "auto",
        balance: Literal["classes", "cells"] = "classes",
        categorical_features: Any = "auto",
        local_share: float = 0.5,
        selection: bool = True,
        image_shape: Any = None,
        prefit: bool = False,
        random_state: RandomStateLike = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.generator = generator
        self.balance = balance
        self.categorical_features = categorical_features
        self.local_share = local_share
        self.selection = selection
        self.image_shape = image_shape
        self.prefit = prefit
        self.random_state = random_state

    def _defaults(self) -> dict[str, Any]:
        return {"generator": TableGAN() if self.image_shape is None else ImageGAN()}

    def _balance(self) -> str:
        return self.balance

    def _fit_resample(self, X: Any, y: NDArray[Any], groups: RowGroups | None = None) -> tuple[Any, NDArray[Any]]:
        images = self.image_shape is not None or getattr(X, "ndim", 2) == 4
        self._check_generator(images)
        new = self._new_rows(y, groups)
        self.synthetic_mask_ = np.arange(len(y) + len(new.labels)) >= len(y)
        self.anchor_indices_ = np.full(len(self.synthetic_mask_), -1, dtype=np.int64)
        self.generator_: Any = self.generator if self.prefit else None
        self.fallback_: dict[Any, str] = {}
        self.groups_resampled_ = None if groups is None else np.concatenate([groups.values, new.groups])
        if not len(new.labels):
            return copied(X), y.copy()
        return (self._resample_images if images else self._resample_rows)(X, y, groups, new)

    def _new_rows(self, y: NDArray[Any], groups: RowGroups | None) -> NewRows:
        """Classes and groups of the rows to add."""
        wanted = self._wanted()
        keys, numbers = list(wanted), list(wanted.values())
        if self.balance == "classes":
            labels = np.repeat(np.array(keys, dtype=y.dtype), numbers)
            if groups is None:
                return NewRows(labels, None)
            randomness = np.random.default_rng(seeds(self.random_state, 4)[3])
            return NewRows(labels, groups_as_trained(labels, y, groups.values, randomness))
        labels = np.repeat(np.array([label for label, _ in keys], dtype=y.dtype), numbers)
        assert groups is not None
        return NewRows(labels, np.repeat(np.array([group for _, group in keys], dtype=groups.values.dtype), numbers))

    def _resample_rows(
        self, X: Any, y: NDArray[Any], groups: RowGroups | None, new: NewRows
    ) -> tuple[Any, NDArray[Any]]:
        seed, gan_seed, decode_seed = map(int, seeds(self.random_state, 3))
        data = self._encoded(X, y, groups)
        drawn_from = self._generator(gan_seed)
        generator = GeneratorSampler(drawn_from, data, prefit=self.prefit, seed=gan_seed, min_rows=self._min_rows)
        self.fallback_ = _too_small(new, y, groups, generator.min_rows)
        randomness = np.random.default_rng(seed)
        mixture = self.make_mixture(generator, data)
        mixture.fit(data.rows, data.targets, data.layout, randomness, data.group_targets)
        targets = np.searchsorted(data.classes, new.labels)
        of_groups = None if data.groups is None or new.groups is None else np.searchsorted(data.groups, new.groups)
        drawn, self.anchor_indices_[len(y) :] = mixture.sample(targets, randomness, of_groups)
        self.generator_ = generator.generator_
        rows = _like(data.encoder.inverse_transform(drawn, targets, decode_seed), data.table, data.container)
        return extended(X, data.table, data.container, rows, groups, new), np.concatenate([y, new.labels])

    def make_mixture(self, generator: GeneratorSampler, data: EncodedTable) -> Mixture:
        """Choose what draws the rows; subclasses override it to draw others.

        Parameters
        ----------
        generator : GeneratorSampler
            Draws from the generator of the sampler, which is trained only if the mixture draws from it.
        data : EncodedTable
            The original rows, their labels and their encoding.

        Returns
        -------
        Mixture
            Not fitted. Its samplers are fitted to the rows of `data`.
        """
        # In many dimensions nearest neighbours say little, but the covariance of all classes together does.
        local = GaussianSampler() if isinstance(data.encoder, WideEncoder) else LocalSampler()
        share = self.local_share if data.layout.width else 1.0  # where nothing varies, nothing can be learnt
        selection = ClassConsistency() if self.selection else None
        from_groups = [] if data.groups is None else [(AdditiveSampler(), share)]
        return Mixture([(generator, 1 - share), (local, share), *from_groups], selection=selection)

    def _resample_images(
        self, X: Any, y: NDArray[Any], groups: RowGroups | None, new: NewRows
    ) -> tuple[Any, NDArray[Any]]:
        fit_seed, sample_seed = map(int, seeds(self.random_state, 2))
        rows = None if getattr(X, "ndim", 2) == 4 else as_table(X if groups is None else groups.features(X))
        pixels = X if rows is None else rows[0].to_numpy()
        images = as_images(pixels, self.image_shape)
        self.generator_ = fitted_image_gan(
            self._unfitted("images"),
            images,
            y,
            fit_seed,
            prefit=self.prefit,
            groups=None if groups is None else groups.values,
        )
        of_groups = {} if groups is None else {"groups": new.groups}
        drawn = like_images(self.generator_.sample(new.labels, random_state=sample_seed, **of_groups), pixels)
        y = np.concatenate([y, new.labels])
        if rows is None:
            return np.concatenate([X, drawn]), y
        table, container = rows
        added = pd.DataFrame(drawn, columns=table.columns).astype(table.dtypes.to_dict())
        return extended(X, table, container, added, groups, new), y

    def _check_generator(self, images: bool) -> None:
        not_given = self.generator is None or isinstance(self.generator, str)
        if not not_given:
            check_generator(self.generator, "generator", fitted=False)
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
        if not_given or (kind is not None and not hasattr(self.generator, "sample_spec_")):
            raise ValueError("prefit=True needs a fitted generator; fit it first, or pass prefit=False")

    def _encoded(self, X: Any, y: NDArray[Any], groups: RowGroups | None) -> EncodedTable:
        features, encoder = self.categorical_features, None
        if draws_encoded(self.generator):
            if self.prefit:
                known, found = self.generator.classes_.tolist(), np.unique(y).tolist()
                if known != found:
                    raise ValueError(
                        f"the prefit generator knows the classes {listed(known)}, y holds {listed(found)}; fit it on "
                        "the same classes"
                    )
                encoder = self.generator.encoder_
            elif features is None or isinstance(features, str):
                features = self.generator.categorical_features
        if groups is None:
            return encode_table(X, y, features, encoder=encoder)
        return encode_table(groups.features(X), y, features, encoder=encoder, groups=groups.values)

    def _generator(self, seed: int) -> Any:
        """The generator that rows are drawn from: a clone, unless it is prefit."""
        if self.prefit:
            return self.generator
        generator = self._unfitted("rows")
        return seeded(self._defaults()["generator"] if generator is None else clone(generator), seed)

    def _unfitted(self, kind: str) -> Any:
        """The parameter `generator`, in place of "auto" what that stands for."""
        return generator_class(AUTO, kind)() if isinstance(self.generator, str) else self.generator

    def __sklearn_clone__(self) -> GANOverSampler:
        params = self.get_params(deep=False)
        if not self.prefit:
            params["generator"] = clone(self.generator, safe=False)
        cloned = type(self)(**params)
        if hasattr(self, "_metadata_request"):  # what set_fit_resample_request has asked for
            cloned._metadata_request = deepcopy(self._metadata_request)
        return cloned


def _too_small(new: NewRows, y: NDArray[Any], groups: RowGroups | None, least: int) -> dict[Any, str]:
    """Classes of fewer rows than a generator needs, or their cells, and what the default mixture draws them from."""
    small = {label: n for label in np.unique(new.labels).tolist() if (n := int((y == label).sum())) < least}
    for label in [label for label, count in small.items() if count == 1]:
        warnings.warn(f"class {label!r} has a single row, which is repeated; collect more", UserWarning, stacklevel=3)
    if groups is None or new.groups is None:
        return {label: "copies" if count == 1 else "local" for label, count in small.items()}
    cells = dict.fromkeys(zip(new.labels.tolist(), new.groups.tolist(), strict=True))
    counts = {(c, g): int(((y == c) & (groups.values == g)).sum()) for c, g in cells if c in small}
    return {(c, g): "local" if n > 1 else "other groups" if n < small[c] else "copies" for (c, g), n in counts.items()}


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
