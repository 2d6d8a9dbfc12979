import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io.wavfile
import torch
from datasets import Audio, ClassLabel, Dataset, Features, Value
from sounds import MEL, RATE, tone, write, write_folder

from ganaug import (
    LabelledImages,
    MelSpectrogram,
    SyntheticPool,
    labelled_audio,
    labelled_images,
    spectrograms_to_audio,
)
from ganaug.curation import AdditiveTransfer, ImageMixture

LOW, HIGH = tone(300), tone(1200)
TONES = [LOW, tone(310), HIGH, tone(1210)]
LABELS = ["low", "low", "high", "high"]


def read(tones=TONES, labels=LABELS, sample_rate=RATE, **options):
    return labelled_audio(tones, labels, sample_rate=sample_rate, mel=MEL, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("tones"), n=2)


def content(samples, rate=RATE):
    buffer = io.BytesIO()
    scipy.io.wavfile.write(buffer, rate, samples.astype(np.float32))
    return buffer.getvalue()


def test_images_are_decibels_below_the_loudest_value_low_frequencies_first():
    data = read()
    assert data.images.shape == (4, 1, 8, 8)
    assert data.images.dtype == np.float32
    np.testing.assert_array_equal(data.images.max((1, 2, 3)), 0)
    assert data.images.min() >= -80
    loudest = data.images[:, 0].mean(2).argmax(1)
    assert loudest[0] == loudest[1] < loudest[2] == loudest[3]
    np.testing.assert_allclose(read([10 * sound for sound in TONES]).images, data.images, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "labels", "rate"),
    [
        (np.stack(TONES), LABELS, RATE),
        (torch.from_numpy(np.stack(TONES)), LABELS, RATE),
        ([np.stack([sound, sound], 1) * 0.5 for sound in TONES], LABELS, RATE),
        ([content(sound) for sound in TONES], LABELS, None),
        ([{"array": sound, "sampling_rate": RATE} for sound in TONES], LABELS, None),
        ([{"bytes": content(sound), "path": None} for sound in TONES], LABELS, None),
    ],
    ids=["array", "tensor", "stereo", "bytes", "decoded", "encoded"],
)
@pytest.mark.filterwarnings("ignore:of 4 sounds in the list, 4 of several channels:UserWarning")
def test_sounds_come_in_many_forms(given, labels, rate):
    np.testing.assert_allclose(read(given, labels, rate).images, read().images, atol=0.01)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_folders_are_read_with_speakers_as_groups(tmp_path, suffix):
    root = write_folder(tmp_path, n=1, suffix=suffix)
    data = labelled_audio(root, mel=MEL, groups=r"/([a-z]+)_", train=True)
    assert data.files == tuple(f"{kind}/{who}_0{suffix}" for kind in ("high", "low") for who in ("ann", "bob"))
    assert data.labels.tolist() == ["high", "high", "low", "low"]
    assert data.groups.tolist() == ["ann", "bob"] * 2


def test_columns_of_hugging_face_are_read_without_a_decoder(tmp_path):
    encoded = {"bytes": Value("binary"), "path": Value("string")}
    features = Features({"audio": encoded, "label": ClassLabel(names=["high", "low"]), "who": Value("string")})
    rows = {"audio": [{"bytes": content(sound), "path": None} for sound in TONES]}
    rows |= {"label": [1, 1, 0, -1], "who": ["ann", "bob", "ann", None]}
    dataset = Dataset.from_dict(rows, features=features).cast_column("audio", Audio())
    dataset.to_parquet(tmp_path / "sounds.parquet")
    for source in (dataset, tmp_path / "sounds.parquet"):
        data = labelled_audio(source, mel=MEL, groups="who")
        np.testing.assert_allclose(data.images, read().images, atol=0.01)
        assert [data.name(label) for label in data.labels[:3].tolist()] == ["low", "low", "high"]
        assert data.has_label.tolist() == [True, True, True, False]
        assert data.groups.tolist() == ["ann", "bob", "ann", "unknown"]


