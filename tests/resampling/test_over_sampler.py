import pickle
from collections import Counter

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score
from sklearn.preprocessing import StandardScaler

from ganaug import GANOverSampler, ImageGAN, SafeOverSampler, TableGAN
from ganaug.curation import ClassConsistency, GaussianSampler, LocalSampler, Mixture

QUICK = TableGAN(steps=5, batch_size=16, width=16, verbose=False)


def sampler(**params):
    """Without its selection, five hundred trees, which those tests ask for that may depend on it."""
    return GANOverSampler(**{"generator": QUICK, "selection": False, "random_state": 0, **params})


@pytest.fixture(scope="module")
def three():
    return make_classification(
        200, 6, n_informative=4, n_classes=3, weights=[0.7, 0.2, 0.1], n_clusters_per_class=1, random_state=0
    )


def mixed(n=100):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.2, np.nan, rng.lognormal(size=n)),
            "visits": rng.integers(0, 40, n),
            "country": pd.Categorical(rng.choice(["it", "no", "de"], n), ["de", "fr", "it", "no"]),
            "member": rng.random(n) < 0.4,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "code": pd.array(rng.integers(0, 9, n), dtype="Int64"),
        }
    )
    table.loc[rng.random(n) < 0.1, "code"] = pd.NA
    return table, pd.Series(np.where(np.arange(n) < 85, "keep", "leave"), name="status")


STRATEGIES = {
    "auto": {0: 0, 1: 1, 2: 1},
    "minority": {0: 0, 1: 0, 2: 1},
    "not minority": {0: 0, 1: 1, 2: 0},
    "not majority": {0: 0, 1: 1, 2: 1},
    "all": {0: 0, 1: 1, 2: 1},
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategies_by_name_give_exact_counts(three, strategy):
    X, y = three
    before = Counter(y.tolist())
    _, resampled = sampler(sampling_strategy=strategy).fit_resample(X, y)
    for label, raised in STRATEGIES[strategy].items():
        assert Counter(resampled.tolist())[label] == (before[0] if raised else before[label])


@pytest.mark.parametrize("strategy", [{1: 70, 2: 33}, lambda y: {1: 70, 2: 33}])
def test_strategies_by_number_give_exact_counts(three, strategy):
    X, y = three
    _, resampled = sampler(sampling_strategy=strategy).fit_resample(X, y)
    assert Counter(resampled.tolist()) == {0: Counter(y.tolist())[0], 1: 70, 2: 33}


def test_a_ratio_gives_exact_counts():
    X, y = make_classification(100, weights=[0.9], random_state=0)
    counts = Counter(y.tolist())
    _, resampled = sampler(sampling_strategy=0.5).fit_resample(X, y)
    assert Counter(resampled.tolist())[1] == int(0.5 * counts[0])


def test_originals_come_first_and_provenance_is_kept(three):
    X, y = three
    s = sampler(selection=True)
    X_new, y_new = s.fit_resample(X, y)
    assert np.array_equal(X_new[: len(X)], X)
    assert np.array_equal(y_new[: len(y)], y)
    assert s.synthetic_mask_.tolist() == [False] * len(X) + [True] * (len(X_new) - len(X))
    grown = s.anchor_indices_ >= 0
    assert not grown[: len(X)].any()
    assert (y[s.anchor_indices_[grown]] == y_new[grown]).all()
    assert grown.sum() == pytest.approx((len(X_new) - len(X)) / 2, abs=2)
    assert s.fallback_ == {}


def test_frames_keep_columns_dtypes_and_categories():
    X, y = mixed()
    X_new, y_new = sampler(selection=True).fit_resample(X, y)
    assert (X_new.dtypes == X.dtypes).all()
    assert X_new["country"].cat.categories.tolist() == ["de", "fr", "it", "no"]
    assert isinstance(y_new, pd.Series)
    assert Counter(y_new) == {"keep": 85, "leave": 85}
    pd.testing.assert_frame_equal(X_new[: len(X)], X)
    added = X_new[len(X) :]
    assert added["visits"].between(0, 39).all()
    assert added["amount"].isna().any()
    assert not added["visits"].isna().any()


@pytest.fixture(scope="module")
def resampled(three):
    return sampler().fit_resample(*three)[0]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, scipy.sparse.csr_matrix, np.ndarray.tolist])
