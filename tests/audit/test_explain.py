import json

import numpy as np
import pandas as pd
import pytest
import torch

from ganaug import GANOverSampler, ImageGAN, LabelledImages, TableGAN, labelled_images
from ganaug.audit import explain, explanation_sheet, interpolation_sheet
from ganaug.metrics.modalities import Images, register

FAST = {"steps": 2, "random_state": 0, "verbose": False}


@pytest.fixture(scope="module")
def images():
    data = labelled_images("digits")
    data = data.subset(np.flatnonzero(data.labels < 3))
    return data.subset(np.random.default_rng(0).permutation(len(data))[:150])


@pytest.fixture(scope="module")
def gan(images):
    return ImageGAN(device="cpu", **FAST).fit(images)


@pytest.fixture(scope="module")
def clients():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 80, 60).astype(np.uint8),
            "city": rng.choice(["Oslo", "Rome"], 60),
            "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 60), unit="D"),
            "income": rng.lognormal(size=60),
        }
    )
    table.loc[3, "income"] = np.nan
    return table, np.where(np.arange(60) < 45, "keep", "leave")


def test_a_mirrored_image_is_traced_and_classified(images):
    made = LabelledImages(images.images[[4, 9]][..., ::-1].copy(), images.labels[[4, 9]])
    found = explain(made, images, classifier_steps=2, random_state=0)
    for each, index in zip(found, (4, 9), strict=True):
        assert each.same_class[0].index == index
        assert each.same_class[0].distance < 0.1
        assert [n.distance for n in each.same_class] == sorted(n.distance for n in each.same_class)
        assert {n.label for n in each.same_class} == {each.label}
        assert each.label not in {n.label for n in each.other_class}
        assert sum(each.probabilities.values()) == pytest.approx(1)
        assert each.discriminator_rank is None
    upright = explain(images.subset([4, 9]), images, classifier_steps=60, random_state=0)
    assert all(max(each.probabilities, key=each.probabilities.get) == each.label for each in upright)


def test_images_without_a_label_are_neighbours_but_no_class(images):
    hidden = LabelledImages(images.images, np.where(np.arange(150) < 50, -1, images.labels))
    (each,) = explain(images.subset([7]), hidden, classifier_steps=2, random_state=0)
    assert set(each.probabilities) == {"0", "1", "2"}
    assert (each.other_class[0].index, each.other_class[0].label) == (7, "(no label)")
    assert {near.label for near in each.same_class} == {each.label}


def test_labels_are_for_all_samples_or_for_none(images):
    with pytest.raises(ValueError, match=r"^synthetic has labels and train has none; pass train_labels, or leave out"):
        explain(images.subset([7]), images.images.transpose(0, 2, 3, 1))
    with pytest.raises(ValueError, match=r"^synthetic holds no images; pass at least one"):
        explain(images.subset([]), images)


def test_images_are_compared_and_classified_on_the_device(images):
    devices = []

    class Recording(Images):
        def prepare(self, parts, categorical_features=None, device="cpu"):
            devices.append(device)
            return super().prepare(parts, categorical_features, device)

        def probabilities(self, *args):
            devices.append(args[-1].device)
            return super().probabilities(*args)

    register(Recording())
    try:
        explain(images.subset([7]), images, classifier_steps=2, device="cpu", random_state=0)
    finally:
        register(Images())
    assert devices == [torch.device("cpu")] * 2
    with pytest.raises(ValueError, match="device must be"):
        explain(images.subset([7]), images, device="tpu")


def test_a_sheet_shows_a_row_per_image(images):
    found = explain(images.subset(range(4)), images, classifier_steps=2, n_neighbors=2, random_state=0)
    few, more = explanation_sheet(found[:2]), explanation_sheet(found)
    assert few.height < more.height
    assert found[0].shown["other_class"].shape == (2, 1, 8, 8)
    np.testing.assert_array_equal(found[0].shown["itself"][0], found[0].shown["same_class"][0])
    with pytest.raises(ValueError, match="at least one"):
        explanation_sheet([])


def test_the_discriminator_ranks_within_the_class(images, gan):
    labels = np.repeat([0, 2], 20)
    made = gan.sample(labels, random_state=0)
    found = explain(made, images, labels=labels, gan=gan, classifier_steps=2, random_state=0)
    ranks = np.array([each.discriminator_rank for each in found])
    scores = gan.score_samples(made, labels)
    assert ((ranks >= 0) & (ranks <= 1)).all()
    for label in (0, 2):
        own = labels == label
        # The same order, up to samples that no drawn one lies between.
        assert (np.diff(ranks[own][np.argsort(scores[own])]) >= 0).all()
        assert 0.2 < ranks[own].mean() < 0.8


