"""Images without labels in training."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from ganaug import (
    GANOverSampler,
    ImageGAN,
    ImageVAE,
    LabelledImages,
    RunOptions,
    SyntheticPool,
    choose_ratio,
    labelled_images,
)
from ganaug.curation import LearningDynamics, NoCopies, image_filters
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.generators.images.networks import build_networks
from ganaug.generators.pseudo_labels import pseudo_labels
from ganaug.metrics import ClassifierConfig

QUICK = {"steps": 3, "batch_size": 8, "device": "cpu", "verbose": False, "random_state": 0}


def shades(n=40, n_unlabelled=30):
    rng = np.random.default_rng(0)
    level = np.repeat([60, 190], n // 2)[:, None, None, None]
    images = (level + rng.integers(-30, 30, (n, 8, 8, 1))).astype(np.uint8)
    labels = np.repeat([4, 7], n // 2)
    labels[rng.permutation(n)[:n_unlabelled]] = -1
    return images, labels


def test_a_pool_is_built_from_what_fit_got(tmp_path, monkeypatch):
    monkeypatch.setattr(image_filters, "TRAINING", ClassifierConfig(steps=20))
    images, labels = shades()
    data = labelled_images(images, labels)
    gan = ImageGAN(**QUICK).fit(data)
    pool = SyntheticPool.build(gan, tmp_path / "pool", per_class=4, real=data, keep=[NoCopies()], random_state=0)
    assert len(pool) == 8
    copied = NoCopies(0).fit(gan, data, np.random.default_rng(0))
    hidden = data.images[labels == -1]
    assert not copied.accepts(hidden, 0).any()  # copies of images without a label, too
    filtered = LearningDynamics(0.5).fit(gan, data, np.random.default_rng(0))
    assert filtered.accepts(hidden, 1)[20:].any()


def test_minus_one_is_no_class():
    images, labels = shades()
    gan = ImageGAN(**QUICK).fit(images, labels)
    assert gan.classes_.tolist() == [4, 7]
    assert gan.training_data_["n_images"] == 40
    assert gan.training_data_["n_unlabelled"] == 30
    assert gan.training_data_["n_pseudo_labelled"] == 30  # the shades lie far apart
    assert gan.sample([7, 4]).shape == (2, 1, 8, 8)


def test_they_change_what_is_learnt_with_and_without_guesses():
    images, labels = shades()
    labelled = labels != -1
    of_labelled = ImageGAN(**QUICK).fit(images[labelled], labels[labelled])
    guessed, blind = (ImageGAN(**QUICK, pseudo_label_confidence=c).fit(images, labels) for c in (0.9, None))
    assert blind.training_data_["n_pseudo_labelled"] == 0
    drawn = [gan.sample([4, 7], random_state=0) for gan in (of_labelled, guessed, blind)]
    assert not any(torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])
    assert torch.equal(clone(blind).fit(images, labels).sample([4, 7], random_state=0), drawn[2])


def test_guesses_are_right_where_they_are_sure():
    digits = labelled_images("digits")
    known = np.full(len(digits), -1)
    for c in range(10):
        first = np.flatnonzero(digits.labels == c)[:20]
        known[first] = c
    guessed = pseudo_labels(digits.images, known, 0.9)
    new = (known == -1) & (guessed != -1)
    assert new.sum() > 1000
    assert (guessed == digits.labels)[new].mean() > 0.95
    assert np.array_equal(guessed[known != -1], known[known != -1])
    sure = pseudo_labels(digits.images, known, 0.999)
    assert (sure != -1).sum() < (guessed != -1).sum()


@pytest.mark.parametrize(("gap", "most"), [(0, 0.1), (20, 0.45)])
def test_where_classes_overlap_few_are_guessed(gap, most):
    """Two classes that differ by less than they vary: a graph of neighbours is sure of half of them and more."""
    counts = np.zeros(3)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        shades = 100 + rng.normal(0, 15, 600) + np.repeat([0, gap], 300)
        images = np.clip(shades[:, None, None, None] + rng.normal(0, 8, (600, 1, 8, 8)), 0, 255).astype(np.uint8)
        truth, known = np.repeat([0, 1], 300), np.full(600, -1)
        known[:20], known[300:320] = 0, 1
        guessed = pseudo_labels(images, known, 0.9)
        new = (known == -1) & (guessed != -1)
        counts += new.sum(), (guessed == truth)[new].sum(), (known == -1).sum()
    assert counts[0] < most * counts[2]
    assert gap == 0 or counts[1] > 0.78 * counts[0]


def test_a_run_without_a_seed_of_its_own_is_resumed_with_the_same_guesses(tmp_path):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 300)
    images = (np.array([100, 112, 124])[truth][:, None, None] + rng.normal(0, 30, (300, 12, 12))).clip(0, 255)
    labels = np.where(rng.random(300) < 0.6, -1, truth)
    run = RunOptions(checkpoint_dir=tmp_path / "run", checkpoint_every=2)
    of = {"steps": 4, "width": 8, "batch_size": 8, "verbose": False, "device": "cpu", "pseudo_label_confidence": 0.5}
    first, again = (ImageVAE(**of, run=run).fit(images.astype(np.uint8), labels) for _ in range(2))
    assert first.training_data_ == again.training_data_
    assert torch.equal(first.sample([0, 1, 2], random_state=0), again.sample([0, 1, 2], random_state=0))


def test_without_labels_to_hide_nothing_is_guessed():
    images, labels = shades()
    known = np.full(len(labels), -1)
    known[np.flatnonzero(labels == 4)[0]], known[np.flatnonzero(labels == 7)[0]] = 0, 1
    assert np.array_equal(pseudo_labels(images, known, 0.5), known)


def test_batches_hold_them_as_often_as_they_occur():
    labels = np.array([0] * 6 + [1] * 6 + [-1] * 4)
    sampler = ClassBalancedSampler(labels)
    drawn, chosen, judged = sampler.draw(8000, torch.Generator().manual_seed(0))
    without = judged == -1
    assert without.float().mean().item() == pytest.approx(4 / 16, abs=0.02)
    assert set(chosen[without].tolist()) == {12, 13, 14, 15}
    assert np.array_equal(labels[chosen[~without]], drawn[~without])
    assert torch.equal(judged[~without], drawn[~without])
    assert set(drawn[without].tolist()) == {0, 1}  # the generator is asked for a class all the same
    mostly = ClassBalancedSampler(np.array([0, 1] + [-1] * 98)).draw(4000, torch.Generator().manual_seed(0))[2]
    assert (mostly == -1).float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_without_a_class_the_discriminator_does_not_look_at_any():
    images, labels = shades()
    config = ImageGAN(**QUICK).resolve(images, labels)
    _, discriminator = build_networks(config.architecture)
    torch.manual_seed(0)
    for weight in discriminator.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    batch = torch.rand(4, 1, 8, 8)
    blind = discriminator(batch, torch.full((4,), -1))
    each = [discriminator(batch, torch.full((4,), c)) for c in range(2)]
    assert not torch.allclose(each[0], each[1])
    with torch.no_grad():
        discriminator.projection.weight.zero_()
    assert torch.allclose(discriminator(batch, torch.tensor([0, 1, 0, 1])), blind)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (
            lambda x, y: ImageGAN(**QUICK).fit(x, np.where(y == 4, -1, y)),
            "the others are not of two classes",
        ),
        (lambda x, y: ImageGAN(pseudo_label_confidence=0.0).fit(x, y), "'pseudo_label_confidence' parameter"),
        (lambda x, y: choose_ratio(ImageGAN(**QUICK), x, y), "which only ImageGAN.fit and 'ganaug fit images' can use"),
        (
            lambda x, y: GANOverSampler(generator=ImageGAN(**QUICK), sampling_strategy={4: 25}).fit_resample(x, y),
            "class -1 cannot be over-sampled with an ImageGAN",
        ),
    ],
)
def test_bad_input_is_told(use, said):
    images, labels = shades()
    with pytest.raises(ValueError, match=said):
        use(images, labels)


def test_classes_need_two_labelled_images():
    images, labels = shades()
    labels[np.flatnonzero(labels == 7)[1:]] = -1
    with pytest.raises(ValueError, match="every class needs at least two images, class '7' has 1"):
        ImageGAN(**QUICK).fit(LabelledImages(images.transpose(0, 3, 1, 2), labels))
