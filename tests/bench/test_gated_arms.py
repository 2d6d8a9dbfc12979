"""Arms of images with filters, and with a gate."""

import dataclasses
import sys

import numpy as np
import pytest

from ganaug import ImageGAN
from ganaug.bench import ImageArm, run_suite
from ganaug.bench.cases import image_choices, images
from ganaug.bench.cases.case import case_specs
from ganaug.bench.cases.checking import check_suite
from ganaug.bench.execution.workers import make_case
from ganaug.bench.methods.arms import find_filter
from ganaug.bench.records.store import Store
from ganaug.curation import DiscriminatorRank

pytestmark = pytest.mark.usefixtures("quick_judge")


@pytest.fixture
def suite(image_suite, tmp_path):
    rng = np.random.default_rng(1)
    labels = np.repeat(["dark", "light"], 100)
    level = np.where(labels == "dark", 110, 140)[:, None, None]
    np.savez(
        tmp_path / "shades.npz", images=(level + rng.integers(-40, 40, (200, 8, 8))).astype(np.uint8), labels=labels
    )
    arms = (
        ImageArm("real"),
        ImageArm("gan", 0.5),
        ImageArm("gan, ranked", 0.5, keep=("discriminator rank",)),
        ImageArm("gan, gated", 0.5, gate=True),
    )
    changed = dataclasses.replace(image_suite.images, n_per_class=(40,), arms=arms, baselines=("real",), repeats=1)
    return dataclasses.replace(image_suite, images=changed)


@pytest.fixture
def quick_filters(monkeypatch):
    """Default filters train ten classifiers."""
    monkeypatch.setattr("ganaug.curation.image_gate.alternative_filters", lambda *_: ((), (DiscriminatorRank(),)))


def records(suite, folder):
    store = Store(folder)
    tasks = make_case(suite, 0, store).tasks()
    return {(task.split, task.arm, task.classifiers[0]): store.read(task.keys[0]) for task in tasks}


