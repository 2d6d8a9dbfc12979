import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from ganaug import RandomSynthetic, SyntheticPool
from ganaug.data.images.decoding import array_from_image
from ganaug.data.images.labelled import images_from_array
from ganaug.data.images.pictures import picture


def pixels(image):
    return v2.functional.pil_to_tensor(image).numpy().tobytes()


def test_a_pil_image_stays_one_and_its_label_what_it_was(pool, of_class):
    image, label = RandomSynthetic(pool, 1.0)(Image.new("L", (8, 8)), 4)
    assert (image.mode, image.size, label) == ("L", (8, 8), 4)
    assert pixels(image) in of_class[4]


def test_colour(colour_pool):
    image, label = RandomSynthetic(colour_pool, 1.0)((Image.new("RGB", (8, 8)), "dog"))
    assert pixels(image) in {item.numpy().tobytes() for item, name in colour_pool if name == "dog"}
    assert label == "dog"


def test_tensors_and_mappings(pool, of_class):
    transform = RandomSynthetic(pool, 1.0)
    image, label = transform(torch.zeros(1, 8, 8, dtype=torch.uint8), torch.tensor(7))
    assert image.numpy().tobytes() in of_class[7]
    assert label.item() == 7
    assert type(transform(tv_tensors.Image(torch.zeros(1, 8, 8)), 7)[0]) is tv_tensors.Image
    sample = transform({"image": Image.new("L", (8, 8)), "label": 2, "path": "a.png"})
    assert pixels(sample["image"]) in of_class[2]
    assert (sample["label"], sample["path"]) == (2, "a.png")


def test_a_share_p_is_replaced(pool):
    torch.manual_seed(0)
    transform, blank = RandomSynthetic(pool, 0.25), torch.zeros(1, 8, 8)
    changed = sum(not torch.equal(transform(blank, 1)[0], blank) for _ in range(1000))
    assert 200 < changed < 300


def test_other_sizes_on_request(pool):
    with pytest.raises(ValueError, match="images measure 9 x 12, synthetic ones 8 x 8"):
        RandomSynthetic(pool, 1.0)(Image.new("L", (12, 9)), 1)
    assert RandomSynthetic(pool, 1.0, resize=True)(Image.new("L", (12, 9)), 1)[0].size == (12, 9)


@pytest.mark.parametrize(
    ("image", "label", "error", "said"),
    [
        (Image.new("RGB", (8, 8)), 1, ValueError, "the image has mode 'RGB', synthetic ones 1 channels"),
        (Image.new("L", (8, 8)), 11, ValueError, "cannot sample class 11"),
        (torch.zeros(2, 1, 8, 8), torch.tensor([1, 2]), ValueError, "got 2 numbers; for batches there is SyntheticMix"),
        (torch.zeros(8, 8), 1, TypeError, r"a tensor of shape \(8, 8\)"),
        (torch.full((1, 8, 8), -1.0), 1, ValueError, r"values in \[0, 1\]"),
    ],
)
def test_what_is_no_image_with_its_label_is_refused(pool, image, label, error, said):
    with pytest.raises(error, match=said):
        RandomSynthetic(pool, 1.0)(image, label)


def test_a_picture_of_pixels_has_those_pixels(pool):
    image, _ = pool[0]
    assert images_from_array(torch.from_numpy(image.numpy()[None])).tobytes() == pixels(picture(image.numpy()))


@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK", "LA", "L", "1", "I;16", "RGB"])
def test_images_are_what_fit_makes_of_them_whether_replaced_or_not(colour_pool, mode, p):
    image = Image.linear_gradient("L").resize((8, 8))
    image = Image.fromarray(np.asarray(image).astype(np.uint16) << 8) if mode == "I;16" else image.convert(mode)
    result, _ = RandomSynthetic(colour_pool, p)(image, "dog")
    assert (result.mode, result.size) == ("RGB", (8, 8))
    if p == 0:
        assert pixels(result) == array_from_image(image, channels=3).tobytes()


def test_images_are_turned_upright_and_measured_then(colour_pool):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (8, 6))
    image.info["exif"] = exif.tobytes()
    assert RandomSynthetic(colour_pool, 0.0)(image, "dog")[0].size == (6, 8)


def test_a_grey_tensor_among_colours(colour_pool):
    image = torch.rand(1, 8, 8)
    for p in (0.0, 1.0):
        assert RandomSynthetic(colour_pool, p)(image, "dog")[0].shape == (3, 8, 8)
    assert type(RandomSynthetic(colour_pool, 0.0)(tv_tensors.Image(image), "dog")[0]) is tv_tensors.Image


def test_classes_without_images_are_known_before_the_first_image_or_left_real(gan, tmp_path):
    rare = SyntheticPool.build(gan, tmp_path / "pool", per_class={1: 2})
    blank = Image.new("L", (8, 8))
    with pytest.raises(ValueError, match=r"no images of class '0', .*; build .* or pass missing='keep'"):
        RandomSynthetic(rare, classes=[str(c) for c in range(10)])
    with pytest.raises(ValueError, match=r"no images of class '3'"):  # whether it would be replaced or not
        RandomSynthetic(rare, 0.0)(blank, 3)
    keeping = RandomSynthetic(rare, 1.0, classes=[str(c) for c in range(10)], missing="keep")
    assert keeping(blank, 3)[0] is blank
    assert keeping(blank, 1)[0] is not blank
