"""What flows have beside other generators: the way they are sampled may change once they are fitted."""

import numpy as np
import pytest
import torch

import ganaug
from ganaug import ImageFlow, TableFlow
from ganaug.generators.images.flow_networks import ImageFlowArchitecture

QUICK = {"steps": 2, "width": 8, "device": "cpu", "random_state": 0, "verbose": False}
RNG = np.random.default_rng(0)
Y = np.arange(12) % 2
DATA = {ImageFlow: RNG.integers(0, 256, (12, 9, 8), dtype=np.uint8), TableFlow: RNG.normal(size=(12, 3))}


@pytest.fixture(scope="module", params=DATA)
def flow(request):
    return request.param(**QUICK).fit(DATA[request.param], Y)


def test_another_guidance_and_number_of_steps_need_no_training(flow, tmp_path):
    other = flow.with_sampling(guidance=np.float32(3), sampling_steps=np.int64(2))
    drawn = [torch.as_tensor(one.sample(Y, random_state=1)) for one in (flow, other)]
    assert not torch.equal(*drawn)
    assert (other.guidance, flow.guidance, flow.config_.architecture.guidance) == (3.0, 1.0, 1.0)
    loaded = ganaug.load(other.save(tmp_path / "model"), device="cpu")
    assert (loaded.guidance, loaded.sampling_steps) == (3.0, 2)
    assert torch.equal(torch.as_tensor(loaded.sample(Y, random_state=1)), drawn[1])


@pytest.mark.parametrize("wrong", [{"guidance": -1.0}, {"sampling_steps": 0}])
def test_what_no_flow_is_sampled_with_is_refused(flow, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        flow.with_sampling(**wrong)


@pytest.mark.parametrize("family", DATA)
def test_guidance_needs_what_was_learnt_without_the_class(family):
    unguided = family(**QUICK, label_dropout=0.0).fit(DATA[family], Y)
    with pytest.raises(ValueError, match="guidance must be 1"):
        unguided.with_sampling(guidance=2.0)
    with pytest.raises(ValueError, match="guidance must be 1"):
        family(**QUICK, label_dropout=0.0, guidance=0.0).fit(DATA[family], Y)


def test_an_exported_flow_takes_any_number_of_samples(tmp_path):
    flow = ImageFlow(**QUICK, guidance=1.5, sampling_steps=1).fit(DATA[ImageFlow], Y)
    program = torch.export.load(flow.export(tmp_path / "flow.pt2", format="torch_export"))
    images = program.module()(torch.zeros(5, 72), torch.zeros(5, dtype=torch.int64))
    assert images.shape == (5, 1, 9, 8)
    assert (images == images[0]).all()


def test_noise_is_removed_from_all_numbers_of_a_patch_by_a_network_with_fewer_channels():
    """Patches of 48 numbers, and 16 channels: images of one grey each come out smooth early in a training."""
    greys = np.linspace(40, 210, 24).astype(np.uint8)
    images = np.broadcast_to(greys[:, None, None, None], (24, 32, 32, 3)).copy()
    flow = ImageFlow(**{**QUICK, "steps": 120, "width": 16, "batch_size": 16}).fit(images, np.arange(24) % 2)
    drawn = flow.sample(np.arange(24) % 2, random_state=0).numpy().astype(float)
    assert np.abs(np.diff(drawn, axis=2)).mean() < 45  # 30 with a linear path beside the channels, 65 without


@pytest.mark.parametrize(("side", "steps"), [(8, 804), (14, 1406), (31, 1406), (32, 2719)])
def test_a_default_training_takes_as_many_steps_as_images_are_worth(side, steps):
    images = RNG.integers(0, 256, (12, side, side), dtype=np.uint8)
    assert ImageFlow(device="cpu").resolve(images, Y).training.steps == steps


def test_rows_score_by_their_density():
    """Far from all training rows the density is low, and a missing number costs nothing by itself."""
    X = np.where(RNG.random((12, 3)) < 0.2, np.nan, DATA[TableFlow])
    flow = TableFlow(**QUICK).fit(X, Y)
    rows = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, np.nan], [9.0, -9.0, 9.0]])
    middle, _, far = scores = flow.score_samples(rows, [0, 0, 0])
    assert np.isfinite(scores).all()
    assert middle > far


@pytest.mark.parametrize(("shape", "patch"), [((31, 40), 2), ((32, 33), 4)])
def test_large_images_are_read_in_larger_patches(shape, patch, tmp_path):
    images = RNG.integers(0, 256, (12, *shape), dtype=np.uint8)
    flow = ImageFlow(**QUICK).fit(images, Y)
    assert flow.config_.architecture.patch == patch
    drawn = flow.sample(Y, random_state=0)
    assert tuple(drawn.shape) == (12, 1, *shape)
    assert torch.equal(ganaug.load(flow.save(tmp_path), device="cpu").sample(Y, random_state=0), drawn)


def test_models_of_before_patches_had_sizes_have_those_of_2x2():
    described = ImageFlowArchitecture((1, 32, 32), 2).to_dict()
    before = {key: value for key, value in described.items() if key != "patch"}
    assert ImageFlowArchitecture.from_dict(before).sizes == [(4, 4), (8, 8), (16, 16)]
    assert ImageFlowArchitecture.from_dict({**before, "patch": 4}).sizes == [(4, 4), (8, 8)]
    for wrong in ({"patch": 3}, {"patch": 4, "image_shape": (1, 8, 8)}):
        with pytest.raises(ValueError, match="patch must be 2, or 4 for sides of at least 16, got"):
            ImageFlowArchitecture.from_dict({**before, **wrong})


def test_a_flow_that_always_knew_the_group_scores_a_class_by_the_mixture_of_its_groups():
    rng, groups = np.random.default_rng(0), np.repeat(["a", "b"], 40)
    X = (rng.normal(size=80) + 3 * (groups == "b"))[:, None]
    labels = np.zeros(80, int)
    scores = []
    for dropout in (0.0, 0.1):
        flow = TableFlow(label_dropout=dropout, steps=60, random_state=0, verbose=False).fit(X, labels, groups)
        each = [flow.score_samples(X, labels, [group] * 80) for group in "ab"]
        scores.append(np.abs(flow.score_samples(X, labels) - np.logaddexp(*each) + np.log(2)).max())
    assert scores[0] < 1e-4
    assert scores[1] > 1e-3  # one that was trained by the class alone, too, says so itself
