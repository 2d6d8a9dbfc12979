"""A parquet file may come from anyone: nothing in it is followed, and only sound decoders see it."""

import io

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Image
from datasets.table import embed_table_storage
from PIL import Image as PILImage

from ganaug import labelled_images


def encoded(file_format):
    buffer = io.BytesIO()
    PILImage.fromarray(np.zeros((8, 8), np.uint8)).save(buffer, format=file_format)
    return buffer.getvalue()


@pytest.fixture
def parquet(tmp_path):
    def write(first):
        rows = [first, *({"bytes": encoded("PNG"), "path": None} for _ in range(3))]
        features = Features({"image": Image(decode=False), "label": ClassLabel(names=["a", "b"])})
        dataset = Dataset.from_dict({"image": rows, "label": [0, 0, 1, 1]}, features=features)
        dataset.cast_column("image", Image()).to_parquet(tmp_path / "x.parquet")
        return tmp_path / "x.parquet"

    return write


@pytest.mark.parametrize("file_format", ["BMP", "TIFF", "PCX"])
def test_embedded_images_are_read(parquet, file_format):
    assert len(labelled_images(parquet({"bytes": encoded(file_format), "path": "x.bmp"}))) == 4


def test_paths_are_not_followed(parquet, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded("PNG"))
    path = parquet({"bytes": encoded("PNG"), "path": None})
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    images = table.column("image").to_pylist()
    images[0] = {"bytes": None, "path": str(secret)}
    column = pa.array(images, type=table.schema.field("image").type)
    pq.write_table(table.set_column(table.schema.get_field_index("image"), table.schema.field("image"), column), path)
    with pytest.raises(ValueError, match=r"row 0 of column 'image' names a file .*embed_table_storage"):
        labelled_images(path)


def test_files_of_an_image_folder_are_embedded_as_the_message_says(tmp_path):
    (tmp_path / "x.png").write_bytes(encoded("PNG"))
    features = Features({"image": Image(), "label": ClassLabel(names=["a", "b"])})
    rows = Dataset.from_dict({"image": [str(tmp_path / "x.png")] * 2, "label": [0, 1]}, features=features)
    rows.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match="names a file"):
        labelled_images(tmp_path / "rows.parquet")
    rows.with_format("arrow").map(embed_table_storage, batched=True).to_parquet(tmp_path / "rows.parquet")
    assert len(labelled_images(tmp_path / "rows.parquet")) == 2


@pytest.mark.parametrize("file_format", ["EPS", "PDF", "SPIDER"])
def test_other_formats_are_refused(parquet, file_format):
    with pytest.raises(ValueError, match="the image in row 0 of column 'image' cannot be read"):
        labelled_images(parquet({"bytes": encoded(file_format), "path": None}))
