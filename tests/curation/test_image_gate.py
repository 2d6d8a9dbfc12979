import itertools
import random

import numpy as np
import pytest
import torch

from ganaug import ImageGAN, LabelledImages, choose_ratio, labelled_images
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.curation import image_gate
from ganaug.curation.inner_validation import inner_split
from ganaug.generators import SampleSpec

TRAINING = ClassifierConfig(steps=150)
SHORT = ClassifierConfig(steps=2)


@pytest.fixture(scope="module")
def digits():
    # In the order they come in, later ones were written by other people.
    return labelled_images("digits").subset(np.random.default_rng(0).permutation(1797))


@pytest.fixture(scope="module")
def few(digits):
    return digits.subset(range(120))


class Scripted(ImageGAN):
    """Draws images of a bank, and remembers what it was fitted on."""

    bank: LabelledImages
    seen: list

    def fit(self, X, y=None):
        self.seen.append({image.tobytes() for image in X.images})
        self.generator_, self.classes_, self.class_names_ = torch.nn.Identity(), X.classes, {}
        self.sample_spec_ = SampleSpec("images", X.image_shape, "uint8")
        self.training_data_ = {"sha256": X.fingerprint()}
        return self

    def sample(self, labels, *, random_state=None):
        randomness = np.random.default_rng(random_state)
        of = {c: np.flatnonzero(self.bank.labels == c) for c in self.classes_}
        return torch.from_numpy(self.bank.images[[randomness.choice(of[c]) for c in labels]])


@pytest.fixture
def oracle(digits, monkeypatch):
    """As good as a GAN can be: other real images."""
    monkeypatch.setattr(Scripted, "bank", digits.subset(range(200, 1700)), raising=False)
    monkeypatch.setattr(Scripted, "seen", [], raising=False)
    return Scripted()


@pytest.fixture
def liar(oracle, monkeypatch):
    """Draws good images of the wrong class."""
    bank = Scripted.bank
    monkeypatch.setattr(Scripted, "bank", LabelledImages(bank.images, (bank.labels + 1) % 10))
    return oracle


def choose(gan, data, **options):
    defaults = {"filters": [()], "ratios": [0, 9], "per_class": 100, "training": TRAINING, "starts": 1}
    return choose_ratio(gan, data, **{**defaults, "random_state": 0, "device": "cpu", **options})


def test_what_helps_is_added(oracle, few):
    choice = choose(oracle, few)
    assert choice.ratio == 9
    assert choice.decision.gain > choice.decision.smallest_gain > 0
    assert choice.scores[1] - choice.scores[0] == pytest.approx(choice.decision.gain)
    assert choice.candidates == ("nothing", "ratio 9")
    assert "scored +" in choice.reason


@pytest.mark.parametrize("cv", ["split", 2])
def test_what_harms_is_not(liar, few, cv):
    choice = choose(liar, few, cv=cv)
    assert choice.ratio == 0
    assert set(choice.ratios_per_class.values()) == {0}
    assert "no ratio scored better than adding nothing" in choice.reason


def test_nothing_is_validated_on_that_was_trained_on(oracle, few):
    choice = choose(oracle, few, cv=3, training=SHORT)
    assert choice.n_validation == 120
    assert len(oracle.seen) == 3
    everything = {image.tobytes() for image in few.images}
    held_out = [everything - seen for seen in oracle.seen]
    assert set.union(*held_out) == everything
    assert all(a.isdisjoint(b) for i, a in enumerate(held_out) for b in held_out[:i])


def test_one_split_takes_one_gan_and_a_third_of_the_images(oracle, few):
    choice = choose(oracle, few, training=SHORT)
    train, test = inner_split(few.labels, 0)
    assert oracle.seen == [{few.images[i].tobytes() for i in train}]
    assert choice.n_validation == len(test)
    assert 0.27 < len(test) / len(few) <= 1 / 3


@pytest.mark.parametrize("source", [None, np.random.RandomState(0), np.random.default_rng(0)], ids=str)
def test_no_seed_is_needed(oracle, few, source):
    assert choose(oracle, few, random_state=source, training=SHORT).n_validation > 0


def test_the_seed_decides_and_global_states_stay(oracle, few):
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    first, again, other = (
        choose(oracle, few, random_state=seed, training=ClassifierConfig(steps=40)) for seed in (1, 1, 2)
    )
    assert first.scores == again.scores != other.scores
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == states[1:]


