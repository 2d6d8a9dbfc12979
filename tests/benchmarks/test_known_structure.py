"""Tables of known structure, and the suite that is made of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from ganaug.bench import load_suite
from ganaug.bench.inputs.datasets import load_table
from ganaug.bench.suite.reading import read_suite


@pytest.fixture(scope="module")
def module(script):
    return script("known_structure")


def areas(X, y, columns):
    """By a linear classifier, and by one that is not: of every other row, judged by the rest."""
    values = pd.get_dummies(X[columns]).to_numpy(float)
    models = LogisticRegression(), KNeighborsClassifier(25)
    return [roc_auc_score(y[1::2], each.fit(values[::2], y[::2]).predict_proba(values[1::2])[:, 1]) for each in models]


def test_classes_differ_in_what_the_name_says(module):
    for structure, informative in {"shells": range(4), "interactions": range(3), "modes": range(8)}.items():
        X, y = module.of_structure(structure)
        assert X.shape == (20_000, 8)
        np.testing.assert_array_equal(np.bincount(y), [10_000, 10_000])
        linear, near = areas(X, y, [*map(str, informative)])
        assert linear < 0.75
        assert near > 0.9
        noise = [name for name in X if int(name) not in informative]
        assert not noise or max(abs(area - 0.5) for area in areas(X, y, noise)) < 0.02
    X, y = module.of_structure("interactions")
    for rows in (X[y == 0], X[y == 1]):
        np.testing.assert_allclose(rows.cov(), np.eye(8), atol=0.06)


def test_names_and_numbers_are_mixed(module):
    X, y = module.of_structure("mixed", seed=1)
    assert [X[name].nunique() for name in X if name.startswith("name")] == [6, 6, 6]
    assert all(pd.api.types.is_float_dtype(X[name]) for name in X if name.startswith("number"))
    assert areas(X, y, [name for name in X if name.startswith("name")])[1] > 0.7
    assert not X.equals(module.of_structure("mixed")[0])


def test_the_suite_is_made_of_them(module):
    suite = load_suite(str(Path(module.__file__).with_name("known-structure.toml")))
    assert [each.name for each in suite.tables.datasets] == list(module.STRUCTURES)
    data = load_table(suite.tables.datasets[-1])
    assert data.nominal == ("name 0", "name 1", "name 2")


def test_other_suites_beside_the_scripts_are_read(module):
    folder = Path(module.__file__).parent
    others = load_suite(str(folder / "few-rows-others.toml"))
    known = {each.target for name in ("few-rows", "keel-tuning") for each in load_suite(name).tables.datasets}
    sizes = [np.unique(load_table(each).y, return_counts=True)[1] for each in others.tables.datasets]
    assert len(sizes) == 16
    assert all(counts.min() > 80 / len(counts) for counts in sizes)
    assert not known & {each.target for each in others.tables.datasets}
    peers = read_suite(str(folder / "few-rows-peers.toml"))[0]  # which are not looked for
    assert peers.tables.n_samples == (100,)
