"""An arm that names several transforms shows the one that does best on an inner split."""

import dataclasses

import numpy as np
import pytest

from ganaug.bench import ImageArm, ImageExperiment, Suite, load_suite, run_suite
from ganaug.bench.cases.checking import check_suite
from ganaug.bench.records.store import Store
from ganaug.bench.results.report import read_summary
from ganaug.bench.suite.plugins import Plugin
from ganaug.classifiers.image_classifier import ClassifierConfig

ROTATION = "torchvision.transforms.v2.RandomRotation"
SEVERAL = ("flip", Plugin("nothing", "torchvision.transforms.v2.Identity"))


@pytest.fixture
def suite(tmp_path):
    """Images whose class is the side that is bright, which a flip takes away."""
    rng = np.random.default_rng(0)
    labels = np.repeat(["left", "right"], 40)
    images = rng.integers(0, 60, (80, 8, 8))
    images[labels == "left", :, :4] += 150
    images[labels == "right", :, 4:] += 150
    np.savez(tmp_path / "sides.npz", images=images.astype(np.uint8), labels=labels)
    experiment = ImageExperiment(
        datasets=(Plugin("sides", str(tmp_path / "sides.npz")),),
        folds=2,
        arms=(ImageArm("real"), ImageArm("classical", transform=SEVERAL), ImageArm("flipped", transform="flip")),
        baselines=("real",),
        training=ClassifierConfig(steps=40, batch_size=16),
        device="cpu",
    )
    return Suite("sides", "Sides", images=experiment)


def test_the_better_transform_is_chosen_and_named(suite, tmp_path):
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    (case,) = summary["experiments"][0]["cases"]
    means = {arm["name"]: arm["mean"] for arm in case["arms"]}
    assert means["classical"] > 95 > 90 > means["flipped"]
    assert summary["experiments"][0]["notes"] == [{"arm": "classical", "note": "transform nothing chosen", "cells": 2}]
    assert read_summary(tmp_path / "run")["experiments"] == summary["experiments"]


def test_transforms_of_one_name_with_other_parameters_are_other_choices(suite, tmp_path):
    arms = [
        ImageArm(f"up to {angle}", transform=["none", Plugin("RandomRotation", ROTATION, {"degrees": angle})])
        for angle in (1, 90)
    ]
    training = ClassifierConfig(steps=1)
    suite = dataclasses.replace(
        suite, images=dataclasses.replace(suite.images, arms=tuple(arms), baselines=(), training=training)
    )
    run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    names = {task["classifiers"][0] for task in Store(tmp_path / "run").planned()["tasks"] if task["arm"] is None}
    assert names == {f"choice of none, {ROTATION}(degrees={angle}) for small-cnn" for angle in (1, 90)}
    assert Suite.from_dict(suite.to_dict()) == suite


def test_a_choice_that_fails_fails_only_the_arms_that_need_it(suite, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text(
        "class Broken:\n    def __call__(self, image):\n        raise RuntimeError('no image pleases me')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    arms = (ImageArm("real"), ImageArm("classical", transform=("none", "broken.Broken")))
    suite = dataclasses.replace(suite, images=dataclasses.replace(suite.images, arms=arms))
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    failed = {(row["arm"], row["reason"]) for row in summary["failed"]}
    assert failed == {
        ("choice of none, broken.Broken for small-cnn", "RuntimeError: no image pleases me"),
        ("classical", "RuntimeError: the choice of none, broken.Broken for small-cnn failed"),
    }
    assert Suite.from_dict(suite.to_dict()) == suite


def test_from_a_file(tmp_path):
    head = 'extends = "quick"\nname = "mine"\n[images]\nbaselines = []\n[[images.arms]]\nname = "a"\n'
    (tmp_path / "mine.toml").write_text(
        head + 'transform = ["none", {class = "torchvision.transforms.v2.RandomRotation", degrees = 9}]\n'
    )
    suite = load_suite(tmp_path / "mine.toml")
    assert suite.images.arms[0].transforms == (
        "none",
        Plugin("RandomRotation", "torchvision.transforms.v2.RandomRotation", {"degrees": 9}),
    )
    assert Suite.from_dict(suite.to_dict()) == suite
    for wrong, message in (
        ('["none"]', "must choose among two transforms at least"),
        ('["flip", "flip"]', "of different names"),
        ('["none", "flop"]', "there is no transform 'flop'; did you mean 'flip'"),
        ("[]", "must choose among two transforms at least"),
    ):
        (tmp_path / "mine.toml").write_text(f"{head}transform = {wrong}\n")
        with pytest.raises(ValueError, match=message):
            load_suite(tmp_path / "mine.toml")


def test_the_classical_arm_of_ones_own_data_is_the_best_of_several():
    images = load_suite("custom").images
    both = {arm.name: arm.transforms for arm in images.arms if arm.transforms}
    assert both["classical"] == both["gan+classical"] == ("none", "crop", "flip", "affine", "trivialaugment")
    check_suite(load_suite("custom"))
