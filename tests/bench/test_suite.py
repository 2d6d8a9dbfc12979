import pytest

from ganaug.bench import available_suites, load_suite
from ganaug.bench.suite import digest

GOOD = """
name = "mine"
title = "Mine"
dataset = "digits"
n_per_class = 5
splits = 2
baselines = ["real"]
[[arms]]
name = "real"
[[arms]]
name = "gan"
synthetic = 0.5
"""


@pytest.fixture
def suite_file(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", available_suites())
def test_shipped_suites_load_under_their_own_name(name):
    suite = load_suite(name)
    assert suite.name == name
    assert {arm.name for arm in suite.arms} >= {"real", "classical", "gan", "gan+classical"}
    assert set(suite.baselines) == {"real", "classical"}


def test_extending_changes_only_what_it_names():
    quick, smoke = load_suite("quick"), load_suite("smoke")
    assert smoke.arms == quick.arms
    assert smoke.classifier.batch_size == quick.classifier.batch_size
    assert smoke.classifier.steps < quick.classifier.steps
    assert smoke.gan["preset"] == quick.gan["preset"]


def test_counterpart_differs_in_the_synthetic_images_only():
    suite = load_suite("quick")
    arms = {arm.name: arm for arm in suite.arms}
    assert suite.counterpart(arms["gan"]) == arms["real"]
    assert suite.counterpart(arms["gan+classical"]) == arms["classical"]
    assert suite.counterpart(arms["real"]) is None


def test_a_file_of_ones_own(suite_file):
    assert load_suite(suite_file(GOOD)).n_per_class == 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n_per_class", "n_per_clas", "unknown key 'n_per_clas'; did you mean 'n_per_class'"),
        ("title = ", "tile = ", "unknown key 'tile'; did you mean 'title'"),
        ('dataset = "digits"', "", "incomplete: .*dataset"),
        ("splits = 2", "splits = 1", "splits must be at least 2"),
        ("splits = 2", 'splits = "2"', "splits must be a whole number"),
        ("n_per_class = 5", "n_per_class = 0", "n_per_class must be a whole number of at least 1"),
        ('["real"]', '["rael"]', "baseline 'rael' is not among the arms; did you mean 'real'"),
        ("synthetic = 0.5", "synthetic = 1.5", "synthetic of arm 'gan' must be a number of 0 to 1"),
        ("synthetic = 0.5", 'transform = "afine"', "unknown transform 'afine'; did you mean 'affine'"),
        ("synthetic = 0.5", "transform = 3", "has an unknown transform 3; known are 'affine'"),
        ("synthetic = 0.5", 'transform = "torch.nothing"', "arm 'gan': cannot make the transform 'torch.nothing'"),
        ("synthetic = 0.5", 'mix = "cutmx"', "has an unknown mix 'cutmx'; did you mean 'cutmix'"),
        ('name = "gan"', 'name = "real"', "have different names"),
        ("synthetic = 0.5", "sintetic = 0.5", "arm has an unknown key 'sintetic'"),
        ("splits = 2", "splits = ", "not valid TOML: .*line"),
        ("splits = 2", "splits = true", "splits must be a whole number"),
        ("synthetic = 0.5", 'synthetic = "0.5"', "synthetic of arm 'gan' must be a number of 0 to 1, got '0.5'"),
        ('title = "Mine"', "title = 3", "title must be a string, got 3"),
        ('name = "mine"', 'name = "../mine"', "name must hold letters, .* got '../mine'"),
        ("splits = 2", "splits = 2\nseed = -1", "seed must be a whole number of at least 0"),
        ("splits = 2", "splits = 2\nrope = nan", "rope must be a number of at least 0"),
        ("splits = 2", "splits = 2\ngan = 3", "gan must be a table"),
        ("splits = 2", "splits = 2\nclassifier = 3", "classifier must be a table"),
        ("splits = 2", "splits = 2\nclassifier = {steps = 0}", "classifier.steps must be a whole number of at least 1"),
        ("splits = 2", "splits = 2\nclassifier = {learning_rate = 0}", "classifier.learning_rate must be"),
        ('["real"]', '"real"', "baselines must be a list"),
    ],
)
def test_mistakes_are_named(suite_file, old, new, message):
    with pytest.raises(ValueError, match=message):
        load_suite(suite_file(GOOD.replace(old, new, 1)))


def test_unknown_suites_get_a_suggestion():
    with pytest.raises(ValueError, match="there is no suite 'quik'; did you mean 'quick'"):
        load_suite("quik")


def test_digest_ignores_the_order_of_keys_only():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1, "b": [1, 2]}) != digest({"a": 1, "b": [2, 1]})
