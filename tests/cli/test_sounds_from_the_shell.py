"""Folders of sounds go through the shell: fit, sample, augment, audit and bench."""

import json

import numpy as np
import pytest
import soundfile
from shell import run
from sounds import MEL, RATE, write_folder

import ganaug
from ganaug import MelSpectrogram, labelled_audio, labelled_images

QUICK = ("--steps", "2", "--device", "cpu", "--seed", "0")
SPECTROGRAM = tuple(option for name, value in MEL.items() for option in ("--mel", f"{name}={value}"))
SPEAKERS = ("--groups", "/([a-z]+)_")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("tones"), n=5)


@pytest.fixture(scope="module")
def model(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    assert run("fit", "audio", source, "-o", path, *SPECTROGRAM, *QUICK) == 0
    return path


def test_a_model_of_sounds_is_one_of_images_that_keeps_their_spectrogram(model, source):
    gan = ganaug.load(model)
    assert gan.sample_spec_.shape == (1, 8, 8)
    assert gan.sample_spec_.dtype == "float32"
    assert MelSpectrogram.of(gan) == MelSpectrogram(RATE, 0.1, **MEL)
    np.testing.assert_array_equal(labelled_audio(source, mel=gan).images, labelled_audio(source, mel=MEL).images)


def test_speakers_are_groups_of_the_model(source, tmp_path, capsys):
    assert run("fit", "audio", source, "-o", tmp_path / "m", *SPECTROGRAM, *SPEAKERS, *QUICK, "--dry-run") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["data"]["groups"] == ["ann", "bob"]
    assert plan["architecture"]["n_groups"] == 2


def test_samples_are_spectrograms_and_sounds_to_listen_to(model, tmp_path, capsys):
    out, wav = tmp_path / "new.npz", tmp_path / "wav"
    assert run("sample", model, "-o", out, "--per-class", 2, "--wav", wav, "--seed", 0) == 0
    assert "Wrote 4 sounds" in capsys.readouterr().out
    drawn = labelled_images(out, dtype="auto")
    assert drawn.images.shape == (4, 1, 8, 8)
    assert MelSpectrogram.of(drawn).sample_rate == RATE
    heard = sorted(path.relative_to(wav).as_posix() for path in wav.rglob("*.wav"))
    assert heard == [f"{kind}/00000{number}.wav" for kind in ("high", "low") for number in (0, 1)]
    about = soundfile.info(str(wav / heard[0]))
    assert (about.samplerate, about.frames, about.channels) == (RATE, 400, 1)


@pytest.mark.parametrize("trained", [True, False])
def test_synthetic_sounds_are_added_as_spectrograms(model, source, tmp_path, trained):
    options = ("--model", model, "--device", "cpu") if trained else (*SPECTROGRAM, *QUICK)
    out, wav = tmp_path / "more.npz", tmp_path / "wav"
    done = run("augment", "audio", source, "-o", out, "--per-class", 3, "--keep-all", "--wav", wav, *options)
    assert done == 0
    with np.load(out) as file:
        assert file["is_synthetic"].sum() == 6
        real = file["images"][~file["is_synthetic"], ..., 0]
        assert json.loads(str(file["spectrogram"]))["sample_rate"] == RATE
    np.testing.assert_array_equal(real, labelled_audio(source, mel=MEL).images[:, 0])
    assert len(list(wav.rglob("*.wav"))) == 6


@pytest.mark.parametrize("as_file", [True, False])
def test_sounds_are_audited_as_the_model_learnt_them(model, source, tmp_path, as_file, capsys):
    made = model
    if as_file:
        made = tmp_path / "new.npz"
        assert run("sample", model, "-o", made, "--per-class", 20, "--seed", 0) == 0
    options = () if as_file else ("--per-class", 20)
    assert run("audit", made, "--real", source, *options, "--device", "cpu", "--seed", 0) == 0
    assert "0 of 40" in capsys.readouterr().out


def test_a_pool_is_drawn_and_audited_beside_sounds(model, source, tmp_path):
    options = ("--per-class", 10, "--seed", 0, "--device", "cpu")
    assert run("sample", model, "-o", tmp_path / "pool", "--pool", *options) == 0
    assert run("audit", tmp_path / "pool", "--real", source, "--device", "cpu") == 0


def test_a_benchmark_keeps_speakers_apart_and_mirrors_nothing(source, capsys):
    assert run("bench", "run", "--data", source, *SPECTROGRAM, *SPEAKERS, "--dry-run") == 0
    images = json.loads(capsys.readouterr().out)["images"]
    assert images["split"] == "groups"
    assert images["folds"] == 2
    assert images["datasets"][0]["params"] == {"groups": SPEAKERS[1], "mel": MEL}
    transforms = {name for arm in images["arms"] for name in arm["transform"] or ()}
    assert transforms == {"none", "specaugment", "crop"}


def test_what_does_not_belong_to_sounds_is_refused(model, source, tmp_path, refused):
    out = tmp_path / "out.npz"
    images = tmp_path / "images.npz"
    np.savez(images, images=np.zeros((8, 8, 8), np.uint8), labels=np.repeat([0, 1], 4))
    fit = ("fit", "audio", source, "-o", tmp_path / "m")
    assert "--mel must be KEY=NUMBER" in refused(*fit, "--mel", "n_mels")
    assert "--mel n_mels was given twice" in refused(*fit, "--mel", "n_mels=8", "--mel", "n_mels=9")
    assert "duration must be above 0" in refused(*fit, "--duration", 0)
    assert "must end in .npz" in refused("augment", "audio", source, "-o", tmp_path / "more")
    assert "are those of --model" in refused("augment", "audio", source, "-o", out, "--model", model, "--duration", 1)
    assert "exclude each other" in refused("sample", model, "-o", tmp_path / "p", "--pool", "--wav", tmp_path / "w")
    assert "is not empty; choose another folder for --wav" in refused(
        "sample", model, "-o", out, "--wav", source.parent
    )
    assert "does not say by what spectrograms" in refused("audit", images, "--real", source)
    assert "belong to sounds" in refused("bench", "run", "--data", images, "--duration", 1, "--dry-run")
    assert "size belongs to images" in refused("bench", "run", "--data", source, "--size", 8, "--dry-run")
    assert "belong to --data" in refused("bench", "run", "quick", "--sample-rate", 8000)
