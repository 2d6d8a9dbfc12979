"""What a copula of rows draws and says of rows, against what is known of both."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from sklearn.covariance import LedoitWolf

import ganaug
from ganaug import GANOverSampler, TableCopula
from ganaug.data.tables.layout import RowLayout
from ganaug.generators.tables.copula_network import (
    KNOTS,
    RowCopula,
    TableCopulaArchitecture,
    factors_of,
    latent_numbers,
    orders_of_levels,
    quantiles,
    shares_of_ranks,
)

RHO = 0.8


def correlated(n, rho=RHO, seed=0):
    """Two skewed columns whose ranks are those of normal numbers with a known correlation, and one beside them."""
    normal = np.random.default_rng(seed).multivariate_normal([0, 0], [[1, rho], [rho, 1]], n)
    other = np.random.default_rng(seed + 1).uniform(size=n)
    return pd.DataFrame({"income": np.exp(normal[:, 0]), "age": normal[:, 1] ** 3, "other": other})


def ranks_correlation(table):
    return scipy.stats.spearmanr(table.to_numpy()).statistic


def test_margins_and_correlations_of_each_class_come_back():
    X = pd.concat([correlated(2000), correlated(2000, -RHO, seed=5)], ignore_index=True)
    y = np.repeat(["up", "down"], 2000)
    copula = TableCopula(random_state=0).fit(X, y)
    for label, sign in (("up", 1), ("down", -1)):
        real, drawn = X[y == label], copula.sample([label] * 4000, random_state=1)
        found = ranks_correlation(drawn)
        assert found[0, 1] == pytest.approx(sign * 6 / np.pi * np.arcsin(RHO / 2), abs=0.04)
        assert abs(found[:2, 2]).max() < 0.05
        for column in X:
            assert scipy.stats.ks_2samp(real[column], drawn[column]).statistic < 0.04
            assert drawn[column].between(real[column].min(), real[column].max()).all()


def test_names_depend_on_numbers_and_on_what_is_missing():
    rng, n = np.random.default_rng(0), 3000
    age = rng.normal(size=n)
    city = np.where(age + 0.3 * rng.normal(size=n) > 0.5, "Rome", "Oslo")
    debt = np.where(city == "Oslo", np.nan, age + 5)
    X = pd.DataFrame({"age": age, "city": city, "debt": debt, "rare": np.where(rng.random(n) < 0.01, "x", "y")})
    drawn = TableCopula(random_state=0).fit(X, np.zeros(n, int)).sample([0] * n, random_state=1)
    for part in ("Rome", "Oslo"):
        assert (drawn.city == part).mean() == pytest.approx((X.city == part).mean(), abs=0.02)
    gaps = [table.groupby("city").age.mean().diff().iloc[-1] for table in (X, drawn)]
    assert 0.9 * gaps[0] < gaps[1] < 1.1 * gaps[0]
    assert drawn.debt.isna().mean() == pytest.approx(X.debt.isna().mean(), abs=0.02)
    by_chance = (X.city == "Oslo").mean() ** 2 + (X.city == "Rome").mean() ** 2
    assert (drawn.debt.isna() == (drawn.city == "Oslo")).mean() > by_chance + 0.15
    assert (drawn.rare == "x").mean() == pytest.approx(0.01, abs=0.006)


NORMAL = np.array([[1, 0.8, 0.5], [0.8, 1, 0.3], [0.5, 0.3, 1]])


def test_the_correlation_behind_names_and_repeated_and_missing_numbers_is_found():
    z = np.random.default_rng(0).multivariate_normal(np.zeros(3), NORMAL, 4000)
    X = pd.DataFrame({"name": np.where(z[:, 0] > 0.4, "p", "q"), "whole": z[:, 1].round(), "number": z[:, 2]})
    X["number"] = X.number.where(np.random.default_rng(1).random(4000) > 0.2)
    network = TableCopula(random_state=0).fit(X, np.zeros(4000, int)).generator_
    found = (network.factors[0].T @ network.factors[0]).abs().numpy()  # the sign is that of the order of the names
    assert found[0, 1] == pytest.approx(NORMAL[1, 2], abs=0.04)  # numbers come first
    assert found[2, 0] == pytest.approx(NORMAL[0, 1], abs=0.04)
    assert found[2, 1] == pytest.approx(NORMAL[0, 2], abs=0.04)


def test_numbers_stay_within_what_is_known_of_them_and_those_of_no_column_are_drawn():
    randomness = torch.Generator().manual_seed(0)
    before = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.5, 0.9], [0.0, 0.0]])
    after = torch.tensor([[0.5, 1.0], [1.0, 0.9], [1.0, 1.0], [0.5, 1.0]])
    drawn = scipy.stats.norm.cdf(latent_numbers(before, after, randomness).numpy())
    assert (drawn >= before.numpy() - 1e-4).all()
    assert (drawn <= after.numpy() + 1e-4).all()
    assert len(np.unique(drawn[:, 0])) == 4
    values = torch.tensor([[0.0, 0.25, 0.5, 0.75]]).T
    alone = latent_numbers(values, values + 0.25, randomness)[:, 0]
    assert alone.tolist() == pytest.approx(scipy.stats.norm.ppf([0.125, 0.375, 0.625, 0.875]), abs=1e-5)


def test_names_are_in_an_order_in_which_neighbours_go_with_similar_columns():
    number = torch.linspace(-2, 2, 400)[:, None]
    levels = torch.nn.functional.one_hot(torch.tensor([2, 0, 3, 1]).repeat_interleave(100), 4).float()
    two = torch.nn.functional.one_hot((number[:, 0] > 0).long(), 2).float()
    order, _ = orders_of_levels(number, torch.cat([levels, two], dim=1), (4, 2))
    assert order.tolist() in ([2, 0, 3, 1], [1, 3, 0, 2])
    X = pd.DataFrame({"number": number[:, 0], "name": np.array(list("dacb"))[levels.argmax(1)]})
    drawn = TableCopula(random_state=0).fit(X, np.zeros(400, int)).sample([0] * 4000, random_state=1)
    means = [table.groupby("name").number.mean() for table in (X, drawn)]
    assert (means[0] - means[1]).abs().max() < 0.15


def test_factors_give_the_shrunk_correlation_and_unit_variances():
    latents = torch.from_numpy(np.random.default_rng(0).normal(size=(30, 6)) @ np.triu(np.ones((6, 6)))).float()
    factors, own = factors_of(latents, 6)
    covariance = LedoitWolf().fit(latents.numpy()).covariance_
    scale = np.sqrt(np.diag(covariance))
    expected = covariance / np.outer(scale, scale)
    np.testing.assert_allclose(factors.T @ factors + torch.diag(own**2), expected, atol=1e-5)
    few, own = factors_of(latents, 2)
    found = (few.T @ few + torch.diag(own**2)).numpy()
    np.testing.assert_allclose(np.diag(found), 1, atol=1e-5)
    assert 0 < np.abs(found - expected).max() < 0.2
    for n in (0, 1):
        nothing, own = factors_of(latents[:n], 6)
        assert not nothing.any()
        assert (own == 1).all()


def test_what_a_copula_says_of_correlated_numbers_is_their_density():
    torch.manual_seed(0)
    copula = RowCopula(TableCopulaArchitecture(RowLayout(4), n_classes=1))
    copula.factors[0], copula.own[0] = factors_of(torch.randn(50, 4) @ torch.randn(4, 4), 4)
    z = torch.randn(20, 4)
    sigma = copula.factors[0].T @ copula.factors[0] + torch.diag(copula.own[0] ** 2)
    joint = torch.distributions.MultivariateNormal(torch.zeros(4), sigma).log_prob(z)
    alone = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    known = torch.ones_like(z, dtype=torch.bool)
    torch.testing.assert_close(copula._correlation(0, z, known), joint - alone, atol=1e-4, rtol=1e-4)
    known[:, 2:] = False
    joint = torch.distributions.MultivariateNormal(torch.zeros(2), sigma[:2, :2]).log_prob(z[:, :2])
    alone = torch.distributions.Normal(0.0, 1.0).log_prob(z[:, :2]).sum(1)
    torch.testing.assert_close(copula._correlation(0, z, known), joint - alone, atol=1e-4, rtol=1e-4)


def test_the_density_of_a_number_and_a_name_sums_up_to_one():
    rng, n = np.random.default_rng(0), 500
    number = rng.normal(size=n)
    name = np.where(number + rng.normal(size=n) > 0.3, "b", np.where(rng.random(n) < 0.5, "a", "c"))
    X = pd.DataFrame({"number": number, "name": name})
    copula = TableCopula(random_state=0).fit(X, np.zeros(n, int))
    knots = copula.generator_.knots[0, 0] + copula.generator_.centre[0, 0]
    grid = torch.linspace(float(knots[0]), float(knots[-1]), 8001)[:-1]
    grid = grid + (grid[1] - grid[0]) / 2
    total = 0.0
    for level in range(copula.encoder_.layout_.blocks[0]):
        rows = torch.zeros(len(grid), copula.encoder_.layout_.width)
        rows[:, 0], rows[:, 1 + level] = grid, 1
        density = copula.generator_.log_likelihood(rows, torch.zeros(len(grid), dtype=torch.int64)).exp()
        total += float(density.sum() * (grid[1] - grid[0]))
    assert total == pytest.approx(1, abs=0.02)


def test_quantiles_and_shares_of_ranks():
    knots = quantiles(torch.tensor([3.0, 1.0, 2.0]))
    assert knots[[0, KNOTS // 2, -1]].tolist() == [1, 2, 3]
    assert quantiles(torch.tensor([7.0])).unique().tolist() == [7]
    before, after = shares_of_ranks(torch.tensor([5.0, 1.0, 5.0, 9.0]))
    assert before.tolist() == [0.25, 0, 0.25, 0.75]
    assert after.tolist() == [0.75, 0.25, 0.75, 1]


@pytest.mark.filterwarnings("error")
def test_small_classes_and_columns_that_a_class_does_not_vary_or_know():
    X = pd.DataFrame({"a": [1.5, 2.5, 3.5, 9.0], "b": [np.nan, np.nan, np.nan, 2.0], "c": ["x", "x", "x", "y"]})
    copula = TableCopula(random_state=0).fit(X, [0, 0, 0, 1])
    one = copula.sample([1] * 5, random_state=0)
    assert (one.a == 9).all()
    assert (one.b == 2).all()
    assert (one.c == "y").all()
    three = copula.sample([0] * 50, random_state=0)
    assert three.a.between(1.5, 3.5).all()
    assert three.b.isna().all()
    assert (three.c == "x").all()
    assert np.isfinite(copula.score_samples(X, [0, 0, 0, 1])).all()
    strange = X.assign(a=[-1e6, 1e6, 0, 0], c="z")
    scores = copula.score_samples(strange, [0] * 4)
    assert np.isfinite(scores).all()
    assert scores.max() < copula.score_samples(X[:3], [0] * 3).min()


def test_tables_of_many_columns_keep_their_correlations():
    rng = np.random.default_rng(0)
    common = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 150))
    X = common + rng.normal(size=common.shape)
    copula = TableCopula(random_state=0).fit(X, np.arange(300) % 2)
    assert copula.generator_.factors.shape == (2, 128, 128)  # which the encoder makes of them
    drawn = copula.sample([0] * 3000, random_state=0)
    apart = np.corrcoef(X.T) - np.corrcoef(drawn.T)
    assert np.abs(apart).mean() < 0.12
    assert np.corrcoef(np.corrcoef(X.T).ravel(), np.corrcoef(drawn.T).ravel())[0, 1] > 0.95


def test_it_takes_the_place_of_a_network_everywhere(tmp_path):
    X, y = correlated(120), np.repeat([0, 1], [100, 20])
    sampler = GANOverSampler(generator=TableCopula(), random_state=0)
    labels = sampler.fit_resample(X, y)[1]
    assert np.bincount(labels).tolist() == [100, 100]
    assert sampler.fallback_ == {}
    path = tmp_path / "rows.parquet"
    X.assign(y=y).to_parquet(path)
    streamed = TableCopula(random_state=0).fit_parquet(path, "y")
    pd.testing.assert_frame_equal(
        streamed.sample(y, random_state=0), TableCopula(random_state=0).fit(X, y).sample(y, random_state=0)
    )
    saved = streamed.save(tmp_path / "model")
    assert "A `TableCopula`" in (saved / "README.md").read_text()
    assert ganaug.load(saved).run is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"label_temperature": 2}, "'label_temperature' parameter"), ({"device": "tpu9"}, "device")],
)
def test_wrong_parameters_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        TableCopula(**wrong).fit([[0.1], [0.2], [0.3], [0.4]], [0, 0, 1, 1])


@pytest.mark.parametrize("n", [20_000, 500])
def test_tails_are_as_long_as_those_of_the_data(n):
    heavy = np.exp(2 * np.random.default_rng(0).normal(size=(n, 1)))
    drawn = TableCopula(random_state=0).fit(heavy, np.zeros(n, int)).sample(np.zeros(50_000, int), random_state=1)
    shares = np.array([0.5, 0.9, 0.99, 0.999])
    for q, expected in zip(np.quantile(heavy, shares), 1 - shares, strict=True):
        assert (drawn > q).mean() == pytest.approx(expected, abs=4 * (expected / 50_000) ** 0.5 + 1 / n)
    assert drawn.mean() == pytest.approx(heavy.mean(), rel=0.25)


def test_the_density_of_a_number_sums_up_to_one_also_beyond_what_was_seen():
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=500), rng.normal(scale=0.1, size=20), rng.choice(3, 400), rng.normal(size=2)):
        copula = TableCopula(random_state=0).fit(pd.DataFrame({"x": values}), np.zeros(len(values), int))
        knots = copula.generator_.knots[0, 0] + copula.generator_.centre[0, 0]
        step = 1e-4
        grid = torch.arange(float(knots[0]) - 12 + step / 3, float(knots[-1]) + 12, step)[:, None]  # between the knots
        repeated = knots[1:][knots[1:] == knots[:-1]].unique()[:, None]
        of = torch.zeros(len(grid) + len(repeated), dtype=torch.int64)
        density = copula.generator_.log_likelihood(torch.cat([grid, repeated]), of).double().exp()
        masses = density[len(grid) :].sum() * 1e-3  # a repeated number stands for a thousandth
        assert float(density[: len(grid)].sum() * step + masses) == pytest.approx(1, abs=0.03)
        beyond = (grid < knots[0])[:, 0] | (grid > knots[-1])[:, 0]
        assert float(density[: len(grid)][beyond].sum() * step) == pytest.approx(0.002, rel=0.01)


def test_repeated_numbers_have_densities_in_the_order_of_their_frequencies():
    shares = np.array([0.05, 0.1, 0.7, 0.12, 0.03])
    values = np.repeat(np.arange(5), (shares * 2000).astype(int))[:, None]
    scores = TableCopula(random_state=0).fit(values, np.zeros(2000, int)).score_samples(np.arange(5)[:, None], [0] * 5)
    np.testing.assert_allclose(scores - scores[2], np.log(shares / 0.7), atol=0.25)


def test_what_is_missing_says_nothing_of_the_other_columns():
    rng, n = np.random.default_rng(0), 4000
    x = rng.normal(size=n)
    X = pd.DataFrame({"x": np.where(rng.random(n) < 0.1, np.nan, x), "y": x + 0.1 * rng.normal(size=n)})
    copula = TableCopula(random_state=0).fit(X, np.zeros(n, int))
    asked = pd.DataFrame({"x": np.nan, "y": [0.0, 1.0, 2.5]})
    alone = TableCopula(random_state=0).fit(X[["y"]], np.zeros(n, int)).score_samples(asked[["y"]], [0] * 3)
    scores = copula.score_samples(asked, [0] * 3)
    np.testing.assert_allclose(scores - scores[0], alone - alone[0], atol=0.3)


def test_two_rows_say_nothing_of_what_columns_have_to_do_with_each_other():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(22, 4)))
    copula = TableCopula(random_state=0).fit(X, np.repeat([0, 1], [20, 2]))
    assert not copula.generator_.factors[1].any()
    assert (copula.score_samples(X[20:], [1, 1]) > -20).all()


def test_by_the_class_alone_a_row_has_the_mean_density_of_the_groups():
    rng, n = np.random.default_rng(0), 900
    groups = np.repeat(["a", "b", "c"], n // 3)
    X = pd.DataFrame({"x": np.repeat([-5.0, 0.0, 5.0], n // 3) + 0.3 * rng.normal(size=n)})
    copula = TableCopula(random_state=0).fit(X, np.zeros(n, int), groups)
    rows = X.iloc[[0, 400, 800]]
    each = [copula.score_samples(rows, [0] * 3, [group] * 3) for group in "abc"]
    np.testing.assert_allclose(copula.score_samples(rows, [0] * 3), np.log(np.exp(each).mean(0)), atol=1e-4)


def test_frequencies_of_a_class_are_kept_where_groups_have_parts_of_their_own():
    rng, n = np.random.default_rng(0), 6000
    y, groups = rng.integers(0, 2, n), rng.choice(list("AB"), n)
    X = pd.DataFrame({"name": np.where((y == 1) & (rng.random(n) < 0.5), "r", np.where(rng.random(n) < 0.9, "u", "v"))})
    drawn = TableCopula(random_state=0).fit(X, y, groups).sample(y, groups, random_state=1)
    for label in (0, 1):
        real, made = (table.name[y == label].value_counts(normalize=True) for table in (X, drawn))
        for name in "ruv":
            assert made.get(name, 0) == pytest.approx(real.get(name, 0), abs=0.02)
    assert (drawn.name[y == 0] == "r").mean() < 0.003


def test_the_default_type_of_numbers_does_not_matter():
    X, y = correlated(100), np.zeros(100, int)
    expected = TableCopula(random_state=0).fit(X, y).sample(y, random_state=1)
    torch.set_default_dtype(torch.float64)
    try:
        found = TableCopula(random_state=0).fit(X, y).sample(y, random_state=1)
    finally:
        torch.set_default_dtype(torch.float32)
    pd.testing.assert_frame_equal(found, expected)


def test_numbers_beyond_a_class_score_below_those_in_it_also_where_its_outermost_is_repeated():
    """What ends in a limit that many reach, or holds whole numbers, goes on no further."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 500)
    capped = np.where(y == 0, np.minimum(5, rng.normal(4, 1, 1000)), rng.normal(9, 1, 1000))
    counted = np.where(y == 0, rng.integers(0, 6, 1000), rng.integers(6, 12, 1000))
    for column in (capped, counted):
        X = pd.DataFrame({"x": column})
        scores = TableCopula(random_state=0).fit(X, y).score_samples(X, [0] * 1000)
        assert scores[y == 0].min() > np.sort(scores[y == 1])[-5]  # of the normal ones some are in the range
