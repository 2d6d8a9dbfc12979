"""What variational autoencoders of images and of rows do beyond the contract that all generators keep."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from ganaug import Callback, ImageVAE, RunOptions, TableVAE
from ganaug.data.tables.layout import RowLayout
from ganaug.engine.layers import initialise
from ganaug.generators.tables.vae_networks import RowDecoder, TableVAEArchitecture
from ganaug.objectives.latent_prior import LatentPrior

QUICK = {"device": "cpu", "verbose": False, "random_state": 0}
SMALL = {**QUICK, "steps": 30, "batch_size": 16, "width": 8, "latent_dim": 4}
RNG = np.random.default_rng(0)
Y = np.repeat([0, 1], 20)
IMAGES = (60 + 120 * Y[:, None, None] + RNG.integers(-50, 50, (40, 8, 8))).astype(np.uint8)


@pytest.fixture(scope="module")
def images():
    return ImageVAE(**SMALL).fit(IMAGES, Y)


def varied(vae):
    return vae.sample([1] * 60, random_state=0).float().std(0).mean().item()


def test_noise_of_the_decoder_and_temperature_say_how_much_images_vary(images):
    cool = ImageVAE(**SMALL, temperature=0.1).fit(IMAGES, Y)
    grainy = ImageVAE(**SMALL, decoder_noise=True).fit(IMAGES, Y)
    assert varied(cool) < varied(images) < varied(grainy)
    assert images.config_.architecture.temperature == 1.2
    assert grainy.config_.architecture.temperature == 1.0
    np.testing.assert_array_equal(images.score_samples(IMAGES[:, None], Y), grainy.score_samples(IMAGES[:, None], Y))


def test_images_of_a_class_vary_as_those_that_it_was_trained_on():
    """Two classes of one brightness each, which vary by other amounts: a standard normal prior gives both the same."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 200)
    level = np.where(y == 0, rng.normal(150, 30, 400), rng.normal(60, 5, 400))
    X = np.clip(level[:, None, None] + rng.normal(0, 8, (400, 8, 8)), 0, 255).astype(np.uint8)
    vae = ImageVAE(**QUICK, steps=400, width=8, latent_dim=8, temperature=1.0).fit(X, y)
    drawn = vae.sample(np.repeat([0, 1], 500), random_state=1).float().mean((1, 2, 3)).reshape(2, 500)
    means, spreads = drawn.mean(1).tolist(), drawn.std(1).tolist()
    assert means == pytest.approx([150, 60], abs=6)
    assert 20 < spreads[0] < 36
    assert 2 < spreads[1] < 9
    scores = vae.score_samples(X[:, None], y)
    fitted = vae.generator_.prior
    vae.generator_.prior = LatentPrior(2, 0, 8)  # as in the training
    assert scores.mean() > vae.score_samples(X[:, None], y).mean()
    vae.generator_.prior = fitted


@pytest.mark.parametrize("kind", [ImageVAE, TableVAE])
def test_the_prior_is_that_of_the_training_samples_also_where_some_are_held_out(kind, tmp_path):
    X, groups = (IMAGES if kind is ImageVAE else IMAGES.reshape(40, -1)[:, :5]), np.tile(["a", "b", "b", "c"], 10)
    run = RunOptions(validation_fraction=0.25, checkpoint_dir=tmp_path / "run")
    vae = kind(**SMALL, run=run).fit(X, Y, groups=groups)
    prior = vae.generator_.prior
    assert prior.centre.shape == (3, 4, 4)
    assert (prior.centre[:2, :3] != 0).all()
    again = clone(vae).fit(X, Y, groups=groups)  # from the checkpoint of its last step
    assert again.resumed_from_ == 30
    for name, tensor in vae.tensors().items():
        assert torch.equal(again.tensors()[name], tensor), name
    loaded = kind.load(vae.save(tmp_path / "m"), device="cpu")
    assert torch.equal(loaded.generator_.prior.root, prior.root)


class Watched(Callback):
    """Says at each reading where latent vectors are drawn around, having drawn samples itself at some."""

    name = "watched"

    def __init__(self, at=()):
        self.at, self.seen = at, {}

    def draws(self, state):
        return state.step in self.at

    def on_reading(self, state):
        self.seen[state.step] = state.objective.ema["generator"].prior.centre.clone()