def test_the_container_changes_nothing(three, resampled, make):
    X, y = three
    got, _ = sampler().fit_resample(make(X), y)
    got = got.toarray() if scipy.sparse.issparse(got) else np.asarray(got)
    assert np.array_equal(got, resampled)


class Greedy(ClassifierMixin, BaseEstimator):
    """A classifier that is better the more rows it gets, of one type of data frame."""

    def __init__(self, frame):
        self.frame = frame

    def fit(self, X, y):
        assert isinstance(X, self.frame)
        self.score_ = len(X)
        return self

    def predict(self, X):
        return np.full(len(X), "keep")


LABELS = {
    "polars": lambda y: pl.Series("status", y, dtype=pl.Categorical),
    "chunked": lambda y: pa.chunked_array([y[:3], y[3:]]),
    "array": pa.array,
    "pandas": lambda y: pd.Series(y, name="status"),
    "list": list,
}


@pytest.mark.parametrize(
    ("frame", "labels", "safe"),
    [
        ("polars", "polars", None),
        ("arrow", "chunked", None),
        ("polars", "array", "other"),
        ("arrow", "pandas", "gan"),
        ("polars", "list", "gan"),
        ("arrow", "chunked", "other"),
    ],
)
def test_frames_of_other_libraries_come_back_with_their_schema(frame, labels, safe):
    table, y = mixed()
    types = [pl.col("day").cast(pl.Date), pl.col("country").cast(pl.String).cast(pl.Enum(["de", "fr", "it", "no"]))]
    X = pl.from_pandas(table).with_columns(types)
    X = X if frame == "polars" else X.to_arrow()
    y = LABELS[labels](y.tolist())
    s = sampler(local_share=1.0 if safe else 0.5)
    if safe:
        inner = RandomOverSampler(random_state=0) if safe == "other" else s
        greedy = Greedy(type(X))
        s = SafeOverSampler(inner, estimator=greedy, ratios=[1], scoring=lambda e, *_: e.score_, cv=2, random_state=0)
    X_new, y_new = s.fit_resample(X, y)
    assert type(X_new) is type(X)
    assert X_new.schema == X.schema
    assert X_new[: len(X)].equals(X)
    assert type(y_new) is type(y)
    assert getattr(y_new, "dtype", None) == getattr(y, "dtype", None)
    assert getattr(y_new, "type", None) == getattr(y, "type", None)
    assert Counter(np.asarray(y_new).tolist()) == {"keep": 85, "leave": 85}
    assert len(X_new) == 170
    assert s.feature_names_in_.tolist() == list(table.columns)
    s.fit(X, y)


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_pipelines_hand_frames_of_any_library_on(three, library):
    X, y = three
    pipeline = make_pipeline(StandardScaler(), sampler(), LogisticRegression()).set_output(transform=library)
    assert pipeline.fit(pl.DataFrame(X), y).score(pl.DataFrame(X), y) > 0.6


@pytest.mark.parametrize("frame", [pl.DataFrame, pd.DataFrame, lambda X: pa.Table.from_pandas(pd.DataFrame(X))])
def test_images_in_rows_of_a_frame_come_back_in_one(frame):
    images = np.random.default_rng(0).integers(0, 256, (16, 64)).astype(np.uint8)
    s = sampler(generator=ImageGAN(steps=1, batch_size=4, device="cpu", verbose=False), image_shape=(8, 8))
    X = frame(images)
    X_new, y_new = s.fit_resample(X, np.repeat([0, 1], [10, 6]))
    assert type(X_new) is type(X)
    assert np.array_equal(np.asarray(X_new)[:16], images)
    assert len(X_new) == len(y_new) == 20


@pytest.mark.parametrize("method", ["fit", "fit_resample"])
@pytest.mark.parametrize("make", [sampler, SafeOverSampler])
def test_metadata_but_groups_are_refused_before_any_training(three, method, make):
    with pytest.raises(TypeError, match=f"^{method} takes X, y and groups only, got sample_weight; [^\n]*$"):
        getattr(make(), method)(*three, sample_weight=np.ones(200))


