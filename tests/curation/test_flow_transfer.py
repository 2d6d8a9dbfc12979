"""Images of one group, drawn as those of another."""

import numpy as np
import pytest
import torch

from ganaug import ImageFlow, labelled_images
from ganaug.bench.methods.making import make_generator
from ganaug.bench.suite.plugins import Plugin
from ganaug.curation import FlowTransfer
from ganaug.generators import Generator

pytestmark = pytest.mark.filterwarnings("ignore:class.* in one group only")

FLOW = ImageFlow(steps=250, width=16, device="cpu", verbose=False)


def bars(n=400):
    """Bars at one of six heights, in columns that the class says; "dark" or "bright", but no bright ones of 3."""
    rng = np.random.default_rng(0)
    images, labels = np.zeros((n, 1, 8, 8), np.uint8), np.arange(n) % 4
    groups = np.where((labels < 3) & (rng.random(n) < 0.5), "bright", "dark")
    tops = rng.integers(6, size=n)
    for image, label, group, top in zip(images[:, 0], labels, groups, tops, strict=True):
        image[top : top + 2, 2 * label : 2 * label + 2] = 250 if group == "bright" else 120
    return labelled_images(torch.from_numpy(images), labels, groups=groups), tops


@pytest.fixture(scope="module")
def data():
    return bars()


@pytest.fixture(scope="module")
def transfer(data):
    return FlowTransfer(FLOW, random_state=0).fit(data[0])


def test_class_and_what_neither_says_stay_and_the_group_changes(transfer, data):
    images, tops = data
    drawn, donors = transfer.sample_with_donors([1] * 60, ["bright"] * 60, random_state=0)
    assert (images.labels[donors] == 1).all()
    assert (images.groups[donors] == "dark").all()
    rows = drawn[:, 0, :, 2:4].mean(2)
    assert np.isin(rows.argmax(1) - tops[donors], [0, 1]).mean() > 0.9
    assert rows.max(1).mean() > 200  # of 120
    assert np.delete(drawn[:, 0], [2, 3], axis=2).mean() < 15
    _, donors = transfer.sample_with_donors([3] * 20, ["bright"] * 20, random_state=0)
    assert (images.labels[donors] == 3).all()


def test_images_come_back_where_the_group_stays(transfer, data):
    images = data[0]
    flow, labels, groups = transfer.flow_, images.labels, images.groups
    back = flow.translate(images.images, labels, groups, groups, steps=32)
    assert isinstance(transfer, Generator)
    assert (back.dtype, back.shape) == (torch.uint8, images.images.shape)
    assert np.abs(back.numpy().astype(int) - images.images).mean() < 3
    swapped = np.where(groups == "dark", "bright", "dark")
    change = [
        np.abs(flow.translate(images.images, labels, groups, swapped, strength=s).numpy().astype(int) - images.images)
        for s in (0.05, 1.0)
    ]
    assert change[0].mean() < change[1].mean() / 2


def test_it_is_set_up_as_estimators_are(data):
    made = make_generator(
        Plugin("flow-transfer", "flow-transfer", {"flow__steps": 3, "strength": 0.5}), "images", random_state=4
    )
    assert (made.flow.steps, made.strength, made.random_state) == (3, 0.5, 4)
    fitted = FlowTransfer(ImageFlow(steps=2, width=8, device="cpu", verbose=False), random_state=1).fit(data[0])
    again = FlowTransfer(ImageFlow(steps=2, width=8, random_state=1, device="cpu", verbose=False)).fit(data[0])
    drawn = [model.sample([0, 1], ["dark", "bright"], random_state=0) for model in (fitted, again)]
    assert drawn[0].equal(drawn[1])
    assert fitted.sample([], []).shape == (0, 1, 8, 8)


def test_images_without_a_label_are_trained_on_but_not_moved(data):
    images = data[0]
    labels = np.where(np.arange(len(images)) % 2, images.labels, -1)
    flow = ImageFlow(steps=1, width=8, device="cpu", verbose=False)
    fitted = FlowTransfer(flow).fit(torch.from_numpy(images.images), labels, images.groups)
    assert fitted.classes_.tolist() == fitted.flow_.classes_.tolist() == [1, 3]
    _, donors = fitted.sample_with_donors([1] * 30, ["dark"] * 30, random_state=0)
    assert donors.max() < len(images) / 2 == fitted.cell_counts_.sum()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"strength": 0.0}, r"strength must be in \(0, 1\], got 0.0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"to_groups": ["loud"]}, "cannot sample group 'loud'"),
        ({"X": np.zeros((1, 1, 9, 8), np.uint8)}, r"X must be uint8 images of shape \(n, 1, 8, 8\)"),
        (
            {"labels": [0, 0], "groups": ["dark"] * 2, "to_groups": ["dark"] * 2},
            "X and labels must have the same length",
        ),
    ],
)
def test_mistakes_are_one_sentence(changed, message, transfer, data):
    given = {"X": data[0].images[:1], "labels": [0], "groups": ["dark"], "to_groups": ["bright"], **changed}
    with pytest.raises(ValueError, match=message):
        transfer.flow_.translate(**given)


def test_it_needs_groups(data):
    flow = ImageFlow(steps=1, width=8, device="cpu", verbose=False)
    images = data[0]
    with pytest.raises(ValueError, match="groups are needed, got None"):
        FlowTransfer(flow).fit(torch.from_numpy(images.images), images.labels)
    flow.fit(torch.from_numpy(images.images), images.labels)
    with pytest.raises(ValueError, match="translate needs a flow that was trained with groups"):
        flow.translate(images.images[:1], [0], ["dark"], ["bright"])
