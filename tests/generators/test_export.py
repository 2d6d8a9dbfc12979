import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch

import ganaug
from ganaug import ImageGAN
from ganaug.data.images.pixel_scale import PixelScale
from ganaug.generators.images.drawing import generate
from ganaug.generators.images.export import FORMATS, METADATA, export_generator
from ganaug.generators.images.networks import ImageArchitecture, build_networks

N_CLASSES = 4
ARCHITECTURES = {
    "gray": ImageArchitecture((1, 8, 8), N_CLASSES, (16, 8)),
    "odd, colour": ImageArchitecture((3, 9, 20), N_CLASSES, (16, 8), patch=2),
    "odd, grouped": ImageArchitecture((1, 13, 28), N_CLASSES, (16, 8), blocks=2, expansion=2.0, group_width=4),
    "four channels": ImageArchitecture((4, 17, 8), N_CLASSES, (16, 8), patch=2, latent_dim=7),
}


def generator(architecture):
    """With weights that fill the range of grey levels."""
    network = build_networks(architecture)[0].eval()
    randomness = torch.Generator().manual_seed(0)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, 0, 0.15, generator=randomness)
    return network


def with_onnxruntime(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map

    def run(latents, classes):
        return session.run(["images"], {"latents": latents.numpy(), "classes": classes.numpy()})[0]

    return run, {name: text if name == "ganaug_version" else json.loads(text) for name, text in metadata.items()}


def with_torch(path):
    files = {METADATA: ""}
    program = torch.export.load(path, extra_files=files).module()
    return lambda latents, classes: program(latents, classes).numpy(), json.loads(files[METADATA])


READERS = {"onnx": with_onnxruntime, "torch_export": with_torch}


@pytest.fixture(scope="module")
def fitted():
    images = np.random.default_rng(0).integers(0, 256, (12, 9, 8, 1), np.uint8)
    settings = {"steps": 2, "batch_size": 4, "device": "cpu", "random_state": 0, "verbose": False}
    return ImageGAN(**settings).fit(images, np.repeat(["dark", "zéro"], 6))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_file_draws_what_the_generator_draws(name, format, tmp_path):
    network = generator(ARCHITECTURES[name])
    export_generator(network, tmp_path / f"gan{FORMATS[format]}", format, {}, PixelScale())
    run, _ = READERS[format](tmp_path / f"gan{FORMATS[format]}")
    for n in (1, 5, 0):
        latents, classes = torch.randn(n, network.arch.latent_dim), torch.arange(n) % N_CLASSES
        expected = generate(network, latents, classes).numpy()
        images = run(latents, classes)
        assert images.dtype == np.uint8
        assert images.shape == expected.shape == (n, *network.arch.image_shape)
        assert np.abs(images.astype(int) - expected).max(initial=0) <= 1
    latents = torch.randn(1, network.arch.latent_dim).expand(N_CLASSES, -1).contiguous()
    assert len(np.unique(run(latents, torch.arange(N_CLASSES)), axis=0)) == N_CLASSES


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_draws_floats_in_the_range_of_training(format, tmp_path):
    network, scale = generator(ARCHITECTURES["odd, colour"]), PixelScale((-80.0, 0.0, 3.0), (0.0, 1e-3, 3.0))
    export_generator(network, tmp_path / f"gan{FORMATS[format]}", format, {}, scale)
    latents, classes = torch.randn(5, network.arch.latent_dim), torch.arange(5) % N_CLASSES
    images = READERS[format](tmp_path / f"gan{FORMATS[format]}")[0](latents, classes)
    assert images.dtype == np.float32
    expected = generate(network, latents, classes, scale=scale).numpy()
    spans = np.array([80, 1e-3, 1])[:, None, None]
    assert np.abs((images - expected) / spans).max() < 1e-4


@pytest.mark.parametrize("format", FORMATS)
def test_a_fitted_gan_and_its_file_draw_alike(fitted, tmp_path, format):
    path = fitted.export(tmp_path / f"gan{FORMATS[format]}", format=format)
    run, metadata = READERS[format](path)
    assert metadata == {
        "classes": ["dark", "zéro"],
        "class_names": ["dark", "zéro"],
        "latent_dim": 64,
        "ganaug_version": ganaug.__version__,
    }
    classes = torch.tensor([1, 0, 1])
    latents = torch.randn(3, 64, generator=torch.Generator().manual_seed(3))
    images = run(latents, classes)
    assert np.abs(images.astype(int) - generate(fitted.generator_, latents, classes).numpy()).max() <= 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


@pytest.mark.parametrize("format", FORMATS)
def test_exporting_leaves_the_gan_and_the_global_random_state_alone(fitted, tmp_path, format):
    before, state = fitted.sample(["dark"], random_state=0), torch.get_rng_state()
    first = fitted.export(tmp_path / f"a{FORMATS[format]}", format=format).read_bytes()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(fitted.sample(["dark"], random_state=0), before)
    assert ganaug.__file__.rpartition("/")[0].encode() not in first  # no folder of this machine
    if format == "onnx":
        assert fitted.export(tmp_path / "b.onnx").read_bytes() == first


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_needs_no_ganaug(fitted, tmp_path, format):
    path = fitted.export(tmp_path / f"gan{FORMATS[format]}", format=format)
    code = {
        "onnx": "import onnxruntime, numpy as np; s = onnxruntime.InferenceSession(sys.argv[1])\n"
        "images = s.run(None, {'latents': np.zeros((3, 64), 'f'), 'classes': np.zeros(3, 'int64')})[0]",
        "torch_export": "import torch\n"
        "images = torch.export.load(sys.argv[1]).module()(torch.zeros(3, 64), torch.tensor([0, 1, 1]))",
    }[format]
    code = f"import sys; sys.modules['ganaug'] = None\n{code}\nprint(tuple(images.shape))"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(3, 1, 9, 8)", done.stderr


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("gan.pt", "torchscript", "format must be one of 'onnx', 'torch_export', got 'torchscript'"),
        ("gan.pt2", "onnx", r"gan.pt2 ends in .pt2, got format 'onnx'; pass 'torch_export' or rename the file"),
        ("gan.onnx", "torch_export", r"gan.onnx ends in .onnx, got format 'torch_export'; pass 'onnx'"),
        (".", "onnx", r"is a folder; pass the name of a file such as .*gan.onnx"),
    ],
)
def test_what_cannot_be_exported_is_told(fitted, tmp_path, name, format, message):
    with pytest.raises(ValueError, match=message):
        fitted.export(tmp_path / name, format=format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_says_what_installs_it(fitted, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf'needs the package {package}, .*: pip install "ganaug\[onnx\]"'):
        fitted.export(tmp_path / "gan.onnx")
