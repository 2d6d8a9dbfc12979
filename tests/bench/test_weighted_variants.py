"""Arms of images with class weights: the inverse frequencies, and only where classes are unequal."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from ganaug.bench import ImageArm, load_suite, run_suite
from ganaug.bench.cases import image_choices
from ganaug.bench.suite.schema import weighted_variants

pytestmark = pytest.mark.usefixtures("quick_judge")


@pytest.fixture
def twins(image_suite):
    """The arms of the suite, each also with class weights."""

    def with_sizes(n_per_class, imbalance):
        arms = image_suite.images.arms + weighted_variants(image_suite.images.arms)
        experiment = dataclasses.replace(
            image_suite.images, arms=arms, n_per_class=n_per_class, imbalance=imbalance, repeats=1
        )
        return dataclasses.replace(image_suite, images=experiment)

    return with_sizes


def test_weights_are_inverse_frequencies_and_equal_classes_have_no_twins(twins, tmp_path, monkeypatch):
    train, given = image_choices.train_classifier, []

    def recording(draw, *arguments, class_weight=None, **options):
        given.append(None if class_weight is None else class_weight.tolist())
        return train(draw, *arguments, class_weight=class_weight, **options)

    monkeypatch.setattr(image_choices, "train_classifier", recording)
    summary = run_suite(twins((4,), (1.0, 2.0)), tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    # Two images of one class and four of the other: 6 / (2 * 2) and 6 / (2 * 4), in either order of the classes.
    weights = [weight for weight in given if weight is not None]
    assert len(weights) == 2 * 4
    assert all(sorted(weight) == [0.75, 1.5] for weight in weights)
    cells = [json.loads(path.read_text())["record"] for path in (tmp_path / "run" / "cells").iterdir()]
    arms = [{cell["arm"] for cell in cells if cell["case"] == case and cell["kind"] == "cell"} for case in (0, 1)]
    assert arms[0] == {"real", "classical", "gan", "gan+classical"}
    assert arms[1] - arms[0] == {f"{name}+weights" for name in arms[0]}


def test_the_report_leaves_out_what_did_not_run_and_calls_it_no_failure(twins, tmp_path):
    summary = run_suite(twins((4,), (1.0, 2.0)), tmp_path / "run", jobs=1, verbose=False)
    equal, tail = summary["experiments"][0]["cases"]
    assert [arm["name"] for arm in equal["arms"]] == ["real", "classical", "gan", "gan+classical"]
    assert equal["left_out"] == [f"{arm['name']}+weights" for arm in equal["arms"]]
    assert len(tail["arms"]) == 8
    assert tail["left_out"] == []
    judged = [verdict.partition(":")[0] for verdict in summary["verdicts"]]
    assert sorted(judged) == sorted(
        [f"{arm} against {base} on {equal['name']}" for arm, base in (("gan", "real"), ("gan+classical", "classical"))]
        + [
            f"{arm}{twin} against {base}{twin} on {tail['name']}"
            for arm, base in (("gan", "real"), ("gan+classical", "classical"))
            for twin in ("", "+weights")
        ]
    )
    # Over all cases the weights that would change nothing have changed nothing.
    overall = {row["name"]: row["metrics"]["accuracy"] for row in summary["experiments"][0]["overall"]}
    of_tail = {arm["name"]: arm["mean"] for arm in tail["arms"]}
    plain = next(arm["mean"] for arm in equal["arms"] if arm["name"] == "classical")
    assert overall["classical+weights"] == pytest.approx((plain + of_tail["classical+weights"]) / 2, rel=1e-4)
    for page in ("report.md", "report.html"):
        text = (tmp_path / "run" / page).read_text()
        assert text.count("class weights would change nothing and arms with them are not run: real+weights, ") == 1
        assert ">failed<" not in text
        assert "| failed |" not in text


def test_weights_of_equal_classes_would_change_nothing():
    from ganaug.classifiers.image_classifier import ClassifierConfig, predict_proba, train_classifier

    rng = np.random.default_rng(0)
    shown = torch.from_numpy(rng.random((8, 1, 8, 8), np.float32)), torch.arange(8) % 2

    def trained(weight):
        generator = torch.Generator().manual_seed(0)
        network = train_classifier(
            lambda n: shown, (1, 8, 8), 2, ClassifierConfig(steps=5), generator, class_weight=weight
        )
        return predict_proba(network, rng.integers(0, 256, (1, 1, 8, 8), np.uint8) * 0)

    np.testing.assert_allclose(trained(None), trained(torch.ones(2)), atol=1e-6)
    assert np.abs(trained(None) - trained(torch.tensor([3.0, 0.3]))).max() > 1e-3


def test_an_arm_with_weights_that_has_no_like_without_runs_anywhere(twins, tmp_path):
    suite = twins((4,), (1.0,))
    arms = (ImageArm("real"), ImageArm("flip, weighted", transform="crop+flip", class_weight=True))
    experiment = dataclasses.replace(suite.images, arms=arms, baselines=("real",))
    summary = run_suite(dataclasses.replace(suite, images=experiment), tmp_path / "run", jobs=1, verbose=False)
    (case,) = summary["experiments"][0]["cases"]
    assert [arm["splits"] for arm in case["arms"]] == [2, 2]


@pytest.mark.parametrize(("baselines", "against"), [(("real", "weights"), ()), (("real",), ("weights",))])
def test_an_arm_that_others_are_compared_with_runs_though_classes_are_equal(twins, tmp_path, baselines, against):
    suite = twins((4,), (1.0, 2.0))
    arms = (ImageArm("real"), ImageArm("weights", class_weight=True), ImageArm("mixup", mix="mixup", against=against))
    experiment = dataclasses.replace(suite.images, arms=arms, baselines=baselines)
    summary = run_suite(dataclasses.replace(suite, images=experiment), tmp_path / "run", jobs=1, verbose=False)
    for case in summary["experiments"][0]["cases"]:
        assert [arm["splits"] for arm in case["arms"]] == [2, 2, 2]
        assert case["left_out"] == []
    assert len(summary["verdicts"]) == (2 if against else 4)  # with the baselines, if no arm says


def test_twins_are_asked_for_in_one_line_and_keep_to_themselves(tmp_path):
    path = tmp_path / "twins.toml"
    path.write_text(
        'name = "twins"\ntitle = "Twins"\n[images]\ndatasets = ["digits"]\nbaselines = ["real", "mixup+weights"]\n'
        'weighted_variants = true\narms = [{name = "real"}, {name = "balanced", balanced = true}, {name = "mine", '
        'class_weight = true}, {name = "mixup", mix = "mixup"}, {name = "gan", synthetic = 0.5, transform = {class = '
        '"torchvision.transforms.v2.RandomRotation", degrees = 10}, against = ["real", "balanced", "mixup"]}]\n'
    )
    arms = load_suite(path).images.arms
    assert [arm.name for arm in arms] == ["real", "balanced", "mine", "mixup", "gan", "mixup+weights", "gan+weights"]
    gan, twin = arms[4], arms[-1]
    assert dataclasses.replace(twin, name="gan", class_weight=False, against=gan.against) == gan
    assert twin.against == ("mine", "balanced", "mixup+weights")
