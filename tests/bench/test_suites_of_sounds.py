"""Sounds in a benchmark are float images: generators, classifiers and their transforms keep the scale."""

from sounds import MEL, write_folder

from ganaug.bench import ImageArm, ImageExperiment, Suite, run_suite
from ganaug.bench.suite.plugins import Plugin
from ganaug.classifiers.image_classifier import ClassifierConfig


def test_sounds_are_measured(tmp_path):
    write_folder(tmp_path / "tones", n=5)
    experiment = ImageExperiment(
        datasets=(Plugin("tones", str(tmp_path / "tones"), {"mel": MEL}),),
        arms=(
            ImageArm("real"),
            ImageArm("classical", transform=("specaugment", "none")),
            ImageArm("gan+classical", 0.5, ("specaugment", "none"), against=("classical",)),
        ),
        baselines=("real", "classical"),
        metrics=("accuracy",),
        n_per_class=(5,),
        splits=2,
        repeats=1,
        synthetic_per_class=5,
        gan={"steps": 2, "batch_size": 8},
        training=ClassifierConfig(steps=30, batch_size=8),
        device="cpu",
    )
    summary = run_suite(Suite("sounds", "Sounds", images=experiment), tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    case = summary["experiments"][0]["cases"][0]
    assert case["shape"] == "1x8x8"
    assert {arm["name"]: arm["mean"] > 90 for arm in case["arms"]}["real"]
