"""A Hugging Face dataset, augmented, written as parquet and read again."""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, disable_progress_bars

from ganaug import ImageGAN, augment_dataset, labelled_images
from ganaug.data.images.pictures import picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600, help="of the GAN")
    arguments = parser.parse_args()
    disable_progress_bars()
    digits = labelled_images("digits")
    tail = np.concatenate([np.flatnonzero(digits.labels == c)[: 60 - 5 * c] for c in range(10)])
    features = Features({"image": Image(), "label": ClassLabel(names=[f"digit {c}" for c in range(10)])})
    rows = {"image": [picture(image) for image in digits.images[tail]], "label": digits.labels[tail]}
    dataset = DatasetDict(train=Dataset.from_dict(rows, features=features))

    gan = ImageGAN(steps=arguments.steps, random_state=0).fit(dataset["train"])
    augmented = augment_dataset(dataset, gan)  # of a DatasetDict, "train" alone
    print(augmented)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "train.parquet")
        augmented["train"].to_parquet(path)
        again = Dataset.from_parquet(path, cache_dir=folder)
        print(again.features)
        print(Counter(again["label"][:]), sum(again["is_synthetic"][:]), "synthetic")


if __name__ == "__main__":
    main()
