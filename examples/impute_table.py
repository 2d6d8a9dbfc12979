"""Fill the missing cells of a table several times, and see how sure a figure of it is."""

import argparse

import numpy as np
import pandas as pd

from ganaug import TableAutoregressive


def houses(n: int = 600) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"rooms": pd.array(rng.integers(1, 8, n), dtype="Int64"), "age": rng.integers(0, 90, n)})
    table["area"] = np.round(22.0 * table["rooms"].astype(float) + rng.normal(scale=6, size=n), 1)
    table["heating"] = pd.Categorical(np.where(table["age"] > 40, "oil", rng.choice(["gas", "heat pump"], n)))
    sold = np.where(rng.random(n) < 0.5, "sold", "listed")
    table.loc[rng.random(n) < 0.3, "area"] = np.nan
    table.loc[rng.random(n) < 0.2, "heating"] = None
    return table, sold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    arguments = parser.parse_args()
    X, y = houses()
    model = TableAutoregressive(steps=arguments.steps, random_state=0, verbose=False).fit(X, y)
    filled = [model.impute(X, y, random_state=seed) for seed in range(5)]
    print(filled[0].head(), "dtypes kept:", (filled[0].dtypes == X.dtypes).all())
    means = [table.loc[X["area"].isna(), "area"].mean() for table in filled]
    print(f"mean of the areas that were missing: {np.mean(means):.1f}, between draws +- {np.std(means, ddof=1):.1f}")
    print(f"mean log-density of the rows: {model.score_samples(X, y).mean():.2f} nats")


if __name__ == "__main__":
    main()
