"""Images and tables in files from anyone."""

import functools
import io
import json
import pickle
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from datasets import ClassLabel, Dataset, Features, Image
from hypothesis import example, given
from hypothesis import strategies as st
from mutations import Canary, as_json, byte_edits, damaged, edited, edits, fuzzed, read_or_refused
from PIL import Image as PILImage

from ganaug import labelled_images
from ganaug.data.images.decoding import FORMATS
from ganaug.data.tables.files.table_files import open_table, read_table, write_table

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), dtype=np.uint8)
PILImage.init()
FILES = [name for name in FORMATS if name != "PPM" and name in PILImage.SAVE] + ["PPM"]


@functools.cache
def picture(file_format):
    """A small picture with all that its format holds beside the pixels."""
    buffer = io.BytesIO()
    image = PILImage.fromarray(PIXELS[0])
    exif = PILImage.Exif()
    exif[0x0112] = 6
    about = {"exif": exif} if file_format in ("PNG", "JPEG", "WEBP") else {}
    if file_format == "GIF":
        image = image.convert("P")
        about = {"save_all": True, "append_images": [image.rotate(90)], "transparency": 3}
    image.save(buffer, format=file_format, **about)
    return buffer.getvalue()


def check_folder(content, suffix):
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for name in ("a", "b"):
            (Path(folder) / name).mkdir()
            (Path(folder) / name / "0.png").write_bytes(picture("PNG"))
        (Path(folder) / "a" / f"1{suffix}").write_bytes(content)
        data = read_or_refused(lambda: labelled_images(folder))
    if data is not None:
        assert len(data) + len(data.skipped) == 3
        assert data.images.dtype == np.uint8
    return data


@pytest.mark.parametrize("file_format", FILES)
def test_the_pictures_are_read_as_they_are(file_format):
    assert len(check_folder(picture(file_format), ".png")) == 3


@fuzzed(120)
@given(st.sampled_from(FILES), byte_edits())
@example("JPEG", [(0.046875, "flip", b"\x01")])
def test_bytes_of_pictures(file_format, changes):
    check_folder(damaged(picture(file_format), changes), ".png")


def png(*chunks):
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@fuzzed(40)
@given(
    st.sampled_from([0, 1, 12, 2**15, 2**31 - 1, 2**32 - 1]),
    st.sampled_from([0, 1, 12, 2**15, 2**31 - 1, 2**32 - 1]),
    st.integers(0, 20),
    st.integers(0, 7),
    st.sampled_from(
        [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tRNS", b"PLTE", b"acTL", b"fcTL", b"gAMA", b"iCCP", b"pHYs"]
    ),
    st.binary(max_size=30),
)
@example(12, 12, 8, 2, b"acTL", bytes(8))
@example(2**15, 2**15, 8, 2, b"tEXt", b"a\0b")
@example(2**31 - 1, 2**31 - 1, 8, 2, b"tEXt", b"a\0b")
@example(12, 12, 8, 2, b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))
def test_chunks_of_png(width, height, depth, colour, kind, data):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(bytes(13 * 64))
    check_folder(png((b"IHDR", header), (kind, data), (b"IDAT", pixels), (b"IEND", b"")), ".png")


def npz(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array, **changed):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {**np.lib.format.header_data_from_array_1_0(array), **changed})
    return buffer.getvalue() + array.tobytes()


LABELS = np.array(["a", "a", "b", "b"])


def check_file(content, suffix, read=labelled_images):
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / f"file{suffix}"
        path.write_bytes(content)
        return read_or_refused(lambda: read(path), named=path)


def test_the_npz_file_is_read_as_it_is():
    assert len(check_file(npz(images=npy(PIXELS), labels=npy(LABELS)), ".npz")) == 4


@fuzzed(60)
@given(byte_edits())
def test_bytes_of_npz(changes):
    check_file(damaged(npz(images=npy(PIXELS), labels=npy(LABELS)), changes), ".npz")


@fuzzed(60)
@given(byte_edits(), byte_edits())
def test_bytes_of_arrays_in_npz(images, labels):
    check_file(npz(images=damaged(npy(PIXELS), images), labels=damaged(npy(LABELS), labels)), ".npz")


