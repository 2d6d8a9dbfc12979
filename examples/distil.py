"""A small decision tree that learns from a forest of a hundred.

The forest labels real and synthetic rows with probabilities, and the tree learns from them. Inner validation says
whether that pays, and how many rows.
"""

from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier, export_text

from ganaug import DistilledClassifier

X, y = make_classification(
    3000, 10, n_informative=6, n_clusters_per_class=4, class_sep=0.8, flip_y=0.05, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=600, stratify=y, random_state=0)
tree = DecisionTreeClassifier(max_leaf_nodes=16, random_state=0)
forest = RandomForestClassifier(100)

distilled = DistilledClassifier(tree, teacher=forest, ratios=[0, 4], random_state=0).fit(X_train, y_train)
print("Chosen:", distilled.decision_.reason)
models = {"forest": forest.fit(X_train, y_train), "tree": tree.fit(X_train, y_train), "distilled tree": distilled}
for name, model in models.items():
    print(f"{name}: AUC {100 * roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]):.1f}")
print(export_text(distilled.student_, max_depth=2))
