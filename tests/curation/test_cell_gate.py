import json

import numpy as np
import pytest
import torch

from ganaug import ImageGAN, LabelledImages
from ganaug.classifiers.image_classifier import ClassifierConfig, train_classifier
from ganaug.curation import AdditiveTransfer, cell_gate, choose_cells
from ganaug.curation.withheld_cells import Cells, cell_decision
from ganaug.generators import SampleSpec

GROUPS = np.array(["new", "old", "pale"])
HOLES = {(0, "new"), (1, "pale")}
TRAINING = ClassifierConfig(steps=60, batch_size=32)


def drawn(labels, groups, seed):
    """Images whose row tells the class, in another order in each group, so that no group says anything of another."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 90, size=(len(labels), 1, 8, 8), dtype=np.uint8)
    which = np.searchsorted(GROUPS, groups)
    for row, (label, group) in enumerate(zip(labels, which, strict=True)):
        images[row, 0, (label + group) % 4 * 2] += 120
        images[row, 0, :, 2 * group] = 255
    return images


def data(n=12, holes=HOLES):
    labels, groups = (part.repeat(n) for part in np.meshgrid(np.arange(4), GROUPS))
    labels, groups = labels.ravel(), groups.ravel()
    kept = [(c, g) not in holes for c, g in zip(labels.tolist(), groups.tolist(), strict=True)]
    return LabelledImages(drawn(labels, groups, 0), labels, groups=groups).subset(np.flatnonzero(kept))


class Oracle:
    """Draws what is right, or that of the next class, and remembers what it was fitted on."""

    def __init__(self, shift=0):
        self.shift, self.seen = shift, []

    def fit(self, X, y=None, groups=None):
        self.seen.append({image.tobytes() for image in X.images})
        self.classes_, self.groups_ = X.classes, np.unique(X.groups)
        self.sample_spec_ = SampleSpec("images", X.image_shape, "uint8")
        return self

    def sample(self, labels, groups=None, *, random_state=None):
        shifted = (np.asarray(labels) + self.shift) % 4
        return torch.from_numpy(drawn(shifted, groups, random_state))


def choose(gan, images, **options):
    defaults = {"ratios": [0, 1], "training": TRAINING, "starts": 1, "rounds": 3, "device": "cpu", "random_state": 0}
    return choose_cells(lambda: gan, images, **{**defaults, **options})


def test_cells_are_filled_where_that_paid_for_withheld_ones():
    gan, images = Oracle(), data()
    choice = choose(gan, images)
    assert choice.ratio == 1
    assert choice.per_cell == dict.fromkeys(HOLES, 12)
    assert choice.left_out == {}
    assert choice.decision.gain > choice.decision.smallest_gain  # which is 0 where every round says the same
    assert "filled: class 0 in group new, 12 samples" in str(choice)
    everything = {image.tobytes() for image in images.images}
    withheld = [{(row["class"], row["group"]) for row in choice.withheld if row["round"] == n} for n in range(3)]
    for seen, cells in zip(gan.seen, withheld, strict=True):
        hidden = [i.tobytes() in everything - seen for i in images.images]
        cell_of = list(zip(images.labels.tolist(), images.groups.tolist(), strict=True))
        assert all(hidden[i] for i, cell in enumerate(cell_of) if cell in cells)
        assert sum(hidden) > sum(cell in cells for cell in cell_of)  # others of their groups, too
    assert json.loads(json.dumps(choice.to_dict()))["per_cell"][0] == {"class": 0, "group": "new", "n": 12}


def test_nothing_is_filled_where_that_harms():
    choice = choose(Oracle(shift=1), data())
    assert choice.ratio == 0
    assert choice.per_cell == {}
    assert choice.left_out.keys() == HOLES
    assert "no ratio scored better than adding nothing" in choice.reason
    assert "not filled, as it did not pay: class 0 in group new, class 1 in group pale" in str(choice)


def test_of_groups_that_mean_nothing_no_cell_is_filled_where_classes_are_recognised_without():
    rng = np.random.default_rng(0)
    plain = data(holes=())
    images = drawn(plain.labels, np.repeat(GROUPS[0], len(plain)), 0)
    groups = rng.choice(GROUPS, len(plain))
    kept = [(c, g) not in HOLES for c, g in zip(plain.labels.tolist(), groups.tolist(), strict=True)]
    real = LabelledImages(images, plain.labels, groups=groups).subset(np.flatnonzero(kept))
    choice = choose(AdditiveTransfer(), real)
    assert (choice.ratio, choice.per_cell, {*choice.left_out}) == (0, {}, {*HOLES})
    assert choice.reason == "validation cannot decide: every ratio scored the same in every fold"


def decided(gains, n=20, **options):
    """A decision over rounds in which filling raises the share recognised in withheld cells by so much."""
    labels, groups = (part.ravel().repeat(n) for part in np.meshgrid(np.arange(8), np.arange(4)))
    kept = (labels > 0) | (groups > 0)
    cells = Cells(labels[kept], groups[kept])
    rounds = cells.rounds(len(gains), 0)
    hits = []
    for each, gain in zip(rounds, gains, strict=True):
        after = [
            (c, g) in each.withheld for c, g in zip(cells.class_of[each.test], cells.group_of[each.test], strict=True)
        ]
        hits.append(np.stack([np.full(len(after), 0.5), 0.5 + gain * np.array(after)], 1))
    return cell_decision(cells, rounds, hits, [0, 1], **options)


@pytest.mark.parametrize(
    ("gains", "ratio"), [((0.2, 0.3, 0.25), 1), ((0.4, -0.2, 0.1), 0), ((0.4, -0.2, 0.1, 0), 0), ((0.002,) * 3, 0)]
)
def test_what_differs_between_rounds_is_no_gain_of_their_cells(gains, ratio):
    choice = decided(gains)
    assert len(choice.withheld) > 2 * len(gains)
    assert choice.ratio == ratio
    assert choice.decision.gain == pytest.approx(np.mean(gains) / 2)


def test_the_error_of_rounds_may_allow_for_what_they_share():
    gains = (0.0, 0.2, 0.0, 0.2)
    assert [decided(gains, overlap=overlap).ratio for overlap in (True, False)] == [0, 1]


def test_classes_are_shown_equally_often_filled_or_not(monkeypatch):
    shown = []

    def recording(draw, *args, **kwargs):
        labels = draw(6000)[1]
        shown.append(torch.bincount(labels, minlength=4).div(6000).tolist())
        return train_classifier(draw, *args, **kwargs)

    monkeypatch.setattr(cell_gate, "train_classifier", recording)
    choose(Oracle(), data(), ratios=[0, 0.5, 1], training=ClassifierConfig(steps=1, batch_size=4))
    assert len(shown) == 3 * 3
    np.testing.assert_allclose(shown, 0.25, atol=0.03)


def test_rounds_leave_every_class_and_group_and_withhold_no_cell_twice():
    images = data()
    cells = Cells(images.labels, images.groups)
    rounds = cells.rounds(9, 0)
    withheld = [cell for each in rounds for cell in each.withheld]
    assert len(withheld) == len(set(withheld)) >= 6
    for each in rounds:
        left = cells.counts(each.train)
        assert left.sum(0).all()
        assert left.sum(1).all()
        assert all(left[cell] == 0 for cell in each.withheld)
        for side in zip(*each.withheld, strict=True):
            assert len(set(side)) == len(side)
        assert np.intersect1d(each.train, each.test).size == 0
    unknown = Cells(images.labels, np.where(images.groups == "new", "unknown", images.groups))
    assert {unknown.label(cell)[1] for each in unknown.rounds(9, 0) for cell in each.withheld} == {"old", "pale"}
    assert [unknown.label(cell) for cell in unknown.empty] == [(1, "pale")]


def test_classifiers_are_trained_as_they_will_be_and_the_seed_decides():
    shapes = []

    def record(image):
        shapes.append(tuple(image.shape))
        return image

    short = {"training": ClassifierConfig(steps=2, batch_size=8)}
    first, again, other = (choose(Oracle(), data(), transform=record, random_state=seed, **short) for seed in (1, 1, 2))
    assert shapes == [(1, 8, 8)] * (3 * 3 * 2 * 2 * 8)  # seeds, rounds, candidates, steps, images
    assert first.withheld == again.withheld != other.withheld


def unfit():
    raise AssertionError("nothing should be trained")


@pytest.mark.parametrize(
    ("images", "options", "said"),
    [
        (data(holes=()), {}, "every class occurs in every group, so that there is no cell to fill"),
        (data(n=4), {}, "in 0 rounds cells can be withheld so that every class"),
        (data(), {"ratios": [0]}, "there is no ratio but 0 to choose"),
    ],
)
def test_where_nothing_can_be_validated_nothing_is_trained_or_added(images, options, said):
    choice = choose_cells(unfit, images, **{"device": "cpu", **options})
    assert (choice.ratio, choice.per_cell, choice.scores) == (0, {}, ())
    assert choice.reason.startswith(said)


def grouped(groups):
    images = data(holes=())
    return LabelledImages(images.images, images.labels, groups=None if groups is None else groups(images.labels))


@pytest.mark.parametrize(
    ("gan", "images", "options", "error", "said"),
    [
        (unfit, grouped(None), {}, ValueError, "images must have groups, got none"),
        (unfit, grouped(np.copy), {}, ValueError, "groups equal the labels"),
        (unfit, grouped(lambda labels: np.arange(len(labels))), {}, ValueError, "groups must be shared by images"),
        (unfit, data(), {"rounds": 2}, ValueError, "rounds must be a whole number of at least 3, got 2"),
        (unfit, data(), {"starts": 0.5}, ValueError, "starts must be a whole number of at least 1, got 0.5"),
        (unfit, data(), {"ratios": [-1]}, ValueError, "ratios must be numbers of at least 0"),
        (ImageGAN, data(), {}, TypeError, "gan must be a generator of images or a function"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(gan, images, options, error, said):
    with pytest.raises(error, match=said):
        choose_cells(gan, images, **options)


def test_a_generator_without_groups_is_refused():
    class Plain(AdditiveTransfer):
        def sample(self, labels, *, random_state=None):
            raise AssertionError("nothing should be drawn")

    with pytest.raises(TypeError, match="gan must draw groups, which a Plain cannot"):
        choose_cells(Plain(), data())
