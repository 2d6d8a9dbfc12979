"""What comes in: labelled images, read from arrays, folders, files and datasets."""

from ganaug.data.images.labelled import LabelledImages
from ganaug.data.images.sources import labelled_images

__all__ = ["LabelledImages", "labelled_images"]
