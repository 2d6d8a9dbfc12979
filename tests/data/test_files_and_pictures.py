import io
import os

import numpy as np
import pytest
from PIL import Image

from ganaug.data.files import cache_folder, sha256_of, write_atomically
from ganaug.data.images.pictures import class_grid, picture, png_bytes


def test_written_content_is_read_back_and_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, "grün")
    assert path.read_bytes() == "grün".encode()
    write_atomically(str(path), b"\x00new")
    assert path.read_bytes() == b"\x00new"
    assert os.listdir(path.parent) == ["file"]


def test_mode_is_that_of_an_ordinary_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, function):
    def fail(*_):
        raise OSError("disk full")

    path = tmp_path / "file"
    write_atomically(path, "old")
    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_content_is_on_disk_before_the_name_changes(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda old, new: (calls.append("replace"), replace(old, new)))
    write_atomically(tmp_path / "file", "x")
    assert calls == ["fsync", "replace"]


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path):
    write_atomically(tmp_path / ("ä" * 125 + ".csv"), "x")
    assert [len(path.name.encode()) for path in tmp_path.iterdir()] == [254]


def test_sha256_tells_content_apart():
    assert sha256_of(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(b"abd") != sha256_of(b"abc")


def test_picture_keeps_pixels_and_enlarges_by_repetition():
    colour = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    shown = picture(colour)
    assert (shown.mode, shown.size) == ("RGB", (5, 4))
    np.testing.assert_array_equal(np.asarray(shown), colour.transpose(1, 2, 0))
    grey = picture(colour[:1], scale=3)
    assert grey.mode == "L"
    np.testing.assert_array_equal(np.asarray(grey), colour[0].repeat(3, 0).repeat(3, 1))


@pytest.mark.parametrize("channels", [2, 5])
def test_other_numbers_of_channels_are_shown_as_their_mean(channels):
    image = np.stack([np.full((4, 5), 10 * i, np.uint8) for i in range(channels)])
    shown = picture(image)
    assert shown.mode == "L"
    assert (np.asarray(shown) == 5 * (channels - 1)).all()


def test_grid_has_a_row_per_class_and_a_column_per_image():
    def sheet(classes, images, **options):
        rows = [(f"class {i}", np.full((images, 1, 8, 8), 60 * i, np.uint8)) for i in range(classes)]
        return class_grid(rows, **options)

    small = sheet(2, 2)
    assert (sheet(2, 5).width, sheet(2, 5).height) == (small.width + 3 * 50, small.height)
    assert sheet(4, 2).height == small.height + 2 * 50
    assert sheet(2, 2, breaks=[1]).width > small.width
    assert sheet(2, 2, heading="digits").height > small.height
    shades = {colour for _, colour in sheet(3, 2).getcolors(10_000)}
    assert {(60, 60, 60), (120, 120, 120)} <= shades


def test_grid_mixes_row_lengths():
    rows = [("a", np.zeros((6, 3, 8, 12), np.uint8)), ("b", np.full((1, 3, 8, 12), 9, np.uint8))]
    grid = class_grid(rows)
    assert (9, 9, 9) in {colour for _, colour in grid.getcolors(10_000)}
    assert grid.width == class_grid([("a", rows[0][1]), ("b", rows[0][1])]).width


def test_png_bytes_are_a_png_of_the_same_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    with Image.open(io.BytesIO(png_bytes(Image.fromarray(pixels)))) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_without_a_home_nothing_is_kept(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.home", homeless)
    with pytest.raises(OSError, match="null"):
        (cache_folder() / "x").read_bytes()
    with pytest.raises(OSError, match="null"):
        write_atomically(cache_folder() / "x", b"")
