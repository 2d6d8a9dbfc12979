import zlib

import numpy as np
import pytest
from PIL import Image

from ganaug.data.decoding import array_from_pil
from ganaug.data.folders import read_image_folder, stack_images


def grey(value=0, size=(8, 8)):
    return np.full(size, value, np.uint8)


def colour(value=0):
    return np.full((8, 8, 3), (value, 1, 2), np.uint8)


def two_classes(**more):
    return {f"{name}/{i}.png": grey(10 * i) for name in ("cat", "dog") for i in range(2)} | more


def test_folder_names_become_labels_in_order_of_names(make_folder):
    data = read_image_folder(make_folder({"b/1.png": grey(3), "b/0.png": grey(2), "a/x.png": grey(1, (8, 8))}))
    assert data.labels.tolist() == ["a", "b", "b"]
    assert data.images[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert data.image_shape == (1, 8, 8)
    assert data.skipped == ()


def test_height_comes_before_width(make_folder):
    data = read_image_folder(make_folder({"a/0.png": grey(1, (8, 12)), "b/0.png": grey(2, (8, 12))}))
    assert data.image_shape == (1, 8, 12)


def test_grey_among_colour_becomes_rgb(make_folder):
    data = read_image_folder(make_folder({"a/0.png": grey(7), "b/0.png": colour(9)}))
    assert data.images[:, :, 0, 0].tolist() == [[7, 7, 7], [9, 1, 2]]


@pytest.mark.parametrize(
    ("mode", "value", "pixel"),
    [
        ("1", 1, [255]),
        ("LA", (5, 0), [5]),
        ("RGBA", (5, 6, 7, 0), [5, 6, 7]),
    ],
)
def test_transparency_is_dropped_and_black_and_white_is_grey(make_folder, mode, value, pixel):
    data = read_image_folder(make_folder({"a/0.png": Image.new(mode, (8, 8), value)}))
    assert data.images[0, :, 0, 0].tolist() == pixel


def test_exif_rotation_is_applied(make_folder, png):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    data = read_image_folder(make_folder({"a/0.png": png(grey(0, (8, 12)), exif=exif.tobytes())}))
    assert data.image_shape == (1, 12, 8)


@pytest.mark.parametrize("exif", [b"garbage!", b"MM\0*\0\0\0\x08\0\x05abc", b"MM\0*"])
def test_damaged_exif_does_not_cost_the_image(make_folder, png, exif):
    data = read_image_folder(make_folder(two_classes() | {"cat/9.png": png(grey(9), (b"eXIf", exif))}))
    assert len(data) == 5


def test_hidden_and_foreign_files_are_passed_over(make_folder):
    files = {
        "cat/.hidden.png": b"no image",
        "cat/notes.txt": b"notes",
        "cat/Thumbs.db": b"thumbs",
        ".git/x.png": grey(),
        "readme.md": b"# images",
        "stray.png": grey(),
    }
    data = read_image_folder(make_folder(two_classes() | files))
    assert data.labels.tolist() == ["cat", "cat", "dog", "dog"]
    assert data.skipped == ()


def test_suffixes_in_capitals_and_other_formats_are_read(make_folder):
    image = Image.fromarray(grey(200))
    files = {f"a/{i}.{suffix}": image for i, suffix in enumerate(("PNG", "JPG", "bmp", "pgm", "webp", "gif"))}
    data = read_image_folder(make_folder(files))
    assert len(data) == len(files)
    assert abs(data.images.astype(int) - 200).max() <= 2


@pytest.mark.parametrize("kind", ["truncated", "empty", "text", "bomb", "text bomb", "foreign format"])
def test_unreadable_files_are_skipped_and_counted(make_folder, png, noise_png, bomb_png, kind):
    content = {
        "truncated": noise_png[:-30],
        "empty": b"",
        "text": b"this is no image",
        "bomb": bomb_png,
        "text bomb": png(grey(), (b"zTXt", b"k\0\0" + zlib.compress(bytes(3_000_000)))),
        "foreign format": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
    }[kind]
    root = make_folder(two_classes() | {"dog/5.png": content})
    with pytest.warns(UserWarning, match=r"skipped 1 of 5 files .*5\.png"):
        data = read_image_folder(root)
    assert data.labels.tolist() == ["cat", "cat", "dog", "dog"]
    assert data.skipped == (str(root / "dog" / "5.png"),)


def test_merely_suspicious_image_size_is_skipped_too(make_folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # above it Pillow warns, above twice it Pillow refuses
    root = make_folder(two_classes() | {"dog/5.png": grey(0, (12, 12))})
    with pytest.warns(UserWarning, match="skipped 1 of 5"):
        assert len(read_image_folder(root)) == 4


@pytest.mark.parametrize(
    ("deep", "grey_level"),
    [
        (np.full((8, 8), 51_400, np.uint16), 200),
        (np.full((8, 8), 65_535, np.int32), 255),
        (np.full((8, 8), 0.2, np.float32), 51),
    ],
)
def test_deep_images_become_eight_bits(make_folder, deep, grey_level):
    data = read_image_folder(make_folder({"a/0.png": grey(), "b/0.tiff": deep, "b/1.tif": deep}))
    assert data.images[:, 0, 0, 0].tolist() == [0, grey_level, grey_level]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"0.png": grey(), "1.png": grey()}, "images of each class into a folder of their own"),
        ({"notes.txt": b""}, "empty of images"),
        ({"train/cat/0.png": grey(), "train/dog/0.png": grey()}, "one level too high.*pass .*train instead"),
        ({"cat/notes.txt": b"", "dog/notes.txt": b""}, "no readable images .* in its 2 folders"),
        ({"cat/0.png": b"", "dog/0.png": b""}, "no readable images \\(2 unreadable\\)"),
        ({"cat/0.png": grey(), "dog/0.png": grey(0, (9, 8))}, "same size, got 2 sizes from 8 x 8 to 9 x 8"),
    ],
)
def test_bad_folders_are_refused_in_one_sentence(make_folder, files, message):
    root = make_folder(files)
    with pytest.raises(ValueError, match=message) as caught:
        read_image_folder(root)
    assert "\n" not in str(caught.value)


def test_missing_folder_and_file_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(ValueError, match="is not a folder"):
            read_image_folder(path)


@pytest.mark.parametrize(("size", "shape"), [(10, (1, 10, 10)), ((8, 14), (1, 8, 14))])
def test_size_makes_differing_images_equal(make_folder, size, shape):
    root = make_folder({"cat/0.png": grey(50), "dog/0.png": grey(50, (20, 9))})
    data = read_image_folder(root, size=size)
    assert data.image_shape == shape
    assert (data.images == 50).all()


def test_array_from_pil_keeps_pixels():
    pixels = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)
    np.testing.assert_array_equal(array_from_pil(Image.fromarray(pixels)), pixels)


def test_stacking_refuses_differing_channels():
    with pytest.raises(ValueError, match=r"same number of channels, got \[3, 5\]"):
        stack_images([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 5), np.uint8)])


@pytest.mark.parametrize("content", [{"owl/notes.txt": b""}, {"owl/0.png": b"no image"}])
def test_class_folders_without_a_readable_image_are_refused(make_folder, content):
    with pytest.raises(ValueError, match=r"class folder 'owl' .* holds no readable image"):
        read_image_folder(make_folder(two_classes(**content)))
