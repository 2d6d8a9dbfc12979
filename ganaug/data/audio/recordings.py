"""Single sounds: what their files say of them, and their samples."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.data.files import check_regular
from ganaug.data.images.memory import check_memory
from ganaug.data.json_values import clip, short

__all__ = [
    "SUFFIXES",
    "UNREADABLE",
    "Recording",
    "check_rate",
    "of_array",
    "open_recording",
    "reason_of",
    "resampled",
    "soundfile",
]

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64", ".caf"})
UNREADABLE = (OSError, EOFError, RuntimeError, TypeError)  # what soundfile raises of damaged files is a RuntimeError
MOST_CHANNELS, MOST_RATE = 1024, 1_000_000
LARGE = 2**26  # bytes of a sound; asking what memory there is takes longer than decoding less


@dataclass(frozen=True)
class Recording:
    """A sound before it is decoded.

    Attributes
    ----------
    where : str
        For messages.
    sample_rate : int
    n_samples : int
        Of each channel.
    n_channels : int
    decode : callable
        Takes a number of samples; returns so many at most, float (n, channels).
    """

    where: str
    sample_rate: int
    n_samples: int
    n_channels: int
    decode: Callable[[int], NDArray[Any]]

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_samples / self.sample_rate

    def mono(self, seconds: float) -> NDArray[np.floating]:
        """The first `seconds`, or all there is, channels averaged.

        Raises
        ------
        ValueError
            For NaN and infinite samples, and no samples at all.
        """
        most = min(self.n_samples, int(np.ceil(seconds * self.sample_rate)) + 1)
        needed = 8 * most * self.n_channels
        if needed > LARGE:
            check_memory(needed, f"the samples {self.where}", "pass a smaller duration")
        samples = self.decode(most).mean(axis=1)
        if not len(samples):
            raise ValueError(f"the sound {self.where} is empty; remove it")
        if not np.isfinite(samples).all():
            raise ValueError(f"the sound {self.where} holds NaN or infinite samples; remove it, or fill them first")
        return samples


def soundfile() -> Any:
    """The package that reads and writes files of sounds.

    Raises
    ------
    ValueError
        Naming the line that installs it.
    """
    try:
        import soundfile as package
    except (ImportError, OSError):  # without the library below it
        raise ValueError(
            'files of sounds are read and written by the package soundfile; run: pip install "ganaug[audio]"'
        ) from None
    return package


def open_recording(file: Path | bytes, where: str) -> Recording:
    """Read the header of a file of sound, or of its bytes.

    Raises
    ------
    UNREADABLE
        For what is damaged, or no sound.
    ValueError
        Without the package that reads them.
    """
    package = soundfile()
    if isinstance(file, Path):
        check_regular(file)

    def opened() -> Any:
        return package.SoundFile(io.BytesIO(file) if isinstance(file, bytes) else str(file))

    def decode(most: int) -> NDArray[Any]:
        with opened() as sound:
            return sound.read(most, dtype="float32", always_2d=True)

    with opened() as sound:
        if not (sound.frames >= 0 and 1 <= sound.channels <= MOST_CHANNELS and sound.samplerate >= 1):
            raise RuntimeError("its header is damaged")
        return Recording(where, sound.samplerate, sound.frames, sound.channels, decode)


def check_rate(sample_rate: Any) -> None:
    """Refuse what is no number of samples per second."""
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, int | np.integer):
        raise TypeError(f"sample_rate must be a whole number, got {short(sample_rate)}; pass one such as 16000")
    if not 1 <= int(sample_rate) <= MOST_RATE:
        raise ValueError(
            f"sample_rate must be 1 to {MOST_RATE:,} samples per second, got {sample_rate}; pass one such as 16000"
        )


def of_array(samples: Any, sample_rate: int, where: str) -> Recording:
    """A sound that is decoded already: numbers of shape (n,) or, of several channels, (n, channels).

    Raises
    ------
    ValueError, TypeError
        For another shape, what is no real number, and a sample rate that cannot be.
    """
    check_rate(sample_rate)
    array = np.asarray(samples)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"sounds must be arrays of real numbers, got {array.dtype} {where}; convert them first")
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] > array.shape[0] > 0):
        raise ValueError(
            f"a sound must have shape (n_samples,) or (n_samples, channels), got {array.shape} {where}; transpose it"
        )
    if array.dtype.kind == "u":  # unsigned samples are silent in the middle of their range
        array = array - float(2 ** (8 * array.dtype.itemsize - 1))
    table = (array if array.ndim == 2 else array[:, None]).astype(np.float64)
    return Recording(where, sample_rate, len(table), table.shape[1], lambda most: table[:most])


def resampled(samples: NDArray[np.floating], sample_rate: int, wanted: int) -> NDArray[np.floating]:
    """Samples at another rate, by a polyphase filter.

    Parameters
    ----------
    samples : ndarray of shape (n,)
    sample_rate, wanted : int
        Samples per second.

    Returns
    -------
    ndarray of shape (ceil(n * wanted / sample_rate),)

    Examples
    --------
    >>> resampled(np.ones(8), 8000, 16000).shape
    (16,)
    """
    if sample_rate == wanted:
        return samples
    from scipy.signal import resample_poly

    common = gcd(sample_rate, wanted)
    return resample_poly(samples, wanted // common, sample_rate // common)


def reason_of(error: BaseException) -> str:
    """Why a file cannot be read, on one short line."""
    return clip(str(error) or type(error).__name__, 200)
