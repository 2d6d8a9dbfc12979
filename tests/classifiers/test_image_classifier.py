import numpy as np
import pytest
import torch

from ganaug.classifiers.batches import batch_drawer
from ganaug.classifiers.image_classifier import (
    ClassifierConfig,
    DynamicsClassifier,
    class_consistency,
    classification_accuracy_score,
    predict_proba,
    train_classifier,
)
from ganaug.classifiers.networks import SmallCNN
from ganaug.engine.config import PRECISIONS


def bars(n=60):
    """Class 0: a bright upper half; class 1: a bright lower half."""
    images = np.random.default_rng(0).integers(0, 60, (n, 1, 8, 8)).astype(np.uint8)
    labels = np.arange(n) % 2
    images[labels == 0, :, :4] += 150
    images[labels == 1, :, 4:] += 150
    return images, labels


def trained(seed=0):
    images, labels = bars()
    generator = torch.Generator().manual_seed(seed)

    def draw(batch_size):
        chosen = torch.randint(len(images), (batch_size,), generator=generator)
        return torch.from_numpy(images)[chosen].float() / 255, torch.from_numpy(labels)[chosen]

    return train_classifier(draw, (1, 8, 8), 2, ClassifierConfig(steps=40, batch_size=16), generator)


def test_it_learns_and_is_reproducible():
    before = torch.get_rng_state()
    network, again = trained(), trained()
    assert torch.equal(before, torch.get_rng_state())
    images, labels = bars(100)
    probabilities = predict_proba(network, images)
    assert probabilities.shape == (100, 2)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert (probabilities.argmax(1) == labels).all()
    assert np.array_equal(probabilities, predict_proba(again, images))


def test_consistency_is_per_class():
    images, labels = bars(100)
    wrong = labels.copy()
    wrong[np.flatnonzero(labels == 0)[:10]] = 1  # of 60 called 1, 10 are of class 0
    consistency = class_consistency(trained(), images, wrong, 2)
    assert np.allclose(consistency, [1.0, 50 / 60])


def test_larger_images_are_pooled():
    for shape in ((3, 32, 32), (1, 8, 100), (2, 33, 61)):
        network = SmallCNN(shape, 5)
        for p in network.parameters():
            torch.nn.init.zeros_(p)
        assert network(torch.zeros(2, *shape)).shape == (2, 5)


def test_dynamics_punish_what_the_training_wavers_on():
    randomness = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    images = (60 + 120 * labels[:, None, None, None] + randomness.integers(-50, 50, (80, 1, 8, 8))).astype(np.uint8)
    model = DynamicsClassifier(2, seed=0, config=ClassifierConfig(steps=25)).fit(images, labels)
    assert len(model.networks_) == 10
    scores = model.predict_proba(images)
    each = np.stack([predict_proba(network, images) for network in model.networks_])
    np.testing.assert_allclose(scores, each.mean(0) - each.std(0), atol=1e-6)
    grey = np.full((1, 1, 8, 8), 120, np.uint8)
    assert scores[labels == 0, 0].mean() > model.predict_proba(grey)[0, 0]
    few = DynamicsClassifier(2, seed=0, config=ClassifierConfig(steps=3)).fit(images, labels)
    np.testing.assert_array_equal(predict_proba(few.network_, images), predict_proba(few.networks_[-1], images))
    assert len(few.networks_) == 3


def test_accuracy_is_that_of_a_classifier_that_saw_synthetic_images_only():
    images, labels = bars(90)
    names = np.array(["upper", "lower"])
    options = {"config": ClassifierConfig(steps=40, batch_size=16), "device": "cpu"}
    right = classification_accuracy_score(images[:40], names[labels[:40]], images[40:], names[labels[40:]], **options)
    swapped = classification_accuracy_score(
        images[:40], names[1 - labels[:40]], images[40:], names[labels[40:]], **options
    )
    assert right.tolist() == [1, 1]
    assert swapped.tolist() == [0, 0]
    with pytest.raises(ValueError, match="class 'lower' occurs among the real samples but not among the synthetic"):
        classification_accuracy_score(images[::2], names[labels[::2]], images, names[labels], **options)
    with pytest.raises(ValueError, match=r"must have one shape, got \(1, 8, 8\) and \(1, 4, 8\)"):
        classification_accuracy_score(images, labels, images[:, :, :4], labels, **options)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_precision_is_of_training_alone(precision):
    images, labels = bars()
    seen = []

    class Noting(SmallCNN):
        def forward(self, images):
            logits = super().forward(images)
            seen.append((self.training, logits.dtype))
            return logits

    config = ClassifierConfig(steps=40, batch_size=16, precision=precision)
    generator = torch.Generator().manual_seed(0)
    draw = batch_drawer((images, labels), generator)
    network = train_classifier(draw, (1, 8, 8), 2, config, generator, make_network=Noting)
    probabilities = predict_proba(network, images)
    assert set(seen) == {(True, PRECISIONS[precision]), (False, torch.float32)}
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    assert (probabilities.argmax(1) == labels).all()


def test_unknown_precisions_are_refused():
    with pytest.raises(ValueError, match=r"precision must be one of .*'auto', got 'half'; leave it out"):
        ClassifierConfig(precision="half")
    with pytest.raises(ValueError, match="threads must be at least 1, or None for torch's, got 0"):
        ClassifierConfig(threads=0)


def test_a_classifier_is_trained_by_as_many_threads_as_it_says():
    before, seen = torch.get_num_threads(), []

    def draw(batch_size):
        seen.append(torch.get_num_threads())
        return torch.zeros(batch_size, 1, 8, 8), torch.arange(batch_size) % 2

    for threads in (1, before + 2, None):
        config = ClassifierConfig(steps=1, batch_size=4, threads=threads)
        train_classifier(draw, (1, 8, 8), 2, config, torch.Generator())
    assert [*seen, torch.get_num_threads()] == [1, before + 2, before, before]


def test_on_a_cpu_images_are_classified_in_batches_that_fit_its_memory():
    sizes = []

    class Network(torch.nn.Linear):
        def forward(self, images):
            sizes.append(len(images))
            return super().forward(images.flatten(1)[:, :4])

    network = Network(4, 2)
    for side, n in ((8, 1500), (64, 40), (256, 20)):
        predict_proba(network, np.zeros((n, 1, side, side), np.uint8))
    predict_proba(network, np.zeros((40, 1, 64, 64), np.uint8), batch_size=30)
    assert sizes == [1000, 500, 16, 16, 8, 16, 4, 30, 10]
