import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.fixture
def png():
    """Encode an array or a PIL image as PNG, with further chunks behind the header."""

    def encode(image, *chunks, **options):
        image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        buffer = io.BytesIO()
        image.save(buffer, "PNG", **options)
        content = buffer.getvalue()
        return content[:33] + b"".join(_chunk(*chunk) for chunk in chunks) + content[33:]

    return encode


@pytest.fixture
def noise_png(png):
    return png(np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8))


@pytest.fixture
def bomb_png():
    """A small file whose header claims 900 million pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(10))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


@pytest.fixture
def make_folder(tmp_path):
    """Write {path below a new folder: bytes, array or PIL image}."""

    def write(files):
        root = tmp_path / "images"
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                (Image.fromarray(content) if isinstance(content, np.ndarray) else content).save(path)
        return root

    return write
