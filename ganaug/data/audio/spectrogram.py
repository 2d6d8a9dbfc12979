"""Log-mel spectrograms: how sounds become images, with all that is needed to turn an image into a sound again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug.data.audio.recordings import check_rate
from ganaug.data.images.labelled import MAX_SIDE, MIN_SIDE, SPECTROGRAM
from ganaug.data.json_values import clip, parsed, short
from ganaug.data.suggestions import nearest

__all__ = ["MelSpectrogram", "known_parameters", "mel_filters"]

MOST_SAMPLES = 2**24
SMALLEST_FFT, LARGEST_FFT = 16, 2**16
KINK, LINEAR, STEP = 1000.0, 200 / 3, math.log(6.4) / 27  # of the scale: Hz, Hz per mel below, log Hz per mel above
REMEDY = "read the sounds by labelled_audio, or pass a MelSpectrogram"


@dataclass(frozen=True)
class MelSpectrogram:
    """Log-mel spectrograms of sounds of one length, in decibels below the loudest value of each.

    Parameters
    ----------
    sample_rate : int
        Samples per second.
    duration : float
        Seconds. Longer sounds are cut at their end, shorter ones padded there with silence.
    n_mels : int
        Bands of frequency: the height of the images, 8 to 128.
    hop_length : int, optional
        Samples between two frames; by default so many that there are `n_mels` frames, or nearly: the images are square.
        8 to 128 frames are needed.
    n_fft : int, optional
        Samples of a frame, weighted by a Hann window; by default the least power of two that is twice `hop_length` or
        more, and enough for all bands.
    f_min, f_max : float
        Lowest and highest frequency in Hz; by default 0 and half of `sample_rate`.
    range_db : float
        Values are from ``-range_db`` to 0: what is weaker becomes ``-range_db``, as does silence.

    Attributes
    ----------
    n_samples, n_frames : int
        Of each sound, and of each image, its width.

    Raises
    ------
    ValueError, TypeError
        For values that cannot be, such as a duration of 0, and more bands than frames of `n_fft` can tell apart.

    Notes
    -----
    Frames are centred at multiples of `hop_length`, the first at 0, and the sound is silent outside. Bands are
    triangles of equal area on the mel scale of Slaney, "Auditory Toolbox", Interval Research 1998. Values are those of
    ``librosa.power_to_db(librosa.feature.melspectrogram(...), ref=numpy.max, top_db=range_db)``, less its last frame.

    Examples
    --------
    >>> mel = MelSpectrogram(8000, 0.8)
    >>> mel.n_mels, mel.n_frames, mel.hop_length, mel.n_fft
    (32, 32, 200, 512)
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(6400) / 8000)
    >>> image = mel.transform(tone)
    >>> image.shape, image.dtype, float(image.max()), int(image[0].mean(1).argmax())
    ((1, 32, 32), dtype('float32'), 0.0, 5)
    """

    sample_rate: int
    duration: float
    n_mels: int = 32
    hop_length: int | None = None
    n_fft: int | None = None
    f_min: float = 0.0
    f_max: float | None = None
    range_db: float = 80.0

    def __post_init__(self) -> None:
        _check(self)
        known = {"f_max": self.sample_rate / 2 if self.f_max is None else float(self.f_max)}
        known["hop_length"] = self.hop_length or -(-self.n_samples // self.n_mels)
        for name, value in known.items():
            object.__setattr__(self, name, value)  # which is frozen
        self._check_shape()
        object.__setattr__(self, "n_fft", self.n_fft or self._enough())
        self._check_bands()

    @classmethod
    def of(cls, thing: Any) -> MelSpectrogram:
        """The spectrogram that sounds were read by, or a generator was trained on.

        Parameters
        ----------
        thing : LabelledImages, fitted generator, SyntheticPool, mapping of facts, or MelSpectrogram

        Returns
        -------
        MelSpectrogram

        Raises
        ------
        ValueError
            For what knows of none.

        Examples
        --------
        >>> MelSpectrogram.of(MelSpectrogram(8000, 0.5).facts()).duration
        0.5
        """
        if isinstance(thing, MelSpectrogram):
            return thing
        facts = thing if isinstance(thing, Mapping) else {}
        for name in ("facts", "training_data_"):
            facts = facts or getattr(thing, name, None) or {}
        of_pool = getattr(thing, "provenance", None) or {}
        facts = facts or of_pool.get("gan", {}).get("training_data", {})
        if SPECTROGRAM not in facts:
            raise ValueError(f"mel is a {type(thing).__name__} that knows of no spectrogram of sounds; {REMEDY}")
        try:
            return cls(**parsed(str(facts[SPECTROGRAM])))
        except (ValueError, TypeError) as error:
            raise ValueError(f"the spectrogram that is kept cannot be: {clip(str(error), 200)}; {REMEDY}") from None

    def facts(self) -> dict[str, str]:
        """All parameters, as :class:`ganaug.LabelledImages` and model folders keep them."""
        return {SPECTROGRAM: json.dumps(asdict(self))}

    @property
    def n_samples(self) -> int:
        """Of each sound."""
        return max(1, round(self.duration * self.sample_rate))

    @property
    def n_frames(self) -> int:
        """Width of the images."""
        assert self.hop_length is not None
        return -(-self.n_samples // self.hop_length)

    def transform(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Turn one sound into an image.

        Parameters
        ----------
        samples : ndarray of shape (n,)
            Finite numbers of any scale, at `sample_rate`.

        Returns
        -------
        ndarray of shape (1, n_mels, n_frames), float32
        """
        assert self.n_fft is not None
        fitted = np.zeros(self.n_samples)
        kept = samples[: self.n_samples]
        fitted[: len(kept)] = kept
        waves = self.stft(torch.from_numpy(fitted))[:, : self.n_frames]
        power = mel_filters(self) @ waves.abs().square().numpy()
        peak = power.max()
        if not peak > 0:
            return np.full((1, *power.shape), -self.range_db, dtype=np.float32)
        least = 10 ** (-self.range_db / 10)
        return (10 * np.log10(np.maximum(power / peak, least))).astype(np.float32)[None]

    def stft(self, waves: Tensor) -> Tensor:
        """Complex spectrum (..., 1 + n_fft // 2, frames) of waves (..., n)."""
        assert self.n_fft is not None
        window = torch.hann_window(self.n_fft, dtype=waves.dtype)
        return torch.stft(
            waves, self.n_fft, self.hop_length, window=window, center=True, pad_mode="constant", return_complex=True
        )

    def _enough(self) -> int:
        """The least power of two that gives frames of twice the hop, and something to each band."""
        assert self.hop_length is not None
        size = max(SMALLEST_FFT, 2 ** math.ceil(math.log2(2 * self.hop_length)))
        while size < LARGEST_FFT and not _all_heard(self, size):
            size *= 2
        return size

    def _check_shape(self) -> None:
        if not MIN_SIDE <= self.n_frames <= MAX_SIDE:
            least, most = -(-self.n_samples // MAX_SIDE), self.n_samples // MIN_SIDE
            remedy = f"pass one from {max(1, least)} to {most}" if most else "pass a larger duration"
            raise ValueError(
                f"hop_length={self.hop_length} makes {self.n_frames} frames of {self.n_samples:,} samples, and images "
                f"have {MIN_SIDE} to {MAX_SIDE}; {remedy}"
            )

    def _check_bands(self) -> None:
        assert self.n_fft is not None
        assert self.hop_length is not None
        if not self.hop_length <= self.n_fft <= LARGEST_FFT:
            raise ValueError(
                f"n_fft must be from hop_length={self.hop_length} to {LARGEST_FFT}, or samples are left out, got "
                f"{self.n_fft}; pass another one, or a smaller duration"
            )
        if not _all_heard(self, self.n_fft):
            raise ValueError(
                f"n_mels={self.n_mels} are more bands than n_fft={self.n_fft} can tell apart from {self.f_min:g} to "
                f"{self.f_max:g} Hz at {self.sample_rate} samples per second; pass fewer, or a larger n_fft"
            )


@lru_cache(maxsize=8)
def mel_filters(mel: MelSpectrogram, n_fft: int | None = None) -> NDArray[np.float64]:
    """Weights of each frequency in each band.

    Parameters
    ----------
    mel : MelSpectrogram
    n_fft : int, optional
        In place of its own.

    Returns
    -------
    ndarray of shape (n_mels, 1 + n_fft // 2), float64
    """
    n_fft = n_fft or mel.n_fft
    assert n_fft is not None
    lowest, highest = _mels(np.array([mel.f_min, mel.f_max]))
    edges = _hertz(np.linspace(lowest, highest, mel.n_mels + 2))
    frequencies = np.fft.rfftfreq(n_fft, 1 / mel.sample_rate)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def _all_heard(mel: MelSpectrogram, n_fft: int) -> bool:
    return bool(mel_filters(mel, n_fft).any(1).all())


def _mels(hertz: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(hertz < KINK, hertz / LINEAR, KINK / LINEAR + np.log(np.maximum(hertz, KINK) / KINK) / STEP)


def _hertz(mels: NDArray[np.floating]) -> NDArray[np.floating]:
    above = KINK * np.exp(STEP * np.maximum(mels - KINK / LINEAR, 0))
    return np.where(mels < KINK / LINEAR, mels * LINEAR, above)


def _check(mel: MelSpectrogram) -> None:
    """Refuse single values of the wrong type, or out of their range."""
    check_rate(mel.sample_rate)
    for name in ("n_mels", "hop_length", "n_fft"):
        value = getattr(mel, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
            raise TypeError(f"{name} must be a whole number, got {short(value)}; pass one such as 256")
    for name in ("duration", "f_min", "f_max", "range_db"):
        value = getattr(mel, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value)):
            raise TypeError(f"{name} must be a finite number, got {short(value)}; pass one such as 1.5")
    if not mel.duration > 0 or mel.duration * mel.sample_rate > MOST_SAMPLES:
        raise ValueError(
            f"duration must be above 0 and at most {MOST_SAMPLES / mel.sample_rate:g} seconds, got {mel.duration:g}; "
            "pass the length that most sounds have"
        )
    if not MIN_SIDE <= mel.n_mels <= MAX_SIDE:
        raise ValueError(f"n_mels must be {MIN_SIDE} to {MAX_SIDE}, got {mel.n_mels}; pass 32")
    for name in ("hop_length", "n_fft"):
        value = getattr(mel, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1 sample, got {value}; pass one such as 256")
    top = mel.sample_rate / 2
    if not 0 <= mel.f_min < (top if mel.f_max is None else mel.f_max) <= top:
        raise ValueError(
            f"f_min and f_max must be 0 <= f_min < f_max <= {top:g} Hz, half of sample_rate, got {mel.f_min:g} and "
            f"{mel.f_max}; change them"
        )
    if not 0 < mel.range_db <= 300:
        raise ValueError(f"range_db must be above 0 and at most 300, got {mel.range_db:g}; pass 80")


def known_parameters(mel: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of spectrograms by name, beside the sample rate and the duration; ``ValueError`` for others."""
    names = [field.name for field in fields(MelSpectrogram)][2:]
    for name in mel:
        if name not in names:
            raise ValueError(f"mel has no parameter {short(name)}{nearest(str(name), names)}")
    return dict(mel)
