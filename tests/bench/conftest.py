import multiprocessing

import numpy as np
import pandas as pd
import pytest

from ganaug.bench import ImageArm, ImageExperiment, Suite, TableArm, TableExperiment
from ganaug.bench.cases import images
from ganaug.bench.suite.plugins import Plugin
from ganaug.classifiers.image_classifier import ClassifierConfig

IMAGE_ARMS = (
    ImageArm("real"),
    ImageArm("classical", transform="affine"),
    ImageArm("gan", 0.5),
    ImageArm("gan+classical", 0.5, "affine"),
)
TABLE_ARMS = (
    TableArm("none"),
    TableArm("SMOTE", Plugin("smote", "smote")),
    TableArm("weights", class_weight=True, against=("none",)),
)


@pytest.fixture
def image_suite(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat(["dark", "<b>light</b>"], 15)
    level = np.where(labels == "dark", 60, 190)[:, None, None]
    shades = (level + rng.integers(-30, 30, (30, 8, 8))).astype(np.uint8)
    np.savez(tmp_path / "shades.npz", images=shades, labels=labels)
    experiment = ImageExperiment(
        datasets=(Plugin("shades", str(tmp_path / "shades.npz")),),
        n_per_class=(4,),
        splits=2,
        repeats=2,
        arms=IMAGE_ARMS,
        baselines=("real", "classical"),
        synthetic_per_class=5,
        gan={"steps": 2, "batch_size": 8},
        training=ClassifierConfig(steps=3, batch_size=8),
        device="cpu",
    )
    return Suite("tiny", "A <title> | of the user's", images=experiment)


@pytest.fixture
def table_suite(tmp_path):
    """Small tables, on which a cell takes milliseconds."""
    paths = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        y = np.repeat(["no", "yes"], [40, 12])
        x = rng.normal(size=(52, 2)) + 1.5 * (y == "yes")[:, None]
        table = pd.DataFrame(x, columns=["a", "b"]).assign(kind=rng.choice(["u", "v"], 52), y=y)
        paths.append(tmp_path / f"clients{seed}.csv")
        table.to_csv(paths[-1], index=False)
    experiment = TableExperiment(
        datasets=tuple(Plugin(path.stem, str(path), {"target": "y"}) for path in paths),
        folds=3,
        repeats=2,
        arms=TABLE_ARMS,
        baselines=("none",),
        classifiers=(Plugin("logistic", "logistic"), Plugin("knn", "knn")),
        metrics=("balanced accuracy", "AP"),
    )
    return Suite("tables", "Tables", tables=experiment)


@pytest.fixture
def forking():
    """Starts processes that have what suites need loaded: the server that they are forked from is started but once."""
    context = multiprocessing.get_context("forkserver")
    suites = ["ganaug.bench.cases.images", "ganaug.bench.cases.tables", "ganaug.bench.run"]
    context.set_forkserver_preload([*suites, "distributed", "torchmetrics.image.fid"])
    return context


@pytest.fixture
def quick_judge(monkeypatch):
    monkeypatch.setattr(images, "JUDGE_STEPS", 5)
