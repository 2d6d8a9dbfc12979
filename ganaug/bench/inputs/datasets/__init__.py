"""Tables and images that benchmarks are run on; suites name its functions by the import path of this package."""

from ganaug.bench.inputs.datasets.image_sets import (
    grouped_digits,
    image_features,
    images_of_folder,
    images_with_groups,
    joined_images,
    resized,
)
from ganaug.bench.inputs.datasets.images import image_split_columns, load_images
from ganaug.bench.inputs.datasets.sources import SPLIT_COLUMNS, TABLES
from ganaug.bench.inputs.datasets.table_data import TableData
from ganaug.bench.inputs.datasets.tables import OTHER_FILES, load_table

__all__ = [
    "OTHER_FILES",
    "SPLIT_COLUMNS",
    "TABLES",
    "TableData",
    "grouped_digits",
    "image_features",
    "image_split_columns",
    "images_of_folder",
    "images_with_groups",
    "joined_images",
    "load_images",
    "load_table",
    "resized",
]
