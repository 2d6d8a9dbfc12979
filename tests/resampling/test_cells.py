"""Over-sampling by cells of class and group."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score

from ganaug import GANOverSampler, SafeOverSampler
from ganaug.curation import AdditiveTransfer, GaussianSampler, LocalSampler, Mixture
from ganaug.generators.contract import SampleSpec

CLASS_SHIFT, GROUP_SHIFT = np.array([[0.0, 0.0], [4.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 6.0], [-3.0, 3.0]])
COUNTS = {(0, "a"): 40, (0, "b"): 12, (0, "c"): 9, (1, "a"): 10, (1, "b"): 2}  # nothing in (1, "c")
FULL = dict.fromkeys([*COUNTS, (1, "c")], 40)
KNOWN = {cell: 40 for cell in FULL if cell[1] != "c"} | {(0, "unknown"): 9}


class Sums(BaseEstimator):
    """A generator of encoded rows: the sum of what it knows of class and group, and noise."""

    sample_kind = "rows"
    categorical_features = "auto"

    def fit(self, X, y, groups=None):
        raise AssertionError("the rows are encoded already")

    sample = fit

    def fit_encoded(self, encoder, rows, labels, container, groups=None):
        self.encoder_, self.classes_, self.groups_ = encoder, np.unique(labels), np.unique(groups)[::-1]
        self.sample_spec_ = SampleSpec("rows", (len(encoder.names_),), "mixed")
        self.transfer_ = AdditiveTransfer().fit(rows, labels, groups, layout=encoder.layout_)
        return self

    def sample_encoded(self, positions, groups=None, *, random_state=None):
        labels, of = self.classes_[positions], self.groups_[groups]
        return self.transfer_.sample(labels, of, random_state=random_state)


def sampler(**params):
    return GANOverSampler(**{"generator": Sums(), "balance": "cells", "selection": False, "random_state": 0, **params})


def cells():
    """Rows, classes and groups; the rows of a cell lie around the sum of two shifts."""
    y = np.repeat([c for c, _ in COUNTS], list(COUNTS.values()))
    groups = np.repeat([g for _, g in COUNTS], list(COUNTS.values()))
    noise = np.random.default_rng(0).normal(scale=0.5, size=(len(y), 2))
    X = pd.DataFrame(CLASS_SHIFT[y] + GROUP_SHIFT[np.searchsorted(["a", "b", "c"], groups)] + noise, columns=["u", "v"])
    order = np.random.default_rng(1).permutation(len(y))
    return X.iloc[order].reset_index(drop=True), y[order], groups[order]


pytestmark = pytest.mark.filterwarnings("ignore:class.* in one group only")


@pytest.fixture(scope="module")
def data():
    return cells()


def counted(y, groups):
    return dict(Counter(zip(np.asarray(y).tolist(), np.asarray(groups).tolist(), strict=True)))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, FULL),
        ({"sampling_strategy": {(1, "c"): 7, (1, "b"): 3}}, {**COUNTS, (1, "c"): 7, (1, "b"): 3}),
        ({"generator": AdditiveTransfer(), "local_share": 0.2}, FULL),
        ({"selection": True, "local_share": 1.0}, FULL),
    ],
)
def test_cells_get_exact_counts(data, params, expected):
    X, y, groups = data
    s = sampler(**params)
    X_new, y_new = s.fit_resample(X, y, groups=groups)
    assert counted(y_new, s.groups_resampled_) == expected
    assert s.sampling_strategy_ == {cell: expected[cell] - COUNTS.get(cell, 0) for cell in s.sampling_strategy_}
    pd.testing.assert_frame_equal(X_new[: len(X)], X)
    assert s.groups_resampled_[: len(X)].tolist() == groups.tolist()
    assert s.synthetic_mask_.sum() == len(X_new) - len(X)
    grown = s.anchor_indices_ >= 0
    assert (y[s.anchor_indices_[grown]] == y_new[grown]).all()
    assert s.fallback_ == {}


def test_the_generator_is_not_trained_without_a_share(data):
    X, y, groups = data
    s = sampler(local_share=1.0, sampling_strategy={(1, "b"): 7})  # five rows, which two samplers cannot halve
    s.fit_resample(X, y, groups=groups)
    assert s.generator_ is None


@pytest.mark.parametrize("selection", [False, True])
@pytest.mark.parametrize("local_share", [0.0, 1.0])
def test_rows_that_are_moved_are_no_copies_of_each_other(selection, local_share):
    """By the generator, and by the mixture where nothing grows near the rows of a cell without any."""
    X, y, groups = np.random.default_rng(0).normal(size=(120, 2)), np.repeat([0, 0, 1], 40), np.repeat([*"aca"], 40)
    own = {"selection": selection, "local_share": local_share, "sampling_strategy": {(1, "c"): 40}}
    s = sampler(generator=AdditiveTransfer(), **own)
    X_new, _ = s.fit_resample(X, y, groups=groups)
    assert len(np.unique(X_new[120:].round(6), axis=0)) == 40
    assert sorted(s.anchor_indices_[120:]) == list(range(80, 120))


def test_cells_of_a_constant_table_are_filled(data):
    _, y, groups = data
    X_new, _ = GANOverSampler(balance="cells", random_state=0).fit_resample(np.ones((len(y), 2)), y, groups=groups)
    assert X_new.shape == (sum(FULL.values()), 2)
    assert (X_new == 1).all()


def test_rows_of_a_cell_without_any_lie_where_class_and_group_say(data):
    s = sampler()
    X_new, y_new = s.fit_resample(*data[:2], groups=data[2])
    new = (y_new == 1) & (s.groups_resampled_ == "c")
    assert np.abs(X_new[new].mean() - [1.0, 3.0]).max() < 1
    assert 0 < (s.anchor_indices_[new] >= 0).sum() == new.sum() / 2
    few = (y_new == 1) & (s.groups_resampled_ == "b") & s.synthetic_mask_
    assert np.abs(X_new[few].mean() - [4.0, 6.0]).max() < 2


@pytest.mark.parametrize("position", [0, 2])
@pytest.mark.parametrize(
    ("make", "dtype"),
    [(pd.DataFrame, "category"), (pl.DataFrame, None), (np.asarray, None), (scipy.sparse.csr_matrix, "codes")],
)
def test_a_column_of_groups_is_filled_for_new_rows(data, make, dtype, position):
    X, y, groups = data
    column = pd.Series(np.searchsorted(["a", "b", "c"], groups).astype(float) if dtype == "codes" else groups)
    whole = X.copy()
    whole.insert(position, "region", column.astype("category") if dtype == "category" else column)
    named = position if make in (np.asarray, scipy.sparse.csr_matrix) else "region"
    s = sampler()
    X_new, _ = s.fit_resample(make(whole), y, groups=named)
    expected, _ = sampler().fit_resample(X, y, groups=groups)
    X_new = X_new.toarray() if scipy.sparse.issparse(X_new) else X_new
    rows = pd.DataFrame(X_new) if isinstance(X_new, np.ndarray) else X_new
    rows = rows.to_pandas() if isinstance(rows, pl.DataFrame) else rows
    assert rows.iloc[:, position].tolist() == s.groups_resampled_.tolist()
    features = rows.drop(columns=rows.columns[position]).to_numpy().astype(float)
    assert np.allclose(features, expected.to_numpy())
    if dtype == "category":
        assert X_new["region"].dtype == whole["region"].dtype


def test_missing_groups_are_one_and_stay_missing_in_their_column(data):
    X, y, groups = data
    whole = X.assign(region=np.where(groups == "c", None, groups))
    s = sampler()
    X_new, y_new = s.fit_resample(whole, y, groups="region")
    assert counted(y_new, s.groups_resampled_) == KNOWN
    X_new, y_new = s.set_params(sampling_strategy={(1, "unknown"): 5}).fit_resample(whole, y, groups="region")
    unknown = s.groups_resampled_ == "unknown"
    assert (unknown == X_new["region"].isna()).all()
    assert (unknown & (y_new == 1)).sum() == 5


def test_balanced_classes_draw_groups_as_they_occur_in_the_class(data):
    X, y, groups = data
    s = sampler(balance="classes")
    _, y_new = s.fit_resample(X, y, groups)
    assert Counter(y_new.tolist()) == {0: 61, 1: 61}
    new = Counter(s.groups_resampled_[s.synthetic_mask_].tolist())
    assert set(new) == {"a", "b"}
    assert new["a"] == pytest.approx(49 * 10 / 12, abs=8)
    without = sampler(generator=AdditiveTransfer(), balance="classes", local_share=1.0)
    without.fit_resample(X, y)
    assert without.groups_resampled_ is None


def test_the_same_seed_draws_the_same_and_it_pickles_and_clones(data):
    X, y, groups = data
    s = sampler()
    first, _ = s.fit_resample(X, y, groups=groups)
    for other in (clone(s), pickle.loads(pickle.dumps(s))):
        pd.testing.assert_frame_equal(other.fit_resample(X, y, groups=groups)[0], first)
    assert not sampler(random_state=1).fit_resample(X, y, groups=groups)[0].equals(first)


def test_a_prefit_generator_draws_cells(data):
    X, y, groups = data
    fitted = AdditiveTransfer().fit(X, y, groups)
    s = sampler(generator=fitted, prefit=True, local_share=0.0)
    _, y_new = s.fit_resample(X, y, groups=groups)
    assert counted(y_new, s.groups_resampled_) == FULL
    assert s.generator_ is fitted


def test_small_classes_are_left_to_what_needs_no_training():
    y, groups = np.repeat([0, 0, 1, 1], [20, 20, 3, 2]), np.repeat(["a", "b", "a", "c"], [20, 20, 3, 2])
    y, groups = np.append(y, [0, 0]), np.append(groups, ["c", "c"])
    X = np.random.default_rng(0).normal(size=(len(y), 3))
    s = sampler()
    s.fit_resample(X, y, groups=groups)
    assert s.fallback_ == {(1, "a"): "local", (1, "b"): "other groups", (1, "c"): "local"}


def test_a_subclass_may_draw_cells_from_samplers_that_know_classes_only(data):
    class Other(GANOverSampler):
        def make_mixture(self, generator, data):
            assert data.groups.tolist() == ["a", "b", "c"]
            return Mixture([(GaussianSampler(), 1), (LocalSampler(), 1)])

    X, y, groups = data
    s = Other(generator=Sums(), balance="cells", sampling_strategy={(1, "b"): 30, (0, "c"): 30}, random_state=0)
    X_new, y_new = s.fit_resample(X, y, groups)
    new = s.synthetic_mask_ & (y_new == 1)
    assert np.abs(X_new[new].mean() - [4.0, 6.0]).max() < 1
    with pytest.raises(
        ValueError, match="class 1 has 0 rows in group 2, which no sampler of the mixture can draw from"
    ):
        s.set_params(sampling_strategy={(1, "c"): 3}).fit_resample(X, y, groups)


def test_groups_go_through_pipelines_by_metadata_routing(data):
    X, y, groups = data
    seen = []

    class Watched(GANOverSampler):
        def fit_resample(self, X, y, groups=None):
            resampled = super().fit_resample(X, y, groups)
            seen.append(counted(resampled[1], self.groups_resampled_))
            return resampled

    with config_context(enable_metadata_routing=True):
        watched = Watched(generator=AdditiveTransfer(), balance="cells", selection=False, random_state=0)
        pipeline = make_pipeline(watched.set_fit_resample_request(groups=True), LogisticRegression())
        pipeline.fit(X, y, groups=groups)
        assert seen[0] == FULL
        scores = cross_val_score(pipeline, X, y, params={"groups": groups}, cv=3)
        assert len(seen) == 4
        assert np.isfinite(scores).all()
    with pytest.raises(ValueError, match=r"balance='cells' needs groups, got None; pass groups=, .*metadata_routing"):
        make_pipeline(sampler(), LogisticRegression()).fit(X, y)


class Greedy(ClassifierMixin, BaseEstimator):
    """A classifier that is better the more rows it gets."""

    def fit(self, X, y):
        self.n_ = len(X)
        return self

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize(("balance", "wanted"), [("classes", {0: 61, 1: 61}), ("cells", FULL)])
def test_the_safe_sampler_passes_groups_on(data, balance, wanted):
    X, y, groups = data
    inner = sampler(generator=AdditiveTransfer(), balance=balance)
    score = {"estimator": Greedy(), "scoring": lambda estimator, X, y: estimator.n_}
    s = SafeOverSampler(inner, cv=2, ratios=[0, 1], random_state=0, **score)
    for given, rows in ((groups, X), ("region", X.assign(region=groups))):
        X_new, y_new = s.fit_resample(rows, y, groups=given)
        assert s.ratio_ == 1
        assert len(X_new) == len(s.groups_resampled_)
        assert (counted(y_new, s.groups_resampled_) if balance == "cells" else Counter(y_new.tolist())) == wanted
    s = SafeOverSampler(inner, cv=2, ratios=[0], random_state=0)
    s.fit_resample(X, y, groups=groups)
    assert s.groups_resampled_.tolist() == groups.tolist()
    with pytest.raises(
        ValueError, match="sampler must take groups in fit_resample, which a RandomOverSampler does not"
    ):
        SafeOverSampler(RandomOverSampler()).fit_resample(X, y, groups=groups)


@pytest.mark.parametrize(
    ("params", "groups", "message"),
    [
        ({}, None, "balance='cells' needs groups, got None"),
        ({}, ["a"] * 3, "must have the same length"),
        ({}, ["a"] * 73, "at least two groups are needed"),
        ({}, np.arange(73), "groups must be shared by rows, got a different one for each"),
        ({}, "y", "groups equal the labels"),
        ({}, [None] * 73, "groups are missing for all 73 rows"),
        ({}, "regoin", "groups names the column 'regoin', which the table lacks; did you mean 'region'?"),
        ({"balance": "groups"}, "region", "balance"),
        ({"sampling_strategy": 0.5}, "region", "sampling_strategy must be 'auto' or a dict of rows by"),
        ({"sampling_strategy": "minority"}, "region", "sampling_strategy must be 'auto' or a dict of rows by"),
        ({"sampling_strategy": {1: 50}}, "region", r"must hold rows by \(class, group\) .*, got 1; pass pairs"),
        ({"sampling_strategy": {(2, "a"): 50}}, "region", "asks for class 2, which is none of 0, 1; pass one"),
        ({"sampling_strategy": {(1, "d"): 50}}, "region", "asks for group 'd', which is none of 'a', 'b', 'c'"),
        ({"sampling_strategy": {(0, "a"): 3}}, "region", "asks for 3 rows of class 0 in group 'a', which has 40"),
        ({"generator": LogisticRegression()}, "region", "generator"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "fit_resample"])
def test_bad_input_is_refused_before_any_training(data, params, groups, message, method):
    X, y, region = data
    X = X.assign(region=region)
    s = sampler(**params)
    with pytest.raises(ValueError, match=message):
        getattr(s, method)(X, y, groups=y if isinstance(groups, str) and groups == "y" else groups)


class Deaf(Sums):
    """Takes no groups."""

    def fit_encoded(self, encoder, rows, labels, container):
        raise AssertionError("it was trained")


def test_generators_without_groups_are_refused(data):
    X, y, groups = data
    with pytest.raises(ValueError, match="generator must take groups in fit, which a Deaf does not; pass one such as"):
        sampler(generator=Deaf()).fit_resample(X, y, groups)
    images = np.random.default_rng(0).integers(256, size=(len(y), 8, 8, 1), dtype=np.uint8)
    with pytest.raises(ValueError, match="generator must take groups in fit, which a Blind does not"):
        sampler(generator=Blind()).fit_resample(images, y, groups)


class Blind(BaseEstimator):
    """A generator of images that takes no groups."""

    sample_kind = "images"

    def fit(self, X, y):
        raise AssertionError("it was trained")

    def sample(self, labels, *, random_state=None):
        raise AssertionError("it was drawn from")


class Flat(Blind):
    """Draws images of one value, which class and group say."""

    def fit(self, X, y=None, groups=None):
        self.classes_, self.groups_ = np.unique(X.labels), np.unique(X.groups)
        self.sample_spec_ = SampleSpec("images", (1, 8, 8), "uint8")
        return self

    def sample(self, labels, groups=None, *, random_state=None):
        value = 10 * np.searchsorted(self.classes_, labels) + np.searchsorted(self.groups_, groups)
        return np.broadcast_to(value[:, None, None, None], (len(value), 1, 8, 8)).astype(np.uint8)


def test_images_are_drawn_for_cells(data):
    _, y, groups = data
    images = np.zeros((len(y), 8, 8, 1), np.uint8)
    s = sampler(generator=Flat())
    X_new, y_new = s.fit_resample(images, y, groups)
    assert counted(y_new, s.groups_resampled_) == FULL
    new = s.synthetic_mask_
    expected = 10 * y_new + np.searchsorted(["a", "b", "c"], s.groups_resampled_)
    assert (X_new[new].reshape(new.sum(), -1) == expected[new, None]).all()


def test_images_are_moved_into_other_groups():
    """Group "b" is brighter on the left; class 1 is brighter on top."""
    y, groups = np.repeat([0, 0, 1], 20), np.repeat(["a", "b", "a"], 20)
    images = np.full((60, 8, 10, 1), 50, np.uint8)
    images[groups == "b", :, :4] += 100
    images[y == 1, :2] += 60
    s = sampler(generator=AdditiveTransfer())
    X_new, y_new = s.fit_resample(images, y, groups)
    assert counted(y_new, s.groups_resampled_) == dict.fromkeys([(0, "a"), (0, "b"), (1, "a"), (1, "b")], 20)
    expected = np.full((8, 10, 1), 50)
    expected[:, :4] += 100
    expected[:2] += 60
    assert np.abs(X_new[60:].astype(int) - expected).max() <= 1


def test_folds_by_group_and_the_sampler_share_groups(data):
    X, y, groups = data
    with config_context(enable_metadata_routing=True):
        inner = sampler(generator=AdditiveTransfer()).set_fit_resample_request(groups=True)
        pipeline = make_pipeline(inner, LogisticRegression())
        scores = cross_val_score(pipeline, X, y, params={"groups": groups}, cv=GroupKFold(3))
    assert np.isfinite(scores).all()
