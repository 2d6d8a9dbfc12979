import dataclasses

import numpy as np
import pytest

from ganaug.bench import ImageArm, Sizes, Suite, TableArm, available_suites, load_suite
from ganaug.bench.cases.checking import check_suite
from ganaug.bench.methods.arms import find_transform
from ganaug.bench.suite.schema import digest
from ganaug.bench.suite.source_location import SourceLocation

GOOD = """
name = "mine"
title = "Mine"
seed = 3

[images]
datasets = ["digits"]
n_per_class = 5
splits = 2
baselines = ["real"]
[[images.arms]]
name = "real"
[[images.arms]]
name = "gan"
synthetic = 0.5

[tables]
datasets = ["wine"]
folds = 3
baselines = ["none"]
classifiers = ["logistic"]
[[tables.arms]]
name = "none"
[[tables.arms]]
name = "over"
sampler = {class = "smote", k_neighbors = 3}
against = "none"
"""


@pytest.fixture
def suite_file(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", available_suites())
def test_shipped_suites_load_under_their_own_name_and_judge_something(name):
    suite = load_suite(name)
    assert suite.name == name
    for experiment in suite.experiments:
        assert list(experiment.pairs())


def test_extending_changes_only_what_it_names():
    quick, smoke = load_suite("quick"), load_suite("smoke")
    assert smoke.images.arms == quick.images.arms
    assert smoke.images.training.batch_size == quick.images.training.batch_size
    assert smoke.images.training.steps < quick.images.training.steps
    assert smoke.images.gan["preset"] == quick.images.gan["preset"]
    assert [c.name for c in smoke.tables.classifiers] == ["logistic"]


@pytest.mark.parametrize(
    ("base", "kind", "changes", "sizes"),
    [
        ("embeddings", "tables", "folds = 3", [(None, 1)]),
        ("cifar10", "images", "folds = 3", [(None, 1)]),
        ("mnist5k", "images", "folds = 3", [(None, 1)]),
        ("embeddings", "tables", "n_per_class = 7", [(7, 1)]),
        ("embeddings", "tables", "sizes = [{ n_per_class = 9, imbalance = 3 }]", [(9, 3)]),
        ("keel", "tables", "n_per_class = [5, 7]", [(5, 1), (7, 1)]),
        ("keel", "tables", "sizes = [{ n_per_class = 5 }]", [(5, 1)]),
        ("few-rows", "tables", "n_per_class = 7", [(7, 1)]),
        ("few-rows", "tables", "folds = 3", [(None, 1)]),
        ("embeddings", "tables", "n_samples = 30", []),
        ("embeddings", "tables", "splits = 3", load_suite("embeddings").tables.drawn_sizes()),
    ],
)
def test_how_data_are_split_is_declared_anew_as_a_whole(base, kind, changes, sizes, suite_file):
    suite = load_suite(suite_file(f'extends = "{base}"\nname = "mine"\n[{kind}]\n{changes}\n'))
    experiment = suite.experiment(kind)
    assert experiment.drawn_sizes() == sizes
    assert experiment.n_samples == ((30,) if changes == "n_samples = 30" else ())
    assert experiment.folds == (3 if changes == "folds = 3" else 5)


def test_an_arm_with_synthetic_images_is_judged_against_its_like_without():
    pairs = [(arm.name, base.name) for arm, base in load_suite("quick").images.pairs()]
    assert pairs == [("synthetic only", "real"), ("gan", "real"), ("gan+classical", "classical")]


def test_a_file_of_ones_own(suite_file):
    suite = load_suite(suite_file(GOOD))
    assert suite.images.n_per_class == (5,)
    assert suite.tables.arm("over").sampler.params == {"k_neighbors": 3}
    assert [(a.name, b.name) for a, b in suite.tables.pairs()] == [("over", "none")]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "n_per_class",
            "n_per_clas",
            r"mine.toml, line 8: .images. has an unknown key 'n_per_clas'; did you mean 'n_per_class'",
        ),
        ("title = ", "tile = ", "mine.toml, line 3: unknown key 'tile'; did you mean 'title'"),
        ("[tables]", "[tabels]", "mine.toml, line 17: unknown key 'tabels'; did you mean 'tables'"),
        ("seed = 3", "seeds = 3", "mine.toml, line 4: unknown key 'seeds'; did you mean 'seed'"),
        ('datasets = ["digits"]', "", "images. is incomplete: it lacks datasets"),
        ("splits = 2", "splits = 1", "images: splits must be at least 2, got 1"),
        ("splits = 2", 'splits = "2"', "splits must be a whole number"),
        ("folds = 3", "folds = 1", "tables: folds must be at least 2, got 1"),
        ("n_per_class = 5", "n_per_class = [5, 0]", "images: n_per_class must be at least 1, got 0"),
        ("n_per_class = 5", "n_per_class = 5\nimbalance = 0.5", "imbalance must be at least 1, got 0.5"),
        ("n_per_class = 5", "n_per_class = [5, 5]", r"n_per_class must have different sizes, got \(5, 5\)"),
        (
            "n_per_class = 5",
            "n_per_class = 5\nfolds = 3",
            "line 9: folds are of all data, but there is n_per_class; leave",
        ),
        (
            "n_per_class = 5",
            "n_per_class = [100, 10]\nimbalance = [2, 5, 5.1]",
            "but 5 and 5.1 of n_per_class = 100 leave the smallest class 20",
        ),
        ("folds = 3", "imbalance = 10", "imbalance needs n_per_class"),
        ("folds = 3", "folds = 3\nn_samples = 20", "line 19: folds are of all data, but there is n_samples; leave one"),
        ("folds = 3", "n_samples = [20, 20]", r"line 19: tables: n_samples must have different sizes, got \(20, 20\)"),
        ("folds = 3", "n_samples = 0", "tables: n_samples must be at least 1, got 0"),
        (
            "n_per_class = 5",
            "n_per_class = 5\nn_samples = 20",
            "n_per_class cannot be beside n_samples, which spreads samples over classes equally; leave one of",
        ),
        (
            'against = "none"',
            "per_class = 5\nfill_to = 9",
            "arm 'over' adds 5 rows to each class, which takes a sampler and neither ratio, fill_to nor cells; name",
        ),
        ("folds = 3", "sizes = 5", "line 19: tables: sizes must be a table such as"),
        (
            "folds = 3",
            "sizes = [5]",
            r"line 19: tables: sizes must be a table such as { n_per_class = \[5, 20\] }, got 5",
        ),
        ("folds = 3", "sizes = [{imbalance = 10}]", "line 19: sizes is incomplete: it lacks n_per_class"),
        (
            "folds = 3",
            "sizes = [{n_per_class = [], imbalance = 1}]",
            "must each have n_per_class and imbalance, got none",
        ),
        ("folds = 3", "sizes = [{n_per_clas = 5}]", "line 19: sizes has an unknown key 'n_per_clas'; did you mean"),
        (
            "folds = 3",
            "sizes = [{n_per_class = 0}]",
            "line 19: tables: sizes.n_per_class must be at least 1, got 0",
        ),
        (
            "folds = 3",
            "sizes = [{n_per_class = [5, 9]}, {n_per_class = 5}]",
            r"line 19: tables: sizes must differ, got \[\(5, 1.0\), \(9, 1.0\), \(5, 1.0\)\]",
        ),
        (
            "folds = 3",
            "sizes = [{n_per_class = 9}, {n_per_class = 9, imbalance = 1.01}]",
            "but 1 and 1.01 of n_per_class = 9 leave the smallest class 9",
        ),
        (
            "folds = 3",
            "imbalance = 2\nsizes = [{n_per_class = 9}]",
            "line 19: tables: imbalance belongs into sizes where there are sizes; leave it out here",
        ),
        (
            "splits = 2",
            "splits = 2\nsizes = [{n_per_class = 9}]",
            "line 8: images: n_per_class belongs into sizes where there are sizes; leave it out here",
        ),
        (
            'against = "none"',
            "fill_to = -1",
            "line 27: tables: fill_to of arm 'over' must be at least 0, got -1",
        ),
        ('name = "none"', 'name = "none"\nfill_to = 9', "line 24: tables: arm 'none' has a fill_to but no sampler"),
        ("splits = 2", "splits = 2\nweighted_variants = 1", "line 10: weighted_variants must be true or false, got 1"),
        (
            "splits = 2",
            "splits = 2\nweighted_variant = true",
            "unknown key 'weighted_variant'; did you mean 'weighted_variants'",
        ),
        (
            "folds = 3",
            "folds = 3\nweighted_variants = true",
            "line 20: .tables. has an unknown key 'weighted_variants'",
        ),
        ('name = "gan"', 'name = ""', "line 14: images: name of arm '' must be a string that is not blank, got ''"),
        ('name = "gan"', "name = 3", "line 14: images: name of arm 3 must be a string, got 3"),
        ('name = "over"', 'name = " "', "line 25: tables: name of arm ' ' must be .* not blank, got ' '"),
        (
            '["logistic"]',
            '["knn",\n  {class = "logistic", name = ""}]',
            "line 22: tables: classifiers.name must be a string that is not blank, got ''",
        ),
        (
            '["wine"]',
            '[{source = "wine", name = "\t"}]',
            r"line 18: tables: datasets.name must be a string that is not blank, got '\\t'",
        ),
        ('["real"]', '["rael"]', "baseline 'rael' is not among the arms; did you mean 'real'"),
        ('against = "none"', 'against = "nnone"', "arm 'over' is against 'nnone', no other arm; did you mean 'none'"),
        ('against = "none"', 'against = ["over"]', "arm 'over' is against 'over', no other arm"),
        ("synthetic = 0.5", "synthetic = 1.5", "images: synthetic of arm 'gan' must be at most 1, got 1.5"),
        (
            "synthetic = 0.5",
            'transform = "afine"',
            "arm 'gan': there is no transform 'afine'; did you mean 'affine'",
        ),
        ("synthetic = 0.5", 'transform = "torch.nothing"', "arm 'gan': cannot import 'torch.nothing'"),
        ("synthetic = 0.5", 'mix = "cutmx"', "has an unknown mix 'cutmx'; did you mean 'cutmix'"),
        ('name = "gan"', 'name = "real"', "have different names"),
        ("synthetic = 0.5", "sintetic = 0.5", "mine.toml, line 15: arm 'gan' has an unknown key 'sintetic'"),
        (
            "synthetic = 0.5",
            "transform = 3",
            "transform of arm 'gan' must be a name, an import path, or a table .*, got 3",
        ),
        ("splits = 2", "splits = ", "not valid TOML: .*line"),
        ("splits = 2", "splits = true", "splits must be a whole number"),
        ("synthetic = 0.5", 'synthetic = "0.5"', "synthetic of arm 'gan' must be a number, got '0.5'"),
        ('title = "Mine"', "title = 3", "title must be a string, got 3"),
        ('name = "mine"', 'name = "../mine"', "name must hold letters, .* got '../mine'"),
        ("seed = 3", "seed = -1", "seed must be at least 0, got -1"),
        ('title = "Mine"', 'title = "Mine"\ntimeout = 0', "timeout must be at least 0.001, got 0"),
        ("splits = 2", "splits = 2\nrope = nan", "rope must be a finite number, got nan"),
        ("splits = 2", "splits = 2\ngan = 3", "mine.toml, line 10: images: gan must be a table"),
        ("splits = 2", "splits = 2\ntraining = 3", "line 10: images: training must be a table, got 3"),
        ("splits = 2", "splits = 2\ntraining = {steps = 0}", "training.steps must be at least 1, got 0"),
        ("splits = 2", "splits = 2\ntraining = {learning_rate = 0}", "training.learning_rate must be"),
        ("splits = 2", 'splits = 2\ntraining = {precision = "half"}', "precision must be .*fp32.*, got 'half'"),
        ("splits = 2", 'splits = 2\nmetrics = ["acuracy"]', "there is no metric 'acuracy'; did you mean 'accuracy'"),
        ("splits = 2", 'splits = 2\nmetrics = ["F1"]', "images: there is no metric 'F1'"),
        ("splits = 2", 'splits = 2\nclassifiers = ["resnet"]', "there is no network 'resnet'; did you mean 'resnet18'"),
        ('["logistic"]', '["logistik"]', "there is no classifier 'logistik'; did you mean 'logistic'"),
        ('["logistic"]', '["sklearn.svm.SVX"]', "cannot import 'sklearn.svm.SVX'"),
        ('["logistic"]', '["nopackage.Forest"]', "needs the package nopackage, which is not there: pip install nopack"),
        (
            '["logistic"]',
            "[3]",
            "line 21: tables: classifiers must be a name, an import path, or a table with a key 'class'",
        ),
        ('class = "smote"', 'class = "smot"', "arm 'over': there is no sampler 'smot'; did you mean 'smote'"),
        (
            'class = "smote"',
            'clas = "smote"',
            "sampler of arm 'over' must be a name, .* or a table with a key 'class', got",
        ),
        ('against = "none"', "ratio = 2", "ratio of arm 'over' must be at most 1, got 2"),
        (
            'against = "none"',
            "threshold = true\nprior_correction = true",
            "arm 'over' must either tune a threshold or correct for priors",
        ),
        (
            'against = "none"',
            "class_weight = true\nprior_correction = true",
            "arm 'over' must either weigh classes or correct for priors",
        ),
        ('against = "none"', "threshold = true", "arm 'over' tunes a threshold on rows of its sampler"),
        (
            'against = "none"',
            'threshold = "AUC"',
            "threshold of arm 'over' must be true or false, or one of .*, \"MCC\", got 'AUC'",
        ),
        ('["real"]', '"real"', "line 10: images: baselines must be a list"),
        ("k_neighbors = 3", "k_neighbours = 3", "arm 'over': sampler 'smote' has an unknown parameter 'k_neighbours'"),
        (
            "synthetic = 0.5",
            'transform = {class = "affine", degrees = 3}',
            "unknown parameter 'degrees'; it takes none",
        ),
        (
            "splits = 2",
            'splits = 2\nclassifiers = [{class = "small-cnn", width = 3}]',
            "network 'small-cnn' has an unknown parameter 'width'; known are 'image_shape', 'n_classes'",
        ),
        (
            "synthetic = 0.5",
            'transform = {class = "torchvision.transforms.v2.RandomRotation", degree = 10}',
            "arm 'gan': transform 'torchvision.transforms.v2.RandomRotation' has an unknown parameter 'degree'",
        ),
    ],
)
def test_mistakes_are_named(suite_file, old, new, message):
    with pytest.raises(ValueError, match=message):
        load_suite(suite_file(GOOD.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("splits = 2", "splits = 1", 9),
        ("folds = 3", "folds = 1", 19),
        ("synthetic = 0.5", "synthetic = 0.5\nratio = 1", 16),  # it is right in [tables] only
        ('against = "none"', 'ratio = "1"', 27),
        ('name = "none"', 'name = "none"\nratio = 0.5\nsynthetic = 0.5', 25),  # it is right in [images], above
        ('classifiers = ["logistic"]', 'classifiers = [\n  "logistic", # kept\n  "knnn",\n]', 21),
        ('classifiers = ["logistic"]', 'classifiers = [\n  "knn",\n  {class = "logistic",  clas = 1}]', 21),
        ("seed = 3", 'seed = 3\ntimeout = "1"', 5),
        ("[tables]", "[images.training]\nsteps = 0\n[tables]", 18),
        ("[tables]", "[images.training]\nthreads = 2\nprecision = 'half'\n[tables]", 19),
        ("k_neighbors = 3", "k_neighbours = 3", 26),
        ('name = "mine"', 'name = """\n\nmine"""', 2),
        ('against = "none"', 'against = "non"', 27),
    ],
)
def test_the_line_is_that_of_the_mistake(suite_file, old, new, line):
    with pytest.raises(ValueError, match=rf"^mine\.toml, line {line}: "):
        load_suite(suite_file(GOOD.replace(old, new, 1)))