def test_metadata_are_routed_past_the_sampler(three):
    seen = []

    class Scaler(StandardScaler):
        def fit(self, X, y=None, sample_weight=None):
            seen.append(sample_weight)
            return super().fit(X, y, sample_weight)

    X, y = three
    with config_context(enable_metadata_routing=True):
        classifier = LogisticRegression().set_fit_request(sample_weight=False)
        steps = Scaler().set_fit_request(sample_weight=True), sampler(), classifier
        make_pipeline(*steps).fit(X, y, sample_weight=np.ones(len(y)))
    assert len(seen) == 1
    assert seen[0].shape == y.shape


def test_same_seed_same_rows_another_seed_others_and_global_states_untouched(three):
    X, y = three
    states = np.random.get_state()[1].copy(), torch.get_rng_state()
    first, same, other = (sampler(selection=True, random_state=seed).fit_resample(X, y)[0] for seed in (0, 0, 1))
    assert np.array_equal(same, first)
    assert not np.array_equal(same, other)
    assert np.array_equal(np.random.get_state()[1], states[0])
    assert torch.equal(torch.get_rng_state(), states[1])


def test_without_a_seed_global_states_are_untouched_too(three):
    states = np.random.get_state()[1].copy(), torch.get_rng_state()
    drawn = [sampler(selection=True, random_state=None).fit_resample(*three)[0] for _ in range(2)]
    assert not np.array_equal(*drawn)
    assert np.array_equal(np.random.get_state()[1], states[0])
    assert torch.equal(torch.get_rng_state(), states[1])


class Untrained(TableGAN):
    def fit_encoded(self, *args):
        pytest.fail("a GAN was trained")


def test_nothing_to_add_means_no_training():
    X, y = make_classification(40, weights=[0.5], flip_y=0, random_state=0)
    s = sampler(generator=Untrained())
    X_new, y_new = s.fit_resample(X, y)
    assert np.array_equal(X_new, X)
    assert np.array_equal(y_new, y)
    assert s.generator_ is None
    assert not s.synthetic_mask_.any()


@pytest.mark.parametrize(("rows", "fallback"), [(1, "copies"), (2, "local"), (5, "local"), (8, None)])
def test_tiny_classes_are_left_to_the_local_sampler(rows, fallback):
    X, y = np.random.default_rng(0).normal(size=(40 + rows, 3)), np.repeat(["many", "few"], [40, rows])
    s = sampler(selection=True)
    if rows == 1:
        with pytest.warns(UserWarning, match="class 'few' has a single row"):
            X_new, y_new = s.fit_resample(X, y)
        assert (X_new[41:] == X[40]).all()
    else:
        X_new, y_new = s.fit_resample(X, y)
    assert Counter(y_new.tolist()) == {"many": 40, "few": 40}
    assert s.fallback_ == ({"few": fallback} if fallback else {})
    assert (s.generator_ is None) == (fallback is not None)


def test_a_table_in_which_nothing_varies_is_repeated():
    X, y = np.ones((20, 2)), np.repeat([0, 1], [14, 6])
    X_new, y_new = sampler(selection=True).fit_resample(X, y)
    assert (X_new == 1).all()
    assert Counter(y_new.tolist()) == {0: 14, 1: 14}


def test_the_local_share_is_kept(three):
    X, y = three
    for share in (0.0, 1.0):
        s = sampler(selection=True, local_share=share)
        s.fit_resample(X, y)
        assert (s.anchor_indices_[s.synthetic_mask_] >= 0).mean() == share
    assert s.generator_ is None  # nothing for it to draw


def test_a_fitted_generator_is_used_as_it_is(three):
    X, y = three
    gan = clone(QUICK).set_params(random_state=3).fit(X, y)
    trained = gan.generator_
    s = sampler(generator=gan, prefit=True)
    _, y_new = s.fit_resample(X, y)
    assert s.generator_ is gan
    assert gan.generator_ is trained
    assert len(set(Counter(y_new.tolist()).values())) == 1