@pytest.mark.usefixtures("quick_filters")
def test_the_gate_trains_on_a_part_and_tells_what_it_chose(suite, tmp_path, monkeypatch):
    fitted = []
    fit = ImageGAN.fit

    def recording(self, data, labels=None):
        fitted.append({image.tobytes() for image in data.images})
        return fit(self, data, labels)

    monkeypatch.setattr(ImageGAN, "fit", recording)
    summary = run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    found = records(suite, tmp_path / "run")
    assert len(found) == 2 * (2 + 4)
    whole, part, *_ = fitted
    assert part < whole
    assert len(part) == 2 * (40 - 40 // 3)
    for split in range(2):
        cell = found[split, "gan, gated", "small-cnn"]
        assert cell["gate"]["candidates"][:2] == ["nothing", "ratio 0.25 through discriminator rank"]
        assert cell["gate"]["n_validation"] == 2 * (40 // 3)
        assert cell["note"] == f"{cell['gate']['candidates'][cell['gate']['position']]} chosen"
        fits = [found[split, None, name]["fit_seconds"] for name in ("", images.INNER)]
        assert cell["fit_seconds"] > sum(fits)
    (case,) = summary["experiments"][0]["cases"]
    assert case["gan"]["seconds"] == pytest.approx(
        np.mean([found[s, None, ""]["fit_seconds"] for s in range(2)]), rel=1e-4
    )
    assert {note["arm"] for note in summary["experiments"][0]["notes"]} == {"gan, gated"}


@pytest.mark.usefixtures("quick_filters")
def test_it_sees_no_test_image(suite, tmp_path, monkeypatch):
    asked = []
    choose = image_choices.choose_ratio

    def recording(make_gan, data, **options):
        asked.append(({image.tobytes() for image in data.images}, options["cv"][0]))
        return choose(make_gan, data, **options)

    monkeypatch.setattr(image_choices, "choose_ratio", recording)
    run_suite(suite, tmp_path / "run", jobs=1, verbose=False)
    case = make_case(suite, 0, Store(tmp_path / "run"))
    for split, (shown, (train, test)) in enumerate(asked):
        assert shown == {image.tobytes() for image in case.data.images[case.splits.training[split]]}
        assert not shown & {image.tobytes() for image in case.data.images[case.splits.test[split]]}
        assert not set(train) & set(test)


class OnlyDark:
    name, needs_real = "only dark", False

    def fit(self, gan, real, randomness):
        return self

    def accepts(self, images, position):
        return np.full(len(images), position == 0)

    def describe(self):
        return {"name": self.name}


def test_filters_by_import_path_and_classes_that_stay_empty(suite, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "own_filters", sys.modules[__name__])
    arms = (ImageArm("real"), ImageArm("dark", 1.0, keep=("own_filters.OnlyDark",)))
    own = dataclasses.replace(suite, images=dataclasses.replace(suite.images, arms=arms, baselines=("real",)))
    shares = []
    draw = images.arm_batches

    def recording(arm, real, synthetic, generator, share=None):
        if arm.name == "dark":
            shares.append((share.tolist(), sorted(set(synthetic[1].tolist()))))
        return draw(arm, real, synthetic, generator, share)

    monkeypatch.setattr(images, "arm_batches", recording)
    summary = run_suite(own, tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    assert shares == [([1.0, 0.0], [0])] * 2
    notes = [(note["arm"], note["note"]) for note in summary["experiments"][0]["notes"]]
    assert notes == [("dark", "classes of which no synthetic image passed the filters: 1")]


def test_by_default_an_arm_is_judged_against_its_like_without_synthetic_images(suite):
    pairs = [(arm.name, base.name) for arm, base in suite.images.pairs()]
    assert pairs == [("gan", "real"), ("gan, ranked", "real"), ("gan, gated", "real")]
    assert len(case_specs(suite)) == 1


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        (ImageArm("gan", 0.5, keep=("discriminator rnk",)), "arm 'gan'.*did you mean 'discriminator rank'"),
        (
            ImageArm("gan", 1.0, gate=True),
            r"arm 'gan' has a gate; its synthetic.* must be in \(0, 1\), got 1",
        ),
        (ImageArm("gan", 0.0, gate=True), r"arm 'gan' has a gate; its synthetic"),
        (ImageArm("gan", 0.5, keep=("collections.OrderedDict",)), "'collections.OrderedDict' is no filter for images"),
        (
            ImageArm("gan", 0.5, keep=({"class": "class consistency", "quantil": 0.1},)),
            "class consistency.*quantil.*did you mean 'quantile'",
        ),
        (
            ImageArm("gan", 0.5, keep=({"class": "class consistency", "quantile": 2},)),
            r"class consistency.*quantile must be in \[0, 1\], got 2",
        ),
        (ImageArm("gan", 0.5, keep=(3,)), "keep of arm 'gan' must be"),
    ],
)
def test_mistakes_are_named(suite, arm, said):
    arms = (ImageArm("real"), arm)
    with pytest.raises(ValueError, match=said):
        check_suite(
            dataclasses.replace(suite, images=dataclasses.replace(suite.images, arms=arms, baselines=("real",)))
        )


def test_every_filter_has_a_name():
    for name in ("discriminator rank", "class consistency", "learning dynamics", "no copies"):
        assert find_filter(name).name == name


@pytest.mark.parametrize(
    "changes",
    [{}, {"class_weight": True, "mix": "cutmix"}, {"balanced": True, "mix": "mixup"}],
)
def test_the_gate_judges_classifiers_that_are_trained_as_in_its_arm(changes, suite, tmp_path, monkeypatch):
    arms = (ImageArm("real"), ImageArm("gated", 0.5, gate=True, **changes))
    asked = []

    def recording(*arguments, **options):
        asked.append(options)
        raise InterruptedError("seen")

    monkeypatch.setattr(image_choices, "choose_ratio", recording)
    own = dataclasses.replace(
        suite.images, arms=arms, baselines=("real",), n_per_class=(40,), imbalance=(8.0,), splits=2
    )
    run_suite(dataclasses.replace(suite, images=own), tmp_path / "run", jobs=1, verbose=False)
    assert len(asked) == 2
    for options in asked:
        mixed = {"MixUp": "mixup", "CutMix": "cutmix"}.get(type(options["mix"]).__name__)
        assert (options["balanced"], options["class_weight"] == "balanced", mixed) == (
            changes.get("balanced", False),
            changes.get("class_weight", False),
            changes.get("mix"),
        )
