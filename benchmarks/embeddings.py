"""Over-sampling embeddings: CIFAR-10 through EfficientNet-lite0, a long tail of classes.

    pip install ".[bench,features]"
    python benchmarks/embeddings.py --train cifar10/train.parquet --test cifar10/test.parquet -o runs/embeddings

Features (1,280 a picture, at 160 pixels a side) of the first 250 training and 200 test pictures a class are kept in
the folder of the run. For each seed, each class gets a place in the tail and as many random training rows as that place
has, from 200 down to 4. Columns are standardised and reduced to 128 principal components, learnt on these rows; every
sampler fills every class up to 200. Figures are balanced accuracies on all test rows.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import scipy.stats
import torch
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ganaug import GANOverSampler, TableGAN, labelled_images
from ganaug.data.files import write_atomically
from ganaug.quality import features

MOST, LEAST = 200, 4
TUNED_C = 0.03


def embedded(source: str, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of the first pictures of each class."""
    data = labelled_images(source)
    chosen = np.sort(np.concatenate([np.flatnonzero(data.labels == c)[:per_class] for c in data.classes]))
    return features(data.images[chosen]), data.labels[chosen]


def long_tail(labels: np.ndarray, seed: int) -> np.ndarray:
    """Indices of a training set whose classes hold from 200 down to 4 rows."""
    randomness = np.random.default_rng(seed)
    classes = randomness.permutation(np.unique(labels))
    sizes = np.rint(MOST * (LEAST / MOST) ** (np.arange(len(classes)) / (len(classes) - 1))).astype(int)
    drawn = [
        randomness.choice(np.flatnonzero(labels == c), n, replace=False) for c, n in zip(classes, sizes, strict=True)
    ]
    return np.concatenate(drawn)


def adjusted(model: Any, X: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Predictions of a classifier whose probabilities are divided by the class frequencies it was trained on."""
    return model.classes_[(np.log(model.predict_proba(X) + 1e-12) - np.log(counts / counts.sum())).argmax(1)]


def one_seed(data: dict[str, np.ndarray], seed: int, wide: dict[str, Any]) -> dict[str, float]:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    chosen = long_tail(data["y"], seed)
    reduce = make_pipeline(StandardScaler(), PCA(128, random_state=0)).fit(data["X"][chosen])
    X, y = reduce.transform(data["X"][chosen]), data["y"][chosen]
    X_test, y_test = reduce.transform(data["X_test"]), data["y_test"]
    samplers = {
        "none": None,
        "class weight": None,
        "random": RandomOverSampler(random_state=seed),
        "SMOTE": SMOTE(k_neighbors=3, random_state=seed),
        "ganaug": GANOverSampler(generator=TableGAN(verbose=False, **wide), random_state=seed),
        "ganaug (GAN only)": GANOverSampler(
            generator=TableGAN(verbose=False, **wide), local_share=0.0, random_state=seed
        ),
        "ganaug (Gaussian only)": GANOverSampler(local_share=1.0, random_state=seed),
    }
    scores = {}
    for name, sampler in samplers.items():
        X_new, y_new = (X, y) if sampler is None else sampler.fit_resample(X, y)
        weight = "balanced" if name == "class weight" else None
        models = {
            "LR": LogisticRegression(max_iter=2000, class_weight=weight),
            "SVM": SVC(class_weight=weight),
            "5-NN": KNeighborsClassifier(5),
        }
        for key, model in models.items():
            scores[f"{name}|{key}"] = balanced_accuracy_score(y_test, model.fit(X_new, y_new).predict(X_test))
    counts = np.bincount(y)
    for name, C in (("logit-adjusted", 1.0), (f"logit-adjusted, C = {TUNED_C}", TUNED_C)):
        model = LogisticRegression(C=C, max_iter=2000).fit(X, y)
        scores[f"{name}|LR"] = balanced_accuracy_score(y_test, adjusted(model, X_test, counts))
    return scores


def table(results: list[dict[str, float]]) -> str:
    """Means with standard deviations, and paired differences to SMOTE with 95 % intervals."""
    keys = ["LR", "SVM", "5-NN"]
    names = list(dict.fromkeys(name.split("|")[0] for name in results[0]))
    lines = [
        f"Balanced accuracy in percent, {len(results)} seeds (standard deviation); in brackets the paired difference "
        "to SMOTE with its 95 % interval.",
        "",
        "| arm | " + " | ".join(keys) + " |",
        "|---|" + "---|" * len(keys),
    ]
    for name in names:
        cells = []
        for key in keys:
            if f"{name}|{key}" not in results[0]:
                cells.append("")
                continue
            values = 100 * np.array([r[f"{name}|{key}"] for r in results])
            difference = values - 100 * np.array([r[f"SMOTE|{key}"] for r in results])
            half = scipy.stats.t.ppf(0.975, len(results) - 1) * scipy.stats.sem(difference)
            interval = f" [{difference.mean():+.1f} ± {half:.1f}]" if name != "SMOTE" else ""
            cells.append(f"{values.mean():.1f} ({values.std(ddof=1):.1f}){interval}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", default="10:20", help="first and last but one")
    parser.add_argument("--jobs", type=int, default=joblib.cpu_count())
    parser.add_argument("--gan", type=json.loads, default={}, help="parameters of TableGAN as JSON")
    arguments = parser.parse_args()
    cache = arguments.output / "features.npz"
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        (X, y), (X_test, y_test) = embedded(arguments.train, 250), embedded(arguments.test, 200)
        np.savez(cache, X=X, y=y, X_test=X_test, y_test=y_test)
    data = dict(np.load(cache))
    first, last = map(int, arguments.seeds.split(":"))
    results = joblib.Parallel(n_jobs=arguments.jobs)(
        joblib.delayed(one_seed)(data, seed, arguments.gan) for seed in range(first, last)
    )
    text = table(results)
    print(text)
    write_atomically(arguments.output / "results.md", text)


if __name__ == "__main__":
    main()
