"""What learns: class-conditional GANs with the manners of scikit-learn estimators."""

from ganaug.gans.image import ImageGAN

__all__ = ["ImageGAN"]
