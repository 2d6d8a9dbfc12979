"""The one door for labelled sounds: folders, Hugging Face datasets, files and arrays."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug.data.audio.recordings import (
    SUFFIXES,
    UNREADABLE,
    Recording,
    of_array,
    open_recording,
    reason_of,
    resampled,
    soundfile,
)
from ganaug.data.audio.spectrogram import MelSpectrogram, known_parameters
from ganaug.data.files import user_path
from ganaug.data.groups import check_groups, groups_from_array
from ganaug.data.host_states import plain_states
from ganaug.data.images.datasets import (
    NOT_EMBEDDED,
    check_rows,
    column_of_groups,
    image_and_label_columns,
    is_hugging_face,
    labels_of_column,
)
from ganaug.data.images.labelled import SPECTROGRAM, LabelledImages
from ganaug.data.images.layouts import FileKind, check_all_read, class_folders, warn_of_skipped
from ganaug.data.images.sources import dataset_of_parquet, named_groups
from ganaug.data.images.stacking import stack_images
from ganaug.data.json_values import short
from ganaug.data.labels import labels_from_array

__all__ = ["holds_sounds", "labelled_audio"]

WHOLE = 0.95  # of the sounds fit into the default duration
NEEDED = "pass a folder with a folder of sounds per class, a Hugging Face Dataset, or arrays or files with labels"


def _seems_sound(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


SOUNDS = FileKind(
    "sounds",
    "sound",
    _seems_sound,
    "add WAV, FLAC, Ogg or MP3 files",
    "images are read by labelled_images and 'ganaug fit images'",
)


@dataclass(frozen=True)
class _Found:
    """Sounds that can be opened, and what is known of them."""

    recordings: list[Recording]
    labels: NDArray[Any]
    class_names: dict[Any, str]
    skipped: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    groups: NDArray[Any] | None = None
    sample_rate: int | None = None  # that the source asks for


def holds_sounds(source: Any) -> bool:
    """Whether a source is a folder with a folder per class that holds files named like sounds.

    Examples
    --------
    >>> holds_sounds("digits")
    False
    """
    if not isinstance(source, str | Path) or not user_path(source).is_dir():
        return False
    folders = [path for path in sorted(user_path(source).iterdir()) if path.is_dir()]
    return any(_seems_sound(path) and path.is_file() for folder in folders for path in folder.rglob("*"))


@plain_states()
def labelled_audio(
    source: Any,
    labels: Any = None,
    *,
    sample_rate: int | None = None,
    duration: float | None = None,
    mel: Any = None,
    groups: Any = None,
    train: bool = False,
) -> LabelledImages:
    """Read labelled sounds as images of their log-mel spectrograms.

    Whatever takes labelled images takes them: generators, pools, transforms, audits, benchmarks. Channels are averaged,
    other sample rates resampled, sounds longer than `duration` cut and shorter ones padded with silence at their end; a
    ``UserWarning`` counts them, and those that are silent, unless all that was done is padding. Loudness is not kept:
    the loudest value of each image is 0 dB. Files are read by the package soundfile, of the extra "audio".

    Parameters
    ----------
    source : str, path-like, Dataset or sequence
        * the path of a folder with one folder of sounds (WAV, FLAC, Ogg, MP3 and others) per class, as
          :func:`ganaug.labelled_images` reads images; or of a ``.parquet`` file as Hugging Face writes them;
        * a Hugging Face ``Dataset`` with an Audio and a ClassLabel column, for which torchcodec is not needed;
        * with `labels`, an array (n, n_samples) or a list of arrays (n_samples,) or (n_samples, channels), with
          `sample_rate`; paths of files or their bytes; or what the package datasets decodes: mappings, and decoders of
          torchcodec.
    labels : array-like of shape (n_sounds,), optional
        Only beside sounds that carry none.
    sample_rate : int, optional
        Samples per second that all are resampled to, by default what most of the files have, or what an Audio column
        asks for. Of arrays, what they have.
    duration : float, optional
        Seconds of each sound. By default 95 % of the sounds fit whole.
    mel : mapping, MelSpectrogram, LabelledImages or fitted generator, optional
        Other parameters of :class:`ganaug.MelSpectrogram`, such as ``{"n_mels": 64, "range_db": 60}``; or, in place of
        all of them, what other sounds were read by: test sounds must be read as the training sounds were.
    groups : array-like of shape (n_sounds,), str or Pattern, optional
        Speaker, device or place, as for :func:`ganaug.labelled_images`.
    train : bool
        Also check that a class-conditional generator can be trained on them.

    Returns
    -------
    LabelledImages
        float32 of shape (n, 1, n_mels, n_frames), in decibels from ``-range_db`` to 0, low frequencies first. Its
        ``facts`` keep the spectrogram, for :func:`ganaug.spectrograms_to_audio`.

    Raises
    ------
    ValueError, TypeError
        One sentence that names what was found and the remedy: for a folder without sounds, NaN samples, a duration of
        0, more bands than the frames can tell apart, and a missing package.

    Examples
    --------
    >>> tones = [np.sin(np.arange(800) * pitch) for pitch in (0.2, 0.3, 0.9, 1.0)]
    >>> sounds = labelled_audio(tones, ["low", "low", "high", "high"], sample_rate=8000)
    >>> sounds.images.shape, float(sounds.images.max())
    ((4, 1, 32, 32), 0.0)
    """
    spectrogram = None if mel is None or _is_partial(mel) else MelSpectrogram.of(mel)
    if spectrogram is not None and (duration is not None or (sample_rate is not None and _carries_labels(source))):
        raise ValueError("mel has a sample rate and a duration already; leave sample_rate and duration out")
    found = _found(source, labels, sample_rate, groups)
    if spectrogram is None:
        wanted = found.sample_rate if sample_rate is None else sample_rate
        spectrogram = _chosen(found.recordings, wanted, duration, known_parameters(mel or {}))
    images = _images(found.recordings, spectrogram, _called(source))
    data = LabelledImages(
        images, found.labels, found.class_names, found.skipped, found.files, found.groups, spectrogram.facts()
    )
    if groups is not None and data.groups is None:
        named = isinstance(groups, str | re.Pattern)
        known = named_groups(source, data.files, groups) if named else groups_from_array(groups, len(data), of="sounds")
        data = replace(data, groups=known)
    if train:
        data.check_trainable()
        if data.groups is not None:
            known = data.has_label
            check_groups(data.labels[known], data.groups[known], use="conditioning", of="sounds")
    return data


def _is_partial(mel: Any) -> bool:
    """Whether these are single parameters, and not all that a model or sounds keep."""
    return isinstance(mel, Mapping) and SPECTROGRAM not in mel


def _called(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else f"the {type(source).__name__}"


def _chosen(
    recordings: Sequence[Recording], sample_rate: int | None, duration: float | None, mel: dict[str, Any]
) -> MelSpectrogram:
    """Spectrograms with what was asked for; the rest fits the sounds."""
    if sample_rate is None:
        rates = Counter(recording.sample_rate for recording in recordings)
        sample_rate = max(rates, key=lambda rate: (rates[rate], rate))
    if duration is None:
        duration = float(np.quantile([recording.duration for recording in recordings], WHOLE, method="higher"))
        if not duration > 0:
            raise ValueError("the sounds are empty, of 0 samples; remove such sounds")
    return MelSpectrogram(sample_rate, duration, **mel)


def _images(recordings: Sequence[Recording], mel: MelSpectrogram, called: str) -> NDArray[np.float32]:
    counts: Counter[str] = Counter()
    shown = f"{mel.duration:.3g} s"
    padded = f"shorter than {shown} and padded with silence"

    def arrays() -> Iterator[NDArray[np.float32]]:
        for recording in recordings:
            samples = resampled(recording.mono(mel.duration), recording.sample_rate, mel.sample_rate)
            length = round(recording.duration * mel.sample_rate)
            counts[padded] += length < mel.n_samples
            counts[f"longer than {shown} and cut"] += length > mel.n_samples
            counts["of several channels, which were averaged"] += recording.n_channels > 1
            counts[f"resampled to {mel.sample_rate:,} Hz"] += recording.sample_rate != mel.sample_rate
            counts["silent"] += not samples.any()
            yield mel.transform(samples)

    images = stack_images(arrays(), len(recordings), lambda index: recordings[index].where)
    said = [f"{n:,} {what}" for what, n in counts.items() if n]
    if counts.total() > counts[padded]:  # which by itself is as usual
        warnings.warn(f"of {len(recordings):,} sounds in {called}, {'; '.join(said)}", UserWarning, stacklevel=4)
    return images


def _found(source: Any, labels: Any, sample_rate: int | None, groups: Any) -> _Found:
    named = groups if isinstance(groups, str | re.Pattern) else None
    if isinstance(source, LabelledImages):
        raise TypeError("source must be sounds, got LabelledImages, which are images already; pass them as they are")
    if _carries_labels(source) and labels is not None:
        raise ValueError(f"labels were given beside a {type(source).__name__}, which carries its own; pass labels=None")
    if isinstance(source, str | Path):
        path = user_path(source)
        if path.suffix == ".parquet" and not path.is_dir():
            return _of_dataset(dataset_of_parquet(path), named, embedded_only=True)
        if not path.is_dir():
            raise ValueError(f"{path} is not a folder or a .parquet file; {NEEDED}")
        return _of_folder(path)
    if is_hugging_face(source):
        return _of_dataset(source, named)
    if labels is None:
        raise ValueError(f"labels are needed beside a {type(source).__name__} of sounds, got None; {NEEDED}")
    return _of_sequence(source, labels, sample_rate)


def _carries_labels(source: Any) -> bool:
    """Whether a source is a folder, file or dataset: sounds with their labels and sample rates."""
    return isinstance(source, str | Path) or is_hugging_face(source)


def _of_folder(root: Path) -> _Found:
    folders, strays = class_folders(root, SOUNDS)
    soundfile()  # whose lack is no fault of the files
    skipped = [(path, "beside the class folders") for path in strays]
    skipped += [other for folder in folders for other in folder.others]
    recordings, labels, files = [], [], []
    for folder in folders:
        for path in folder.files:
            try:
                recordings.append(open_recording(path, f"in {path}"))
            except UNREADABLE:
                skipped.append((path, path.suffix or "without an extension"))
                continue
            labels.append(folder.path.name)
            files.append(path.relative_to(root).as_posix())
    skipped.sort(key=lambda entry: str(entry[0]))
    check_all_read(root, folders, labels, skipped, SOUNDS)
    warn_of_skipped(root, skipped, len(labels), SOUNDS)
    return _Found(recordings, np.array(labels), {}, tuple(str(path) for path, _ in skipped), tuple(files))


def _of_dataset(dataset: Any, groups: str | re.Pattern[str] | None, *, embedded_only: bool = False) -> _Found:
    from datasets import Audio

    check_rows(dataset)
    if isinstance(groups, re.Pattern):
        raise TypeError(f"groups must be the name of a column, got the pattern {short(groups.pattern)}; pass a name")
    columns = [name for name, feature in dataset.features.items() if isinstance(feature, Audio) and name != groups]
    if len(columns) != 1:
        raise ValueError(
            f"the dataset must have exactly one Audio column, got {columns or 'none'} among {list(dataset.features)}; "
            "use select_columns or cast_column"
        )
    others = {name: feature for name, feature in dataset.features.items() if name != groups}
    column, label_column = image_and_label_columns(others, columns[0])
    rows = dataset.select_columns([column, label_column]).with_format(None)
    labels = labels_of_column(rows, label_column)
    names = dict(enumerate(dataset.features[label_column].names))
    recordings = [
        _opened(row[column], f"in row {index}", None, embedded_only)
        for index, row in enumerate(rows.cast_column(column, Audio(decode=False)))
    ]
    return _Found(
        recordings,
        labels,
        names,
        groups=None if groups is None else column_of_groups(dataset, groups),
        sample_rate=dataset.features[column].sampling_rate,
    )


def _of_sequence(source: Any, labels: Any, sample_rate: int | None) -> _Found:
    if isinstance(source, torch.Tensor):
        source = source.detach().cpu().numpy()
    if not hasattr(source, "__len__") or isinstance(source, Mapping | set | bytes):
        raise TypeError(f"sounds must be a sequence with a length, got a {type(source).__name__}; {NEEDED}")
    if not len(source):
        raise ValueError(f"sounds must hold at least one sound, got an empty {type(source).__name__}; {NEEDED}")
    known = labels_from_array(labels, len(source), of="sounds")
    recordings = [_opened(sound, f"at index {index}", sample_rate) for index, sound in enumerate(source)]
    return _Found(recordings, known, {})


def _opened(sound: Any, where: str, sample_rate: int | None, embedded_only: bool = False) -> Recording:
    if hasattr(sound, "get_all_samples"):  # a decoder of torchcodec, whose samples have shape (channels, n_samples)
        samples = sound.get_all_samples()
        sound, sample_rate = samples.data.T, int(samples.sample_rate)
    elif isinstance(sound, Mapping):
        if sound.get("array") is not None:
            sound, sample_rate = sound["array"], sound.get("sampling_rate", sample_rate)
        else:
            content = sound.get("bytes")
            if content is None and embedded_only and sound.get("path") is not None:
                raise ValueError(f"the sound {where} {NOT_EMBEDDED}")
            sound = content if content is not None else sound.get("path")
    if sound is None:
        raise ValueError(f"there is no sound {where}; remove it")
    if isinstance(sound, str | Path | bytes):
        file = sound if isinstance(sound, bytes) else Path(sound).expanduser()
        try:
            return open_recording(file, where if isinstance(file, bytes) else f"in {file}")
        except UNREADABLE as error:
            raise ValueError(f"the sound {where} cannot be read ({reason_of(error)}); remove it") from None
    if sample_rate is None:
        raise ValueError("sample_rate is needed beside arrays, got None; pass their samples per second")
    return of_array(sound.detach().cpu() if isinstance(sound, torch.Tensor) else sound, sample_rate, where)
