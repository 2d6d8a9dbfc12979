"""The harness is itself tested against cheating and against seeing what is not there."""

import numpy as np
import pytest
import torch

from ganaug import ImageGAN
from ganaug.bench import Suite, run, run_suite
from ganaug.bench.metrics import METRICS
from ganaug.bench.splits import disjoint_splits
from ganaug.bench.suite import Arm
from ganaug.bench.summary import summarise
from ganaug.quality.classifier import ClassifierConfig


@pytest.fixture
def suite(tmp_path):
    randomness = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20)
    images = (np.where(labels == 0, 60, 190)[:, None, None] + randomness.integers(-30, 30, (40, 8, 8))).astype(np.uint8)
    np.savez(tmp_path / "shades.npz", images=images, labels=labels)
    return Suite(
        name="tiny",
        title="Tiny",
        dataset=str(tmp_path / "shades.npz"),
        n_per_class=5,
        splits=2,
        arms=(Arm("real"), Arm("gan", 0.5), Arm("synthetic only", 1.0)),
        baselines=("real",),
        synthetic_per_class=5,
        gan={"steps": 2, "batch_size": 8, "device": "cpu"},
        classifier=ClassifierConfig(steps=3, batch_size=8),
    )


@pytest.fixture(autouse=True)
def quick_judge(monkeypatch):
    monkeypatch.setattr(run, "JUDGE_STEPS", 5)


def parts(suite):
    data = np.load(suite.dataset)
    training, test = disjoint_splits(data["labels"], suite.n_per_class, suite.splits, suite.seed)
    images = data["images"]
    return [{image.tobytes() for image in images[part]} for part in training], images[test]


def test_no_test_image_reaches_a_fit(suite, tmp_path, monkeypatch):
    """Every image that a GAN or an arm's classifier is shown; the judge alone, which decides nothing, sees the test."""
    seen = {"gan": set(), "cell": set()}
    fit, draw = ImageGAN.fit, run.batch_drawer

    def recording_fit(self, data):
        seen["gan"] |= {image.tobytes() for image in data.images}
        return fit(self, data)

    def recording_drawer(arm, real, synthetic, generator):
        if arm.name != "judge":
            seen["cell"] |= {image.tobytes() for image in real[0]}
        return draw(arm, real, synthetic, generator)

    monkeypatch.setattr(ImageGAN, "fit", recording_fit)
    monkeypatch.setattr(run, "batch_drawer", recording_drawer)
    run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    training, test = parts(suite)
    for images in seen.values():
        assert images == training[0] | training[1]
        assert not images & {image.tobytes() for image in test}


def test_a_generator_that_returns_test_images_is_caught(suite, tmp_path, monkeypatch):
    _, test = parts(suite)

    def cheating(self, labels, **options):
        honest = torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8)
        honest[0] = torch.from_numpy(test[0])
        return honest

    monkeypatch.setattr(ImageGAN, "sample", cheating)
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    reasons = {cell["arm"]: cell["reason"] for cell in summary["failed"]}
    assert reasons["GAN"] == "RuntimeError: 1 of 10 synthetic images are test images: the test set leaked"
    assert set(reasons) == {"GAN", "gan", "synthetic only"}


def test_duplicates_in_the_data_are_counted_and_no_leak(suite, tmp_path, monkeypatch):
    data = dict(np.load(suite.dataset))
    data["images"][:20] = data["images"][0]
    np.savez(suite.dataset, **data)
    monkeypatch.setattr(
        ImageGAN,
        "sample",
        lambda self, labels, **options: torch.from_numpy(data["images"][:1]).expand(len(labels), 1, 8, 8).clone(),
    )
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    assert summary["data"]["duplicates"] == 10
    assert "10 of them stand in a training set too" in (tmp_path / "run" / "report.md").read_text()


def verdict(suite, randomness, gain, spread=0.01, splits=6):
    """What the harness says of an arm with a known effect."""
    records = []
    for split in range(splits):
        of_split = randomness.normal(0.9, 0.02)
        for arm, effect in (("real", 0.0), ("gan", gain)):
            metrics = dict.fromkeys(METRICS, of_split + effect + randomness.normal(0, spread))
            common = {"kind": "cell", "status": "done", "repeat": 0, "seconds": 1.0, "recall": [0.5, 0.5]}
            records.append({**common, "arm": arm, "split": split, "metrics": metrics})
    arms = {arm["name"]: arm for arm in summarise(suite, records)["arms"]}
    return arms["gan"]["differences"]["real"]["verdict"]


def test_two_equal_arms_are_called_different_as_seldom_as_alpha_says(suite):
    randomness = np.random.default_rng(0)
    called = [verdict(suite, randomness, 0.0) in ("gain", "harm") for _ in range(200)]
    assert np.mean(called) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_a_real_gain_is_found_and_harm_is_told(suite):
    randomness = np.random.default_rng(1)
    assert np.mean([verdict(suite, randomness, 0.025) == "gain" for _ in range(200)]) >= 0.8
    assert np.mean([verdict(suite, randomness, -0.025) == "harm" for _ in range(200)]) >= 0.8
    assert "gain" not in {verdict(suite, randomness, -0.05) for _ in range(200)}
