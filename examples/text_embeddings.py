"""Rare topics of short texts: over-sample their embeddings inside a pipeline. Text itself is never written.

python examples/text_embeddings.py FILE.csv (columns text and label); without FILE made-up messages to a shop are used.
Texts become vectors by sentence-transformers where it is installed and --model names one, otherwise by hashed words and
a truncated SVD, which needs no download. GANOverSampler adds synthetic vectors of the rare topics, in the training part
of each fold alone; a classifier of vectors can use them, but they cannot be turned back into sentences.
"""

import argparse

import numpy as np
import pandas as pd
from datasets import Dataset
from imblearn.pipeline import make_pipeline
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from ganaug import GANOverSampler, TableGAN

TOPICS = {  # words of each topic, and how many messages there are
    "delivery": ("parcel courier late tracking address doorstep arrived waiting shipped driver", 160),
    "refund": ("money card refund charged twice bank invoice payment amount returned", 60),
    "damage": ("broken cracked scratched box screen leaking damaged photo replacement parts", 15),
}
FILLER = ["hello", "please", "order", "still", "since", "yesterday", "today", "could", "someone", "help", "thanks"]


def messages(seed: int = 0) -> pd.DataFrame:
    """Sentences of words that all topics share, and of a few of their own or, now and then, of another topic."""
    randomness = np.random.default_rng(seed)
    rows = []
    for topic, (_, n) in TOPICS.items():
        for _ in range(n):
            source = topic if randomness.random() < 0.85 else randomness.choice(list(TOPICS))
            own = randomness.choice(TOPICS[source][0].split(), 3, replace=False)
            rows.append((" ".join(randomness.permutation([*own, *randomness.choice(FILLER, 9)])), topic))
    return pd.DataFrame(rows, columns=["text", "label"])


def sentence_embeddings(texts: list[str], model: str) -> np.ndarray:
    """One vector for each text: an array that datasets.map makes, row by row of a Hugging Face dataset."""
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model)
    dataset = Dataset.from_dict({"text": texts}).map(
        lambda batch: {"vector": encoder.encode(batch["text"])}, batched=True
    )
    return np.asarray(dataset.with_format("numpy")["vector"][:], dtype=np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--model", help="name or folder of a model of sentence-transformers")
    parser.add_argument("--steps", type=int, default=300, help="of the GAN")
    arguments = parser.parse_args()
    table = messages() if arguments.file is None else pd.read_csv(arguments.file)
    texts, y = table["text"].tolist(), table["label"].to_numpy()

    if arguments.model is None:  # the SVD learns from texts, so that it belongs inside the pipeline
        X, embed = texts, [HashingVectorizer(n_features=2**10), TruncatedSVD(16, random_state=0)]
    else:  # a model that is trained already sees no labels: embedding once, before the folds, leaks nothing
        X, embed = sentence_embeddings(texts, arguments.model), []
    over = GANOverSampler(generator=TableGAN(steps=arguments.steps, verbose=False), random_state=0)
    plain = LogisticRegression(max_iter=1000)
    weighted = LogisticRegression(max_iter=1000, class_weight="balanced")
    pipelines = {
        "as it is": make_pipeline(*embed, StandardScaler(), plain),
        "class weights": make_pipeline(*embed, StandardScaler(), weighted),
        "over-sampled": make_pipeline(*embed, StandardScaler(), over, plain),
    }
    for name, pipeline in pipelines.items():
        folds = StratifiedKFold(3, shuffle=True, random_state=0)
        scores = cross_val_score(pipeline, X, y, cv=folds, scoring="balanced_accuracy")
        print(f"{name:14s} balanced accuracy {scores.mean():.3f}")


if __name__ == "__main__":
    main()
