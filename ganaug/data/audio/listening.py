"""Sounds made of spectrograms, to be listened to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug.data.audio.recordings import soundfile
from ganaug.data.audio.spectrogram import MelSpectrogram, mel_filters

__all__ = ["spectrograms_to_audio", "write_wav"]

MOMENTUM = 0.99
LOUDEST = 0.9  # of what a file can hold


def spectrograms_to_audio(
    spectrograms: Any, mel: Any, *, n_iter: int = 32, random_state: int | None = None
) -> NDArray[np.float32]:
    """Turn log-mel spectrograms into sounds that can be listened to.

    For listening only: a spectrogram says nothing of phases, which are found by the Griffin-Lim algorithm, nor of fine
    detail within its bands, so that these sounds are no training data. Train on the spectrograms themselves.

    Parameters
    ----------
    spectrograms : array or Tensor of shape (n, 1, n_mels, n_frames) or (n, n_mels, n_frames)
        Real or synthetic, in decibels.
    mel : MelSpectrogram, LabelledImages or fitted generator
        How they were made: what :func:`ganaug.labelled_audio` returned, a generator that was trained on it, or the
        parameters themselves.
    n_iter : int
        Rounds of the algorithm.
    random_state : int, optional
        Of the phases that it begins with.

    Returns
    -------
    ndarray of shape (n, n_samples), float32
        At ``MelSpectrogram.of(mel).sample_rate``, the loudest sample of each at 0.9, silence at 0.

    Raises
    ------
    ValueError
        For spectrograms of another shape, and values that are not finite.

    References
    ----------
    Griffin, Lim, "Signal Estimation from Modified Short-Time Fourier Transform", IEEE TASSP 1984; with the momentum of
    Perraudin, Balazs, Søndergaard, "A Fast Griffin-Lim Algorithm", WASPAA 2013.

    Examples
    --------
    >>> from ganaug import labelled_audio
    >>> tones = np.sin(np.arange(800) * np.array([[0.2], [0.9]]))
    >>> sounds = labelled_audio(tones, ["low", "high"], sample_rate=8000)
    >>> heard = spectrograms_to_audio(sounds.images, sounds, random_state=0)
    >>> heard.shape, np.abs(np.fft.rfft(heard)).argmax(1) / 800 * 2 * np.pi > 0.5
    ((2, 800), array([False,  True]))
    """
    mel = MelSpectrogram.of(mel)
    if isinstance(spectrograms, Tensor):
        spectrograms = spectrograms.detach().cpu().numpy()
    decibels = np.asarray(spectrograms)
    wanted = (mel.n_mels, mel.n_frames)
    if decibels.ndim not in (3, 4) or decibels.shape[-2:] != wanted or decibels.size != len(decibels) * np.prod(wanted):
        raise ValueError(
            f"spectrograms must have shape (n, 1, {wanted[0]}, {wanted[1]}), as mel says, got {decibels.shape}; pass "
            "the mel that they were made by"
        )
    if not np.isfinite(decibels).all():
        raise ValueError("spectrograms hold NaN or infinite values; leave these out")
    inverse = np.linalg.pinv(mel_filters(mel))
    randomness = np.random.default_rng(random_state)
    heard = np.zeros((len(decibels), mel.n_samples), dtype=np.float32)
    for place, image in zip(heard, decibels.reshape(-1, *wanted).astype(np.float64), strict=True):
        power = np.where(image > -mel.range_db, 10 ** (image / 10), 0)
        wave = _griffin_lim(np.sqrt(np.maximum(inverse @ power, 0)), mel, n_iter, randomness)
        loudest = np.abs(wave).max()
        place[:] = wave / loudest * LOUDEST if loudest > 0 else 0
    return heard


def _griffin_lim(
    magnitudes: NDArray[np.floating], mel: MelSpectrogram, n_iter: int, randomness: np.random.Generator
) -> NDArray[np.floating]:
    """A wave (n_samples,) with about these magnitudes (1 + n_fft // 2, n_frames)."""
    assert mel.n_fft is not None
    assert mel.hop_length is not None
    n_fft, hop, length = mel.n_fft, mel.hop_length, mel.n_frames * mel.hop_length
    loud = torch.from_numpy(np.pad(magnitudes, ((0, 0), (0, 1)), mode="edge"))  # the frame after the last sample
    phases = torch.from_numpy(np.exp(2j * np.pi * randomness.random(loud.shape)))
    window = torch.hann_window(n_fft, dtype=loud.dtype)
    before = torch.zeros_like(phases)

    def wave() -> Tensor:
        return torch.istft(loud * phases, n_fft, hop, window=window, center=True, length=length)

    for _ in range(n_iter):
        found = mel.stft(wave())
        ahead = found + MOMENTUM * (found - before)
        phases, before = ahead / ahead.abs().clamp(min=1e-12), found
    return wave().numpy()[: mel.n_samples]


def write_wav(path: Path, samples: NDArray[np.floating], sample_rate: int) -> None:
    """Write a sound (n_samples,), values of at most 1, as a WAV file of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile().write(str(path), samples, sample_rate, subtype="PCM_16")
