"""How good samples are: figures overall and per class, features to compare by, and sheets to look at."""

from ganaug.quality.classifier import ClassifierConfig, class_consistency, classification_accuracy_score
from ganaug.quality.columns import column_distances, pair_distances
from ganaug.quality.distances import frechet_distance, inception_score, kernel_distance
from ganaug.quality.features import data_extractor, features
from ganaug.quality.image_quality import image_report
from ganaug.quality.neighbourhoods import prdc
from ganaug.quality.neighbours import nearest, nearest_other
from ganaug.quality.report import QualityReport
from ganaug.quality.sheets import comparison_sheet
from ganaug.quality.table_quality import table_report
from ganaug.quality.two_sample import classifier_two_sample_auc

__all__ = [
    "ClassifierConfig",
    "QualityReport",
    "class_consistency",
    "classification_accuracy_score",
    "classifier_two_sample_auc",
    "column_distances",
    "comparison_sheet",
    "data_extractor",
    "features",
    "frechet_distance",
    "image_report",
    "inception_score",
    "kernel_distance",
    "nearest",
    "nearest_other",
    "pair_distances",
    "prdc",
    "table_report",
]
