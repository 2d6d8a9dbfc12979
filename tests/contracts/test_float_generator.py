"""A generator of float32 images, whose values are no pixels, goes through everything that takes images."""

import inspect

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import BaseEstimator
from torch.utils.data import TensorDataset

from ganaug import (
    AugmentedDataset,
    GANOverSampler,
    LabelledImages,
    RandomSynthetic,
    SyntheticMix,
    SyntheticPool,
    augment_dataset,
    labelled_images,
)
from ganaug.audit import audit, explain, explanation_sheet, interpolation_sheet
from ganaug.classifiers.image_classifier import ClassifierConfig, ImageClassifier
from ganaug.curation import DiscriminatorRank, ImageConsistency, NoCopies, choose_ratio
from ganaug.generators import SampleSpec
from ganaug.metrics import comparison_sheet, data_extractor, features, image_report

QUICK = ClassifierConfig(steps=10)
LABELS = ("high", "low")
LEVELS = np.array([-60.0, 15.0])  # of both classes: decibels, say

reads_floats = pytest.mark.skipif(
    "dtype" not in inspect.signature(labelled_images).parameters, reason="labelled_images reads pixels alone"
)


class Spectra(BaseEstimator):
    """Noise about a level for each class."""

    def __init__(self, channels=1, dtype="float32"):
        self.channels = channels
        self.dtype = dtype

    def fit(self, X=None, y=None):
        self.classes_ = np.array(["high", "low"])
        self.sample_spec_ = SampleSpec("images", (self.channels, 8, 8), self.dtype)
        return self

    def sample(self, labels, *, random_state=None):
        drawn = np.random.default_rng(random_state).normal(size=(len(labels), self.channels, 8, 8))
        levels = LEVELS[(np.asarray(labels) == "high").astype(int)]
        return torch.from_numpy((levels[:, None, None, None] + 9 * drawn).astype(self.dtype))

    def score_samples(self, X, labels):
        return -np.abs(np.asarray(X).mean((1, 2, 3)) - LEVELS[(np.asarray(labels) == "high").astype(int)])

    def interpolate(self, labels, *, steps, random_state=None):
        return torch.stack([self.sample([label] * steps, random_state=random_state) for label in labels])


@pytest.fixture(scope="module", params=[1, 2])
def spectra(request):
    return Spectra(request.param).fit()


def labels(n):
    return np.repeat(["high", "low"], n)


def real(spectra, n=20, seed=1):
    return spectra.sample(labels(n), random_state=seed)


@pytest.fixture(scope="module")
def pool(spectra, tmp_path_factory):
    path = tmp_path_factory.mktemp("pools") / "pool"
    keep = [DiscriminatorRank(0.5)]
    return SyntheticPool.build(spectra, path, per_class={"high": 4, "low": 3}, keep=keep, random_state=0)


def test_pools_keep_every_bit(spectra, pool, tmp_path):
    assert (pool.dtype, pool.labels.tolist()) == ("float32", ["high"] * 4 + ["low"] * 3)
    plain = SyntheticPool.build(spectra, tmp_path / "pool", per_class=5, random_state=0)
    seeds = [int(np.random.default_rng([0, i]).integers(2**31)) for i in range(len(LABELS))]
    drawn = [spectra.sample([label] * 64, random_state=seed) for label, seed in zip(LABELS, seeds, strict=True)]
    expected = torch.cat([part[:5] for part in drawn])
    assert plain.read(range(10)).numpy().tobytes() == expected.numpy().tobytes()
    assert torch.equal(plain[7][0], expected[7])
    assert "float32" in repr(plain)
    pixels = Spectra(spectra.channels, "uint8").fit()
    replaced = SyntheticPool.build(pixels, plain.path, per_class=1, overwrite=True)
    assert (replaced.dtype, replaced.read([0]).dtype) == ("uint8", torch.uint8)
    assert sorted(file.name for file in plain.path.iterdir()) == ["images.u8", "pool.json"]


