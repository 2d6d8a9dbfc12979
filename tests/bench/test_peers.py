"""Generators of other packages, of which stand-ins with their interfaces draw real rows."""

import random
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from ganaug import GANOverSampler
from ganaug.bench.methods.peers import PACKAGES, AdversarialForest, ForestDiffusion, TabularARGN, require_package


class Forest:
    """As ``arfpy.arf.arf``: levels are categories, columns are called by their places, and it knows no classes."""

    def __init__(self, x, num_trees, min_node_size, max_iters, verbose):
        assert list(x.columns) == list(range(x.shape[1]))
        self.x, self.options, self.ready = x, (num_trees, min_node_size, max_iters), False
        self.levels = [place for place, dtype in enumerate(x.dtypes) if dtype == "category"]

    def forde(self):
        self.ready = True

    def forge(self, n):
        assert self.ready
        return self.x.sample(n, replace=True).reset_index(drop=True)


class Trees:
    """As ``ForestDiffusion.ForestDiffusionModel``: draws numbers with the position of a class behind them."""

    def __init__(self, X, label_y, int_indexes, n_jobs, nthread, seed, **options):
        assert np.isfinite(X).all()
        np.random.seed(seed)
        self.X, self.y, self.whole, self.options = X, label_y, int_indexes, options
        self.y_probs = np.bincount(label_y) / len(label_y)

    def generate(self, batch_size):
        labels = np.random.choice(len(self.y_probs), batch_size, p=self.y_probs)
        rows = np.array([self.X[np.random.choice(np.flatnonzero(self.y == label))] for label in labels])
        return np.column_stack([rows, labels])


class Autoregressive:
    """As ``mostlyai.engine.TabularARGN``: rows begin with the columns that are handed to it."""

    def __init__(self, tgt_encoding_types, value_protection, device, random_state, verbose, **options):
        self.kinds, self.options = tgt_encoding_types, options
        torch.manual_seed(random_state)

    def fit(self, table):
        assert set(table.columns) == set(self.kinds)
        assert not table.isna().any().any()
        self.table = table
        return self

    def sample(self, seed_data):
        (column,) = seed_data.columns
        parts = [
            self.table[self.table[column] == label].iloc[int(torch.randint(30, ()))] for label in seed_data[column]
        ]
        return pd.DataFrame(parts).reset_index(drop=True)


class OfForest(AdversarialForest):
    def _package(self):
        return SimpleNamespace(arf=Forest)


class OfTrees(ForestDiffusion):
    def _package(self):
        return SimpleNamespace(ForestDiffusionModel=Trees)


class OfAutoregressive(TabularARGN):
    def _package(self):
        return SimpleNamespace(TabularARGN=Autoregressive)


PEERS = [OfForest, OfTrees, OfAutoregressive]


@pytest.fixture
def table():
    """Numbers, whole ones, dates, names and codes that are names, with gaps in each class."""
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], [50, 30])
    X = pd.DataFrame(
        {
            "kind": np.where(y == "yes", "u", rng.choice(["v", "w"], 80)),
            "a": rng.normal(size=80) + 10 * (y == "yes"),
            "n": pd.array(rng.integers(0, 9, 80), dtype="Int64"),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(80), unit="D"),
            "code": rng.choice([10, 25], 80),
        }
    )
    for i, name in enumerate(["kind", "a", "n"]):
        X.loc[i::8, name] = None
    return X, y, ("kind", "code")


@pytest.mark.parametrize("make", PEERS)
def test_a_peer_draws_rows_of_the_class_with_the_dtypes_and_gaps_of_the_table(make, table):
    X, y, nominal = table
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    generator = make(nominal=nominal, random_state=0).fit(X, y)
    labels = np.array(["yes", "no", "no"] * 60)
    rows = generator.sample(labels, random_state=1)
    assert rows.dtypes.tolist() == X.dtypes.tolist()
    for label in ("yes", "no"):
        real, drawn = X[y == label], rows[labels == label]
        assert set(drawn["kind"].dropna()) == set(real["kind"].dropna())
        assert set(drawn["code"]) <= {10, 25}
        assert drawn["a"].dropna().round(6).isin(real["a"].round(6)).all()
        assert drawn["day"].min() >= real["day"].min()
        assert (drawn.isna().mean() - real.isna().mean()).abs().max() < 0.15
    pd.testing.assert_frame_equal(rows, generator.sample(labels, random_state=1))
    assert not rows.equals(generator.sample(labels, random_state=2))
    assert states[0] == random.getstate()
    assert np.array_equal(states[1], np.random.get_state()[1])
    assert torch.equal(states[2], torch.get_rng_state())


def test_each_peer_is_told_what_the_columns_are(table):
    X, y, nominal = table
    forest, trees, autoregressive = (make(nominal=nominal, random_state=0).fit(X, y).model_ for make in PEERS)
    assert (forest.levels, forest.options) == ([0, 4, 5], (30, 5, 10))
    assert (trees.X.shape, trees.whole) == ((80, 3 + 3 + 2), [1, 2])
    kinds = [autoregressive.kinds[name].rpartition("_")[2] for name in autoregressive.table]
    assert kinds == ["CATEGORICAL", "BINNED", "DISCRETE", "BINNED", "CATEGORICAL", "CATEGORICAL"]


@pytest.mark.parametrize("make", PEERS)
def test_a_peer_takes_the_place_of_the_gan_in_the_mixture(make, table):
    X, y, nominal = table
    sampler = GANOverSampler(
        generator=make(nominal=nominal),
        categorical_features=list(nominal),
        sampling_strategy={"yes": 70},
        random_state=0,
    )
    rows, labels = sampler.fit_resample(X, y)
    assert (len(rows), (labels == "yes").sum()) == (120, 70)
    assert (sampler.anchor_indices_[80:] == -1).sum() == 20  # half of them
    pd.testing.assert_frame_equal(rows, sampler.fit_resample(X, y)[0])


def test_a_class_that_a_forest_does_not_draw_is_named(table):
    X, y, nominal = table
    generator = OfForest(nominal=nominal, random_state=0).fit(X, y)
    generator.model_.x = generator.model_.x[y == "no"]
    with pytest.raises(RuntimeError, match="arf draws too few rows of class yes; name another"):
        generator.sample(np.array(["yes"]), random_state=0)


def test_no_package_is_asked_for_where_none_is_needed():
    assert require_package("copula") is None
    assert set(PACKAGES) == {"ctgan", "tvae", "arf", "forest-diffusion", "tabular-argn"}
