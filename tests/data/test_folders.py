import os
import re
import zlib

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from ganaug.data.images.folders import read_image_folder


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


def test_tables_beside_images_and_hidden_folders_are_no_images_left_out(make_folder):
    files = {"cat/metadata.csv": b"file_name,is_synthetic", ".git/x.png": grey(), "readme.md": b"# images"}
    data = read_image_folder(make_folder(two_classes() | files))
    assert data.labels.tolist() == ["cat", "cat", "dog", "dog"]
    assert data.skipped == ()


def test_what_file_managers_leave_is_skipped_without_a_warning(make_folder):
    names = [
        ".DS_Store",
        "cat/.DS_Store",
        "cat/._0.png",
        "cat/Thumbs.db",
        "dog/pups/desktop.ini",
        "__MACOSX/cat/._0.png",
    ]
    data = read_image_folder(make_folder(two_classes() | dict.fromkeys(names, b"no image")))
    assert data.labels.tolist() == ["cat", "cat", "dog", "dog"]
    assert data.skipped == ()


@pytest.mark.parametrize(
    ("left_out", "kind"),
    [
        ("cat/.0.png", "1 hidden"),
        ("cat/.thumbnails/0.png", "1 hidden"),
        ("cat/notes.txt", r"1 \.txt"),
        ("cat/kittens/notes", "1 without an extension"),
        ("cat/0.heic", r"1 \.heic"),
        ("9.png", "1 beside the class folders"),
    ],
)
def test_whatever_is_left_out_is_counted(make_folder, left_out, kind):
    root = make_folder(two_classes() | {left_out: b"no image"})
    with pytest.warns(UserWarning, match=rf"skipped 1 of 5 files in .* \({kind}\), the first being .*/{left_out}"):
        data = read_image_folder(root)
    assert data.skipped == (str(root / left_out),)
    assert len(data) == 4


def test_links_and_pipes_that_lead_nowhere_are_counted(make_folder):
    root = make_folder(two_classes())
    (root / "cat" / "gone.png").symlink_to(root / "nowhere.png")
    os.mkfifo(root / "dog" / "pipe.png")
    with pytest.warns(UserWarning, match=r"skipped 2 of 6 files .* \(2 no regular file\)"):
        assert len(read_image_folder(root)) == 4


def test_images_by_any_name_are_read(make_folder, png):
    image = Image.fromarray(grey(200))
    suffixes = ("PNG", "JPG", "jfif", "bmp", "pgm", "webp", "gif", "tif", "TIFF", "jp2", "ico", "pcx", "sgi", "tga")
    files = {f"a/{i}.{suffix}": image for i, suffix in enumerate(suffixes)}
    files |= {"a/no_suffix": png(grey(200)), "a/photo.old": png(grey(200)), "a/b.c.d": png(grey(200))}
    data = read_image_folder(make_folder(files), size=8)
    assert len(data) == len(files)
    assert abs(data.images.astype(int) - 200).max() <= 2


def test_folders_inside_a_class_belong_to_it_as_for_torchvision(make_folder):
    files = [
        *("cat/1.png", "cat/b/0.png", "cat/a b/0.png", "cat/a/z/0.png", "cat/a/9.png"),
        *("dog/x/0.png", "dog/y/1.png"),
    ]
    root = make_folder({name: grey(10 * i) for i, name in enumerate(files)})
    theirs = ImageFolder(root)
    data = read_image_folder(root)
    assert data.labels.tolist() == [theirs.classes[label] for label in theirs.targets]
    assert data.images[:, 0, 0, 0].tolist() == [np.asarray(image)[0, 0, 0] for image, _ in theirs]


def test_links_in_circles_are_followed_once(make_folder):
    root = make_folder(two_classes())
    (root / "cat" / "again").symlink_to(root / "cat")
    (root / "cat" / "others").symlink_to(root / "dog")
    assert read_image_folder(root).labels.tolist() == ["cat"] * 4 + ["dog"] * 2


@pytest.mark.parametrize("suffix", ["gif", "tiff", "webp", "png"])
def test_of_several_frames_the_first_is_read_and_said(make_folder, suffix):
    root = make_folder({"a/0.png": grey(), "b/0.png": grey()})
    frames = [Image.fromarray(grey(value)) for value in (40, 80, 120)]
    frames[0].save(root / "b" / f"1.{suffix}", save_all=True, append_images=frames[1:], lossless=True)
    with pytest.warns(UserWarning, match=rf"only the first frame was read of 1 images .*b/1\.{suffix}"):
        data = read_image_folder(root)
    assert data.images[:, 0, 0, 0].tolist() == [0, 0, 40]
    assert data.skipped == ()


