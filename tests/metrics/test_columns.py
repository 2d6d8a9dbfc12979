import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, spearmanr

from ganaug.metrics import column_distances, pair_distances


def test_numbers_differ_by_kolmogorov_smirnov():
    randomness = np.random.default_rng(0)
    a, b = randomness.normal(size=(50, 1)), randomness.normal(0.5, size=(70, 1))
    assert column_distances(a, b)["distance"].item() == pytest.approx(ks_2samp(a[:, 0], b[:, 0]).statistic)


def test_categories_differ_by_total_variation():
    real = pd.DataFrame({"city": ["Rome"] * 6 + ["Oslo"] * 4})
    synthetic = pd.DataFrame({"city": ["Rome"] * 1 + ["Oslo"] * 2 + ["Bern"] * 2})
    found = column_distances(real, synthetic)
    assert found.loc["city", "kind"] == "category"
    assert found.loc["city", "distance"] == pytest.approx((abs(0.6 - 0.2) + abs(0.4 - 0.4) + 0.4) / 2)


def test_kinds_are_those_of_the_package():
    real = pd.DataFrame({"n": [1, 2], "when": pd.to_datetime(["2020", "2021"]), "yes": [True, False], "code": [1, 2]})
    real["maybe"] = pd.array([1, None])
    found = column_distances(real, real, categorical_features=["code"])
    assert found["kind"].tolist() == ["number", "number", "category", "category", "number"]
    assert (found["distance"] == 0).all()


@pytest.mark.parametrize("values", [[1.0, 2.0], ["a", "b"]])
def test_missing_values_count(values):
    real, synthetic = pd.DataFrame({"x": values * 2}), pd.DataFrame({"x": [None, *values, None]})
    assert column_distances(real, synthetic)["distance"].item() == pytest.approx(0.5)


def test_two_numbers_relate_by_rank_correlation():
    randomness = np.random.default_rng(0)
    a, b = randomness.normal(size=(40, 2)), randomness.normal(size=(60, 2))
    a[:, 1] += a[:, 0]
    found = pair_distances(a, b)
    expected = abs(spearmanr(a).statistic - spearmanr(b).statistic) / 2
    assert found.loc[0, 1] == found.loc[1, 0] == pytest.approx(expected)
    assert found.loc[0, 0] == 0


def test_categories_relate_by_their_contingency_table():
    real = pd.DataFrame({"a": list("xxyy"), "b": list("uuvv"), "n": [0, 1, 20, 21]})
    synthetic = pd.DataFrame({"a": list("xxyy"), "b": list("uvuv"), "n": [20, 21, 0, 1]})
    assert (column_distances(real, synthetic)["distance"] == 0).all()
    found = pair_distances(real, synthetic)
    assert found.loc["a", "b"] == pytest.approx(0.5)
    assert found.loc["a", "n"] == 1


def test_constant_and_empty_columns_are_compared_without_a_warning():
    real = pd.DataFrame({"one": [1.0, 1.0, 1.0], "none": [np.nan] * 3, "n": [1, 2, 3], "c": list("abc")})
    synthetic = real.assign(one=[1.0, 2.0, 3.0], none=[np.nan] * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs, columns = pair_distances(real, synthetic), column_distances(real, synthetic)
    assert (np.diag(pairs) == 0).all()
    assert pairs.loc["one", "n"] == 0.5  # from uncorrelated to correlated
    assert columns.loc["none", "distance"] == 0


@pytest.mark.parametrize(
    ("synthetic", "error", "said"),
    [
        (pd.DataFrame({"b": [1.0], "a": [1.0]}), ValueError, "must have the columns of X_real, 'a', 'b', got 'b', 'a'"),
        (pd.DataFrame({"a": ["x"], "b": [1.0]}), TypeError, "column 'a' holds float64 in X_real and .* in X_synthetic"),
        (pd.DataFrame({"a": []}), ValueError, "at least one row"),
    ],
)
def test_other_columns_are_refused(synthetic, error, said):
    with pytest.raises(error, match=said):
        column_distances(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}), synthetic)
