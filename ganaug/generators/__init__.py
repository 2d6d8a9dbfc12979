"""What learns: class-conditional generators with the manners of scikit-learn estimators."""

from ganaug.generators.contract import Generator, SampleSpec, Scorer
from ganaug.generators.images.flow import ImageFlow
from ganaug.generators.images.gan import ImageGAN
from ganaug.generators.images.vae import ImageVAE
from ganaug.generators.model_folder import read_bundle, write_bundle
from ganaug.generators.registry import generator_class, generator_names, load
from ganaug.generators.tables.autoregressive import TableAutoregressive
from ganaug.generators.tables.copula import TableCopula
from ganaug.generators.tables.flow import TableFlow
from ganaug.generators.tables.gan import TableGAN
from ganaug.generators.tables.vae import TableVAE

__all__ = [
    "Generator",
    "ImageFlow",
    "ImageGAN",
    "ImageVAE",
    "SampleSpec",
    "Scorer",
    "TableAutoregressive",
    "TableCopula",
    "TableFlow",
    "TableGAN",
    "TableVAE",
    "generator_class",
    "generator_names",
    "load",
    "read_bundle",
    "write_bundle",
]