@pytest.mark.parametrize("kind", [ImageVAE, TableVAE])
def test_samples_that_are_looked_at_in_the_training_are_drawn_as_those_after_it(kind, tmp_path):
    X = IMAGES if kind is ImageVAE else IMAGES.reshape(40, -1)[:, :5]
    found = {}
    for at in ((), (100,)):
        watched = Watched(at)
        run = RunOptions(callbacks=[watched])
        found[at] = kind(**{**SMALL, "steps": 150}, run=run).fit(X, Y), watched.seen
    (unseen, seen), (vae, looked) = found.values()
    assert not seen[50].any()
    assert not seen[100].any()
    assert not looked[50].any()
    assert looked[100][:2, 0].all()
    torch.testing.assert_close(looked[150], looked[100])  # the average keeps what was learnt
    for name, tensor in unseen.tensors().items():  # and what comes out is the same
        assert torch.equal(vae.tensors()[name], tensor), name

    watched = Watched()
    kind(**SMALL, run=RunOptions(callbacks=[watched], validation_fraction=0.25)).fit(X, Y)
    assert watched.seen[30][:2, 0].all()  # for the held-out samples are compared with drawn ones


def test_strokes_on_black_are_learnt():
    strokes = np.zeros((64, 16, 16), np.uint8)
    for number, (row, column) in enumerate(RNG.integers(2, 9, (64, 2))):
        strokes[row : row + (6 if number % 2 else 1), column : column + (1 if number % 2 else 6)] = 255
    vae = ImageVAE(**QUICK, steps=100, width=8).fit(strokes, np.arange(64) % 2)
    assert vae.history_[-1]["divergence"] > 2  # 0.5 where the output cannot leave black


@pytest.mark.parametrize("options", [{}, {"decoder_noise": True}])
def test_what_is_exported_draws_the_same(options, tmp_path):
    vae = ImageVAE(**{**SMALL, **options, "steps": 2}).fit(IMAGES, Y)
    program = torch.export.load(vae.export(tmp_path / "vae.pt2", format="torch_export")).module()
    numbers = torch.randn(5, vae.generator_.arch.latent_dim, generator=torch.Generator().manual_seed(1))
    classes = torch.tensor([0, 1, 1, 0, 1])
    expected = vae.pixel_scale_.from_network(vae.generator_(numbers, classes))
    assert (program(numbers, classes).int() - expected.int()).abs().max() <= 1


def test_images_of_floats_are_scored_by_a_density(tmp_path):
    X = (RNG.normal(size=(40, 2, 8, 9)) * [[[1]], [[30]]] + 5 * Y[:, None, None, None]).astype(np.float32)
    vae = ImageVAE(**SMALL).fit(torch.from_numpy(X), Y)
    assert vae.sample([0]).shape == (1, 2, 8, 9)
    scores = ImageVAE.load(vae.save(tmp_path / "m"), device="cpu").score_samples(X, Y)
    np.testing.assert_array_equal(scores, vae.score_samples(X, Y))
    assert scores.mean() > vae.score_samples(X[::-1].copy(), Y).mean()


@torch.no_grad()
def test_probabilities_of_all_rows_of_levels_sum_to_one():
    layout = RowLayout(n_numbers=1, blocks=(2, 3), gates=(0,))
    decoder = RowDecoder(TableVAEArchitecture(layout, n_classes=2, width=4, latent_dim=2, n_groups=2))
    initialise(decoder, torch.Generator().manual_seed(0))
    grid = np.linspace(-30, 30, 6001)
    rows = [
        [number if not missing else 0.0, 1 - missing, missing, *np.eye(3)[level]]
        for missing, level in itertools.product([0, 1], range(3))
        for number in (grid if not missing else [0.0])
    ]
    rows = torch.tensor(np.array(rows), dtype=torch.float32)
    latents, conditions = torch.tensor([[0.3, -1.0]]), torch.tensor([[1, -1]])
    density = decoder.log_likelihood(rows, latents.expand(len(rows), -1), conditions.expand(len(rows), -1)).exp()
    width = torch.where(rows[:, 1] == 1, grid[1] - grid[0], 1.0)
    assert (density * width).sum().item() == pytest.approx(1.0, abs=1e-3)


