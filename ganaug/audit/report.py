"""What an audit has found, as text, as JSON and as pictures."""

from __future__ import annotations

import html
import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
from PIL import Image

from ganaug._text import visible
from ganaug.audit.copying import DataCopying, NearCopies
from ganaug.audit.membership import FPR, Membership
from ganaug.data.fingerprints import ExactCopies
from ganaug.metrics.group_consistency import GroupConsistency
from ganaug.metrics.modalities import modality_for

__all__ = ["CAUTION", "AuditReport", "Finding", "NearPair"]

CAUTION = (
    "A pass says that these tests found no memorisation. It guarantees no privacy: only training with differential "
    "privacy gives a guarantee."
)
TITLES = {"copies": "Copies", "data_copying": "Data copying", "membership": "Membership attack"}


@dataclass(frozen=True)
class Finding:
    """The verdict of one test, and why.

    Attributes
    ----------
    verdict : {"pass", "fail", "not assessable"}
    reason : str
    """

    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class NearPair:
    """A synthetic sample and the training sample nearest to it.

    Attributes
    ----------
    synthetic, train : int
        Positions among the samples that were passed, or drawn.
    synthetic_class, train_class : str
    distance : float
        Of images in grey levels, root mean square, after the best shift by a pixel and mirroring; of rows Euclidean, of
        encoded values.
    """

    synthetic: int
    train: int
    synthetic_class: str
    train_class: str
    distance: float


