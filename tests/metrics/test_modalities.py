"""A third kind of samples: one class and its registration, and audits and explanations take it."""

import numpy as np
import pytest
from PIL import Image

from ganaug.audit import audit, explain, explanation_sheet
from ganaug.data.kinds import KINDS, Kind
from ganaug.generators import SampleSpec
from ganaug.metrics.modalities import Prepared, Samples, modality_for, modality_of, register
from ganaug.metrics.modalities.registry import MODALITIES
from ganaug.metrics.pairwise_distances import row_distances


class Tones(list):
    """Frequencies in hertz."""


class ToneModality:
    kind = Kind("tones", "tone", "tones", 1)
    makes_pictures = True

    def claims(self, samples):
        return isinstance(samples, Tones)

    def read(self, samples, labels, dtype=None):
        known = np.zeros(len(samples), int) if labels is None else np.asarray(labels)
        return Samples(np.array(samples), known, labels is not None, np.ones(len(samples), dtype=bool), dtype)

    def take(self, items, indices):
        return items[indices]

    def aligned(self, items, train, argument):
        return items

    def keys(self, *parts):
        return [np.rint(part * 1000).astype(np.int64) for part in parts]

    def prepare(self, parts, categorical_features, device):
        octaves = [np.log2(part)[:, None] for part in parts]
        return Prepared(octaves, octaves, row_distances)

    def probabilities(self, inputs, labels, asked, n_classes, training):
        centres = np.stack([inputs[labels == c].mean(0) for c in range(n_classes)])
        near = 1 / (1e-9 + row_distances(asked, centres))
        return near / near.sum(1, keepdims=True)

    def differences(self, made, real):
        return lambda i, origin: ()

    def unit(self, items):
        return "octaves"

    def sheet(self, rows, *, breaks=(), heading=""):
        return Image.new("RGB", (max(len(tones) for _, tones in rows), len(rows)))


class Whistle:
    """Draws tones about one frequency for each class."""

    classes_ = np.array(["high", "low"])

    def fit(self, X, y=None):
        self.sample_spec_ = SampleSpec("tones", (1,), "float64")
        return self

    def sample(self, labels, *, random_state=None):
        noise = np.random.default_rng(random_state).normal(0, 0.2, len(labels))
        return Tones(np.where(np.asarray(labels) == "high", 2000, 200) * 2.0**noise)


@pytest.fixture
def whistle():
    register(ToneModality())
    yield Whistle().fit(None)
    del MODALITIES["tones"], KINDS["tones"]


def test_a_third_kind_is_audited_and_explained(whistle):
    labels = np.repeat(["high", "low"], 40)
    train, holdout = (whistle.sample(labels, random_state=seed) for seed in (1, 2))
    report = audit(whistle, train, holdout, train_labels=labels, holdout_labels=labels, per_class=40, random_state=0)
    assert (report.kind, report.verdict) == ("tones", "pass")
    assert "80 synthetic tones against 80 training and 80 holdout tones" in str(report)
    assert report.sheet().size == (10, 2)
    with pytest.raises(ValueError, match="the audit is of tones, which make no table"):
        report.pair_table()
    copied = audit(train, train, holdout, labels=labels, train_labels=labels, holdout_labels=labels, random_state=0)
    assert copied.findings["copies"].reason == "80 of 80 equal a training tone"
    (found,) = explain(Tones([2100.0]), train, labels=["high"], train_labels=labels)
    assert found.probabilities["high"] > 0.9
    assert str(found).startswith("Synthetic tone 0 of class high")
    assert explanation_sheet([found]).height == 1
    with pytest.raises(ValueError, match=r"^holdout holds rows of a table and train tones; pass the same kind"):
        audit(whistle, train, np.ones((20, 2)), train_labels=labels, holdout_labels=labels[:20])


def test_kinds_are_found_by_their_words_and_by_what_is_passed(whistle):
    assert modality_for("tones") is modality_for("tone") is modality_of(Tones([440.0]))
    assert modality_of(np.ones((2, 3))) is modality_for("rows")
    assert modality_of(np.ones((2, 8, 8))) is modality_for("image")
    with pytest.raises(ValueError, match="kind must be one of images, rows, tones, got 'smells'; register a modality"):
        modality_for("smells")
