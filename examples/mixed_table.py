"""Over-sample a mixed table with missing values, look at the new rows, and let validation choose how many to add."""

import argparse

import numpy as np
import pandas as pd

from ganaug import GANOverSampler, SafeOverSampler, TableGAN


def clients(n: int = 400) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(0)
    leaves = rng.random(n) < 0.1
    table = pd.DataFrame(
        {
            "age": pd.array(rng.integers(18, 70, n) + 10 * leaves, dtype="Int64"),
            "income": np.round(rng.lognormal(3 - 0.5 * leaves, size=n), 2),
            "plan": pd.Categorical(rng.choice(["basic", "plus"], n), ["basic", "plus", "gold"]),
            "member": rng.random(n) < 0.6 - 0.4 * leaves,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, n), unit="D"),
        }
    )
    table.loc[rng.random(n) < 0.15, "age"] = pd.NA
    table.loc[rng.random(n) < 0.15, "plan"] = None
    return table, pd.Series(np.where(leaves, "leaves", "stays"), name="status")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="of the GAN")
    steps = parser.parse_args().steps

    X, y = clients()
    sampler = GANOverSampler(generator=TableGAN(steps=steps, verbose=False), random_state=0)
    X_new, y_new = sampler.fit_resample(X, y)
    print(X_new[sampler.synthetic_mask_].head())
    print(y_new.value_counts().to_dict(), "dtypes kept:", (X_new.dtypes == X.dtypes).all())

    safe = SafeOverSampler(sampler, cv=2, random_state=0)
    safe.fit_resample(X, y)
    print(f"ratio chosen: {safe.ratio_:g}; {safe.decision_.reason}")


if __name__ == "__main__":
    main()