def test_moves_of_a_row_are_given_in_its_units(clients):
    table, y = clients
    made = table.iloc[[7, 3, 5]].reset_index(drop=True)
    made.loc[0, "age"] = made.loc[0, "age"] - 5
    made.loc[0, "city"] = {"Oslo": "Rome", "Rome": "Oslo"}[made.loc[0, "city"]]
    made.loc[0, "since"] += pd.Timedelta(days=30)
    made.loc[1, "income"] = 2.5
    found = explain(made, table, labels=y[[7, 3, 5]], train_labels=y, anchors=[7, 3, -1])
    moves = {move.column: move for move in found[0].moves}
    assert set(moves) == {"age", "city", "since"}
    assert found[0].moves[0].column == "city"
    assert moves["age"].difference == -5
    assert moves["age"].standardised == pytest.approx(-5 / table["age"].astype(float).std())
    assert moves["since"].difference == 30
    assert moves["since"].standardised == pytest.approx(30 / (table["since"].std() / pd.Timedelta(days=1)))
    assert (moves["city"].difference, moves["city"].standardised) == (None, None)
    assert (found[0].anchor.index, found[2].anchor) == (7, None)
    (filled,) = found[1].moves
    assert (filled.before, filled.after, filled.difference) == ("nan", "2.5", None)
    assert found[2].moves == ()  # compared with the nearest, which is itself
    text = str(found[0])
    assert "moved from its anchor" in text
    assert "-5 (" in text
    assert json.loads(json.dumps(found[0].to_dict()))["moves"][0]["column"] == "city"


def test_rows_of_the_over_sampler_are_traced_to_their_anchors(clients):
    table, y = clients
    sampler = GANOverSampler(generator=TableGAN(members=2, steps=2, verbose=False), random_state=0)
    resampled, target = sampler.fit_resample(table, y)
    new = sampler.synthetic_mask_
    anchors = sampler.anchor_indices_[new]
    found = explain(
        resampled[new],
        table,
        labels=target[new],
        train_labels=y,
        gan=sampler.generator_,
        anchors=anchors,
        random_state=0,
    )
    assert [each.anchor.index if each.anchor else -1 for each in found] == anchors.tolist()
    assert {each.anchor.label for each in found if each.anchor} == {"leave"}
    assert all(0 <= each.discriminator_rank <= 1 for each in found)
    near = np.median([each.anchor.distance for each in found if each.anchor])
    free = np.median([each.other_class[0].distance for each in found])
    assert near < 3 * free


def test_one_class_has_no_others(clients):
    table, _ = clients
    (each,) = explain(table[:1], table)
    assert each.other_class == ()
    assert each.probabilities == {"0": 1.0}
    assert "other classes" not in str(each)


def test_the_discriminator_of_a_table_scores_rows_whatever_its_members(clients):
    table, y = clients
    gan = TableGAN(members=3, **FAST).fit(table, y)
    scores = gan.score_samples(table, y)
    assert scores.shape == (60,)
    np.testing.assert_allclose(gan.score_samples(table[10:14], y[10:14]), scores[10:14], rtol=1e-5)
    assert gan.score_samples(table[:0], []).shape == (0,)
    with pytest.raises(ValueError, match=r"^X and labels must have the same length, got 60 rows and 2 labels"):
        gan.score_samples(table, y[:2])


def test_interpolations_start_and_end_at_samples_and_change_little_by_little(gan, tmp_path):
    images = gan.interpolate([2, 0, 2], steps=5, random_state=0)
    assert images.shape == (3, 5, 1, 8, 8)
    assert str(images.dtype) == "torch.uint8"
    np.testing.assert_array_equal(images, gan.interpolate([2, 0, 2], steps=5, random_state=0))
    short = gan.interpolate([2, 0, 2], steps=2, random_state=0)
    np.testing.assert_array_equal(short[:, 0], images[:, 0])
    assert (short[:, 1].int() - images[:, -1].int()).abs().max() <= 1
    fine = gan.interpolate([1], steps=40, random_state=0)[0].float().flatten(1)
    assert (fine[1:] - fine[:-1]).norm(dim=1).max() < (fine[-1] - fine[0]).norm()
    with pytest.raises(ValueError, match="cannot sample class 7"):
        gan.interpolate([7])
    with pytest.raises(ValueError, match="steps must be at least 2, both ends, got 1"):
        gan.interpolate([1], steps=1)
    whole, part = interpolation_sheet(gan, steps=3), interpolation_sheet(gan, [1], steps=3)
    assert whole.width == part.width
    assert whole.height > part.height


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["stay"] * 2}, "synthetic holds class 'stay', which train does not"),
        ({"anchors": [0]}, "anchors must be 2 integers, one for each sample"),
        ({"anchors": [0, 60]}, "anchors must be rows of train, 0 to 59, or -1 for none, got 0 to 60"),
        ({"n_neighbors": 0}, "n_neighbors must be at least 1, got 0"),
        ({"gan": "model"}, "gan must be a generator, got a str without fit and sample; pass what drew the samples"),
        ({"random_state": -1}, "random_state must be in"),
    ],
)
def test_bad_input_is_refused(clients, options, message):
    table, y = clients
    with pytest.raises((ValueError, TypeError), match=message):
        explain(table[:2], table, **{"labels": y[:2], "train_labels": y, **options})
    with pytest.raises(ValueError, match="synthetic has the columns"):
        explain(table.drop(columns="age"), table, labels=y, train_labels=y)
