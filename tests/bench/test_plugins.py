import dataclasses
import sys
from importlib.metadata import EntryPoint, EntryPoints
from typing import ClassVar

import pytest
from sklearn.neighbors import KNeighborsClassifier

from ganaug.bench import TableArm
from ganaug.bench.cases.checking import check_suite
from ganaug.bench.methods.classifiers import check_classifier
from ganaug.bench.methods.samplers import check_sampler
from ganaug.bench.suite import plugins
from ganaug.bench.suite.plugins import Plugin, checked, construct, require, resolve
from ganaug.data.suggestions import nearest


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("smote", "smote"),
        ("imblearn.over_sampling.SMOTE", "SMOTE"),
        ("keel:yeast4", "yeast4"),
        ("data/clients.csv", "clients.csv"),
        ("folder/photos", "photos"),
        ("digits.npz", "digits.npz"),
        ({"class": "a.B", "name": "Mine"}, "Mine"),
    ],
)
def test_names_are_short(value, name):
    assert Plugin.of(value).name == name


@pytest.mark.parametrize("value", [3, "", {}, {"class": 3}, {"klass": "a.B"}, None])
def test_what_is_no_plugin_is_refused(value):
    with pytest.raises(ValueError, match="must be a name, an import path, or a table with a key 'class'"):
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


def test_the_nearest_name_may_differ_by_capitals():
    assert nearest("c", ["gamma", "C", "tol"]) == "; did you mean 'C'?"


class Counted:
    made: ClassVar[list] = []

    def __init__(self, depth=1, **others):
        if depth < 0:
            raise KeyError("depth")
        self.made.append(depth)


def test_what_is_checked_is_made_once():
    checked("thing", Counted, {"depth": 3, "width": 5})
    assert Counted.made == [3]
    with pytest.raises(ValueError, match="thing cannot be made: 'depth'"):
        checked("thing", Counted, {"depth": -1})


@pytest.mark.parametrize(
    ("check", "target", "params", "message"),
    [
        (
            check_classifier,
            "sklearn.svm.SVC",
            {"c": 3},
            "'sklearn.svm.SVC' has an unknown parameter 'c'; did you mean 'C'",
        ),
        (
            check_classifier,
            "forest",
            {"n_estimator": 3},
            "unknown parameter 'n_estimator'; did you mean 'n_estimators'",
        ),
        (check_classifier, "logistic", {"penalty": "bogus"}, "'logistic' cannot be made: The 'penalty' parameter of"),
        (
            check_classifier,
            "sklearn.linear_model.Ridge",
            {},
            "a method predict_proba or decision_function, which Ridge l",
        ),
        (check_classifier, "math.pi", {}, "classifier 'math.pi' must be a class or a function, got a float"),
        (check_classifier, "os.getcwd", {}, "must be one with a method fit, which str lacks"),
        (check_sampler, "sklearn.svm.SVC", {}, "'sklearn.svm.SVC' must have a method fit_resample, which SVC lacks"),
        (check_sampler, "smote", {"k_neighbours": 3}, "unknown parameter 'k_neighbours'; did you mean 'k_neighbors'"),
        (
            check_sampler,
            "adasyn",
            {"n_neighbors": -3},
            "'adasyn' cannot be made: The 'n_neighbors' parameter .* Got -3",
        ),
        (check_sampler, "borderline", {"kind": "foo"}, "The 'kind' parameter of BorderlineSMOTE .* Got 'foo'"),
        (check_sampler, "smotenc", {"k_neighbors": 0}, "The 'k_neighbors' parameter"),
        (check_sampler, "gan", {"local_shar": 1}, "unknown parameter 'local_shar'; did you mean 'local_share'"),
        (
            check_sampler,
            "gan",
            {"generator": {"step": 3}},
            "'gan': its generator has an unknown parameter 'step'; .* 'steps'",
        ),
        (
            check_sampler,
            "gan",
            {"generator": {"steps": 0}},
            "'gan': its generator cannot be made: The 'steps' parameter",
        ),
        (check_sampler, "gan", {"generator": {"class": "kdee"}}, "there is no generator 'kdee'; did you mean 'kde'"),
        (check_sampler, "gan", {"generator": 3}, "its generator must be a name or a table of parameters, got 3"),
        (check_sampler, "safe", {"ratio": [1]}, "unknown parameter 'ratio'; did you mean 'ratios'"),
        (
            check_sampler,
            "safe",
            {"sampler": {"local_share": 2}},
            "'safe': its sampler cannot be made: The 'local_share'",
        ),
        (check_sampler, "smote", {"sampling_strategy": 0.5}, "no sampling_strategy; set the ratio of the arm"),
        (check_sampler, "gan", {"sampling_strategy": 0.5}, "no sampling_strategy; set the ratio of the arm"),
        (check_sampler, "imblearn.over_sampling.SMOTE", {"sampling_strategy": 0.5}, "no sampling_strategy"),
    ],
)
def test_mistakes_in_classes_and_parameters_are_found_before_anything_runs(check, target, params, message):
    with pytest.raises(ValueError, match=message):
        check(Plugin(target, target, params))


@pytest.mark.parametrize(
    ("check", "target", "params"),
    [
        (check_classifier, "sklearn.ensemble.StackingClassifier", {"estimators": []}),  # has predict_proba once fitted
        (check_classifier, "knn", {"n_neighbors": 3}),
        (check_sampler, "imblearn.under_sampling.RandomUnderSampler", {"sampling_strategy": 0.5}),
        (check_sampler, "imblearn.combine.SMOTEENN", {}),
        (check_sampler, "gan", {"generator": {"class": "kde"}, "local_share": 0.0}),
    ],
)
def test_what_can_be_made_is_not_refused(check, target, params):
    check(Plugin(target, target, params))


class Bare:
    """A sampler without parameters."""

    def fit_resample(self, X, y):
        return X, y


UNDER = "imblearn.under_sampling.RandomUnderSampler"
CLEAN = "imblearn.under_sampling.TomekLinks"


@pytest.mark.parametrize(
    ("changes", "asked"),
    [({"fill_to": 20}, "fill_to = 20"), ({"ratio": 0.5}, "ratio = 0.5"), ({"gate": True, "raw": True}, "a gate")],
)
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (UNDER, "{} is for what adds rows, but sampler '.*UnderSampler' takes rows away"),
        (CLEAN, "{} is for what adds rows, but sampler '.*TomekLinks' takes rows away"),
        ("own_plugins.Bare", "{} is for samplers with a parameter sampling_strategy, which 'own_plugins.Bare' lacks"),
    ],
)
def test_an_amount_that_a_sampler_cannot_add_is_found_before_anything_runs(
    changes, asked, target, message, table_suite, monkeypatch
):
    monkeypatch.setitem(sys.modules, "own_plugins", sys.modules[__name__])
    arm = TableArm("a", Plugin("s", target), **changes)
    with pytest.raises(ValueError, match=f"arm 'a': {message.format(asked)}"):
        check_suite(with_arm(table_suite, arm))
    check_suite(with_arm(table_suite, TableArm("a", Plugin("s", target))))
    over = Plugin("s", "imblearn.over_sampling.RandomOverSampler")
    check_suite(with_arm(table_suite, dataclasses.replace(arm, sampler=over)))


def with_arm(suite, arm):
    return dataclasses.replace(suite, tables=dataclasses.replace(suite.tables, arms=(TableArm("none"), arm)))
