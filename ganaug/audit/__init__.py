"""How new samples are: tests for copies of training samples, and explanations of single samples."""

from ganaug.audit._audit import audit
from ganaug.audit._explain import explain, interpolation_sheet
from ganaug.audit.explanation import Explanation, explanation_sheet
from ganaug.audit.report import AuditReport

__all__ = [
    "AuditReport",
    "Explanation",
    "audit",
    "explain",
    "explanation_sheet",
    "interpolation_sheet",
]
