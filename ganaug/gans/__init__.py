"""What learns: class-conditional GANs with the manners of scikit-learn estimators."""

from ganaug.gans.image import ImageGAN
from ganaug.gans.table import TableGAN

__all__ = ["ImageGAN", "TableGAN"]