def test_a_single_frame_is_no_animation_and_the_second_picture_of_a_photograph_none_either(make_folder):
    root = make_folder({"a/0.gif": grey(), "a/0.tiff": grey(), "b/0.webp": grey()})
    photograph = Image.fromarray(grey())
    photograph.save(root / "b" / "1.jpg", "MPO", save_all=True, append_images=[photograph])
    assert len(read_image_folder(root)) == 4


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
        ({"in/cat/0.png": grey(), "in/dog/0.png": grey()}, "one level too high.*pass .*in instead"),
        (
            {"in/deep/cat/0.png": grey(), "in/deep/dog/0.png": grey()},
            "in is one level too high.*pass .*in/deep instead",
        ),
        ({"cat/notes.txt": b"", "dog/notes.txt": b""}, "no readable images \\(2 unreadable\\) in its 2"),
        ({"cat/0.png": b"", "dog/0.png": b""}, "no readable images \\(2 unreadable\\)"),
        (
            {"cat/0.png": grey(), "dog/0.png": grey(0, (9, 8))},
            "same size, got 8 x 8 pixels in .*cat/0.png and 9 x 8 in .*dog/0.png",
        ),
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


def splits(*names, classes=("cat", "dog")):
    return {f"{name}/{inner}/0.png": grey() for name in names for inner in classes}


@pytest.mark.parametrize(
    ("files", "held", "remedy"),
    [
        (splits("train", "test"), "the splits test/ and train/", "pass {root}/train to use"),
        (splits("train", "val"), "the splits train/ and val/", "pass {root}/train to use"),
        (splits("Training", "Testing"), "the splits Testing/ and Training/", "pass {root}/Training to use"),
        (
            splits("train_set", "valid", "test-set"),
            "the splits test-set/, train_set/ and valid/",
            "pass {root}/train_set",
        ),
        (splits("train2017", "validation"), "the splits train2017/ and validation/", "pass {root}/train2017 to use"),
        (splits("train"), "the split train/", "pass {root}/train to use"),
        (splits("train", "test", "sample"), "the splits test/ and train/", "pass {root}/train to use"),
        (splits("in/train", "in/test"), "in holds the splits test/ and train/", "pass {root}/in/train to use"),
        (splits("test"), "the split test/", "none is named as the one to train on"),
        (splits("test", "val"), "the splits test/ and val/", "none is named as the one to train on"),
        (
            {"train/0.png": grey(), "test/0.png": grey()},
            "the splits test/ and train/",
            "sort the images of {root}/train",
        ),
        ({**splits("train"), "test/0.png": grey()}, "the splits test/ and train/", "pass {root}/train to use"),
        (splits("cat", "dog", classes=("train", "test")), "class folder 'cat' .* the splits test/ and train/", "alone"),
    ],
)
def test_a_test_set_is_never_suggested(make_folder, files, held, remedy):
    root = make_folder(files)
    with pytest.raises(ValueError, match=held) as caught:
        read_image_folder(root)
    assert remedy.format(root=root) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not re.search(r"pass \S*(test|val)", str(caught.value).replace(str(root), ""), re.IGNORECASE)


@pytest.mark.parametrize(
    "names",
    [
        ("train", "car"),
        ("train", "plane/small", "car"),
        ("train/steam", "car"),
        ("trainer", "tester"),
        ("value", "testa"),
    ],
)
def test_classes_may_be_called_much_like_splits(make_folder, names):
    data = read_image_folder(make_folder({f"{name}/0.png": grey() for name in names}))
    assert data.labels.tolist() == sorted(name.split("/")[0] for name in names)


def test_more_images_than_there_is_memory_for_are_refused_before_they_are_read(make_folder, monkeypatch):
    monkeypatch.setattr("ganaug.data.images.memory.available_memory", lambda: 2**21)
    large = {f"{name}/{i}.png": Image.new("RGB", (400, 300)) for name in ("a", "b") for i in range(2)}
    root = make_folder(large | {"b/2.png": b"never looked at"})
    message = r"the 5 images of 300 x 400 pixels need 2\.6 MiB of memory, .* 1\.5 MiB; .*size=.*--size"
    with pytest.raises(ValueError, match=message):
        read_image_folder(root)
    with pytest.warns(UserWarning, match="skipped 1"):
        assert read_image_folder(root, size=64).images.shape == (4, 3, 64, 64)


def test_sixteen_bits_that_use_little_of_their_range_are_said_to_become_dark(make_folder):
    root = make_folder({"a/0.tif": np.full((8, 8), 4095, np.uint16), "b/0.png": np.full((8, 8), 4000, np.uint16)})
    with pytest.warns(UserWarning, match=r"2 images .* none brighter than 15 of 255.*a/0\.tif"):
        assert read_image_folder(root).images.max() == 15


@pytest.mark.parametrize("content", [{"owl/notes.txt": b""}, {"owl/0.png": b"no image"}])
def test_class_folders_without_a_readable_image_are_refused(make_folder, content):
    with pytest.raises(ValueError, match=r"class folder 'owl' .* holds no readable image"):
        read_image_folder(make_folder(two_classes(**content)))
