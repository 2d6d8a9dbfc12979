import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ganaug import ImageGAN, RunOptions, TrainingDiverged, labelled_images
from ganaug.audit import audit
from ganaug.classifiers.image_classifier import ClassifierConfig, class_consistency, train_classifier
from ganaug.curation.drawing import draw_filtered
from ganaug.engine.devices import random_generator
from ganaug.generators import fitting
from ganaug.generators import model_folder as bundle
from ganaug.generators.images import drawing as image_drawing
from ganaug.generators.images import sampling as image_sampling

QUICK = {"steps": 3, "batch_size": 8, "device": "cpu", "verbose": False, "random_state": 0}


def shades(n=12, channels=1, side=8, labels=("dark", "light")):
    """Two classes that differ in brightness, numpy channels-last."""
    rng = np.random.default_rng(0)
    level = np.repeat([60, 190], n // 2)[:, None, None, None]
    images = (level + rng.integers(-30, 30, (n, side, side, channels))).astype(np.uint8)
    return images, np.repeat(list(labels), n // 2)


@pytest.fixture(scope="module")
def fitted():
    return ImageGAN(**QUICK).fit(*shades())


@pytest.mark.parametrize(("channels", "side"), [(1, 9), (3, 8), (4, 16)])
def test_images_come_out_as_they_went_in(channels, side):
    images, y = shades(channels=channels, side=side)
    sampled = ImageGAN(**QUICK).fit(images, y).sample(y[:5], random_state=0)
    assert sampled.dtype == torch.uint8
    assert sampled.shape == (5, channels, side, side)


@pytest.mark.parametrize("dtype", ["auto", "float32"])
def test_floats_that_are_no_pictures_are_drawn_in_their_own_range(dtype, tmp_path):
    images, y = shades(channels=3)
    scaled = images / np.array([255, 1, 1e4]) if dtype == "float32" else images * 10.0 - 2000
    gan = ImageGAN(**QUICK).fit(labelled_images(scaled, y, dtype=dtype))
    drawn = gan.sample(y, random_state=0)
    assert (gan.sample_spec_.dtype, drawn.dtype) == ("float32", torch.float32)
    assert gan.config_.operations == ("translation", "cutout")
    low, high = (torch.from_numpy(edge(np.float32(scaled), (0, 1, 2))) for edge in (np.min, np.max))
    assert ((drawn.amin((0, 2, 3)) >= low) & (drawn.amax((0, 2, 3)) <= high)).all()
    assert (drawn.amax((0, 2, 3)) > low + (high - low) / 2).all()
    assert np.isfinite(gan.score_samples(drawn, y)).all()
    with pytest.raises(ValueError, match="X must be float32 images"):
        gan.score_samples((drawn > low[0]).to(torch.uint8), y)
    loaded = ImageGAN.load(gan.save(tmp_path / "model"))
    assert torch.equal(loaded.sample(y, random_state=0), drawn)
    assert loaded.sample_spec_ == gan.sample_spec_
    gan.show(tmp_path / "grid.png")


def test_the_same_images_in_any_container_give_the_same_gan(tmp_path):
    images, y = shades()
    channels_first = torch.from_numpy(images).permute(0, 3, 1, 2)
    pairs = [(image, label) for image, label in zip(channels_first, y, strict=True)]
    np.savez(tmp_path / "shades.npz", images=images, labels=y)
    sources = [
        (images, y),
        (images[..., 0], y),
        (channels_first, y.tolist()),
        (images / 255, y),
        (labelled_images(images, y), None),
        (pairs, None),
        (tmp_path / "shades.npz", None),
    ]
    samples = [ImageGAN(**QUICK).fit(*source).sample(y, random_state=1) for source in sources]
    for other in samples[1:]:
        assert torch.equal(samples[0], other)


def test_sampling_more_images_does_not_change_the_first(fitted):
    few = fitted.sample(["dark"] * 3, random_state=0)
    many = fitted.sample(["dark"] * 1203, random_state=0)
    assert many.shape[0] == 1203
    assert (few.int() - many[:3].int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("preset", "huge"),
        ("marginal_share", 1.5),
        ("steps", 0),
        ("steps", "many"),
        ("batch_size", 0),
        ("learning_rate", -1.0),
        ("gamma", -1),
        ("augment", "flip"),
        ("augment", ["rotate"]),
        ("augment_p", 1.0),
        ("label_temperature", 2),
        ("device", "tpu9"),
        ("random_state", "zero"),
        ("verbose", "loud"),
    ],
)
def test_bad_parameters_are_named_before_any_training(parameter, value, monkeypatch):
    monkeypatch.setattr("ganaug.generators.fitting.train", lambda *a, **k: pytest.fail("training started"))
    with pytest.raises((ValueError, TypeError), match=parameter) as caught:
        ImageGAN(**{**QUICK, parameter: value}).fit(*shades())
    assert "\n" not in str(caught.value)


def test_training_diverges_with_a_clear_error():
    # Adam's step is as long as the learning rate, whatever the gradient.
    with pytest.raises(TrainingDiverged, match="try a learning_rate below"):
        ImageGAN(**{**QUICK, "learning_rate": 1e30}).fit(*shades())


def test_class_names_survive_saving(tmp_path):
    digits = labelled_images("digits").subset(range(60))
    named = type(digits)(digits.images, digits.labels, {0: "zéro", 1: "one"})
    loaded = ImageGAN.load(ImageGAN(**QUICK).fit(named).save(tmp_path))
    assert loaded.class_names_ == {0: "zéro", 1: "one"}


def edit(path, **changes):
    config = json.loads((path / "config.json").read_text())
    config.update(changes)
    (path / "config.json").write_text(json.dumps(config))


DAMAGES = {
    "weights cut": (lambda p: (p / "model.safetensors").write_bytes(b"1234"), "damaged: its checksum differs"),
    "weights gone": (lambda p: (p / "model.safetensors").unlink(), "incomplete"),
    "config gone": (lambda p: (p / "config.json").unlink(), "holds no config.json"),
    "config cut": (lambda p: (p / "config.json").write_text('{"format": "gan'), "not valid JSON"),
    "config a list": (lambda p: (p / "config.json").write_text("[]"), "not written by ganaug"),
    "foreign": (lambda p: edit(p, format="diffusers"), "not written by ganaug"),
    "another kind": (lambda p: edit(p, format="ganaug.TableGAN"), "holds a TableGAN, not a ImageGAN"),
    "newer": (lambda p: edit(p, format_version=3), "upgrade ganaug"),
    "earlier": (lambda p: edit(p, format_version=1), "an earlier ganaug .format version 1.*save the model again"),
    "classes gone": (lambda p: edit(p, classes=None), "damaged"),
    "architecture changed": (lambda p: edit(p, architecture={"image_shape": [1, 8, 8]}), "damaged"),
    "parameter unknown": (lambda p: edit(p, params={"width": 3}), "damaged"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_folders_are_refused_in_one_sentence(fitted, tmp_path, name):
    damage, message = DAMAGES[name]
    path = fitted.save(tmp_path / "model")
    damage(path)
    with pytest.raises(ValueError, match=message) as caught:
        ImageGAN.load(path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_flipped_bit_is_noticed(fitted, tmp_path):
    path = fitted.save(tmp_path / "model")
    weights = bytearray((path / "model.safetensors").read_bytes())
    weights[-5] ^= 1
    (path / "model.safetensors").write_bytes(weights)
    with pytest.raises(ValueError, match="checksum"):
        ImageGAN.load(path)


@pytest.mark.parametrize("killed_at", [0, 1, 2, 3])
def test_saving_over_a_model_and_killed_leaves_the_old_or_the_new_one(fitted, tmp_path, monkeypatch, killed_at):
    path = fitted.save(tmp_path / "model")
    other = ImageGAN(**{**QUICK, "random_state": 5}).fit(*shades())
    done = []

    def step(original, *arguments):
        if len(done) == killed_at:
            raise KeyboardInterrupt
        original(*arguments)
        done.append(arguments)

    write, replace = bundle.write_atomically, type(path).replace
    monkeypatch.setattr(bundle, "write_atomically", lambda *arguments: step(write, *arguments))
    monkeypatch.setattr(type(path), "replace", lambda *arguments: step(replace, *arguments))
    with pytest.raises(KeyboardInterrupt):
        other.save(path)
    monkeypatch.undo()

    def drawn(gan):
        return gan.sample(["dark", "light"], random_state=0)

    assert torch.equal(drawn(ImageGAN.load(path)), drawn(fitted if killed_at < 2 else other))
    other.save(path)
    assert torch.equal(drawn(ImageGAN.load(path)), drawn(other))
    assert sorted(p.name for p in path.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_one_seed_for_fitting_and_sampling_gives_unrelated_noise(monkeypatch):
    seen = []
    for module in (fitting, image_sampling):
        monkeypatch.setattr(module, "random_generator", lambda s, p: seen.append(random_generator(s, p)) or seen[-1])
    gan = ImageGAN(**QUICK).fit(*shades())
    gan.sample(["dark"], random_state=QUICK["random_state"])
    assert len({generator.initial_seed() for generator in seen}) == 2


def test_large_samples_are_drawn_in_batches_that_fit_into_memory(fitted, monkeypatch):
    labels = np.repeat(["dark", "light"], 3)
    whole = fitted.sample(labels, random_state=0)
    sizes = []
    monkeypatch.setattr(image_drawing, "SAMPLING_MEMORY", 2 * fitted.config_.architecture.largest_map)
    with fitted.generator_.register_forward_hook(lambda _, given, __: sizes.append(len(given[0]))):
        parts = fitted.sample(labels, random_state=0)
    assert sizes == [2, 2, 2]
    assert (whole.int() - parts.int()).abs().max() <= 1  # sums of another batch size may round differently


def test_show_writes_a_png_with_a_row_per_class(fitted, tmp_path):
    sizes = []
    for n in (2, 9):
        figure = fitted.show(tmp_path / f"{n}.png", per_class=n)
        with Image.open(tmp_path / f"{n}.png") as image:
            assert image.format == "PNG"
            assert (figure.get_size_inches() * figure.dpi).round().tolist() == list(image.size)
            sizes.append(image.size)
    assert sizes[0][0] < sizes[1][0]
    assert sizes[0][1] == sizes[1][1]
    with pytest.raises(ValueError, match="per_class"):
        fitted.show(tmp_path / "none.png", per_class=0)
    figure = fitted.show(per_class=2)
    assert figure.axes[0].images[0].get_array().shape[:2] == sizes[0][::-1]
    assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook asks for


def test_an_operation_named_twice_is_refused():
    with pytest.raises(ValueError, match=r"augment must not repeat itself, got \['hflip', 'hflip'\]; name each"):
        ImageGAN(**{**QUICK, "augment": ["hflip", "hflip"]}).fit(*shades())


def test_a_log_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "log").write_text("")
    with pytest.raises(ValueError, match="log_dir must be a folder"):
        ImageGAN(**QUICK, run=RunOptions(log_dir=tmp_path / "log")).fit(*shades())


def test_the_log_folder_is_filled(tmp_path):
    ImageGAN(**{**QUICK, "steps": 60}, run=RunOptions(log_dir=tmp_path)).fit(*shades())
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [50, 60]
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path)).Reload()
    assert [s.step for s in board.Images("samples")] == [60]


@pytest.mark.parametrize("native", [True, False])
def test_auto_takes_bf16_where_the_processor_has_it(monkeypatch, native):
    images, y = shades()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    auto = ImageGAN(device="cpu").resolve(images, y)
    assert auto.training.precision == ("bf16" if native else "fp32")
    for precision in ("fp32", "bf16"):
        assert (
            ImageGAN(device="cpu", run=RunOptions(precision=precision)).resolve(images, y).training.precision
            == precision
        )


def test_bf16_trains_weights_and_draws_samples_in_float32():
    gan = ImageGAN(**QUICK, run=RunOptions(precision="bf16")).fit(*shades())
    assert {w.dtype for w in [*gan.generator_.parameters(), *gan.discriminator_.parameters()]} == {torch.float32}
    again = ImageGAN(**QUICK, run=RunOptions(precision="fp32")).fit(*shades())
    assert not torch.equal(next(gan.generator_.parameters()), next(again.generator_.parameters()))


def test_auto_resolves_by_images_and_device():
    images, y = shades(channels=3, side=32)
    gan = ImageGAN(device="cpu", gamma=0.5)
    config = gan.resolve(images, y)
    assert config.preset == "tiny"
    assert config.operations == ("translation", "cutout", "color")
    assert config.objective.gamma == 0.5
    assert config.objective.final_gamma == pytest.approx(0.05)
    assert gan.set_params(steps=11, preset="small").resolve(images, y).training.steps == 11


@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
def test_every_preset_trains(preset):
    images, y = shades(n=4, side=9)
    gan = ImageGAN(**{**QUICK, "preset": preset, "steps": 1, "batch_size": 2}).fit(images, y)
    assert gan.config_.preset == preset
    assert gan.sample(y).shape == (4, 1, 9, 9)


def test_conditioning_is_real():
    """A classifier that knows only real digits finds at least 90 % of the synthetic ones to be what was asked for."""
    digits = labelled_images("digits")
    train, held_out = digits.subset(range(500)), digits.subset(range(500, 1797))
    gan = ImageGAN(preset="tiny", steps=1000, device="cpu", random_state=0, verbose=False).fit(train)

    generator = torch.Generator().manual_seed(0)
    pixels, labels = torch.from_numpy(held_out.images).float() / 255, torch.from_numpy(held_out.labels)

    def draw(batch_size):
        chosen = torch.randint(len(pixels), (batch_size,), generator=generator)
        return pixels[chosen], labels[chosen]

    judge = train_classifier(draw, digits.image_shape, 10, ClassifierConfig(steps=400), generator)
    assert class_consistency(judge, train.images, train.labels, 10).mean() > 0.95

    asked = np.repeat(np.arange(10), 100)
    images = gan.sample(asked, random_state=1).numpy()
    consistency = class_consistency(judge, images, asked, 10)
    assert consistency.min() >= 0.9, consistency
    # And the images of a class differ: each has at least half the spread of the real ones.
    for c in range(10):
        spread = [x[asked_c].std(0).mean() for x, asked_c in ((images, asked == c), (train.images, train.labels == c))]
        assert spread[0] > 0.5 * spread[1], c


@pytest.mark.parametrize("with_groups", [True, False])
def test_training_images_are_known_again_with_and_without_groups(with_groups, tmp_path):
    digits = labelled_images("digits").subset(range(60))
    grouped = replace(digits, groups=np.repeat(["old", "new"], 30))
    gan = ImageGAN(**QUICK).fit(grouped if with_groups else digits)
    for real in (digits, grouped):  # a warning that they are others would be an error
        audit(gan, real, per_class=10, random_state=0)
        draw_filtered(gan, 1, real=real, keep=[], random_state=0)
    with pytest.warns(UserWarning, match="train is not what the generator was trained on"):
        audit(gan, grouped.subset(range(1, 60)), per_class=10, random_state=0)
