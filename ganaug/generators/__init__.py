"""What learns: class-conditional generators with the manners of scikit-learn estimators."""

from ganaug.generators.contract import Generator, SampleSpec, Scorer
from ganaug.generators.images.gan import ImageGAN
from ganaug.generators.model_folder import read_bundle, write_bundle
from ganaug.generators.registry import generator_class, generator_names, load
from ganaug.generators.tables.autoregressive import TableAutoregressive
from ganaug.generators.tables.gan import TableGAN

__all__ = [
    "Generator",
    "ImageGAN",
    "SampleSpec",
    "Scorer",
    "TableAutoregressive",
    "TableGAN",
    "generator_class",
    "generator_names",
    "load",
    "read_bundle",
    "write_bundle",
]
