"""Audit of synthetic samples for memorised training samples."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.audit.by_group import copies_by_group, draw_cells, follows_groups
from ganaug.audit.copying import DataCopying, NearCopies, data_copying, near_copies
from ganaug.audit.inputs import Side, audited_classes, check_sides, draw, read_side, with_keys
from ganaug.audit.membership import FEWEST_HOLDOUT, Membership, membership_attack
from ganaug.audit.report import AuditReport, Finding, NearPair
from ganaug.data.fingerprints import FAR_MORE, ExactCopies, check_holdout, exact_copies, repeats
from ganaug.data.host_states import plain_states
from ganaug.data.kinds import Kind
from ganaug.engine.devices import resolve_device, seed_from
from ganaug.generators.contract import Generator, is_generator
from ganaug.metrics.group_consistency import group_positions
from ganaug.metrics.nearest_neighbors import Nearness, Points, closest, measure_nearness
from ganaug.metrics.pairwise_distances import Measure

__all__ = ["ALPHA", "audit"]

ALPHA = 0.03  # of all tests together: below the 5 % that are promised, as some tests are approximate
TEST_ALPHA = ALPHA / 3  # of each (Bonferroni)
SHOWN_PAIRS = 10
NEAR_TO_ALL = (
    "the samples are near to training and holdout data alike: they are blurred or of little variety, or the holdout "
    "was trained on too"
)
NO_HOLDOUT = "it needs a holdout that was not trained on"

Figures = tuple[NearCopies | None, DataCopying | None, Membership | None]


@plain_states()
def audit(
    synthetic: Any,
    train: Any,
    holdout: Any = None,
    *,
    labels: Any = None,
    train_labels: Any = None,
    holdout_labels: Any = None,
    groups: Any = None,
    train_groups: Any = None,
    per_class: int | None = None,
    categorical_features: Any = "auto",
    mirrored: bool | None = None,
    device: str = "auto",
    random_state: Any = None,
) -> AuditReport:
    """Test whether synthetic samples give away what they were made from.

    Three tests, each with a verdict: copies, exact and near (see :func:`ganaug.audit.copying.near_copies`);
    data-copying (:func:`ganaug.audit.copying.data_copying`); and a membership attack
    (:func:`ganaug.audit.membership.membership_attack`). Images are compared at the best of all shifts by a pixel and
    mirrorings, unless they are spectrograms of sounds, which time runs through in one direction; holdout and synthetic
    ones alike. All synthetic samples can be audited, wherever they come from.

    Parameters
    ----------
    synthetic : generator, DataFrame, array or any source of labelled images
        A fitted generator is drawn from. Two dimensions are rows of a table, anything else is read by
        :func:`ganaug.labelled_images`, pools of images included.
    train : DataFrame, array or any source of labelled images
        What the generator was trained on.
    holdout : DataFrame, array or any source of labelled images, optional
        Samples that were split off at random before training. Without it only exact copies can be counted, and the rest
        is reported as not assessable.
    labels, train_labels, holdout_labels : array-like of shape (n,), optional
        Classes, beside rows and arrays; none at all puts all samples into one class. Of every class with synthetic
        samples at least ten of these and ten holdout samples are needed; copies are sought among the training samples
        of all classes, and among those without a label (images labelled -1).
    groups, train_groups : array-like of shape (n,), optional
        Groups of the synthetic and the training samples, beside rows and arrays; labelled images may hold theirs, and a
        generator that was trained with groups is asked for them. The report then says which groups samples do not
        follow, and counts copies in each group and cell; see :class:`ganaug.metrics.GroupConsistency`.
    per_class : int, optional
        Samples drawn of each class of a generator; by default 2,000 in all.
    categorical_features : "auto", None or array-like, default="auto"
        Columns of a table to take for names though they hold numbers.
    mirrored : bool, optional
        Whether mirror images count as copies; by default they do, unless the images were read by
        :func:`ganaug.labelled_audio`.
    device : str, default="auto"
        Where images are compared.
    random_state : int, RandomState, Generator or None, default=None
        Draws from a generator, chooses among more than 2,000 samples, splits the holdout, resamples.

    Returns
    -------
    AuditReport
        To be printed, or ``to_dict()``; for images ``sheet()`` shows the nearest pairs, for rows ``pair_table()``.

    Raises
    ------
    ValueError, TypeError
        For bad input, among it too few samples, a holdout that overlaps the training data, unknown or missing classes,
        and columns or shapes that differ.

    Notes
    -----
    Fresh real samples fail in at most 5 % of audits: the level is 3 %, a third for each test (Bonferroni), by exact,
    permutation or rank tests. That holds if training and holdout samples were split at random: a holdout of other
    patients or writers differs from the training data for that reason alone. Samples that are near to training and
    holdout data alike, as blurred ones are, rarely fail; whether they are copies is then not assessable. An exact copy
    of a training image always fails, since images do not repeat by chance; equal rows fail where they are more frequent
    than in the holdout.

    A pass is no guarantee of privacy, which only training with differential privacy gives. Nor should the report be
    used to choose which synthetic samples to publish: the choice itself would reveal something about the training data
    (Ganev and De Cristofaro, arXiv:2312.05114).

    References
    ----------
    Meehan, Chaudhuri, Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative Models", AISTATS 2020.
    van Breugel, Sun, Qian, van der Schaar, "Membership Inference Attacks against Synthetic Data through Overfitting
    Detection", AISTATS 2023.

    Examples
    --------
    SMOTE draws new rows on the lines between training rows, which the audit detects:

    >>> from imblearn.over_sampling import SMOTE
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.model_selection import train_test_split
    >>> X, y = make_classification(800, n_features=8, weights=[0.8], random_state=0)
    >>> X, X_holdout, y, y_holdout = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
    >>> X_new, y_new = SMOTE(random_state=0).fit_resample(X, y)
    >>> rows = slice(len(X), None)
    >>> report = audit(
    ...     X_new[rows], X, X_holdout,
    ...     labels=y_new[rows], train_labels=y, holdout_labels=y_holdout, random_state=0,
    ... )
    >>> report.verdict, report.near.rate > 3 * report.near.expected
    ('fail', True)

    Without a holdout only exact copies can be counted:

    >>> audit(X[:100], X, random_state=0).exact.count
    100
    """
    seed = seed_from(random_state)
    dtype = getattr(getattr(synthetic, "sample_spec_", None), "dtype", None)
    real = read_side(train, train_labels, "train", dtype=dtype, groups=train_groups)
    sides = [real] if holdout is None else [real, read_side(holdout, holdout_labels, "holdout", real)]
    if is_generator(synthetic):
        if labels is not None:
            raise ValueError("labels were given beside a generator, which is asked for its classes; leave them out")
        if groups is not None:
            raise ValueError("groups were given beside a generator, which is asked for its groups; leave them out")
        sides.insert(0, draw(synthetic, real, per_class, seed))
        _check_trained_on(synthetic, real)
    elif per_class is not None:
        raise ValueError("per_class is for a generator that samples are drawn from; leave it out")
    else:
        sides.insert(0, read_side(synthetic, labels, "synthetic", real, groups=groups))
    sides = with_keys(check_sides(sides))
    grouped = _grouped(sides)
    if holdout is not None:
        kind = real.modality.kind
        check_holdout(*(side.keys for side in sides), kind=kind, rows=real.items if kind.repeats else None)
    classes, others = audited_classes(sides)
    if mirrored is None:
        mirrored = all(side.samples.mirrors for side in sides)
    measure, points = _points(sides, categorical_features, device, mirrored)
    report = _report(sides, classes, others, measure, points, np.random.default_rng(seed))
    if not grouped:
        return report
    if is_generator(synthetic):
        sides[:2] = check_sides([draw_cells(synthetic, real, seed), real])
    randomness = np.random.default_rng(seed)
    found = follows_groups(sides, categorical_features, resolve_device(device), seed, randomness)
    return replace(report, groups=found)


def _grouped(sides: list[Side]) -> bool:
    """Whether synthetic and training samples have groups, checked."""
    synthetic, train = sides[:2]
    if synthetic.groups is None:
        return False
    if train.groups is None:
        raise ValueError(
            "synthetic has groups and train has none; pass train_groups or images that hold theirs, or leave groups out"
        )
    group_positions({side.argument: side.groups for side in (train, synthetic, *sides[2:]) if side.groups is not None})
    return True


def _check_trained_on(gan: Generator, train: Side) -> None:
    known = getattr(gan, "training_data_", {})
    differs = known.get("n_rows", len(train)) != len(train)
    if train.samples.fingerprint is not None and "sha256" in known:
        differs = known["sha256"] != train.samples.fingerprint()
    if differs:
        message = "train is not what the generator was trained on: copies of its training data will not be found"
        warnings.warn(message, UserWarning, stacklevel=4)


def _report(
    sides: list[Side],
    classes: list[str],
    others: list[str],
    measure: Measure,
    points: list[Points],
    randomness: np.random.Generator,
) -> AuditReport:
    synthetic, train = sides[:2]
    alike = repeats(train.keys) if len(sides) == 2 else np.isin(sides[2].keys, train.keys)
    compared = np.isin(sides[-1].names, classes)
    exact = exact_copies(
        np.isin(synthetic.keys, train.keys), alike[compared], synthetic.names, sides[-1].names[compared]
    )
    if len(sides) == 2:
        asked = points[0].queries(np.unique(points[0].cells), randomness)
        nearest, distances = closest(measure, points[0].values[asked], points[1].values)
        figures: Figures = (None, None, None)
        found = None
    else:
        found = measure_nearness(measure, points[0], points[1], points[2], randomness)
        asked, nearest, distances = found.asked, found.nearest_train, found.synthetic_to_train
        figures = _figures(found, points, int(compared.sum()), randomness)
    findings = {
        "copies": _judge_copies(exact, figures[0], train.modality.kind),
        "data_copying": _judge(figures[1]),
        "membership": _judge(figures[2], int(compared.sum()) if len(sides) > 2 else None),
    }
    shown = np.argsort(distances, kind="stable")[:SHOWN_PAIRS]
    return AuditReport(
        kind=train.modality.kind.name,
        n_synthetic=len(synthetic),
        n_train=len(train),
        n_holdout=sum(map(len, sides[2:])),
        classes=tuple(classes),
        not_audited=tuple(others),
        alpha=ALPHA,
        verdict=_overall(findings),
        findings=findings,
        exact=exact,
        near=figures[0],
        data_copying=figures[1],
        membership=figures[2],
        pairs=_pairs(synthetic, train, asked[shown], nearest[shown], distances[shown]),
        pair_samples=(synthetic.items_at(asked[shown]), train.items_at(nearest[shown])),
        copies_by_group=tuple(copies_by_group(synthetic, train, found)),
    )


def _points(sides: list[Side], categorical_features: Any, device: str, mirrored: bool) -> tuple[Measure, list[Points]]:
    """How samples are compared, and what of them."""
    classes = np.unique(np.concatenate([side.names for side in sides]))
    cells = [np.searchsorted(classes, side.names).astype(np.int64) for side in sides]
    prepared = sides[0].modality.prepare([side.items for side in sides], categorical_features, device)
    return prepared.measure(mirrored=mirrored), [Points(*pair) for pair in zip(prepared.values, cells, strict=True)]


def _figures(found: Nearness, points: list[Points], n_compared: int, randomness: np.random.Generator) -> Figures:
    real_cells = np.concatenate([points[1].cells, points[2].cells])
    copying = data_copying(found, real_cells, len(points[1]), randomness)
    enough = n_compared >= FEWEST_HOLDOUT
    attack = membership_attack(points[0], points[1], points[2], randomness) if enough else None
    return near_copies(found, real_cells, len(points[1]), randomness), copying, attack


def _judge(figure: DataCopying | Membership | None, n_holdout: int | None = None) -> Finding:
    if figure is None:
        few = f"it needs {FEWEST_HOLDOUT} holdout samples in all, there are {n_holdout}"
        return Finding("not assessable", NO_HOLDOUT if n_holdout is None else few)
    if figure.p_value < TEST_ALPHA:
        return Finding("fail")
    if isinstance(figure, DataCopying) and figure.p_near < TEST_ALPHA / 2:
        return Finding("not assessable", NEAR_TO_ALL)
    return Finding("pass")


def _judge_copies(exact: ExactCopies, near: NearCopies | None, kind: Kind) -> Finding:
    # What may repeat by chance takes a test of its own and half of the error.
    too_many = exact.p_value < (FAR_MORE if near is None else TEST_ALPHA / 2) if kind.repeats else exact.count > 0
    if too_many:
        return Finding("fail", f"{exact.count:,} of {exact.n:,} equal a training {kind.one}")
    if near is None:
        return Finding("not assessable", f"near copies: {NO_HOLDOUT}")
    alpha = TEST_ALPHA / 2 if kind.repeats else TEST_ALPHA
    if near.p_value < alpha:
        return Finding("fail", "near copies are more frequent than among fresh real samples")
    if near.p_near < alpha:
        return Finding("not assessable", NEAR_TO_ALL)
    return Finding("pass")


def _overall(findings: dict[str, Finding]) -> str:
    verdicts = {finding.verdict for finding in findings.values()}
    return next((verdict for verdict in ("fail", "not assessable") if verdict in verdicts), "pass")


def _pairs(
    synthetic: Side, train: Side, asked: NDArray[np.int64], nearest: NDArray[np.int64], distances: NDArray
) -> tuple[NearPair, ...]:
    return tuple(
        NearPair(int(s), int(t), str(synthetic.names[s]), str(train.names[t]), float(d))
        for s, t, d in zip(asked, nearest, distances, strict=True)
    )