class Bright:
    """Lets images through that are not dark."""

    name, needs_real = "bright", False

    def fit(self, gan, real, randomness):
        return self

    def accepts(self, images, position):
        return images.mean((1, 2, 3)) > 0

    def describe(self):
        return {"name": self.name}


def test_filters_are_chosen_together_with_the_ratio(oracle, few, monkeypatch):
    bank = Scripted.bank
    dark = LabelledImages(np.zeros_like(bank.images), bank.labels)
    half = LabelledImages(np.concatenate([bank.images, dark.images]), np.concatenate([bank.labels, dark.labels]))
    monkeypatch.setattr(Scripted, "bank", half)
    bright = Bright()
    choice = choose(oracle, few, filters=[(), (bright,)], ratios=[0, 9])
    assert choice.candidates == ("nothing", "ratio 9 through bright", "ratio 9")
    assert choice.keep == (bright,)
    assert choice.to_dict()["keep"] == [{"name": "bright"}]


def test_filters_that_let_nothing_through_are_no_gain(oracle, few):
    Nothing = type("Nothing", (Bright,), {"accepts": lambda self, images, position: np.zeros(len(images), bool)})
    choice = choose(oracle, few, filters=[(Nothing(),)])
    assert choice.ratio == 0


def test_classes_that_are_harmed_are_left_out():
    targets = np.repeat([0, 1, 2], [40, 40, 10])
    hits = np.ones((90, 2))
    hits[:40, 0] = 0  # class 0 gains
    hits[40:60, 1] = 0  # class 1 loses
    hits[80:, 1] = 0  # class 2 loses, but ten images are no evidence
    assert image_gate._harmed([hits], [targets], 1, 3) == [False, True, False]
    assert image_gate._harmed([hits], [targets], 0, 3) == [False, False, False]


def test_the_transform_is_applied_to_what_classifiers_see(oracle, few):
    shapes = []

    def record(image):
        shapes.append(tuple(image.shape))
        return image

    choose(oracle, few, transform=record, training=ClassifierConfig(steps=2, batch_size=8))
    assert shapes == [(1, 8, 8)] * (2 * 2 * 8)  # candidates, steps, images


def test_classifiers_are_trained_as_they_will_be(oracle, digits, monkeypatch):
    common = digits.subset(np.flatnonzero(digits.labels < 2)[:140])
    uneven = common.subset(np.r_[np.flatnonzero(common.labels == 0), np.flatnonzero(common.labels == 1)[:12]])
    shown, weights, train = [], [], image_gate.train_classifier

    def mix(images, labels):
        shown.append(labels)
        return images, torch.nn.functional.one_hot(labels, 2).float()

    def recording(*arguments, **options):
        weights.append(options["class_weight"])
        return train(*arguments, **options)

    monkeypatch.setattr(image_gate, "train_classifier", recording)
    options = {"mix": mix, "starts": 1, "ratios": (0, 0.5), "training": ClassifierConfig(steps=5), "filters": [()]}
    share = {}
    for balanced in (False, True):
        shown.clear()
        choose_ratio(oracle, uneven, balanced=balanced, device="cpu", random_state=0, **options)
        share[balanced] = torch.cat(shown).float().mean().item()
    assert share[False] < 0.3 < 0.4 < share[True] < 0.6
    assert weights == [None] * 4
    weights.clear()
    choose_ratio(oracle, uneven, class_weight="balanced", device="cpu", random_state=0, **options)
    assert all(weight[1] > 3 * weight[0] for weight in weights)
    assert len(weights) == 2


def test_ratios_take_as_many_images_as_they_say(oracle, few, monkeypatch):
    taken = []
    draw = image_gate.batch_drawer

    def recording(real, generator, *, synthetic=None, share=0.0, **options):
        taken.append((0 if synthetic is None else len(synthetic[0]), np.max(share)))
        return draw(real, generator, synthetic=synthetic, share=share, **options)

    monkeypatch.setattr(image_gate, "batch_drawer", recording)
    training = ClassifierConfig(steps=2, batch_size=8)
    choose(oracle, few, ratios=[0, 0.5, 2], per_class=None, training=training)
    counts = np.bincount(few.labels[inner_split(few.labels, 0)[0]])
    assert [n for n, _ in taken] == [0, sum(round(0.5 * n) for n in counts), 2 * counts.sum()]
    assert [share for _, share in taken] == pytest.approx([0, 1 / 3, 2 / 3])


def unfit():
    raise AssertionError("nothing should be trained")