DESCRIPTIONS = st.sampled_from(
    ["|O", "|V8", "<U99999999", "<M8[s]", "<c16", "<f2", "|b1", "<i8", "|S9", [("a", "<i4")], "("]
)
SHAPES = st.lists(st.sampled_from([0, 1, 2, 4, 12, 2**31, 2**62, -1]), max_size=5).map(tuple)


@fuzzed(60)
@given(st.none() | DESCRIPTIONS, st.none() | SHAPES, st.none() | DESCRIPTIONS, st.none() | SHAPES)
@example(None, (10**6, 128, 128, 3), None, None)
@example(None, (2**62, 4), None, None)
@example(None, None, "<U99999999", None)
def test_headers_of_arrays_in_npz(image_dtype, image_shape, label_dtype, label_shape):
    def changed(dtype, shape):
        return {k: v for k, v in (("descr", dtype), ("shape", shape)) if v is not None}

    images = npy(PIXELS, **changed(image_dtype, image_shape))
    check_file(npz(images=images, labels=npy(LABELS, **changed(label_dtype, label_shape))), ".npz")


def test_npz_that_cannot_be_unpacked():
    for flag, method in ((0, 99), (1, 8), (0, 14), (0, 12)):  # unknown, encrypted, damaged lzma and bzip2
        content = bytearray(npz(images=npy(PIXELS), labels=npy(LABELS)))
        for start, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            at = content.find(start)
            content[at + offset] = flag
            content[at + offset + 2] = method
        assert check_file(bytes(content), ".npz") is None
    assert check_file(npz(images=b"no array", labels=npy(LABELS)), ".npz") is None


@functools.cache
def image_parquet():
    rows = [{"bytes": picture(name), "path": None} for name in ("PNG", "PNG", "BMP", "BMP")]
    features = Features({"image": Image(decode=False), "label": ClassLabel(names=["a", "b"])})
    dataset = Dataset.from_dict({"image": rows, "label": [0, 0, 1, 1]}, features=features)
    buffer = io.BytesIO()
    dataset.cast_column("image", Image()).to_parquet(buffer)
    return buffer.getvalue()


def test_the_parquet_file_is_read_as_it_is():
    assert len(check_file(image_parquet(), ".parquet")) == 4


@fuzzed(40)
@given(byte_edits())
def test_bytes_of_image_parquet(changes):
    check_file(damaged(image_parquet(), changes), ".parquet")


def with_metadata(content, key, text):
    table = pa.parquet.read_table(io.BytesIO(content))
    buffer = io.BytesIO()
    pa.parquet.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), key: text}), buffer)
    return buffer.getvalue()


@functools.cache
def metadata(kind):
    content = image_parquet() if kind == "huggingface" else table_parquet()
    return json.loads(pa.parquet.read_schema(io.BytesIO(content)).metadata[kind.encode()])


@fuzzed(60)
@given(edits(lambda: metadata("huggingface")))
@example([(("info", "features", "label", "names"), "set", [])])
@example([(("info", "features", "label", "_type"), "set", "Value")])
@example([(("info", "features", "image", "_type"), "set", "a.b")])
def test_hugging_face_metadata(changes):
    text = as_json(edited(metadata("huggingface"), changes))
    check_file(with_metadata(image_parquet(), b"huggingface", text.encode()), ".parquet")


@functools.cache
def table():
    return pd.DataFrame(
        {
            "n": pd.array([1, None, 3], dtype="Int64"),
            "x": [0.5, 1e300, -2.0],
            "city": pd.Categorical(["Rome", "Oslo", "Rome"]),
            "day": pd.date_range("2024-01-01", periods=3, tz="Europe/Rome"),
            "code": ["007", "a,b", 'c"\n'],
        },
        index=pd.Index([3, 4, 5], name="row"),
    )


@functools.cache
def table_parquet():
    buffer = io.BytesIO()
    table().to_parquet(buffer)
    return buffer.getvalue()


def check_rows(content, suffix):
    found = check_file(content, suffix, read_table)
    if found is not None:
        assert len(found)
        assert len(set(found.columns)) == found.shape[1]
    return found


