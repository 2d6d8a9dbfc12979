"""A LightningDataModule whose batches are mixed with synthetic images, with two workers, and a small classifier."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

from ganaug import ImageGAN, SyntheticMix, SyntheticPool, labelled_images


class MixedDigits(lightning.LightningDataModule):
    """Real digits; a share of each training batch is replaced by synthetic ones of the same classes."""

    def __init__(self, pool: SyntheticPool, *, p: float = 0.3, batch_size: int = 50) -> None:
        super().__init__()
        self.mix, self.batch_size = SyntheticMix(pool, p=p), batch_size

    def setup(self, stage: str) -> None:
        """Read and split the real images."""
        digits = labelled_images("digits")
        images, labels = torch.from_numpy(digits.images), torch.from_numpy(digits.labels)
        self.real, self.held_out = (
            TensorDataset(images[part], labels[part]) for part in (slice(200), slice(1000, 1200))
        )

    def collate(self, samples: list[Any]) -> Any:
        """Stack the samples of a batch, then mix it, in the worker."""
        return self.mix(*default_collate(samples))

    def train_dataloader(self) -> DataLoader[Any]:
        """Mixed batches."""
        options = {"num_workers": 2, "persistent_workers": True, "shuffle": True}
        return DataLoader(self.real, self.batch_size, collate_fn=self.collate, **options)

    def val_dataloader(self) -> DataLoader[Any]:
        """Real batches, that nothing is mixed with."""
        return DataLoader(self.held_out, 200, num_workers=1, persistent_workers=True)


class Classifier(lightning.LightningModule):
    """A linear classifier of digits."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def loss(self, batch: Any) -> Tensor:
        """Cross-entropy of a batch."""
        images, labels = batch
        return nn.functional.cross_entropy(self.network(images / 16), labels)

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        """Loss of a mixed batch."""
        return self.loss(batch)

    def validation_step(self, batch: Any, batch_index: int) -> None:
        """Loss of a real batch."""
        self.log("held-out loss", self.loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600, help="of the GAN")
    arguments = parser.parse_args()
    gan = ImageGAN(steps=arguments.steps, random_state=0, verbose=False).fit(
        labelled_images("digits").subset(range(200))
    )
    lightning.seed_everything(0, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        pool = SyntheticPool.build(gan, Path(folder) / "pool", per_class=20, random_state=0)
        trainer = lightning.Trainer(
            max_epochs=3,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=1,
        )
        trainer.fit(Classifier(), MixedDigits(pool))
        print({name: round(float(value), 3) for name, value in trainer.callback_metrics.items()})
        pool.close()


if __name__ == "__main__":
    main()
