"""How good samples are: a judge trained on real images, features to compare them by, and sheets to look at."""

from ganaug.quality.audit import audit
from ganaug.quality.audit_report import AuditReport
from ganaug.quality.classifier import class_consistency
from ganaug.quality.features import features
from ganaug.quality.neighbours import nearest, nearest_other
from ganaug.quality.sheets import comparison_sheet

__all__ = [
    "AuditReport",
    "audit",
    "class_consistency",
    "comparison_sheet",
    "features",
    "nearest",
    "nearest_other",
]