@pytest.mark.filterwarnings("ignore:of 4 sounds in the Dataset, 4 resampled to 8,000 Hz:UserWarning")
def test_columns_of_hugging_face_say_at_which_rate_sounds_are_read(tmp_path):
    paths = [str(write(tmp_path / f"{i}.wav", sound)) for i, sound in enumerate(TONES)]
    features = Features({"audio": Audio(sampling_rate=2 * RATE), "label": ClassLabel(names=["high", "low"])})
    dataset = Dataset.from_dict({"audio": [{"bytes": None, "path": path} for path in paths], "label": [1, 1, 0, 0]})
    dataset = dataset.cast(features)
    assert MelSpectrogram.of(labelled_audio(dataset)).sample_rate == 2 * RATE
    assert MelSpectrogram.of(labelled_audio(dataset, sample_rate=RATE)).sample_rate == RATE
    dataset.to_parquet(tmp_path / "sounds.parquet")
    with pytest.raises(ValueError, match=r"in row 0 names a file and does not hold it, .*embed_table_storage"):
        labelled_audio(tmp_path / "sounds.parquet")


def test_what_a_decoder_of_torchcodec_holds_is_read():
    class AudioDecoder:
        def __init__(self, sound):
            self.sound = sound

        def get_all_samples(self):
            return SimpleNamespace(data=torch.from_numpy(np.stack([self.sound] * 2)), sample_rate=float(RATE))

    with pytest.warns(UserWarning, match="4 of several channels"):
        data = labelled_audio([AudioDecoder(sound) for sound in TONES], LABELS, mel=MEL)
    np.testing.assert_allclose(data.images, read().images, atol=0.01)


def test_what_is_done_to_sounds_is_counted(tmp_path):
    write(tmp_path / "a" / "0.wav", tone(300, 0.1))
    write(tmp_path / "a" / "1.wav", tone(300, 0.2))
    write(tmp_path / "b" / "0.wav", np.stack([tone(900, 0.1)] * 2, 1))
    write(tmp_path / "b" / "1.wav", tone(900, 0.05, 2 * RATE), 2 * RATE)
    write(tmp_path / "b" / "2.wav", np.zeros(400))
    with pytest.warns(UserWarning, match="^of 5 sounds") as caught:
        data = labelled_audio(tmp_path, duration=0.1, mel=MEL)
    assert [str(warning.message) for warning in caught] == [
        f"of 5 sounds in {tmp_path}, 1 shorter than 0.1 s and padded with silence; 1 longer than 0.1 s and cut; "
        "1 of several channels, which were averaged; 1 resampled to 4,000 Hz; 1 silent"
    ]
    images = data.images[:, 0]
    np.testing.assert_allclose(images[0, :, :6], images[1, :, :6], atol=8)
    assert (images[4] == -80).all()
    assert images[3, :, 6:].max() < -40  # silence after the sound
    assert images[3].mean(1).argmax() == images[2].mean(1).argmax()


def test_what_is_no_sound_is_skipped_with_a_warning(tmp_path):
    write_folder(tmp_path, n=1)
    (tmp_path / "low" / "notes.txt").write_text("no sound")
    (tmp_path / "low" / "broken.wav").write_bytes(b"RIFF" + bytes(40))
    with pytest.warns(UserWarning, match=r"^skipped 2 of 6 files .* could not be read as sounds"):
        data = labelled_audio(tmp_path, mel=MEL)
    assert len(data) == 4
    assert len(data.skipped) == 2


