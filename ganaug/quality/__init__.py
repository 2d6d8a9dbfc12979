"""How good samples are: figures overall and per class, audits for copies, explanations, features, sheets."""

from ganaug.quality.audit import audit
from ganaug.quality.audit_report import AuditReport
from ganaug.quality.classifier import ClassifierConfig, class_consistency, classification_accuracy_score
from ganaug.quality.columns import column_distances, pair_distances
from ganaug.quality.distances import frechet_distance, inception_score, kernel_distance
from ganaug.quality.explain import explain, interpolation_sheet
from ganaug.quality.explanation import Explanation, explanation_sheet
from ganaug.quality.features import data_extractor, features
from ganaug.quality.image_quality import image_report
from ganaug.quality.neighbourhoods import prdc
from ganaug.quality.neighbours import nearest, nearest_other
from ganaug.quality.report import QualityReport
from ganaug.quality.sheets import comparison_sheet
from ganaug.quality.table_quality import table_report
from ganaug.quality.two_sample import classifier_two_sample_auc

__all__ = [
    "AuditReport",
    "ClassifierConfig",
    "Explanation",
    "QualityReport",
    "audit",
    "class_consistency",
    "classification_accuracy_score",
    "classifier_two_sample_auc",
    "column_distances",
    "comparison_sheet",
    "data_extractor",
    "explain",
    "explanation_sheet",
    "features",
    "frechet_distance",
    "image_report",
    "inception_score",
    "interpolation_sheet",
    "kernel_distance",
    "nearest",
    "nearest_other",
    "pair_distances",
    "prdc",
    "table_report",
]