def test_the_generator_given_is_not_changed(three):
    gan = clone(QUICK)
    s = sampler(generator=gan)
    s.fit_resample(*three)
    assert not hasattr(gan, "generator_")
    assert gan.random_state is None
    assert s.generator_.steps == gan.steps


def test_a_fitted_generator_survives_cloning_and_keeps_original_rows(three):
    X, y = three
    gan = clone(QUICK).set_params(random_state=3).fit(X, y)
    s = clone(sampler(generator=gan, prefit=True))
    assert s.generator is gan
    whole = np.round(10 * X).astype(np.int64)
    whole[0, 0] = 2**60 + 1
    X_new, _ = s.fit_resample(whole, y)
    assert X_new.dtype == np.int64
    assert np.array_equal(X_new[: len(X)], whole)
    assert len(cross_val_score(make_pipeline(s, LogisticRegression()), X, y, cv=2)) == 2


@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas])
def test_a_fitted_generator_may_draw_missing_values_where_there_are_none(make):
    rng = np.random.default_rng(0)
    whole, y = pd.DataFrame({"n": rng.integers(0, 9, 40), "x": rng.normal(size=40)}), np.repeat([0, 1], [28, 12])
    gappy = whole.astype({"n": "Int64"}).mask(rng.random((40, 2)) < 0.5)
    gan = clone(QUICK).set_params(random_state=0).fit(make(gappy), y)
    s = sampler(generator=gan, prefit=True, local_share=0.0)
    whole = make(whole)
    if isinstance(whole, pd.DataFrame):
        with pytest.raises(ValueError, match="draws missing values in column 'n'"):
            s.fit_resample(whole, y)
        return
    X_new, _ = s.fit_resample(whole, y)
    assert X_new.schema == whole.schema
    assert X_new["n"][:40].null_count() == 0 < X_new["n"][40:].null_count()


@pytest.mark.parametrize("generator", [None, TableGAN()])
def test_prefit_needs_a_fitted_generator(three, generator):
    with pytest.raises(ValueError, match="prefit=True needs a fitted generator"):
        sampler(generator=generator, prefit=True).fit_resample(*three)


def test_a_prefit_generator_of_other_classes_is_refused(three):
    X, y = three
    gan = clone(QUICK).fit(X, y + 1)
    with pytest.raises(ValueError, match="knows the classes 1, 2, 3, y holds 0, 1, 2"):
        sampler(generator=gan, prefit=True).fit_resample(X, y)


def test_the_fitted_generator_can_be_used_and_saved(three, tmp_path):
    s = sampler()
    s.fit_resample(*three)
    s.generator_.save(tmp_path / "model")
    assert TableGAN.load(tmp_path / "model").sample([1, 2]).shape == (2, 6)


def test_categorical_features_of_the_generator_count():
    X = np.random.default_rng(0).integers(0, 3, (40, 2)).astype(float)
    s = sampler(generator=clone(QUICK).set_params(categorical_features=[1]))
    s.fit_resample(X, np.repeat([0, 1], [28, 12]))
    assert [column.kind for column in s.generator_.encoder_.columns_] == ["numeric", "categorical"]


class Means:
    """A generator that is no GAN."""

    def __init__(self, extra=0):
        self.extra = extra

    def get_params(self, deep=True):
        return {"extra": self.extra}

    def fit(self, X, y):
        self.X, self.y = X, y
        return self

    def sample(self, labels, random_state):
        mean = self.X[self.y == labels[0]].mean()
        return pd.DataFrame([mean] * (len(labels) + self.extra))


def test_any_generator_takes_the_place_of_the_gan(three):
    X, y = three
    s = sampler(generator=Means(), local_share=0.0)
    X_new, y_new = s.fit_resample(X, y)
    assert np.allclose(X_new[len(X) :][y_new[len(y) :] == 2], X[y == 2].mean(0), atol=0.05)
    with pytest.raises(ValueError, match="generator must draw one row per label"):
        sampler(generator=Means(extra=1)).fit_resample(X, y)