@dataclass(frozen=True)
class AuditReport:
    """Result of :func:`ganaug.audit._audit`.

    Attributes
    ----------
    kind : str
        "images", "rows", or what the samples of another kind are called.
    n_synthetic, n_train, n_holdout : int
        All samples.
    classes, not_audited : tuple of str
        Audited classes, and those of the training data that have no synthetic samples, which are only searched for what
        was copied.
    alpha : float
        Level of all three tests together: how often fresh real samples fail.
    verdict : {"pass", "fail", "not assessable"}
        "fail" if one test failed, "pass" if all passed.
    findings : dict
        A :class:`Finding` for "copies", "data_copying" and "membership".
    exact : ExactCopies
    near : NearCopies or None
    data_copying : DataCopying or None
    membership : Membership or None
        None where they could not be computed.
    pairs : tuple of NearPair
        The nearest pairs of a synthetic and a training sample.
    pair_samples : tuple
        Both samples of each pair: images (n_pairs, channels, height, width), or data frames.
    copies_by_group : tuple of dict
        Where samples have groups: for each "group", and each "class" in it (None for all), "n" samples, "copies", and
        with a holdout the shares of "near" copies and of those "near expected". Cells of few samples are left out.
    groups : GroupConsistency or None
        How often samples are recognised as the group and the class that they were asked for; no part of the verdict.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.audit import audit
    >>> rng = np.random.default_rng(0)
    >>> train, holdout = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
    >>> report = audit(rng.normal(size=(200, 4)), train, holdout, random_state=0)
    >>> report.verdict
    'pass'
    >>> audit(train[:100], train, holdout, random_state=0).verdict
    'fail'
    """

    kind: str
    n_synthetic: int
    n_train: int
    n_holdout: int
    classes: tuple[str, ...]
    not_audited: tuple[str, ...]
    alpha: float
    verdict: str
    findings: dict[str, Finding]
    exact: ExactCopies
    near: NearCopies | None
    data_copying: DataCopying | None
    membership: Membership | None
    pairs: tuple[NearPair, ...]
    pair_samples: tuple[Any, Any] = field(repr=False, compare=False)
    copies_by_group: tuple[dict[str, Any], ...] = ()
    groups: GroupConsistency | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values, without the samples."""
        left_out = {"pair_samples", "findings", "pairs"}
        if self.groups is None:
            left_out |= {"groups", "copies_by_group"}
        shown = {name: value for name, value in vars(self).items() if name not in left_out}
        plain = {
            name: asdict(value) if hasattr(value, "__dataclass_fields__") else value for name, value in shown.items()
        }
        findings = {name: asdict(finding) for name, finding in self.findings.items()}
        return {**plain, "findings": findings, "pairs": [asdict(pair) for pair in self.pairs], "caution": CAUTION}

    def __str__(self) -> str:
        kind = self.kind
        against = f"{self.n_holdout:,} holdout {kind}" if self.n_holdout else f"no holdout {kind}"
        lines = [
            f"Memorisation audit of {self.n_synthetic:,} synthetic {kind} against {self.n_train:,} training and "
            + against
            + (f" of {len(self.classes)} classes." if len(self.classes) > 1 else ".")
        ]
        if self.not_audited:
            lines.append(f"Without synthetic {kind}, and only searched for copies: {', '.join(self.not_audited)}.")
        for name, figures in (
            ("copies", self._copies()),
            ("data_copying", self._data_copying()),
            ("membership", self._membership()),
        ):
            finding = self.findings[name]
            lines += ["", f"{TITLES[name]}: {finding.verdict}" + (f" ({finding.reason})" if finding.reason else "")]
            lines += [f"  {what:<56} {value}" for what, value in figures]
        lines += self._groups()
        lines += ["", f"Verdict: {self.verdict}", *textwrap.wrap(CAUTION, 100)]
        return "\n".join(map(visible, lines))

    def __repr__(self) -> str:
        tests = ", ".join(f"{TITLES[name].lower()}: {finding.verdict}" for name, finding in self.findings.items())
        return f"AuditReport({self.verdict}; {tests}; {self.n_synthetic:,} synthetic {self.kind}; print() shows all)"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def _groups(self) -> list[str]:
        if self.groups is None:
            return []
        found = "followed as far as the test can find"
        if self.groups.ignored:
            found = f"not followed: {', '.join(map(str, self.groups.ignored))}"
        elif all(row["follows"] is None for row in self.groups.groups):
            found = f"real {self.kind} of different groups cannot be told apart"
        lines = ["", f"Groups: {found}"]
        copies = {row["group"]: row for row in self.copies_by_group if row["class"] is None}
        for row in self.groups.groups:
            shares = " / ".join("-" if row[name] is None else _percent(row[name]) for name in ("recognised", "real"))
            copied = f", {copies[row['group']]['copies']:,} copies" if row["group"] in copies else ""
            what = f"recognised as group {row['group']} / real ones"
            lines.append(f"  {what:<56} {shares}{copied}")
        return lines + [f"  {remark}" for remark in self.groups.remarks]

    def _copies(self) -> list[tuple[str, str]]:
        exact, near = self.exact, self.near
        shown = [
            (
                f"{self.kind} that equal a training one",
                f"{exact.count:,} of {exact.n:,}, {_percent(exact.rate, exact.low, exact.high)}",
            )
        ]
        if near is not None:
            shown += [
                ("nearer to a training one than the holdout's nearest 5 %", _percent(near.rate, near.low, near.high)),
                ("  of fresh real ones one expects", _percent(near.expected)),
                ("  as near to a holdout one, which cannot be copied", _percent(near.rate_holdout)),
            ]
        return shown

    def _data_copying(self) -> list[tuple[str, str]]:
        found = self.data_copying
        if found is None:
            return []
        return [
            ("C_T, below zero if nearer to training data than holdout", f"{found.c_t:.2f}"),
            ("  with training and holdout data exchanged", f"{found.c_t_exchanged:.2f}"),
            ("nearest real one is a training one", _percent(found.share)),
            ("  by chance", _percent(found.share_expected)),
        ]

    def _membership(self) -> list[tuple[str, str]]:
        found = self.membership
        if found is None:
            return []
        rate = f"not assessable, {found.n_others} holdout {self.kind} cannot tell 1 %"
        if found.tpr is not None and found.tpr_low is not None and found.tpr_high is not None:
            rate = _percent(found.tpr, found.tpr_low, found.tpr_high)
        # The bound is one of the scores of those that were not trained on: with few it cannot leave 1 % above it.
        chance = (int(FPR * found.n_others) + 1) / (found.n_others + 1)
        return [
            ("AUC, 0.5 by chance", f"{found.auc:.3f} [{found.auc_low:.3f}, {found.auc_high:.3f}]"),
            (f"found at 1 % false alarms, {_percent(chance)} by chance", rate),
        ]

    def sheet(self) -> Image.Image:
        """The nearest pairs as a picture: each synthetic image above the training image nearest to it.

        Raises
        ------
        ValueError
            For rows of a table.
        """
        modality = modality_for(self.kind)
        if not modality.makes_pictures:
            raise ValueError(f"the audit is of {self.kind}, which make no picture; see pair_table()")
        synthetic, train = self.pair_samples
        unit = modality.unit(train)
        distances = ", ".join(f"{pair.distance:{'.0f' if unit else '.3g'}}" for pair in self.pairs)
        heading = f"nearest pairs, nearest first; {f'{unit} apart'.strip()}: {distances}"
        return modality.sheet([("synthetic", synthetic), ("training", train)], heading=heading)

    def pair_table(self) -> pd.DataFrame:
        """The nearest pairs of a table: each synthetic row and below it the training row nearest to it.

        Raises
        ------
        ValueError
            For images.
        """
        if modality_for(self.kind).makes_pictures:
            raise ValueError(f"the audit is of {self.kind}, which make no table; see sheet()")
        rows = [part.iloc[[i]] for i in range(len(self.pairs)) for part in self.pair_samples]
        about = [
            {"pair": i, "kind": kind, "class": label, "distance": pair.distance}
            for i, pair in enumerate(self.pairs)
            for kind, label in (("synthetic", pair.synthetic_class), ("training", pair.train_class))
        ]
        # Side by side: the table may have columns of these names.
        return pd.concat([pd.DataFrame(about), pd.concat(rows, ignore_index=True)], axis=1)


def _percent(value: float, low: float | None = None, high: float | None = None) -> str:
    text = f"{100 * value:.1f} %"
    return text if low is None or high is None else f"{text} [{100 * low:.1f}, {100 * high:.1f}]"
