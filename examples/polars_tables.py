"""Frames of polars in and out: over-sampled, drawn from, and with their dtypes kept."""

import argparse

import numpy as np
import polars as pl

from ganaug import GANOverSampler, TableGAN


def orders(n: int = 300) -> tuple[pl.DataFrame, pl.Series]:
    rng = np.random.default_rng(0)
    returned = rng.random(n) < 0.15
    frame = pl.DataFrame(
        {
            "price": np.round(rng.lognormal(3 + 0.5 * returned, size=n), 2),
            "items": pl.Series(rng.integers(1, 9, n), dtype=pl.Int16),
            "country": pl.Series(rng.choice(["at", "de", "it"], n), dtype=pl.Categorical),
            "gift": rng.random(n) < 0.2,
        }
    )
    return frame, pl.Series("status", np.where(returned, "returned", "kept"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300, help="of the GAN")
    gan = TableGAN(steps=parser.parse_args().steps, verbose=False, random_state=0)
    X, y = orders()
    sampler = GANOverSampler(generator=gan, random_state=0)
    X_new, _ = sampler.fit_resample(X, y)
    print(X_new.filter(pl.Series(sampler.synthetic_mask_)).head())
    print("dtypes kept:", X_new.schema == X.schema)
    print(gan.fit(X, y).sample(["returned"] * 3, random_state=1))


if __name__ == "__main__":
    main()
