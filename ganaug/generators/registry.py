"""Which class a saved generator is of."""

from __future__ import annotations

from pathlib import Path

import torch

from ganaug.data.json_values import clip
from ganaug.data.labels import listed
from ganaug.generators.base import NeuralGenerator
from ganaug.generators.images.gan import ImageGAN
from ganaug.generators.model_folder import kind_of, read_config
from ganaug.generators.tables.gan import TableGAN

__all__ = ["load"]

GENERATORS: dict[str, type[NeuralGenerator]] = {cls.__name__: cls for cls in (ImageGAN, TableGAN)}


def load(path: str | Path, *, device: str | torch.device = "auto") -> NeuralGenerator:
    """Read a saved generator, whatever its class.

    Parameters
    ----------
    path : path-like
        A folder written by ``save`` or 'ganaug fit'.
    device : str
        Where the networks are put.

    Returns
    -------
    ImageGAN or TableGAN
        Fitted; ``sample_spec_`` says what it draws.

    Raises
    ------
    ValueError
        For a folder that is missing, damaged, foreign, written in another format, or of a class that is not known.

    Examples
    --------
    >>> import tempfile
    >>> from ganaug import ImageGAN, labelled_images
    >>> digits = labelled_images("digits").subset(range(60))
    >>> gan = ImageGAN(steps=2, random_state=0, device="cpu", verbose=False).fit(digits)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load(gan.save(folder), device="cpu").sample_spec_
    SampleSpec(kind='images', shape=(1, 8, 8), dtype='uint8')
    """
    kind = kind_of(path)
    if kind and kind not in GENERATORS:
        raise ValueError(
            f"{path} holds a {clip(kind)}, which this ganaug does not know; it can load {listed(list(GENERATORS))}"
        )
    if not kind:
        read_config(path, "generator")  # says what is wrong with the folder
    return GENERATORS[kind].load(path, device=device)
