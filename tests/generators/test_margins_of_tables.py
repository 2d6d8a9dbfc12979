"""What each family of rows draws of single columns: repeated numbers, ends, tails and names as often as they occur."""

import numpy as np
import pandas as pd
import pytest

from ganaug import TableAutoregressive, TableCopula, TableFlow, TableGAN, TableVAE
from ganaug.data.tables.encoder import TableEncoder

N = 2000
Y = np.arange(N) % 2


def drawn(family, column, **params):
    """A column, drawn by a generator that learnt it alone."""
    quiet = {} if family is TableCopula else {"verbose": False}
    generator = family(random_state=0, **quiet, **params).fit(pd.DataFrame({"x": column}), np.arange(len(column)) % 2)
    return generator.sample(np.arange(4 * N) % 2, random_state=1).x.to_numpy()


def test_a_flow_draws_repeated_rows_as_often_as_they_occur():
    rng = np.random.default_rng(0)
    assert drawn(TableFlow, (rng.random(N) < 0.1) * 1).mean() == pytest.approx(0.1, abs=0.03)
    found = pd.Series(drawn(TableFlow, rng.choice(list("pqrs"), N, p=[0.7, 0.1, 0.1, 0.1]))).value_counts(
        normalize=True
    )
    assert found["p"] == pytest.approx(0.7, abs=0.05)


def test_an_autoregressive_model_draws_heaped_numbers_and_outermost_ones_as_often_as_they_occur():
    rng = np.random.default_rng(0)
    weights = np.where(np.arange(31) % 5 == 0, 10.0, 1.0)
    heaped = rng.choice(31, N, p=weights / weights.sum())
    assert (drawn(TableAutoregressive, heaped) % 5 == 0).mean() == pytest.approx((heaped % 5 == 0).mean(), abs=0.05)
    even = np.arange(20_000) % 100
    found = drawn(TableAutoregressive, even)
    assert {found.min(), found.max()} == {0, 99}
    assert 0.006 < (found == 0).mean() < 0.014
    assert 0.006 < (found == 99).mean() < 0.014


@pytest.mark.parametrize("family", [TableGAN, TableVAE, TableFlow, TableCopula])
def test_repeated_numbers_among_others_are_drawn_as_often_as_they_occur(family):
    rng = np.random.default_rng(0)
    steps = {} if family is TableCopula else {"steps": 300}
    minutes = np.round(rng.normal(60, 12, N))
    round_ones = rng.random(N) < 0.65
    minutes[round_ones] = 5 * np.round(minutes[round_ones] / 5)
    assert (drawn(family, minutes, **steps) % 5 == 0).mean() == pytest.approx((minutes % 5 == 0).mean(), abs=0.06)
    rain = np.where(rng.random(N) < 0.15, 0.0, rng.exponential(size=N))
    found = drawn(family, rain, **steps)
    assert (found == 0).mean() == pytest.approx(0.15, abs=0.06)
    assert ((found > 0) & (found < 0.01)).mean() < 0.03  # 0.8 % of the rows


def test_rare_ones_of_a_few_numbers_are_drawn_by_a_vae_as_often_as_they_occur():
    column = np.random.default_rng(0).choice([1, 2, 3], N, p=[0.9, 0.06, 0.04])
    found = pd.Series(drawn(TableVAE, column, steps=300)).value_counts(normalize=True)
    assert found[2] == pytest.approx(0.06, abs=0.02)
    assert found[3] == pytest.approx(0.04, abs=0.02)


@pytest.mark.parametrize(("family", "steps"), [(TableGAN, 300), (TableVAE, 300), (TableFlow, 300)])
def test_columns_of_two_numbers_are_drawn_as_often_as_they_occur(family, steps):
    column = (np.random.default_rng(0).random(N) < 0.1) * 2.5
    found = drawn(family, column, steps=steps)
    assert set(found) == {0, 2.5}
    assert (found == 2.5).mean() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("family", [TableGAN, TableVAE])
def test_of_a_few_values_of_many_rows_no_others_are_drawn(family):
    prices = np.random.default_rng(0).choice([0.99, 1.49, 4.99], N)
    assert set(drawn(family, prices, steps=100)) <= {0.99, 1.49, 4.99}
    few = np.random.default_rng(0).normal(size=12).round(2)  # of few rows it is not known that there are no others
    assert not set(drawn(family, few, steps=20)) <= set(few)


def test_names_that_a_class_never_shows_are_drawn_seldom():
    rng, y = np.random.default_rng(0), np.arange(N) % 8
    X = pd.DataFrame({"name": y * 3 + rng.integers(3, size=N), "number": rng.normal(size=N)})
    gan = TableGAN(categorical_features=["name"], steps=150, random_state=0, verbose=False).fit(X, y)
    labels = np.arange(4 * N) % 8
    assert (gan.sample(labels, random_state=1).name.astype(int) // 3 != labels).mean() < 0.02


def test_the_quantile_map_of_a_column_keeps_its_tails_and_repeated_numbers():
    rng, n = np.random.default_rng(0), 100_000
    heavy = np.exp(2 * rng.normal(size=n))
    heavy[rng.random(n) < 0.05] = 3.0
    encoder = TableEncoder().fit(pd.DataFrame({"x": heavy}))
    assert len(encoder.columns_[0].knots) < 1100
    decoded = encoder.inverse_transform(rng.normal(size=(n, 1)).astype(np.float32)).x
    for share in (0.01, 0.5, 0.99, 0.999):
        assert np.quantile(decoded, share) == pytest.approx(np.quantile(heavy, share), rel=0.15)
    rows = encoder.inverse_transform(encoder.transform(pd.DataFrame({"x": heavy}))).x
    np.testing.assert_array_equal(rows == 3, heavy == 3)
    np.testing.assert_allclose(rows, heavy, rtol=0.2, atol=1e-3)