class Reordered(Means):
    """Returns the columns in another order, and may call one otherwise."""

    def sample(self, labels, random_state):
        drawn = pd.DataFrame([self.X[self.y == labels[0]].mean()] * len(labels))
        return drawn[drawn.columns[::-1]].rename(columns={"age": self.extra or "age"})


def test_columns_that_a_generator_draws_are_told_by_their_names():
    X = pd.DataFrame({"age": np.arange(40.0), "income": 100 * np.arange(40.0)})
    y = np.repeat([0, 1], [28, 12])
    X_new, _ = sampler(generator=Reordered(extra=0), local_share=0.0).fit_resample(X, y)
    np.testing.assert_allclose(X_new[40:].to_numpy(), [[33.5, 3350]] * 16, rtol=0.05)
    other = sampler(generator=Reordered(extra="years"), local_share=0.0)
    with pytest.raises(ValueError, match="that it was fitted to, 'age', 'income', got 'income', 'years'; correct the"):
        other.fit_resample(X, y)


class EncodedMeans(BaseEstimator):
    """A generator of encoded rows, which need not be decoded."""

    categorical_features = "auto"

    def fit(self, X, y):
        pytest.fail("rows were encoded twice")

    def sample(self, labels, random_state):
        pytest.fail("rows were decoded")

    def fit_encoded(self, encoder, rows, labels, container):
        self.means_ = np.stack([rows[labels == c].mean(0) for c in np.unique(labels)])
        return self

    def sample_encoded(self, positions, *, random_state=None):
        return self.means_[positions]


def test_encoded_rows_of_any_generator_are_taken_as_they_are(three):
    X, y = three
    s = sampler(generator=EncodedMeans(), local_share=0.0)
    X_new, y_new = s.fit_resample(X, y)
    assert isinstance(s.generator_, EncodedMeans)
    added = X_new[len(X) :][y_new[len(y) :] == 2]
    assert np.ptp(added, axis=0).max() == 0
    assert np.abs(added[0] - np.median(X[y == 2], axis=0)).max() < X.std()


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_are_drawn_by_an_image_gan(flat, dtype):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 8, 9, 3)).astype(np.uint8)
    images = images if dtype == np.uint8 else (images / 255).astype(dtype)
    X = images.reshape(20, -1) if flat else images
    gan = ImageGAN(steps=2, batch_size=4, device="cpu", verbose=False)
    s = sampler(generator=gan, image_shape=(8, 9, 3) if flat else None)
    X_new, y_new = s.fit_resample(X, np.repeat(["a", "b"], [13, 7]))
    assert X_new.shape == (26, *X.shape[1:])
    assert X_new.dtype == dtype
    assert np.array_equal(X_new[:20], X)
    assert X_new.min() >= 0
    assert X_new.max() <= (255 if dtype == np.uint8 else 1)
    assert Counter(y_new.tolist()) == {"a": 13, "b": 13}
    assert isinstance(s.generator_, ImageGAN)


def test_rows_that_do_not_fit_the_image_shape_are_refused(three):
    with pytest.raises(ValueError, match="rows must hold the 64 values"):
        sampler(generator=ImageGAN(steps=1), image_shape=(8, 8)).fit_resample(*three)


def test_wide_tables_of_numbers_are_reduced():
    X, y = make_classification(120, 100, n_informative=20, weights=[0.8], random_state=0)
    s = sampler(selection=True)
    X_new, _y_new = s.fit_resample(X, y)
    assert s.generator_.encoder_.kind == "wide"
    assert np.array_equal(X_new[:120], X)
    added = X_new[120:]
    assert np.abs(added.std(0) / X.std(0) - 1).max() < 0.5
    assert LogisticRegression().fit(X, y).predict(added).mean() > 0.8


class Other(GANOverSampler):
    """Draws from what an attribute says."""

    def make_mixture(self, generator, data):
        assert data.rows.shape == (len(data.table), data.layout.width)
        return self.choose(generator)


def other(choose):
    """A sampler whose mixture is made by `choose`, which takes the sampler of the generator."""
    s = Other(generator=clone(QUICK).set_params(steps=1), random_state=0)
    s.choose = choose
    return s


