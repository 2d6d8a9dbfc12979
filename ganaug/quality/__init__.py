"""How good samples are: a judge trained on real images, audits for copies, explanations, and sheets to look at."""

from ganaug.quality.audit import audit
from ganaug.quality.audit_report import AuditReport
from ganaug.quality.classifier import class_consistency
from ganaug.quality.explain import explain, interpolation_sheet
from ganaug.quality.explanation import Explanation, explanation_sheet
from ganaug.quality.features import features
from ganaug.quality.neighbours import nearest, nearest_other
from ganaug.quality.sheets import comparison_sheet

__all__ = [
    "AuditReport",
    "Explanation",
    "audit",
    "class_consistency",
    "comparison_sheet",
    "explain",
    "explanation_sheet",
    "features",
    "interpolation_sheet",
    "nearest",
    "nearest_other",
]
