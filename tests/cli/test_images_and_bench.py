import json
import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image
from shell import run

import ganaug
from ganaug import ImageGAN, TrainingDiverged, labelled_images
from ganaug.cli import main

QUICK = ("--steps", "3", "--device", "cpu", "--seed", "0")
CPU = ("--device", "cpu")


def shades(channels=1):
    return np.random.default_rng(0).integers(0, 256, (12, 8, 8, channels), np.uint8)


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "images.npz"
    np.savez(path, images=shades(), labels=np.repeat(["dark", "light"], 6))
    return path


@pytest.fixture(scope="module")
def model(npz, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "new" / "model"
    assert run("fit", "images", npz, "-o", path, *QUICK) == 0
    return path


def write_model(path, labels, channels=1):
    gan = ImageGAN(steps=1, batch_size=4, device="cpu", random_state=0)
    gan.fit(shades(channels), np.repeat(labels, 12 // len(labels)))
    return gan.save(path)


def test_importing_and_helping_need_no_torch():
    code = (
        "import sys, ganaug\n"
        "from ganaug.cli import main\n"
        "for arguments in (['--help'], ['--version'], ['fit', 'images', '--help']):\n"
        "    try:\n"
        "        main(arguments)\n"
        "    except SystemExit as stop:\n"
        "        assert not stop.code, stop.code\n"
        "heavy = {'torch', 'torchvision', 'datasets', 'sklearn', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ganaug.__version__ in done.stdout
    assert "bench" in done.stdout


def test_bad_input_in_a_process_of_its_own(tmp_path):
    command = [sys.executable, "-m", "ganaug", "fit", "images", tmp_path / "none", "-o", tmp_path / "model"]
    environment = {key: value for key, value in os.environ.items() if key != "GANAUG_TRACEBACK"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: {tmp_path / 'none'} does not exist")
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_traceback_is_shown_on_request(tmp_path, monkeypatch):
    monkeypatch.setenv("GANAUG_TRACEBACK", "1")
    with pytest.raises(ValueError, match="does not exist"):
        main(["fit", "images", str(tmp_path / "none"), "-o", str(tmp_path / "model")])


def test_unknown_options_and_commands_end_with_status_2(capsys):
    assert run("fit", "images", "digits", "--nonsense") == 2
    assert run("nonsense") == 2
    assert run("fit", "images", "digits") == 2  # no output
    assert "Traceback" not in capsys.readouterr().err


def test_fit_writes_a_model_and_a_picture(model):
    gan = ImageGAN.load(model, device="cpu")
    assert gan.classes_.tolist() == ["dark", "light"]
    assert gan.config_.training.steps == 3
    assert gan.history_[-1]["step"] == 3
    with Image.open(model / "samples.png") as sheet:
        assert sheet.format == "PNG"


def test_fit_again_replaces_the_model_where_that_is_asked_for(npz, tmp_path, capsys):
    for steps in (1, 2):
        assert run("fit", "images", npz, "-o", tmp_path / "m", "--steps", steps, "--overwrite", *CPU) == 0
    assert ImageGAN.load(tmp_path / "m", device="cpu").config_.training.steps == 2
    assert "12 images of 2 classes" in capsys.readouterr().out


def test_fit_writes_metrics(npz, tmp_path):
    assert run("fit", "images", npz, "-o", tmp_path / "m", "--log-dir", tmp_path / "log", *QUICK) == 0
    lines = (tmp_path / "log" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 3


def test_options_of_the_training_reach_it(npz, tmp_path):
    options = ("--batch-size", 6, "--precision", "bf16", "--validation-fraction", 0.25)
    assert run("fit", "images", npz, "-o", tmp_path / "m", *options, *QUICK) == 0
    training = ImageGAN.load(tmp_path / "m", device="cpu").config_.training
    assert (training.batch_size, training.precision, training.validation_fraction) == (6, "bf16", 0.25)


def test_dry_run_prints_the_whole_configuration_and_writes_nothing(npz, tmp_path, capsys):
    output = tmp_path / "model"
    log = tmp_path / "log"
    assert run("fit", "images", npz, "-o", output, "--dry-run", "--log-dir", log, "--preset", "small", *QUICK) == 0
    config = json.loads(capsys.readouterr().out)
    assert config["source"] == str(npz)
    assert config["output"] == str(output)
    assert config["preset"] == "small"
    assert config["data"] == {
        "n_images": 12,
        "image_shape": [1, 8, 8],
        "classes": ["dark", "light"],
        "skipped_files": 0,
    }
    assert config["training"]["steps"] == 3
    assert config["architecture"]["n_classes"] == 2
    assert "auto" not in json.dumps({key: config[key] for key in ("preset", "architecture", "training", "operations")})
    assert os.listdir(tmp_path) == []


def test_dry_run_configuration_is_the_one_that_is_saved(npz, model, tmp_path, capsys):
    assert run("fit", "images", npz, "-o", tmp_path / "model", "--dry-run", *QUICK) == 0
    config = json.loads(capsys.readouterr().out)
    saved = json.loads((model / "config.json").read_text())
    keys = ("preset", "architecture", "training", "operations")
    assert {key: config[key] for key in keys} == {key: saved[key] for key in keys}


def test_flip_adds_mirroring(npz, tmp_path, capsys):
    found = []
    for options in ((), ("--flip",)):
        assert run("fit", "images", npz, "-o", tmp_path / "m", "--dry-run", *options, *QUICK) == 0
        found.append(json.loads(capsys.readouterr().out)["operations"])
    assert found[1] == [*found[0], "hflip"]
    assert "hflip" not in found[0]


@pytest.mark.filterwarnings("default")
def test_skipped_files_are_told_and_sizes_made_equal(tmp_path, capsys):
    for name in ("ape", "owl"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for side in (8, 9, 10):
            Image.new("RGB", (side, 8)).save(tmp_path / "in" / name / f"{side}.png")
    (tmp_path / "in" / "owl" / "bad.png").write_bytes(b"no image")
    assert run("fit", "images", tmp_path / "in", "-o", tmp_path / "m", "--size", "8x12", "--dry-run", *CPU) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["data"]["skipped_files"] == 1
    assert json.loads(printed.out)["data"]["image_shape"] == [3, 8, 12]
    assert printed.err.startswith("Warning: skipped 1 of 7 files")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("size", ["big", "8x", "8x8x8", "-8", "0", "8.5", ""])
def test_bad_sizes_are_refused(refused, tmp_path, size):
    assert "size must be" in refused("fit", "images", "digits", "-o", tmp_path / "m", "--size", size)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", "0"), "steps"),
        (("--device", "abacus"), "'abacus'"),
        (("--size", "16"), "size applies to"),
        (("--seed", "-1"), "random_state"),
    ],
)
def test_bad_options_are_refused_before_training(refused, npz, tmp_path, options, message):
    assert message in refused("fit", "images", npz, "-o", tmp_path / "m", *options)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": shades(), "labels": ["a"] * 12}, "at least two classes"),
        ({"images": shades(), "labels": ["a"] * 11 + ["b"]}, "class 'b' has 1"),
        ({"images": shades() * np.nan, "labels": ["a", "b"] * 6}, "NaN"),
        ({"images": shades()}, "'images' and 'labels'"),
    ],
)
def test_bad_data_are_refused_before_training(refused, tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    assert message in refused("fit", "images", tmp_path / "x.npz", "-o", tmp_path / "m", *QUICK)
    assert os.listdir(tmp_path) == ["x.npz"]


def never(*_args, **_kw):
    raise AssertionError("work began although its result cannot be written")


@pytest.mark.parametrize("output", ["file", "file/model"])
def test_model_that_cannot_be_written_is_refused_before_training(refused, npz, tmp_path, monkeypatch, output):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(ImageGAN, "fit", never)
    assert f"cannot write {tmp_path / output}: " in refused("fit", "images", npz, "-o", tmp_path / output, *QUICK)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("output", ["file/x.npz", "file/x.parquet", "file/x", "folder.npz", "folder.parquet"])
def test_samples_that_cannot_be_written_are_refused_before_sampling(refused, model, tmp_path, monkeypatch, output):
    (tmp_path / "file").write_text("mine")
    for name in ("folder.npz", "folder.parquet"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(ImageGAN, "sample", never)
    assert f"cannot write {tmp_path / output}: " in refused("sample", model, "-o", tmp_path / output, *CPU)


def test_missing_permission_is_refused(refused, model, tmp_path, monkeypatch):
    # Asked of the system, since the tests may run as root, to whom everything is permitted.
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)
    assert "no permission to write in" in refused("sample", model, "-o", tmp_path / "x.npz", *CPU)


def test_failed_training_is_told_with_status_1(npz, tmp_path, capsys, monkeypatch):
    def diverge(*_args, **_kw):
        raise TrainingDiverged("the losses are not finite")

    monkeypatch.setattr(ImageGAN, "fit", diverge)
    assert run("fit", "images", npz, "-o", tmp_path / "m", *QUICK) == 1
    assert capsys.readouterr().err == "Error: the losses are not finite\n"


def test_errors_of_others_keep_their_traceback(npz, tmp_path, monkeypatch):
    def fail(*_args, **_kw):
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(ImageGAN, "fit", fail)
    with pytest.raises(RuntimeError, match="CUDA error"):
        main(["fit", "images", str(npz), "-o", str(tmp_path / "m"), *QUICK])


@pytest.mark.parametrize("name", ["out", "out.npz", "out.parquet"])
def test_samples_are_read_again_with_exact_counts(model, tmp_path, capsys, name):
    assert run("sample", model, "-o", tmp_path / "sub" / name, "--per-class", 3, "--seed", 1, *CPU) == 0
    assert "Wrote 6 images of 2 classes" in capsys.readouterr().out
    data = labelled_images(tmp_path / "sub" / name)
    assert data.image_shape == (1, 8, 8)
    assert [data.name(label) for label in data.labels] == ["dark"] * 3 + ["light"] * 3
    expected = ImageGAN.load(model, device="cpu").sample(["dark"] * 3 + ["light"] * 3, random_state=1)
    np.testing.assert_array_equal(data.images, expected.numpy())


def test_format_overrides_the_name(model, tmp_path):
    assert run("sample", model, "-o", tmp_path / "x", "--format", "npz", "--per-class", 1, *CPU) == 0
    assert zipfile.is_zipfile(tmp_path / "x")
    assert run("sample", model, "-o", tmp_path / "y.npz", "--format", "folder", "--per-class", 1, *CPU) == 0
    assert len(labelled_images(tmp_path / "y.npz")) == 2


@pytest.mark.parametrize("asked", [["light"], ["light", "light"]])
def test_only_the_classes_asked_for_and_each_once(model, tmp_path, capsys, asked):
    options = [option for name in asked for option in ("--class", name)]
    assert run("sample", model, "-o", tmp_path / "x.npz", "--per-class", 2, *options, *CPU) == 0
    assert labelled_images(tmp_path / "x.npz").labels.tolist() == ["light", "light"]
    assert "Wrote 2 images of 1 classes" in capsys.readouterr().out


def test_labels_keep_their_type_in_npz(tmp_path):
    for labels in ([3, -2], [True, False]):
        path = write_model(tmp_path / "m", labels)
        asked = ("--per-class", 1, "--class", labels[0], "--overwrite")
        assert run("sample", path, "-o", tmp_path / "x.npz", *asked, *CPU) == 0
        found = labelled_images(tmp_path / "x.npz").labels
        assert found.dtype == np.array(labels).dtype
        assert found.tolist() == labels[:1]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("names", [["..", "../up", "/root", ".hidden", "", "é b"], [".", "", "_", "a/b", "a:b", "ab"]])
def test_class_names_stay_inside_the_output_folder(tmp_path, capsys, names):
    path = write_model(tmp_path / "m", names)
    assert run("sample", path, "-o", tmp_path / "out", "--per-class", 2, *CPU) == 0
    assert re.search(r"class '.*' is in the folder '.*', and [45] more in such ones", capsys.readouterr().err)
    assert sorted(os.listdir(tmp_path)) == ["m", "out"]
    data = labelled_images(tmp_path / "out")
    assert np.unique(data.labels, return_counts=True)[1].tolist() == [2] * len(names)


@pytest.mark.filterwarnings("default")
def test_a_folder_that_is_called_otherwise_than_its_class_is_audited(tmp_path, capsys):
    rows = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "real.npz", images=rows, labels=np.repeat(["no", "yes?"], 20))
    assert run("fit", "images", tmp_path / "real.npz", "-o", tmp_path / "model", "--steps", "2", *CPU) == 0
    assert run("sample", tmp_path / "model", "-o", tmp_path / "out", "--per-class", "10", *CPU) == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["no", "yes_"]
    capsys.readouterr()
    assert run("audit", tmp_path / "out", "--real", tmp_path / "real.npz", *CPU) in (0, 1)
    assert "yes_" not in capsys.readouterr().out


def test_five_channels_go_into_npz_but_not_into_pngs(refused, tmp_path):
    path = write_model(tmp_path / "m", ["a", "b"], channels=5)
    for name in ("out", "out.parquet"):
        assert "write an .npz file instead" in refused("sample", path, "-o", tmp_path / name, "--per-class", 1, *CPU)
        assert not (tmp_path / name).exists()
    assert run("sample", path, "-o", tmp_path / "out.npz", "--per-class", 1, *CPU) == 0
    assert labelled_images(tmp_path / "out.npz").image_shape == (5, 8, 8)


def test_unknown_class_is_refused(refused, model, tmp_path):
    message = refused("sample", model, "-o", tmp_path / "x.npz", "--class", "dark", "--class", "grey", *CPU)
    assert "no class 'grey'; its classes are dark, light" in message
    assert os.listdir(tmp_path) == []


def test_folder_that_is_not_empty_is_refused(refused, model, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    for option in ((), ("--overwrite",)):
        said = refused("sample", model, "-o", tmp_path / "out", *option, *CPU)
        assert "is not an empty folder, and --overwrite replaces no folders of images" in said
    (tmp_path / "out" / "mine.txt").unlink()
    assert run("sample", model, "-o", tmp_path / "out", "--per-class", 1, *CPU) == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["dark", "light"]


def test_no_images_per_class_is_refused(model, tmp_path, capsys):
    assert run("sample", model, "-o", tmp_path / "out", "--per-class", 0) == 2
    assert "per-class" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda m: (m / "config.json").unlink(), "holds no config.json"),
        (lambda m: _truncate(m / "config.json"), "not valid JSON"),
        (lambda m: (m / "config.json").write_bytes(b"\xff\xfe"), "not valid JSON"),
        (lambda m: (m / "config.json").write_text("[]"), "not written by ganaug"),
        (lambda m: (m / "model.safetensors").unlink(), "incomplete"),
        (lambda m: _truncate(m / "model.safetensors"), "checksum"),
    ],
)
def test_damaged_models_are_refused(refused, model, tmp_path, damage, message):
    copy = tmp_path / "model"
    copy.mkdir()
    for name in ("config.json", "model.safetensors"):
        (copy / name).write_bytes((model / name).read_bytes())
    damage(copy)
    assert message in refused("sample", copy, "-o", tmp_path / "out", *CPU)
    assert not (tmp_path / "out").exists()


def test_missing_model_is_refused(refused, tmp_path):
    assert "is not a saved ganaug model: it does not exist" in refused(
        "sample", tmp_path / "none", "-o", tmp_path / "x"
    )


def test_unknown_suite_is_refused_with_the_nearest_name(refused):
    assert "no suite 'quik'; did you mean 'quick'?" in refused("bench", "run", "quik")


def test_bench_dry_run_prints_the_suite(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("bench", "run", "quick", "--dry-run") == 0
    suite = json.loads(capsys.readouterr().out)
    assert suite["name"] == "quick"
    for kind in ("images", "tables"):
        assert {arm["name"] for arm in suite[kind]["arms"]} >= set(suite[kind]["baselines"])
    assert os.listdir(tmp_path) == []


def test_report_without_a_run_is_refused(refused, tmp_path):
    assert "holds no benchmark run" in refused("bench", "report", tmp_path)
    assert "holds no benchmark run" in refused("bench", "report", tmp_path / "none")
    (tmp_path / "summary.json").write_text("{")
    assert "is damaged" in refused("bench", "report", tmp_path)


def test_a_folder_of_images_without_labels(tmp_path, capsys, monkeypatch):
    from PIL import Image

    from ganaug.metrics import ClassifierConfig

    monkeypatch.setattr("ganaug.curation.image_filters.TRAINING", ClassifierConfig(steps=5))
    randomness = np.random.default_rng(0)
    for name in ("cat", "dog", "unknown"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(5):
            pixels = randomness.integers(256, size=(8, 8)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    fit = ("fit", "images", tmp_path / "photos", "-o", tmp_path / "model")
    command = (*fit, "--steps", "2", "--device", "cpu", "--seed", "0")
    assert run(*command, "--unlabelled", "unknown") == 0
    assert "Trained on 15 images of 2 classes" in capsys.readouterr().out
    gan = ImageGAN.load(tmp_path / "model")
    assert [gan.class_name(label) for label in gan.classes_.tolist()] == ["cat", "dog"]
    assert gan.training_data_["n_unlabelled"] == 5
    assert run("sample", tmp_path / "model", "-o", tmp_path / "x.npz", "--per-class", "1", "--seed", "0") == 0
    assert labelled_images(tmp_path / "x.npz").labels.tolist() == ["cat", "dog"]
    pool = ("sample", tmp_path / "model", "-o", tmp_path / "pool", "--pool", "--per-class", "3", "--rank", "0.5")
    assert run(*pool, "--real", tmp_path / "photos", "--seed", "0") == 0
    assert "Wrote a pool of 6 images of 2 classes" in capsys.readouterr().out
    assert run("audit", tmp_path / "model", "--train", tmp_path / "photos", "--seed", "0") == 0
    printed = capsys.readouterr()
    assert "against 15 training" in printed.out
    assert "unknown" not in printed.out
    assert "not what the generator was trained on" not in printed.err
    assert run(*command, "--overwrite", "--unlabelled", "unkown") == 2
    assert "--unlabelled must be the name of a class, got 'unkown'" in capsys.readouterr().err