def test_a_subclass_draws_from_other_samplers(three):
    X, y = three
    s = other(lambda generator: Mixture([(GaussianSampler(), 2), (generator, 1)]))
    X_new, y_new = s.fit_resample(X, y)
    assert len(set(Counter(y_new.tolist()).values())) == 1
    assert (s.anchor_indices_ == -1).all()
    assert isinstance(s.generator_, TableGAN)
    s = other(lambda _: Mixture([(GaussianSampler(), 1)]))
    assert not np.array_equal(s.fit_resample(X, y)[0], X_new)
    assert s.generator_ is None


def test_rows_are_selected_for_class_consistency():
    """Of two overlapping classes, selected rows are easier to tell from the other class than unselected ones."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [200, 40])
    X = rng.normal(size=(240, 2)) + 1.5 * y[:, None]
    judge = LogisticRegression(class_weight="balanced").fit(X, y)

    def share(candidates):
        s = other(lambda _: Mixture([(LocalSampler(), 1)], selection=ClassConsistency(), candidates=candidates))
        return judge.predict(s.fit_resample(X, y)[0][240:]).mean()

    assert share(4) > share(1)


def test_the_classifiers_are_asked_once_for_all_classes():
    asked = []

    class Counted(LogisticRegression):
        def predict_proba(self, X):
            asked.append(len(X))
            return super().predict_proba(X)

    calls = set()
    for n_classes in (2, 7):
        y = np.repeat(np.arange(n_classes), [30, *[9] * (n_classes - 1)])
        X = np.random.default_rng(0).normal(size=(len(y), 3)) + y[:, None]
        consistency = ClassConsistency(models=lambda seed: [Counted()])
        s = other(lambda g, c=consistency: Mixture([(g, 0.5), (LocalSampler(), 0.5)], selection=c))
        _, y_new = s.fit_resample(X, y)
        assert (np.bincount(y_new) == 30).all()
        assert (np.diff(y_new[len(y) :]) >= 0).all()
        grown = s.anchor_indices_ >= 0
        assert (y[s.anchor_indices_[grown]] == y_new[grown]).all()
        calls.add(len(asked))
        asked.clear()
    assert len(calls) == 1
    assert calls != {0}


@pytest.mark.parametrize(
    ("make", "name", "value", "kind"),
    [
        (GANOverSampler, "generator__steps", 5, TableGAN),
        (lambda: GANOverSampler(image_shape=(8, 8)), "generator__steps", 5, ImageGAN),
        (SafeOverSampler, "sampler__local_share", 0.2, GANOverSampler),
        (SafeOverSampler, "sampler__generator__steps", 5, GANOverSampler),
        (SafeOverSampler, "estimator__C", 0.1, ClassifierMixin),
    ],
)
def test_parameters_of_defaults_are_within_reach(make, name, value, kind):
    s, first = make(), name.partition("__")[0]
    assert getattr(s, first) is None
    assert name in s.get_params()
    assert name not in s.get_params(deep=False)
    copy = clone(s).set_params(**{name: value})
    assert copy.get_params()[name] == value
    assert isinstance(getattr(copy, first), kind)
    assert clone(copy).get_params()[name] == value
    assert getattr(copy.set_params(**{first: None}), first) is None
    assert getattr(s, first) is None
    for wrong in (f"{first}__nothing", "nothing", "nothing__at_all"):
        with pytest.raises(ValueError, match="Invalid parameter 'nothing'"):
            s.set_params(**{wrong: 1})
    assert getattr(s, first) is None


def test_parameters_of_defaults_change_nothing_else(three, resampled):
    steps = sampler(generator=None).set_params(generator__steps=5, generator__batch_size=16, generator__width=16)
    assert np.array_equal(steps.fit_resample(*three)[0], resampled)
    assert steps.generator_.steps == 5
    own = clone(QUICK)
    assert steps.set_params(generator=own, generator__steps=3).generator is own
    assert own.steps == 3


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (TableGAN(), "draws rows, as every TableGAN, and X holds images"),
        (ImageGAN(), "draws images, as every ImageGAN, and X holds rows"),
    ],
)
def test_a_generator_of_something_else_is_refused(generator, message):
    X = np.zeros((12, 4, 4, 1), dtype=np.uint8) if isinstance(generator, TableGAN) else np.eye(12)
    with pytest.raises(ValueError, match=message):
        sampler(generator=generator).fit_resample(X, [0] * 8 + [1] * 4)


def test_classes_in_place_of_their_instances_are_refused(three):
    with pytest.raises(TypeError, match="generator must be a generator, got the class TableGAN; pass an instance"):
        sampler(generator=TableGAN).fit_resample(*three)
    with pytest.raises(TypeError, match="sampler must be an over-sampler, got the class GANOverSampler; pass an ins"):
        SafeOverSampler(GANOverSampler).fit_resample(*three)


def test_it_works_in_pipelines_grids_caches_and_processes(three, tmp_path):
    X, y = three
    y = (y > 0).astype(int)
    default = GANOverSampler(selection=False, random_state=0)  # its generator is None
    pipeline = make_pipeline(default, LogisticRegression(), memory=joblib.Memory(tmp_path, verbose=0))
    grid = GridSearchCV(pipeline, {"ganoversampler__generator__steps": [2, 3]}, cv=2, n_jobs=2).fit(X, y)
    assert grid.best_params_["ganoversampler__generator__steps"] in (2, 3)
    tuned = TunedThresholdClassifierCV(make_pipeline(sampler(), LogisticRegression()), cv=2).fit(X, y)
    assert 0 < tuned.best_threshold_ < 1
    assert np.isfinite(cross_val_score(make_pipeline(sampler(), LogisticRegression()), X, y, cv=2)).all()


def test_it_pickles_and_clones_after_use(three):
    s = sampler(selection=True)
    expected, _ = s.fit_resample(*three)
    assert np.array_equal(pickle.loads(pickle.dumps(s)).fit_resample(*three)[0], expected)
    assert np.array_equal(clone(s).fit_resample(*three)[0], expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": [0] * 20}, ValueError, "class"),
        ({"y": [0.5] * 10 + [1.5] * 10}, ValueError, "continuous"),
        ({"y": [0] * 15 + [np.nan] * 5}, ValueError, "NaN"),
        ({"X": np.zeros((0, 2)), "y": []}, ValueError, "0 sample"),
        ({"X": np.full((20, 2), np.inf)}, ValueError, "infinite"),
        ({"X": pd.DataFrame(np.ones((20, 2)), columns=["a", "a"])}, ValueError, "unique column names"),
        ({"sampling_strategy": {0: 3}}, ValueError, "over-sampling"),
        ({"sampling_strategy": {7: 30}}, ValueError, "not present"),
        ({"y": ["a"] * 12 + [None] * 8}, ValueError, "y contains NaN or other missing"),
        ({"y": [0] * 12 + [1] * 7}, ValueError, "inconsistent numbers of samples"),
        ({"X": np.zeros((20, 2, 2))}, ValueError, "table or images"),
        ({"X": pl.LazyFrame({"a": range(20)})}, TypeError, "hold its rows in memory, got a LazyFrame of polars"),
        ({"X": pl.DataFrame({"a": [[1]] * 20})}, TypeError, "column 'a' has the type"),
        ({"X": pl.DataFrame({"a": range(9)})}, ValueError, "inconsistent numbers of samples"),
        ({"y": pl.Series([0, None] * 10)}, ValueError, "y contains NaN"),
        ({"y": pa.array([0, None] * 10)}, ValueError, "y contains NaN"),
        ({"y": None}, ValueError, "the target y is None"),
        ({"local_share": 1.5}, ValueError, "local_share"),
        ({"generator": 3}, ValueError, "generator"),
        ({"generator": TableGAN(steps=0)}, ValueError, "steps"),
        ({"categorical_features": [9]}, ValueError, "categorical_features"),
    ],
)
def test_bad_input_is_refused(change, error, message):
    X = np.random.default_rng(0).normal(size=(20, 2))
    X, y = change.pop("X", X), change.pop("y", [0] * 12 + [1] * 8)
    with pytest.raises(error, match=message):
        sampler(**change).fit_resample(X, y)