@torch.no_grad()
def test_numbers_of_a_few_values_are_drawn_as_often_as_their_probabilities_say():
    scores = (-0.4, 1.1, 2.0)
    layout = RowLayout(n_numbers=3, few_scores=((), scores, (-1.0, 1.0)))
    decoder = RowDecoder(TableVAEArchitecture(layout, n_classes=1, width=4, latent_dim=2))
    initialise(decoder, torch.Generator().manual_seed(0))
    decoder.spread.bias[1:] = torch.tensor([1.0, 0.5])
    latents, labels = torch.tensor([[0.3, -1.0]]), torch.zeros(20_000, dtype=torch.int64)
    rows = torch.tensor(list(itertools.product(np.linspace(-20, 20, 4001), scores, (-1.0, 1.0))), dtype=torch.float32)
    probability = 0.01 * decoder.log_likelihood(rows, latents.expand(len(rows), -1), labels[:1].expand(len(rows))).exp()
    assert probability.sum().item() == pytest.approx(1.0, abs=1e-3)
    noise = torch.cat(
        [latents.expand(20_000, -1), torch.randn(20_000, 3, generator=torch.Generator().manual_seed(1))], 1
    )
    drawn = decoder(noise, labels)[:, 1:]
    for column, values in enumerate((scores, (-1.0, 1.0))):
        nearest = (drawn[:, column, None] - torch.tensor(values)).abs().argmin(1)
        for k, value in enumerate(values):
            share = probability[rows[:, 1 + column] == value].sum().item()
            assert 0.02 < share < 0.98
            assert (nearest == k).float().mean().item() == pytest.approx(share, abs=0.015)


def test_rows_with_values_that_no_training_row_has_score_low():
    X = pd.DataFrame({"a": RNG.normal(size=40) + 3 * Y, "b": np.where(RNG.random(40) < 0.9, "x", "y")})
    vae = TableVAE(**SMALL).fit(X, Y)
    usual, unknown, missing = (vae.score_samples(X.assign(b=value), Y) for value in ("x", "z", None))
    assert (usual > unknown).all()
    assert (usual > missing).all()


def test_a_latent_vector_that_says_nothing_is_reported(tmp_path):
    y = np.repeat([0, 1], 200)
    X = RNG.normal(size=(400, 2)) + 3 * y[:, None]  # independent in each class: there is nothing to be said
    run = RunOptions(log_dir=tmp_path / "log")
    vae = TableVAE(**QUICK, steps=300, width=8, latent_dim=1, learning_rate=3e-3, run=run).fit(X, y)
    (finding,) = [found for found in vae.health_ if found["finding"] == "posterior_collapse"]
    assert finding["value"] < finding["threshold"]
    assert finding["action"] == "reported"
    card = (vae.save(tmp_path / "m") / "README.md").read_text()
    assert "posterior collapse" in card
    assert "# Class-conditional VAE\n" in card
    assert "- vae\n" in card
    assert "GAN" not in card
    assert set(vae.history_[-1]) >= {"log_likelihood", "divergence"}


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ImageVAE, {"temperature": 0}, "temperature"),
        (ImageVAE, {"warm_up": 1.5}, "warm_up"),
        (ImageVAE, {"decoder_noise": "yes"}, "decoder_noise"),
        (TableVAE, {"latent_dim": 0}, "latent_dim"),
        (TableVAE, {"steps": "many"}, "steps"),
    ],
)
def test_parameters_are_checked_first(kind, options, message):
    X = IMAGES if kind is ImageVAE else IMAGES.reshape(40, -1)
    with pytest.raises(ValueError, match=f"'{message}' parameter"):
        kind(**{**SMALL, **options}).fit(X, Y)


def test_steps_grow_with_rows_and_images():
    steps = [
        TableVAE().resolve(np.resize(RNG.normal(size=99), (n, 1)), np.arange(n) % 2).training.steps for n in (50, 4000)
    ]
    assert steps == [1000, 2000]
    sizes = [np.zeros((4, side, side), np.uint8) for side in (8, 28)]
    assert [ImageVAE(device="cpu").resolve(X, [0, 0, 1, 1]).training.steps for X in sizes] == [2400, 4000]


@pytest.mark.parametrize(
    "change",
    [
        lambda arch: arch.update(pixels="yes"),
        lambda arch: arch.update(temperature=-1),
        lambda arch: arch.pop("decoder_noise"),
        lambda arch: arch.update(latent_dim=0),
    ],
)
def test_a_damaged_description_is_refused(images, tmp_path, change):
    path = images.save(tmp_path / "m")
    config = json.loads((path / "config.json").read_text())
    change(config["architecture"])
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="config"):
        ImageVAE.load(path, device="cpu")