def test_sizes_stand_in_the_place_of_the_others_in_what_extends_a_suite_too(suite_file):
    own = suite_file(
        GOOD.replace("folds = 3", "sizes = [{n_per_class = [5, 9]}, {n_per_class = 40, imbalance = [2, 8]}]")
    )
    assert load_suite(own).tables.drawn_sizes() == [(5, 1), (9, 1), (40, 2), (40, 8)]
    extending = 'extends = "{}"\nname = "mine"\n[{}]\n{}\n'
    few = load_suite(suite_file(extending.format("embeddings", "tables", "n_per_class = 20\nimbalance = 4")))
    assert few.tables.drawn_sizes() == [(20, 4)]
    tail = load_suite(suite_file(extending.format("quick", "tables", "sizes = [{n_per_class = 30, imbalance = 6}]")))
    assert tail.tables.drawn_sizes() == [(30, 6)]
    assert Suite.from_dict(tail.to_dict()) == tail


def test_a_key_is_found_in_a_list_of_tables_on_many_lines():
    place = SourceLocation(
        "s.toml", "[tables]\narms = [\n  {name = 'a'},\n\n  {name = 'b', ratio = 2},\n]\nfolds = 3\n"
    )
    assert str(place.at("tables", "arms", 1, "ratio")) == "s.toml, line 5"
    assert str(place.at("tables", "arms", 1, "name")) == "s.toml, line 2"
    assert str(place.at("tables", "folds")) == "s.toml, line 7"
    assert str(place.at("images", "folds")) == "s.toml"