def test_with_too_few_images_nothing_is_trained(few):
    tiny = few.subset(np.concatenate([np.flatnonzero(few.labels == c)[:4] for c in range(10)]))
    choice = choose(unfit, tiny)
    assert choice.ratio == 0
    assert "too few to see any gain" in choice.reason
    assert choose(unfit, few, ratios=[0]).reason == "there is no ratio but 0 to choose"


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"ratios": [-1]}, ValueError, "ratios must be numbers of at least 0"),
        ({"ratios": [0, "much"]}, ValueError, "ratios must be numbers of at least 0"),
        ({"cv": 1}, ValueError, "cv must be a number of folds from 2 to"),
        ({"cv": "fold"}, ValueError, "cv must be 'split', a number of folds or pairs"),
        ({"cv": [([0, 1], [1, 2])]}, ValueError, "cv validates on images that it trains on"),
        ({"cv": [([0, 1], [2])]}, ValueError, "cv trains on no image of class"),
        ({"cv": []}, ValueError, "cv must hold at least one pair"),
        ({"cv": 2.5}, ValueError, "cv must be 'split', a number of folds or pairs of index arrays, got 2.5"),
        ({"cv": [(range(40), [])]}, ValueError, r"cv must hold arrays of indices, at least one in each, got .* \(0,\)"),
        ({"cv": [(range(40), [9999])]}, ValueError, "cv must hold indices of the .*, got 9999 to 9999"),
        ({"cv": [(range(40), [-1])]}, ValueError, "cv must hold indices of the .*, got -1 to -1"),
        ({"classifier": "resnet"}, ValueError, "classifier must be one of"),
        ({"classifier": torch.nn.Linear(1, 1)}, TypeError, "that returns a new module, got Linear"),
        ({"starts": 0}, ValueError, "starts must be a whole number of at least 1, got 0"),
        ({"starts": 1.5}, ValueError, "starts must be a whole number of at least 1, got 1.5"),
        ({"per_class": -3}, ValueError, "per_class must be a whole number of at least 1, .* got -3"),
        ({"per_class": 2.5}, ValueError, "per_class must be a whole number of at least 1, .* got 2.5"),
        ({"class_weight": "even"}, ValueError, "class_weight must be 'balanced' or None, got 'even'"),
        ({"filters": []}, ValueError, "filters must hold at least one alternative"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(few, options, error, said):
    with pytest.raises(error, match=said):
        choose(unfit, few, **options)


def test_the_gan_must_be_one(few):
    with pytest.raises(TypeError, match="gan must be a generator of images or a function that returns one"):
        choose(ImageGAN, few)


def test_with_a_real_gan_and_the_default_filters(digits, tmp_path):
    data = digits.subset(range(150))
    gan = ImageGAN(steps=20, device="cpu", verbose=False)
    gan.set_params(run__checkpoint_dir=tmp_path / "c", run__log_dir=tmp_path / "log")
    choice = choose(gan, data, filters=None, ratios=[0, 1], training=ClassifierConfig(steps=20), cv="split")
    through = "ratio 1 through discriminator rank, class consistency, no copies"
    assert choice.candidates == ("nothing", through, "ratio 1")
    assert not hasattr(gan, "generator_")
    assert list(tmp_path.iterdir()) == []  # checkpoints and log are those of the GAN itself


def test_groups_that_only_a_validation_image_connects_are_told_before_any_training(digits, monkeypatch):
    images = digits.subset(np.flatnonzero(digits.labels < 2)[:80])
    order = np.argsort(images.labels, kind="stable")
    n = int((images.labels == 0).sum())
    groups = np.array(["a"] * (n - 1) + ["b"] + ["b"] * 20 + ["c"] * (60 - n))
    data = LabelledImages(images.images[order], images.labels[order], groups=groups)
    trained = []
    monkeypatch.setattr(ImageGAN, "fit", lambda self, *data: trained.append(data) or 1 / 0)
    in_validation = [n - 1 in inner_split(data.labels, seed)[1] for seed in range(9)]
    assert set(in_validation) == {True, False}
    for (seed, alone), gan in itertools.product(enumerate(in_validation), (ImageGAN(), lambda: ImageGAN(steps=5))):
        message = r"^of 80 images the gate trains on \d+, and there nothing separates .* without groups to the gate$"
        with pytest.raises(ValueError if alone else ZeroDivisionError, match=message if alone else "division"):
            choose_ratio(gan, data, training=SHORT, random_state=seed)
        assert len(trained) == (0 if alone else 1)
        trained.clear()