@pytest.mark.parametrize("of_pool", [False, True])
def test_transforms_and_datasets_leave_values_as_they_are(spectra, pool, of_pool):
    source = pool if of_pool else spectra
    where = torch.tensor([0, 0, 1, 1])
    batch = torch.full((4, *spectra.sample_spec_.shape), 1000.0)
    mixed, _ = SyntheticMix(source, 1.0)(batch, where)
    assert mixed.dtype == torch.float32
    means = mixed.mean((1, 2, 3))
    assert ((means[:2] - 15).abs() < 9).all()
    assert ((means[2:] + 60).abs() < 9).all()
    torch.manual_seed(0)
    plain, _ = SyntheticMix(source, 1.0)(batch, where)
    torch.manual_seed(0)
    scaled, _ = SyntheticMix(source, 1.0, mean=[10.0], std=[4.0])(batch, where)
    torch.testing.assert_close(scaled, (plain - 10) / 4)
    one, label = RandomSynthetic(source, 1.0)(batch[0], 1)
    assert (one.dtype, label) == (torch.float32, 1)
    assert one.mean() < -40
    data = TensorDataset(real(spectra), torch.tensor([0, 1]).repeat_interleave(20))
    dataset = AugmentedDataset(data, source, per_class=2, random_state=3)
    drawn = pool.read([0, 1, 4, 5]) if of_pool else spectra.sample(labels(2), random_state=3)
    assert torch.equal(torch.stack([dataset[i][0] for i in range(40, 44)]), drawn)


def test_what_would_mix_scales_is_refused(spectra, pool):
    batch = torch.zeros(2, *spectra.sample_spec_.shape, dtype=torch.uint8)
    for source in (spectra, pool):
        with pytest.raises(
            ValueError, match="images are uint8, synthetic ones float32, whose values are not of one scal"
        ):
            SyntheticMix(source, 1.0)(batch, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="images are uint8, synthetic ones float32"):
        AugmentedDataset(TensorDataset(batch, torch.tensor([0, 1])), spectra, per_class=1)
    with pytest.raises(ValueError, match=r"the image has mode 'L', synthetic ones . channels of float32"):
        RandomSynthetic(spectra, 0.0)(Image.new("L", (8, 8)), 1)
    with pytest.raises(
        ValueError, match=r"source must draw images of uint8 or float32, got a Spectra, .* draws float64"
    ):
        SyntheticMix(Spectra(dtype="float64").fit())
    model = ImageClassifier(2, 0, QUICK).fit(real(spectra).numpy(), np.repeat([0, 1], 20))
    with pytest.raises(ValueError, match="images must be float32, as those that the network was trained on, got uint8"):
        model.predict_proba(batch.numpy())
    with pytest.raises(ValueError, match="extractor 'inception' takes uint8 images of 1 or 3 channels, got float32"):
        features(real(spectra).numpy(), "inception", device="cpu")


def test_pictures_of_floats_and_columns_of_arrays_are_augmented(spectra):
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=list(LABELS))
    values, where = real(spectra, 3), [0] * 3 + [1] * 3
    drawn = spectra.sample(LABELS, random_state=0).numpy()
    for shape in ((spectra.channels, 8, 8), (8, 8, spectra.channels)):
        stored = values.numpy() if shape[2] == 8 else values.numpy().transpose(0, 2, 3, 1)
        kept = drawn if shape[2] == 8 else drawn.transpose(0, 2, 3, 1)
        features_ = datasets.Features({"x": datasets.Array3D(shape, "float32"), "label": names})
        dataset = datasets.Dataset.from_dict({"x": list(stored), "label": where}, features=features_)
        augmented = augment_dataset(dataset, spectra, 1, image_column="x").with_format("numpy")
        np.testing.assert_array_equal(augmented["x"][:], np.concatenate([stored, kept]))
        assert augmented["is_synthetic"][:].tolist() == [False] * 6 + [True] * 2
    if spectra.channels == 1:
        columns = {"x": [Image.fromarray(value[0].numpy()) for value in values], "label": where}
        dataset = datasets.Dataset.from_dict(
            columns, features=datasets.Features({"x": datasets.Image(), "label": names})
        )
        augmented = augment_dataset(dataset, spectra, 1)
        np.testing.assert_array_equal(np.asarray(augmented[7]["x"]), drawn[1, 0])
        np.testing.assert_array_equal(np.asarray(augmented[5]["x"]), values[5, 0])