def test_a_transform_with_arguments(suite_file):
    text = 'transform = {class = "torchvision.transforms.v2.RandomRotation", degrees = 10}'
    suite = load_suite(suite_file(GOOD.replace("synthetic = 0.5", text)))
    assert suite.images.arm("gan").transform.params == {"degrees": 10}
    assert find_transform(suite.images.arm("gan").transform).degrees == [-10.0, 10.0]


def test_unknown_suites_get_a_suggestion():
    with pytest.raises(ValueError, match="there is no suite 'quik'; did you mean 'quick'"):
        load_suite("quik")


def test_a_suite_that_compares_nothing_is_refused():
    with pytest.raises(ValueError, match=r"there is neither \[images\] nor \[tables\]"):
        check_suite(Suite("empty", "Empty"))


def test_digest_ignores_the_order_of_keys_only():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1, "b": [1, 2]}) != digest({"a": 1, "b": [2, 1]})


def several(**changes):
    experiment = load_suite("quick").tables
    return dataclasses.replace(load_suite("quick"), images=None, tables=dataclasses.replace(experiment, **changes))


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({"n_per_class": (), "imbalance": (1.0,), "sizes": (Sizes(5),)}, [(5, 1)]),
        ({"n_per_class": (), "imbalance": (1.0,), "sizes": Sizes([5, 7], 2)}, [(5, 2), (7, 2)]),
        ({"n_per_class": (), "imbalance": (1.0,), "sizes": [Sizes(range(5, 7))]}, [(5, 1), (6, 1)]),
        ({"n_per_class": 30, "imbalance": 3}, [(30, 3)]),
        ({"n_per_class": np.array([30, 40]), "imbalance": np.float64(2)}, [(30, 2), (40, 2)]),
        ({"n_per_class": 30, "imbalance": 3, "classifiers": ["knn"], "datasets": ("wine",)}, [(30, 3)]),
    ],
)
def test_in_python_too_one_number_is_a_list_of_one(changes, sizes):
    suite = check_suite(several(**changes))
    assert suite.tables.drawn_sizes() == sizes
    assert Suite.from_dict(suite.to_dict()) == suite


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (5, 20)}, r"sizes must be a table such as .*, got 5"),
        ({"sizes": Sizes("5"), "n_per_class": (), "imbalance": (1.0,)}, "n_per_class must be a whole number, got '5'"),
        ({"sizes": Sizes(None), "n_per_class": (), "imbalance": (1.0,)}, "n_per_class must be a list, got None"),
        ({"sizes": Sizes(True), "n_per_class": (), "imbalance": (1.0,)}, "must be a whole number, got True"),
        ({"n_per_class": "20"}, "n_per_class must be a whole number, got '20'"),
        ({"imbalance": {2: 3}}, r"imbalance must be a list, got \{2: 3\}"),
        ({"metrics": "accuracy"}, "metrics must be a list, got 'accuracy'"),
        ({"baselines": None}, "baselines must be a list, got None"),
        ({"datasets": "wine"}, "datasets must be a list, got 'wine'"),
        ({"classifiers": (3,)}, r"classifiers must be a name, .*, got 3"),
        ({"arms": TableArm("none")}, "arms must be a list, got TableArm"),
        ({"arms": (TableArm("none"), TableArm("a", against={}))}, r"against of arm 'a' must be a list, got \{\}"),
        ({"arms": (ImageArm("none"),)}, "arms must be a table, got ImageArm"),
        ({"arms": (TableArm("none", gate=1),)}, "gate of arm 'none' must be true or false, got 1"),
    ],
)
def test_what_is_no_list_of_the_right_kind_is_refused_in_one_sentence(changes, message):
    with pytest.raises(ValueError, match=f"^suite: tables: .*{message}"):
        check_suite(several(**changes))
