"""What is known about synthetic samples, as one result: figures overall, per class and per column."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pandas as pd

from ganaug._text import visible

__all__ = ["Figures", "QualityReport"]


@dataclass(frozen=True)
class Figures:
    """Figures of one set of samples.

    Attributes
    ----------
    overall : dict
        Value of each figure by its name.
    per_class : list of dict
        For each class its label under "class", the number of samples of each side that were compared under "n", and
        figures by name.
    columns : list of dict
        Of a table, for each column of all classes (class None) and of each: "column", "kind", "class", "distance".
    groups, cells : list of dict
        Where there are groups, the figures of each "group", and of each "class" and "group" with enough samples, beside
        what :class:`ganaug.metrics.GroupConsistency` holds of it.
    """

    overall: dict[str, float]
    per_class: list[dict[str, Any]]
    columns: list[dict[str, Any]]
    groups: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class QualityReport:
    """How near synthetic samples are to real ones.

    Attributes
    ----------
    basis : dict
        What the figures depend on: kind of data, extractor, fingerprints of the data, settings and seed.
    synthetic : Figures
        Of the synthetic samples.
    real : Figures or None
        The same of the training samples, where there is a holdout: what perfect samples would score.
    remarks : tuple of str
        Sentences about groups that samples ignore, and cells in which the class is not drawn.

    See Also
    --------
    ganaug.metrics.image_report, ganaug.metrics.table_report : What makes reports.

    Examples
    --------
    >>> figures = Figures({"CAS": 0.5}, [{"class": 3, "n": 10, "CAS": 0.5}], [])
    >>> report = QualityReport({"kind": "images", "samples": 10, "compared with": "training"}, figures, None)
    >>> report.overall["CAS"], report.table().loc[3, "CAS"].item()
    (0.5, 0.5)
    >>> report
    QualityReport(10 synthetic images: CAS 0.5; print() shows all)
    """

    basis: dict[str, Any]
    synthetic: Figures
    real: Figures | None
    remarks: tuple[str, ...] = ()

    @property
    def overall(self) -> dict[str, float]:
        """Figures of all synthetic samples, by name."""
        return self.synthetic.overall

    def table(
        self,
        what: Literal["classes", "columns", "groups", "cells"] = "classes",
        *,
        of: Literal["synthetic", "real"] = "synthetic",
    ) -> pd.DataFrame:
        """Figures of each class, column, group or cell.

        Parameters
        ----------
        what : {"classes", "columns", "groups", "cells"}, default="classes"
            Columns are those of a table of data; there each class has a row of its own, and that of all classes None
            for a class. Groups and cells, combinations of class and group, are of synthetic samples.
        of : {"synthetic", "real"}, default="synthetic"
            Of the synthetic samples, or of the training samples.

        Returns
        -------
        DataFrame
            Indexed by class, column or group, cells by class and group.

        Raises
        ------
        ValueError
            For other words, columns of images, groups where there are none, and real figures without a holdout.
        """
        known = ("classes", "columns", "groups", "cells")
        if what not in known or of not in ("synthetic", "real"):
            raise ValueError(
                f"what must be one of {', '.join(map(repr, known))}, and of 'synthetic' or 'real', got {what!r}, {of!r}"
            )
        figures = self.synthetic if of == "synthetic" else self.real
        if figures is None:
            raise ValueError("of='real' compares training samples with held-out ones, got no holdout; pass holdout=")
        if what == "columns" and not figures.columns:
            raise ValueError("what='columns' is for tables, got a report on images; use what='classes'")
        if what in ("groups", "cells"):
            rows = figures.groups if what == "groups" else figures.cells
            if not rows:
                raise ValueError(
                    f"what={what!r} is for synthetic samples with groups, got none; make the report with them"
                )
            return pd.DataFrame(rows).set_index("group" if what == "groups" else ["class", "group"])
        if what == "classes":
            return pd.DataFrame(figures.per_class).set_index("class")
        labels = pd.Series([row["class"] for row in figures.columns], dtype=object)  # beside None, as they are
        return pd.DataFrame(figures.columns).assign(**{"class": labels}).set_index("column")

    def compare(self, other: QualityReport) -> pd.DataFrame:
        """Overall figures beside those of another report.

        Parameters
        ----------
        other : QualityReport
            Made on the same basis: extractor, real data, number of samples, settings and seed.

        Returns
        -------
        DataFrame
            For each figure ``this``, ``other`` and ``difference``, this minus the other.

        Raises
        ------
        ValueError
            For a report on another basis: such figures do not compare.
        """
        for key in [*self.basis, *other.basis]:
            mine, theirs = self.basis.get(key), other.basis.get(key)
            if mine != theirs:
                raise ValueError(
                    f"reports only compare on one basis, got {key} {mine!r} and {theirs!r}; make both reports alike"
                )
        found = pd.DataFrame({"this": self.overall, "other": other.overall})
        return found.assign(difference=found["this"] - found["other"])

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        found = asdict(self)
        for part in (found, found["synthetic"], found["real"] or {}):
            for name in ("remarks", "groups", "cells"):
                if not part.get(name, True):  # without groups there are none
                    del part[name]
        return found

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in self.overall.items())
        return f"QualityReport({self.basis['samples']} synthetic {self.basis['kind']}: {shown}; print() shows all)"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def __str__(self) -> str:
        basis = self.basis
        overall = pd.DataFrame({"synthetic": self.overall})
        if self.real is not None:
            overall["real"] = pd.Series(self.real.overall)
        parts = [
            f"{basis['samples']} synthetic {basis['kind']} compared with as many {basis['compared with']} ones",
            overall.to_string(float_format="{:.4g}".format),
            self.table().to_string(float_format="{:.4g}".format),
        ]
        if self.synthetic.columns:
            columns = self.table("columns")
            farthest = columns[columns["class"].isna()].nlargest(5, "distance")[["kind", "distance"]]
            parts.append("farthest columns\n" + farthest.to_string(float_format="{:.4g}".format))
        if self.synthetic.groups:
            parts.append(self.table("groups").to_string(float_format="{:.4g}".format))
        parts += ["\n".join(self.remarks)] if self.remarks else []
        # Line ends in names are escaped by pandas.
        return "\n".join(map(visible, "\n\n".join(parts).split("\n")))
