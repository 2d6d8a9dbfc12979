"""The harness is itself tested against cheating; its error rates are in test_summary.py, tables in test_tables.py."""

import dataclasses

import numpy as np
import pytest
import torch

from ganaug import ImageGAN
from ganaug.bench import run_suite
from ganaug.bench.cases import images
from ganaug.bench.inputs.splits import drawn_splits

pytestmark = pytest.mark.usefixtures("quick_judge")


def parts(suite):
    data = np.load(suite.images.datasets[0].target)
    splits = drawn_splits(data["labels"], 4, 2, suite.seed)
    shades = data["images"][:, None]
    return [{image.tobytes() for image in shades[part]} for part in splits.training], shades[splits.test[0]]


def test_no_test_image_reaches_a_fit(image_suite, tmp_path, monkeypatch):
    """Every image that a GAN or an arm's classifier is shown; the judge alone, which decides nothing, sees the test."""
    seen = {"gan": set(), "cell": set()}
    fit, draw = ImageGAN.fit, images.arm_batches

    def recording_fit(self, data):
        seen["gan"] |= {image.tobytes() for image in data.images}
        return fit(self, data)

    def recording_drawer(arm, real, synthetic, generator, share=None):
        if arm.name != "judge":
            seen["cell"] |= {image.tobytes() for image in real[0]}
        return draw(arm, real, synthetic, generator, share)

    monkeypatch.setattr(ImageGAN, "fit", recording_fit)
    monkeypatch.setattr(images, "arm_batches", recording_drawer)
    run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    training, test = parts(image_suite)
    for shown in seen.values():
        assert shown == training[0] | training[1]
        assert not shown & {image.tobytes() for image in test}


def test_a_generator_that_returns_test_images_is_caught(image_suite, tmp_path, monkeypatch):
    _, test = parts(image_suite)

    def cheating(self, labels, **options):
        honest = torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8)
        honest[0] = torch.from_numpy(test[0])
        return honest

    monkeypatch.setattr(ImageGAN, "sample", cheating)
    summary = run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    reasons = {cell["arm"]: cell["reason"] for cell in summary["failed"]}
    assert reasons["GAN"] == "RuntimeError: 1 of 10 synthetic images are test images: the test set leaked"
    assert set(reasons) == {"GAN", "gan", "gan+classical"}


def test_duplicates_in_the_data_are_counted_and_no_leak(image_suite, tmp_path, monkeypatch):
    data = dict(np.load(tmp_path / "shades.npz"))
    data["images"][:15] = data["images"][0]
    np.savez(tmp_path / "shades.npz", **data)
    monkeypatch.setattr(
        ImageGAN,
        "sample",
        lambda self, labels, **options: torch.from_numpy(data["images"][:1]).expand(len(labels), 1, 8, 8).clone(),
    )
    summary = run_suite(image_suite, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    assert summary["experiments"][0]["cases"][0]["duplicates"] == 7
    assert "(7 of 14 stand in a training set too)" in (tmp_path / "run" / "report.md").read_text()


def test_a_generator_that_returns_training_images_is_told(image_suite, tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    labels = np.repeat(["dark", "light"], 60)
    level = np.where(labels == "dark", 90, 160)[:, None, None]
    shades = (level + rng.integers(-40, 40, (120, 8, 8))).astype(np.uint8)
    np.savez(tmp_path / "shades.npz", images=shades, labels=labels)
    arms = image_suite.images.arms[0], image_suite.images.arms[2]
    experiment = dataclasses.replace(
        image_suite.images, n_per_class=(15,), arms=arms, baselines=("real",), repeats=1, synthetic_per_class=15
    )
    suite = dataclasses.replace(image_suite, images=experiment)
    fit = ImageGAN.fit

    def remember(self, data):
        self.known_ = {c: data.images[data.labels == c] for c in data.classes.tolist()}
        return fit(self, data)

    def copying(self, labels, **options):
        return torch.from_numpy(np.stack([self.known_[c][i % 15] for i, c in enumerate(labels.tolist())]))

    monkeypatch.setattr(ImageGAN, "fit", remember)
    monkeypatch.setattr(images.ImageCase, "_gan", lambda case, split, part: None)
    monkeypatch.setattr(ImageGAN, "sample", copying)
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    (case,) = summary["experiments"][0]["cases"]
    assert case["gan"]["audit"]["verdict"] == "fail"
    assert "30 of 30" in case["gan"]["audit"]["text"]
    assert case["gan"]["audit"]["text"] in (tmp_path / "run" / "report.md").read_text()  # line by line
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Are they copies? Fail" in page
