"""Sounds from folders, and written to be listened to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug.cli.common import check_writable, image_size
from ganaug.cli.image_files import folder_names, unique_names
from ganaug.cli.outputs import check_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganaug.data import LabelledImages

__all__ = ["Duration", "Mel", "SampleRate", "Wav", "audio_options", "check_wav", "images_or_sounds", "write_sounds"]

SampleRate = Annotated[
    int | None, typer.Option(help="Of sounds: samples per second that all are resampled to; by default most files'.")
]
Duration = Annotated[
    float | None,
    typer.Option(help="Of sounds: seconds that each is cut or padded to; by default 95 % of them fit whole."),
]
Mel = Annotated[
    list[str] | None,
    typer.Option(
        help="Of sounds: KEY=VALUE, a parameter of their log-mel spectrograms, such as n_mels=64; may be repeated."
    ),
]
Wav = Annotated[
    Path | None,
    typer.Option(
        help="A folder to write the synthetic sounds to as well, by Griffin-Lim: for listening only, train on the "
        "spectrograms."
    ),
]


def audio_options(sample_rate: int | None, duration: float | None, mel: list[str] | None) -> dict[str, Any]:
    """Arguments for :func:`ganaug.labelled_audio` from the options of a command, only those that were given."""
    given = {"sample_rate": sample_rate, "duration": duration, "mel": _parameters(mel) if mel else None}
    return {name: value for name, value in given.items() if value is not None}


def _parameters(texts: list[str]) -> dict[str, float]:
    parameters: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"--mel must be KEY=NUMBER, such as n_mels=64, got {text!r}") from None
        if name in parameters:
            raise ValueError(f"--mel {name} was given twice; leave one of them out")
        parameters[name] = int(number) if number.is_integer() else number
    return parameters


def images_or_sounds(
    path: str, size: str | None, groups: str | None, facts: Mapping[str, Any], beside: str
) -> LabelledImages:
    """Real samples to be compared with synthetic ones: images, or sounds as these were learnt from.

    Parameters
    ----------
    path : str
    size : str, optional
        Of images, as ``--size`` has it.
    groups : str, optional
    facts : mapping
        That the source of the synthetic samples keeps of its training data.
    beside : str
        What that source is called.

    Raises
    ------
    ValueError
        Also for sounds beside a source that has not learnt from sounds.
    """
    from ganaug.data import labelled_audio, labelled_images
    from ganaug.data.audio.sources import holds_sounds
    from ganaug.data.images.labelled import SPECTROGRAM

    if not holds_sounds(path):
        return labelled_images(path, size=image_size(size), groups=groups, dtype="auto")
    if SPECTROGRAM not in facts:
        raise ValueError(
            f"{path} holds sounds, and {beside} does not say by what spectrograms; pass a model of 'ganaug fit audio', "
            "or an .npz file that was made by one"
        )
    if size is not None:
        raise ValueError("--size is for images, the spectrograms of sounds are those of the model; leave it out")
    return labelled_audio(path, mel=facts, groups=groups)


def check_wav(folder: Path | None, inputs: list[str | Path | None]) -> None:
    """Find out before the work whether sounds can be written."""
    from ganaug.data.audio.recordings import soundfile

    if folder is None:
        return
    soundfile()
    check_apart(folder, inputs)
    check_writable(folder, folder=True)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; choose another folder for --wav")


def write_sounds(
    folder: Path, images: NDArray[Any], labels: NDArray[Any], names: dict[Any, str], mel: Any, seed: int | None
) -> None:
    """Write spectrograms as sounds, FOLDER/CLASS/000000.wav, and say so."""
    from ganaug.data import MelSpectrogram, spectrograms_to_audio
    from ganaug.data.audio.listening import write_wav

    mel, folders = MelSpectrogram.of(mel), folder_names(unique_names(names))
    for label in dict.fromkeys(labels.tolist()):
        heard = spectrograms_to_audio(images[labels == label], mel, random_state=seed)
        for number, samples in enumerate(heard):
            write_wav(folder / folders[label] / f"{number:06d}.wav", samples, mel.sample_rate)
    print(f"Wrote {len(images):,} sounds to {folder}, for listening only.")
