"""What learns: class-conditional generators with the manners of scikit-learn estimators."""

from ganaug.generators.images.gan import ImageGAN
from ganaug.generators.tables.gan import TableGAN

__all__ = ["ImageGAN", "TableGAN"]
