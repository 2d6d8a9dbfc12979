"""Over-sample embeddings: a folder of images with rare classes, through EfficientNet-lite0, to a linear classifier.

python examples/image_embeddings.py FOLDER (with a folder per class); without FOLDER a long tail of digits is used.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from imblearn.pipeline import make_pipeline
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from ganaug import GANOverSampler, TableGAN, labelled_images
from ganaug.metrics import features


def write_digits(folder: Path) -> None:
    """Of the zeros 150 pictures, of each further digit fewer, of the nines 12."""
    digits = labelled_images("digits")
    for digit, n in enumerate(np.geomspace(150, 12, 10).astype(int)):
        (folder / str(digit)).mkdir()
        for index in np.flatnonzero(digits.labels == digit)[:n]:
            Image.fromarray(digits.images[index, 0]).save(folder / str(digit) / f"{index}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--size", type=int, help="that images are resized to; needed where their sizes differ")
    parser.add_argument("--steps", type=int, default=600, help="of the GAN")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.folder is None:
            write_digits(Path(temporary))
        images = labelled_images(arguments.folder or temporary, size=arguments.size)
    X = features(images.images, side=64)  # 160, the default, is better for photographs
    X_train, X_test, y_train, y_test = train_test_split(
        X, images.labels, test_size=0.4, stratify=images.labels, random_state=0
    )
    gan = TableGAN(steps=arguments.steps, verbose=False)
    weighted = LogisticRegression(max_iter=2000, class_weight="balanced")
    plain = LogisticRegression(max_iter=2000)
    models = {
        "as it is": make_pipeline(StandardScaler(), plain),
        "class weights": make_pipeline(StandardScaler(), weighted),
        "over-sampled": make_pipeline(StandardScaler(), GANOverSampler(generator=gan, random_state=0), plain),
    }
    for name, model in models.items():
        predicted = model.fit(X_train, y_train).predict(X_test)
        print(f"{name:14s} balanced accuracy {balanced_accuracy_score(y_test, predicted):.3f}")


if __name__ == "__main__":
    main()
