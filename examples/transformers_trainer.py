"""A vision transformer of random weights, trained by transformers' Trainer on an augmented Hugging Face dataset."""

import argparse
import tempfile
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset, Features, Image, disable_progress_bars
from torch import Tensor
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

from ganaug import ImageGAN, LabelledImages, augment_dataset, labelled_images
from ganaug.data.images.pictures import picture


def dataset_of(images: LabelledImages) -> Dataset:
    """Pictures and class labels."""
    features = Features({"image": Image(), "label": ClassLabel(names=[str(c) for c in range(10)])})
    rows = {"image": [picture(image) for image in images.images], "label": images.labels}
    return Dataset.from_dict(rows, features=features)


def collate(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Stack pictures as the model takes them; whether one is synthetic is left out."""
    pixels = torch.from_numpy(np.stack([np.asarray(row["image"], dtype=np.float32) for row in rows]))
    return {"pixel_values": pixels[:, None] / 127.5 - 1, "labels": torch.tensor([row["label"] for row in rows])}


def accuracy(predictions: Any) -> dict[str, float]:
    """Of logits, as the Trainer hands them over."""
    return {"accuracy": float((predictions.predictions.argmax(1) == predictions.label_ids).mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600, help="of the GAN, and half as many of the transformer")
    steps = parser.parse_args().steps
    disable_progress_bars()
    digits = labelled_images("digits")
    real, held_out = dataset_of(digits.subset(range(200))), dataset_of(digits.subset(range(1000, 1200)))
    gan = ImageGAN(steps=steps, random_state=0, verbose=False).fit(real)
    augmented = augment_dataset(real, gan, per_class=20)

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = ViTConfig(image_size=8, patch_size=2, num_channels=1, num_labels=10, **sizes)
    for name, train in (("real", real), ("augmented", augmented)):
        torch.manual_seed(0)  # draws the weights
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder,
                max_steps=max(1, steps // 2),
                per_device_train_batch_size=64,
                learning_rate=3e-3,
                remove_unused_columns=False,
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
                use_cpu=True,
            )
            trainer = Trainer(
                ViTForImageClassification(config),
                arguments,
                data_collator=collate,
                train_dataset=train,
                eval_dataset=held_out,
                compute_metrics=accuracy,
            )
            trainer.train()
            print(f"{name}: accuracy {trainer.evaluate()['eval_accuracy']:.3f}")


if __name__ == "__main__":
    main()