def check_csv(content):
    """Rows that are read are the same when they are written as new ones in the format of the file."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path, new = Path(folder) / "file.csv", Path(folder) / "new.csv"
        path.write_bytes(content)
        file = read_or_refused(lambda: open_table(path), named=path)
        if file is None:
            return None
        n = len(file.table)
        write_table(pd.concat([file.table] * 2, ignore_index=True), new, like=file.format, originals=file.lines)
        again = open_table(new).table
    assert n == len(file.lines) > 0
    assert len(set(file.table.columns)) == file.table.shape[1]
    assert list(again.columns) == list(file.table.columns)
    first, last = (rows.astype(str).reset_index(drop=True) for rows in (again.iloc[:n], again.iloc[n:]))
    pd.testing.assert_frame_equal(first, last)
    return file.table


def test_the_tables_are_read_as_they_are():
    assert len(check_rows(table_parquet(), ".parquet")) == 3
    assert len(check_csv(table().to_csv().encode())) == 3


@fuzzed(40)
@given(byte_edits())
def test_bytes_of_table_parquet(changes):
    check_file(damaged(table_parquet(), changes), ".parquet", read_table)


@fuzzed(60)
@given(edits(lambda: metadata("pandas")))
@example([(("columns",), "set", None)])
@example([(("index_columns", 0), "set", "gone")])
def test_pandas_metadata(changes):
    text = as_json(edited(metadata("pandas"), changes))
    check_file(with_metadata(table_parquet(), b"pandas", text.encode()), ".parquet", read_table)


@fuzzed(30)
@given(byte_edits())
def test_bytes_of_csv(changes):
    check_csv(damaged(table().to_csv().encode(), changes))


CELLS = st.sampled_from(
    [
        "",
        "1",
        "01",
        "-1",
        "1e999",
        "9" * 30,
        "nan",
        "NA",
        "inf",
        '"',
        '"a\nb"',
        "2024-01-01",
        "9999-99-99",
        "True",
        "a",
        "é",
        "?",
        "1,5",
        "+1",
        "1.50",
        "$3",
        "# a",
        ";",
        " x ",
    ]
)


@fuzzed(60)
@given(
    st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([",", ";", ", "]),
)
@example([["", ""], ["1", "2"]], "\n", ",")
@example([["", "Unnamed: 0"], ["1", "2"]], "\n", ",")
@example([["a", "a.1", "a"], ["1", "2", "3"]], "\n", ",")
@example([["a"], ["inf"], ["1"]], "\n", ",")
@example([["a"], ["9" * 30], ["1"]], "\n", ",")
def test_cells_of_csv(rows, end, sep):
    check_csv(end.join(sep.join(row) for row in rows).encode())


@fuzzed(20)
@given(st.lists(st.tuples(st.text(max_size=6), CELLS), min_size=1, max_size=5), st.sampled_from(["utf-8", "utf-16"]))
def test_texts_of_csv(rows, encoding):
    text = pd.DataFrame(rows, columns=["a", "b"]).to_csv(index=False)
    check_csv(text.encode(encoding, errors="replace"))


@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".csv", ".npy", ".pkl", ".pt"])
def test_a_pickle_in_place_of_a_file_is_not_run(tmp_path, suffix):
    planted = tmp_path / "planted"
    content = pickle.dumps(Canary(planted))
    for read in (labelled_images, read_table):
        assert check_file(content, suffix, read) is None
    assert not planted.exists()


def test_pickles_inside_of_files_are_not_run(tmp_path):
    planted = tmp_path / "planted"
    content = pickle.dumps(Canary(planted))
    objects = npy(PIXELS, descr="|O", shape=(1,))[: -PIXELS.nbytes] + content
    assert check_file(npz(images=objects, labels=objects), ".npz") is None
    assert check_file(npz(images=content, labels=content), ".npz") is None
    for key in (b"huggingface", b"pandas", b"ARROW:extension:metadata", b"PANDAS_ATTRS"):
        check_file(with_metadata(image_parquet(), key, content), ".parquet")
        check_file(with_metadata(table_parquet(), key, content), ".parquet", read_table)
    field = pa.field("image", pa.binary(), metadata={
        "ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": content,
    })  # fmt: skip
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.table([pa.array([b"x"])], schema=pa.schema([field])), buffer)
    check_file(buffer.getvalue(), ".parquet")
    check_file(buffer.getvalue(), ".parquet", read_table)
    assert not planted.exists()
    pickle.loads(content)  # the canary sings
    assert planted.exists()