@pytest.mark.filterwarnings("ignore:of 8 sounds.* resampled:UserWarning")
def test_other_sounds_are_read_as_the_first(folder):
    data = labelled_audio(folder, duration=0.08, sample_rate=2000, mel={"n_mels": 8, "hop_length": 16, "range_db": 50})
    mel = MelSpectrogram.of(data)
    assert (mel.n_samples, mel.n_frames, mel.range_db, data.images.min()) == (160, 10, 50, -50)
    for like in (data, mel, data.facts, data.subset([0, 1])):
        np.testing.assert_array_equal(labelled_audio(folder, mel=like).images, data.images)
    for more in ({"duration": 0.1}, {"sample_rate": RATE}):
        with pytest.raises(ValueError, match=r"^mel has a sample rate and a duration already"):
            labelled_audio(folder, mel=data, **more)


@pytest.mark.filterwarnings("ignore:of 4 sounds.* resampled:UserWarning")
def test_arrays_are_read_as_the_first_at_the_rate_that_they_have():
    data = read()
    np.testing.assert_array_equal(labelled_audio(TONES, LABELS, sample_rate=RATE, mel=data).images, data.images)
    twice = [np.repeat(sound, 2) for sound in TONES]
    again = labelled_audio(twice, LABELS, sample_rate=2 * RATE, mel=data).images
    assert again.shape == data.images.shape
    assert (again[:, 0].mean(2).argmax(1) == data.images[:, 0].mean(2).argmax(1)).all()


def test_whatever_learnt_from_sounds_knows_their_spectrogram(tmp_path):
    data = read(groups=[0, 1, 0, 1])
    transfer = AdditiveTransfer().fit(data)
    pool = SyntheticPool.build(transfer, tmp_path / "pool", per_class=2, random_state=0)
    for source in (transfer, ImageMixture([AdditiveTransfer()]).fit(data), pool):
        assert MelSpectrogram.of(source) == MelSpectrogram.of(data)


def test_spectrograms_become_sounds_of_the_same_spectrogram():
    data = read()
    heard = spectrograms_to_audio(data.images, data, random_state=0)
    assert heard.shape == (4, 400)
    assert heard.dtype == np.float32
    np.testing.assert_allclose(np.abs(heard).max(1), 0.9, rtol=1e-5)
    again = read(heard).images
    loud = data.images > -20
    assert np.abs(again - data.images)[loud].mean() < 4
    np.testing.assert_array_equal(heard, spectrograms_to_audio(torch.from_numpy(data.images), data, random_state=0))
    assert not spectrograms_to_audio(np.full((1, 8, 8), -80), data).any()


