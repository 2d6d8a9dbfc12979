import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from sklearn.neighbors import KNeighborsClassifier

from ganaug.bench import plugins
from ganaug.bench.plugins import Plugin, construct, require, resolve


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("smote", "smote"),
        ("imblearn.over_sampling.SMOTE", "SMOTE"),
        ("keel:yeast4", "yeast4"),
        ("data/clients.csv", "clients.csv"),
        ("folder/photos", "photos"),
        ({"class": "a.B", "name": "Mine"}, "Mine"),
    ],
)
def test_names_are_short(value, name):
    assert Plugin.of(value).name == name


@pytest.mark.parametrize("value", [3, "", {}, {"class": 3}, {"klass": "a.B"}, None])
def test_what_is_no_plugin_is_refused(value):
    with pytest.raises(TypeError, match="must be a name, an import path, or a table with a key 'class'"):
        Plugin.of(value)


def test_entry_points_of_third_parties_are_found_by_name(monkeypatch):
    entry = EntryPoint("theirs", "sklearn.neighbors:KNeighborsClassifier", "ganaug.bench.classifiers")
    monkeypatch.setattr(plugins, "entry_points", EntryPoints([entry]).select)
    assert resolve("classifiers", "theirs", {}) is KNeighborsClassifier
    with pytest.raises(ValueError, match="there is no classifier 'thiers'; did you mean 'theirs'"):
        resolve("classifiers", "thiers", {})
    with pytest.raises(ValueError, match="there is no sampler 'theirs'"):
        resolve("samplers", "theirs", {})


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ValueError, match=r"needs the package lightgbm, .*: pip install \"ganaug\[bench\]\""):
        resolve("classifiers", "lightgbm.LGBMClassifier", {})
    with pytest.raises(ValueError, match="'ctgan' needs the package nothere, which is not there: pip install nothere"):
        require("nothere.sub", "ctgan")


def test_only_arguments_that_are_taken_are_passed():
    assert construct(KNeighborsClassifier, {"n_neighbors": 3}, random_state=1).n_neighbors == 3

    def make(depth, random_state):
        return depth, random_state

    assert construct(make, {"depth": 2}, random_state=1) == (2, 1)
    assert construct(make, {"depth": 2, "random_state": 5}, random_state=1) == (2, 5)
