"""What comes in: labelled images and sounds, read from arrays, folders, files and datasets."""

from ganaug.data.audio.listening import spectrograms_to_audio
from ganaug.data.audio.sources import labelled_audio
from ganaug.data.audio.spectrogram import MelSpectrogram
from ganaug.data.images.labelled import LabelledImages
from ganaug.data.images.sources import labelled_images

__all__ = ["LabelledImages", "MelSpectrogram", "labelled_audio", "labelled_images", "spectrograms_to_audio"]