@pytest.mark.parametrize(
    ("spectrograms", "mel", "message"),
    [
        (np.zeros((2, 1, 9, 8)), MelSpectrogram(RATE, 0.1, **MEL), r"must have shape \(n, 1, 8, 8\), as mel says"),
        (np.full((2, 8, 8), np.nan), MelSpectrogram(RATE, 0.1, **MEL), "hold NaN"),
        (np.zeros((2, 8, 8)), {}, "knows of no spectrogram"),
        (np.zeros((2, 8, 8)), {"spectrogram": '{"sample_rate": 0, "duration": 1}'}, "that is kept cannot be"),
        (np.zeros((2, 8, 8)), {"spectrogram": "[1]"}, "that is kept cannot be"),
        (np.zeros((2, 8, 8)), LabelledImages(np.zeros((1, 1, 8, 8), np.uint8), np.zeros(1)), "knows of no spectrogram"),
    ],
)
def test_other_spectrograms_are_refused(spectrograms, mel, message):
    with pytest.raises(ValueError, match=message):
        spectrograms_to_audio(spectrograms, mel)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"duration": 0}, "duration must be above 0"),
        ({"duration": float("nan")}, "duration must be a finite number"),
        ({"sample_rate": 0}, "sample_rate must be 1 to"),
        ({"sample_rate": 4000.0}, "sample_rate must be a whole number"),
        ({"mel": {"n_mels": 64, "n_fft": 64}}, "n_mels=64 are more bands than n_fft=64 can tell apart"),
        ({"mel": {"n_mels": 4}}, "n_mels must be 8 to 128, got 4"),
        ({"mel": {"hop_length": 1}}, "hop_length=1 makes 400 frames of 400 samples"),
        ({"mel": {"hop_length": 50, "n_fft": 32}}, "n_fft must be from hop_length=50"),
        ({"mel": {"f_max": 4000.0}}, "f_min < f_max <= 2000 Hz"),
        ({"mel": {"range_db": -80}}, "range_db must be above 0"),
        ({"mel": {"mels": 64}}, "mel has no parameter 'mels'; did you mean 'n_mels'"),
        ({"mel": "mel"}, "mel is a str that knows of no spectrogram"),
    ],
)
def test_bad_parameters_are_refused_in_one_sentence(options, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        labelled_audio(np.stack(TONES), LABELS, **{"sample_rate": RATE, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "labels", "rate", "message"),
    [
        (TONES, None, RATE, "labels are needed beside a list"),
        (TONES, LABELS, None, "sample_rate is needed beside arrays"),
        (TONES, LABELS[:3], RATE, "labels"),
        ([], [], RATE, "at least one sound"),
        ([np.append(LOW, np.nan)], [0], RATE, "at index 0 holds NaN"),
        ([np.zeros(0)], [0], RATE, "are empty, of 0 samples"),
        ([LOW, np.zeros(0)], [0, 1], RATE, "at index 1 is empty"),
        ([LOW.reshape(2, -1)], [0], RATE, "transpose it"),
        ([LOW.astype(complex)], [0], RATE, "must be arrays of real numbers, got complex128"),
        ([b"no sound"], [0], None, "at index 0 cannot be read"),
        (["missing.wav"], [0], None, "at index 0 cannot be read"),
        ([{"path": None, "bytes": None}], [0], None, "there is no sound at index 0"),
        ("missing", None, None, "is not a folder"),
        (LabelledImages(np.zeros((1, 1, 8, 8), np.uint8), np.zeros(1)), None, None, "images already"),
        (Dataset.from_dict({"x": [1]}), None, None, "exactly one Audio column, got none"),
    ],
)
def test_bad_sounds_are_refused_in_one_sentence(source, labels, rate, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        labelled_audio(source, labels, sample_rate=rate)
    assert "\n" not in str(caught.value)


def test_folders_without_sounds_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no class folders: it is empty of sounds"):
        labelled_audio(tmp_path)
    write(tmp_path / "0.wav", LOW)
    with pytest.raises(ValueError, match="put the sounds of each class into a folder of their own"):
        labelled_audio(tmp_path)
    with pytest.raises(ValueError, match=r"one level too high.*folders of sounds such as high/"):
        labelled_audio(write_folder(tmp_path / "up" / "inner", n=1).parent)
    (tmp_path / "down" / "a").mkdir(parents=True)
    (tmp_path / "down" / "a" / "note.txt").write_text("no sound")
    with pytest.raises(ValueError, match=r"holds no readable sounds .* add WAV, FLAC, Ogg or MP3 files"):
        labelled_audio(tmp_path / "down")


def test_one_file_per_class_is_too_few_to_train_on(tmp_path):
    write(tmp_path / "low" / "0.wav", LOW)
    write(tmp_path / "high" / "0.wav", HIGH)
    assert len(labelled_audio(tmp_path, mel=MEL)) == 2
    with pytest.raises(ValueError, match="every class needs at least two images, class 'high' has 1"):
        labelled_audio(tmp_path, mel=MEL, train=True)


def test_without_the_package_that_reads_files_a_sentence_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ValueError, match=r'run: pip install "ganaug\[audio\]"'):
        labelled_audio(folder)
    assert len(read()) == 4  # arrays need no files


def test_a_folder_of_sounds_is_no_folder_of_images(folder):
    with pytest.raises(ValueError, match=r"holds no readable images .*sounds are read by labelled_audio"):
        labelled_images(folder)