def test_over_samplers_leave_values_as_they_are(spectra):
    X = real(spectra, 3).numpy().transpose(0, 2, 3, 1)[:5]
    sampler = GANOverSampler(generator=spectra, prefit=True, image_shape=X.shape[1:], random_state=0)
    resampled, y = sampler.fit_resample(X, labels(3)[:5])
    assert (resampled.dtype, y[-1]) == (np.float32, "low")
    assert resampled[-1].mean() < -40
    with pytest.raises(ValueError, match="X holds images of uint8, the generator draws float32; convert X to floats"):
        sampler.fit_resample(X.astype(np.uint8), labels(3)[:5])


def test_classifiers_and_features_see_the_range_of_the_data(spectra):
    images, places = real(spectra).numpy(), np.repeat([0, 1], 20)
    new = spectra.sample(labels(5), random_state=7).numpy()
    model = ImageClassifier(2, 0, ClassifierConfig(steps=30)).fit(images, places)
    assert model.predict_proba(new).argmax(1).tolist() == [0] * 5 + [1] * 5
    shifted = ImageClassifier(2, 0, ClassifierConfig(steps=30)).fit(images * 8 + 64, places)
    np.testing.assert_allclose(shifted.predict_proba(new * 8 + 64), model.predict_proba(new), atol=1e-3)
    network = data_extractor(images, places, config=QUICK, device="cpu")
    assert features(new, network, device="cpu").shape == (10, 128)
    np.testing.assert_array_equal(features(new, torch.nn.Flatten(), device="cpu"), new.reshape(10, -1))
    assert interpolation_sheet(spectra, steps=2).convert("L").getextrema()[1] == 255


@reads_floats
def test_filters_reports_audits_and_sheets_compare_values(spectra, tmp_path):
    train, holdout = (LabelledImages(real(spectra, 30, seed).numpy(), labels(30)) for seed in (1, 2))
    keep = [ImageConsistency(), NoCopies()]
    pool = SyntheticPool.build(spectra, tmp_path / "pool", per_class=2, real=train, keep=keep, random_state=0)
    assert len(pool) == 4
    drawn = spectra.sample(labels(30), random_state=5)
    report = image_report(train, drawn, labels(30), holdout=holdout, classifier=QUICK, device="cpu")
    assert report.overall["FID (data)"] >= 0
    assert comparison_sheet(train, drawn.numpy(), labels(30)).mode == "RGB"
    report = audit(spectra, train, holdout, per_class=20, random_state=0)
    assert report.exact.count == 0
    assert "grey" not in str(report)
    assert report.sheet().width > 0
    assert audit(train, train, holdout, random_state=0).exact.count == 60
    for samples in (drawn[:2], drawn[:2].numpy().transpose(0, 2, 3, 1)):
        found = explain(samples, train, labels=["high"] * 2, gan=spectra, classifier_steps=2, random_state=0)
        np.testing.assert_array_equal(found[0].shown["itself"][0], drawn[0])
    assert explanation_sheet(found).width > 0
    bytes_ = LabelledImages(np.zeros((60, *spectra.sample_spec_.shape), np.uint8), labels(30))
    for call in (
        lambda: audit(bytes_, train),
        lambda: image_report(train, bytes_),
        lambda: SyntheticPool.build(spectra, tmp_path / "other", per_class=1, real=bytes_),
    ):
        with pytest.raises(ValueError, match=r"uint8.*float32|float32.*uint8"):
            call()


@reads_floats
def test_the_gate_trains_on_floats(spectra):
    data = LabelledImages(real(spectra, 40).numpy(), labels(40))
    options = {"filters": [()], "ratios": [0, 1], "starts": 1, "training": QUICK, "random_state": 0, "device": "cpu"}
    assert choose_ratio(spectra, data, **options).n_validation >= 20
    dataset = AugmentedDataset(data, spectra, "auto", gate=options)
    assert dataset[0][0].dtype == torch.float32
