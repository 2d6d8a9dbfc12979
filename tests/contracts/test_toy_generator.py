"""A generator of another family, which inherits nothing from ganaug, goes through everything that takes generators."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import TensorDataset
from toys import GaussianImages, GaussianRows

import ganaug
from ganaug import (
    AugmentedDataset,
    GANOverSampler,
    ImageGAN,
    ImageVAE,
    SyntheticMix,
    SyntheticPool,
    TableGAN,
    augment_dataset,
)
from ganaug.audit import audit, explain, interpolation_sheet
from ganaug.bench import ImageArm, ImageExperiment, Suite, TableArm, TableExperiment, run_suite
from ganaug.bench.cases.checking import check_suite
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.curation import DiscriminatorRank, NoCopies, choose_ratio
from ganaug.curation.image_filters import default_filters
from ganaug.data.images.pictures import picture
from ganaug.generators import Generator, SampleSpec, Scorer
from ganaug.metrics import image_report, table_report

QUICK = ClassifierConfig(steps=5)


@pytest.fixture(scope="module")
def digits():
    mixed = ganaug.labelled_images("digits").subset(np.random.default_rng(0).permutation(1797))
    return mixed.subset(range(300)), mixed.subset(range(300, 600))


@pytest.fixture(scope="module")
def images(digits):
    return GaussianImages().fit(digits[0])


@pytest.fixture(scope="module")
def rows():
    randomness = np.random.default_rng(0)
    y = np.repeat([0, 1], [150, 50])
    return pd.DataFrame(randomness.normal(size=(200, 3)) + y[:, None], columns=list("abc")), y


@pytest.fixture(scope="module")
def row_generator(rows):
    return GaussianRows().fit(*rows)


def test_the_protocols_are_what_they_say(images, row_generator):
    assert isinstance(images, Generator)
    assert isinstance(images, Scorer)
    assert isinstance(row_generator, Generator)
    assert not isinstance(row_generator, Scorer)
    for unfitted in (GaussianImages(), ImageGAN(), TableGAN()):
        assert not isinstance(unfitted, Generator)
    for kind, shape in (("sounds", (1,)), ("images", (8, 8)), ("rows", (0,))):
        with pytest.raises(ValueError, match=r"^(kind|shape) must be"):
            SampleSpec(kind, shape, "uint8")


def test_pools_hold_what_it_draws(images, digits, tmp_path):
    filters = [DiscriminatorRank(0.5), NoCopies()]
    pool = SyntheticPool.build(
        images, tmp_path / "pool", per_class={3: 4, 7: 2}, real=digits[0], keep=filters, max_draws=100, random_state=0
    )
    assert pool.image_shape == images.sample_spec_.shape
    assert pool.labels.tolist() == [3] * 4 + [7] * 2
    scores = images.score_samples(pool.read(range(4)), [3] * 4)
    assert scores.mean() > images.score_samples(images.sample([3] * 200, random_state=1), [3] * 200).mean()


def test_transforms_and_datasets_draw_from_it(images, digits):
    batch, labels = torch.zeros(6, 1, 8, 8, dtype=torch.uint8), torch.arange(6)
    drawn, same = SyntheticMix(images, 1.0)(batch, labels)
    assert drawn.shape == batch.shape
    assert same is labels
    assert drawn.flatten(1).any(1).all()
    real = TensorDataset(torch.from_numpy(digits[0].images), torch.from_numpy(digits[0].labels))
    dataset = AugmentedDataset(real, images, per_class=2, random_state=0)
    assert len(dataset) == 320
    assert torch.equal(dataset[300][0], images.sample(np.repeat(range(10), 2), random_state=0)[0])


def test_hugging_face_datasets_draw_from_it(images, digits):
    datasets = pytest.importorskip("datasets")
    columns = {"image": list(map(picture, digits[0].images[:40])), "label": digits[0].labels[:40]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(num_classes=10)})
    augmented = augment_dataset(datasets.Dataset.from_dict(columns, features=features), images, 1)
    assert sum(augmented["is_synthetic"]) == len(set(columns["label"].tolist()))


@pytest.mark.parametrize("prefit", [False, True])
def test_over_samplers_draw_from_it(rows, row_generator, images, digits, prefit):
    sampler = GANOverSampler(generator=row_generator, local_share=0.0, prefit=prefit, random_state=0)
    X, y = sampler.fit_resample(*rows)
    assert np.bincount(y).tolist() == [150, 150]
    assert list(X.columns) == list("abc")
    assert isinstance(sampler.generator_, GaussianRows)
    with pytest.raises(ValueError, match="generator draws images, as every GaussianImages, and X holds rows"):
        GANOverSampler(generator=images, prefit=prefit).fit_resample(*rows)


def test_it_is_audited_and_explained(images, digits, rows, row_generator):
    train, holdout = digits
    report = audit(images, train, holdout, per_class=20, random_state=0)
    assert report.n_synthetic == 200
    assert audit(row_generator, rows[0], train_labels=rows[1], per_class=20, random_state=0).exact.count == 0
    found = explain(images.sample([3, 8], random_state=0), train, labels=[3, 8], gan=images, classifier_steps=2)
    assert all(0 < one.discriminator_rank < 1 for one in found)
    with pytest.raises(TypeError, match=r"rank .* needs a generator with score_samples, which a GaussianRows lacks"):
        explain(rows[0][:1], rows[0], labels=rows[1][:1], train_labels=rows[1], gan=row_generator)
    with pytest.raises(TypeError, match="gan must have interpolate, which a GaussianImages lacks"):
        interpolation_sheet(images)


def test_reports_measure_it(images, digits, rows, row_generator):
    labels = np.repeat(range(10), 30)
    report = image_report(digits[0], images.sample(labels, random_state=0), labels, classifier=QUICK, device="cpu")
    assert len(report.table()) == 10
    report = table_report(*rows, row_generator.sample(rows[1], random_state=0), rows[1])
    assert report.overall["column distance"] < 0.2


def test_the_gate_trains_clones_of_it(digits):
    options = {"filters": [()], "ratios": [0, 1], "starts": 1, "training": QUICK, "random_state": 0, "device": "cpu"}
    choice = choose_ratio(GaussianImages(), digits[0], **options)
    assert choice.candidates == ("nothing", "ratio 1")
    assert choice.n_validation > 90


def test_one_without_scores_goes_without_the_rank(digits):
    class Mute(GaussianImages):
        score_samples = None

    few = digits[0].subset([i for c in range(10) for i in np.flatnonzero(digits[0].labels == c)[:6]])
    choice = choose_ratio(Mute(), few, ratios=[0, 1], starts=1, training=QUICK, random_state=0, device="cpu")
    assert choice.candidates == ("nothing", "ratio 1 through no copies", "ratio 1")
    assert [step.name for step in default_filters(Mute())] == ["class consistency", "no copies"]
    assert default_filters(GaussianImages())[0].name == DiscriminatorRank.name
    for by_likelihood in (ImageVAE(), type("Dense", (GaussianImages,), {"likelihood_scores": True})()):
        assert [step.name for step in default_filters(by_likelihood)] == ["class consistency", "no copies"]


def suite_of(images=None, tables=None):
    return Suite("toys", "Toys", images=images, tables=tables)


@pytest.fixture
def image_experiment(digits, tmp_path, monkeypatch):
    monkeypatch.setattr("ganaug.bench.cases.images.JUDGE_STEPS", 5)
    np.savez(tmp_path / "digits.npz", images=digits[0].images[:, 0], labels=digits[0].labels)
    return ImageExperiment(
        datasets=(Plugin("digits", str(tmp_path / "digits.npz")),),
        n_per_class=6,
        splits=2,
        arms=(
            ImageArm("real"),
            ImageArm("gan", 0.5),
            ImageArm("normal", 0.5, generator="toy"),
            ImageArm("normal, ranked", 0.5, keep="discriminator rank", generator="toy"),
            ImageArm("normal, gated", 0.5, gate=True, keep="no copies", generator="toy"),
        ),
        baselines=("real",),
        generators=(Plugin("toy", "toys.GaussianImages"),),
        gan={"steps": 2, "batch_size": 8},
        synthetic_per_class=5,
        training=ClassifierConfig(steps=3, batch_size=8),
        device="cpu",
    )


def test_a_suite_compares_it_with_another_generator_of_images(image_experiment, tmp_path):
    summary = run_suite(suite_of(image_experiment), tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    (case,) = summary["experiments"][0]["cases"]
    assert [arm["generator"] for arm in case["arms"]] == [None, "ImageGAN", "toy", "toy", "toy"]
    assert [case["gan"]["generator"], *(gan["generator"] for gan in case["other_gans"])] == ["ImageGAN", "toy"]
    fits = [task for task in Store(tmp_path / "run").planned()["tasks"] if task["arm"] is None]
    assert [task["classifiers"] for task in fits[:3]] == [[""], ["generator toy"], ["generator toy of the inner split"]]
    assert len(fits) == 6  # three a split: arms of one generator share its fit
    page = (tmp_path / "run" / "report.md").read_text()
    for text in (
        "| gan (ImageGAN) |",
        "| normal (toy) |",
        "for 'gan' from ImageGAN; for 'normal' from toy",
        "#### Generator toy",
        "images of toy](samples-1-2.png)",
    ):
        assert text in page
    assert (tmp_path / "run" / "samples-1-2.png").is_file()
    assert "Samples of the first split from toy" in (tmp_path / "run" / "report.html").read_text()
    cells = pd.read_csv(tmp_path / "run" / "cells.csv")
    assert set(cells["generator"][cells["arm"] == "gan"]) == {"ImageGAN"}
    assert set(cells["generator"][cells["arm"].str.startswith("normal")]) == {"toy"}
    assert cells["generator"][cells["arm"] == "real"].isna().all()
    again = run_suite(suite_of(image_experiment), tmp_path / "run", jobs=1, verbose=False)
    assert again["experiments"] == summary["experiments"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep": "discriminator rank"}, "arm 'a': the filter 'discriminator rank' needs .* score_samples, which mute"),
        ({"gate": True}, "arm 'a': the filter 'discriminator rank' needs a generator with score_samples"),
        ({"generator": "muet"}, "arm 'a' has an unknown generator 'muet'; did you mean 'mute'"),
    ],
)
def test_a_suite_refuses_what_a_generator_cannot_do(image_experiment, changes, message):
    arms = (ImageArm("real"), ImageArm("a", **{"synthetic": 0.5, "generator": "mute", **changes}))
    own = dataclasses.replace(image_experiment, arms=arms, generators=(Plugin("mute", "toys.WithoutScores"),))
    with pytest.raises(ValueError, match=message):
        check_suite(suite_of(own))


@pytest.mark.parametrize(
    ("generators", "message"),
    [
        ((Plugin("toy", "toys.Gaussians"),), "generator 'toys.Gaussians' must be a class of gener"),
        ((Plugin("toy", "toys.GaussianImages", {"seed": 1}),), "generator 'toy' has an unknown parameter 's"),
        ((Plugin("toy", "table-gan"),), "generator 'table-gan' must draw images"),
        ((Plugin("ImageGAN", "toys.GaussianImages"),), "generators must have different names"),
    ],
)
def test_a_suite_refuses_what_is_no_generator_of_images(image_experiment, generators, message):
    with pytest.raises(ValueError, match=f"^suite: images: .*{message}"):
        check_suite(suite_of(dataclasses.replace(image_experiment, generators=generators)))


def test_a_suite_of_tables_draws_from_it(rows, tmp_path):
    rows[0].assign(y=rows[1]).to_csv(tmp_path / "rows.csv", index=False)
    sampler = {"generator": {"class": "toys.GaussianRows"}, "local_share": 0.0, "selection": False}
    experiment = TableExperiment(
        datasets=(Plugin("rows", str(tmp_path / "rows.csv"), {"target": "y"}),),
        folds=2,
        arms=(TableArm("none"), TableArm("normal", Plugin("gan", "gan", sampler))),
        baselines=("none",),
        classifiers=("logistic",),
    )
    summary = run_suite(suite_of(tables=experiment), tmp_path / "run", jobs=1, verbose=False)
    assert summary["failed"] == []
    assert "toys.GaussianRows" in Store(tmp_path / "run").declaration()["code"]


def test_what_is_not_as_it_says_is_refused(images, digits, row_generator, tmp_path):
    class Short(GaussianImages):
        def sample(self, labels, *, random_state=None):
            return super().sample(labels[1:], random_state=random_state)

    with pytest.raises(ValueError, match="the Short must draw 10 images of shape"):
        SyntheticPool.build(Short().fit(digits[0]), tmp_path / "pool", per_class=1)
    with pytest.raises(ValueError, match="gan must draw images, got a GaussianRows, which draws rows"):
        SyntheticPool.build(row_generator, tmp_path / "pool", per_class=1)
    with pytest.raises(ValueError, match="source must be a fitted generator, got a GaussianImages without classes_"):
        SyntheticMix(GaussianImages())
    with pytest.raises(TypeError, match="gan must be a generator, got the class GaussianImages"):
        SyntheticPool.build(GaussianImages, tmp_path / "pool", per_class=1)

    class Mute(GaussianImages):
        score_samples = None

    with pytest.raises(TypeError, match="discriminator rank needs a generator with score_samples, which a Mute lacks"):
        SyntheticPool.build(Mute().fit(digits[0]), tmp_path / "pool", per_class=1, keep=[DiscriminatorRank()])


def test_folders_of_no_known_generator_are_refused(rows, tmp_path):
    TableGAN(steps=2, verbose=False, random_state=0).fit(*rows).save(tmp_path / "rows")
    config = tmp_path / "rows" / "config.json"
    config.write_text(config.read_text().replace('"ganaug.TableGAN"', '"ganaug.FlowModel"'))
    with pytest.raises(
        ValueError, match="holds a FlowModel, which this ganaug does not know; it can load ImageFlow, ImageGAN"
    ):
        ganaug.load(tmp_path / "rows")
    config.write_text("{}")
    with pytest.raises(ValueError, match="was not written by ganaug"):
        ganaug.load(tmp_path / "rows")
    with pytest.raises(ValueError, match="it does not exist"):
        ganaug.load(tmp_path / "nothing")
