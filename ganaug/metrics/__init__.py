"""How good samples are: figures overall and per class, for images and tables, and pictures of both."""

from ganaug.classifiers.features import data_extractor, features
from ganaug.classifiers.image_classifier import ClassifierConfig, class_consistency, classification_accuracy_score
from ganaug.metrics._prdc import prdc
from ganaug.metrics.columns import column_distances, pair_distances
from ganaug.metrics.distances import frechet_distance, inception_score, kernel_distance
from ganaug.metrics.group_consistency import GroupConsistency
from ganaug.metrics.image_quality import image_report
from ganaug.metrics.report import QualityReport
from ganaug.metrics.sample_neighbors import nearest, nearest_other
from ganaug.metrics.sheets import comparison_sheet
from ganaug.metrics.table_quality import table_report
from ganaug.metrics.two_sample import classifier_two_sample_auc

__all__ = [
    "ClassifierConfig",
    "GroupConsistency",
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
