import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from datasets import ClassLabel, Dataset, Features, Value
from datasets import Image as ImageFeature
from PIL import Image

from ganaug.data import LabelledImages, labelled_images
from ganaug.data.groups import cell_counts, check_groups, groups_from_array, has_group
from ganaug.data.tables.group_column import part_groups

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 9), np.uint8)
LABELS = [0, 1, 0, 1, 0, 1]
SPEAKERS = ["ann", "ann", "bob", None, "bob", "bob"]
FOUND = ["ann", "ann", "bob", "unknown", "bob", "bob"]


@pytest.mark.parametrize(
    ("groups", "found", "dtype"),
    [
        (["b", "a", "b"], ["b", "a", "b"], "<U1"),
        ([2, 0, 2], [2, 0, 2], np.int64),
        ([True, False, True], [True, False, True], bool),
        (np.array([2, 0, 2], np.int8), [2, 0, 2], np.int8),
        (torch.tensor([2, 0, 2]), [2, 0, 2], np.int64),
        (pd.Series(["b", "a", "b"], index=[7, 7, 0], dtype="category"), ["b", "a", "b"], object),
        (["b", None, "b"], ["b", "unknown", "b"], "<U7"),
        (["b", " ", float("nan")], ["b", "unknown", "unknown"], "<U7"),
        (np.array(["b", "", "b"]), ["b", "unknown", "b"], "<U7"),
        (pd.Series(["b", pd.NA, "b"], dtype="string"), ["b", "unknown", "b"], "<U7"),
        (pl.Series([2, None, 2]), [2, -1, 2], np.int64),
        (pa.chunked_array([["b", None], ["b"]]), ["b", "unknown", "b"], "<U7"),
        ([2.0, float("nan"), 0.0], [2, -1, 0], np.int64),
        (pd.Series([2, None, 0], dtype="Int64"), [2, -1, 0], np.int64),
        ([True, None, False], [1, -1, 0], np.int64),
        ([["b"], [None], ["a"]], ["b", "unknown", "a"], "<U7"),
    ],
)
def test_groups_come_back_as_they_went_in_and_missing_ones_are_unknown(groups, found, dtype):
    array = groups_from_array(groups, 3)
    assert array.tolist() == found
    assert array.dtype == dtype
    assert has_group(array).tolist() == [group not in ("unknown", -1) for group in found]


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (["a", "b"], ValueError, "3 images and 2 groups"),
        ([0.5, 1.5, 0.5], ValueError, "groups must name classes, got continuous"),
        ([0.5, None, 0.5], ValueError, "continuous"),
        ([None, "", float("nan")], ValueError, "groups are missing for all 3 images"),
        ([1, "a", None], TypeError, "groups must be of one type, got int, str"),
        ([b"a", b"b", b"a"], TypeError, "got bytes"),
        (np.zeros((3, 2)), ValueError, r"one dimension, got shape \(3, 2\)"),
        (5, ValueError, "one dimension"),
    ],
)
def test_bad_groups_are_refused_in_one_sentence(groups, error, message):
    for read in (lambda: groups_from_array(groups, 3), lambda: labelled_images(IMAGES[:3], [0, 1, 0], groups=groups)):
        with pytest.raises(error, match=message) as caught:
            read()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("groups", "called"), [(["a", "unknown", None], "'unknown'"), ([3, -1, None], "-1")])
def test_missing_groups_that_are_put_together_with_others_are_said(groups, called):
    with pytest.warns(
        UserWarning, match=f"group {called} is what groups that are missing are called, so that its rows"
    ):
        found = groups_from_array(groups, 3, of="rows")
    assert len(np.unique(found)) == 2
    groups_from_array(groups[:2], 2)


def test_missing_groups_are_refused_where_each_must_be_known():
    with pytest.raises(ValueError, match="missing for 1 of 6 images, the first at index 3"):
        groups_from_array(SPEAKERS, 6, unknown=False)


def hugging_face(groups, **features):
    columns = {"image": list(map(Image.fromarray, IMAGES)), "label": LABELS, "speaker": groups}
    kinds = {"image": ImageFeature(), "label": ClassLabel(names=["cat", "dog"]), **features}
    return Dataset.from_dict(columns, features=Features(kinds))


def parquet(folder):
    hugging_face(SPEAKERS, speaker=Value("string")).to_parquet(str(folder / "x.parquet"))
    return folder / "x.parquet"


def npz(folder):
    np.savez(folder / "x.npz", images=IMAGES, labels=LABELS, speaker=[name or "" for name in SPEAKERS])
    return folder / "x.npz"


def folder_of(folder, name, **tables):
    """In the order of LABELS sorted: images 0, 2, 4 and then 1, 3, 5."""
    for i, image in enumerate(IMAGES):
        path = folder / name.format(label=LABELS[i], group=SPEAKERS[i] or "", i=i)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    for place, text in tables.items():
        (folder / place / "metadata.csv").write_text(text)
    return folder


PATHS = [0, 2, 4, 1, 3, 5]
TABLE = "file_name,speaker,take\n" + "".join(f"{LABELS[i]}/{i}.png,{SPEAKERS[i] or ''},{i}\n" for i in range(6))


@pytest.mark.parametrize(
    ("source", "groups"),
    [
        (lambda _: (IMAGES, LABELS), SPEAKERS),
        (lambda _: (list(zip(map(Image.fromarray, IMAGES), LABELS, strict=True)),), np.array(SPEAKERS, object)),
        (lambda _: (LabelledImages(IMAGES[:, None], np.array(LABELS)),), pd.Series(SPEAKERS)),
        (lambda _: (hugging_face(SPEAKERS, speaker=Value("string")),), "speaker"),
        (lambda _: (hugging_face([0, 0, 1, None, 1, 1], speaker=ClassLabel(names=["ann", "bob"])),), "speaker"),
        (lambda _: (hugging_face(SPEAKERS, speaker=Value("string")),), SPEAKERS),
        (lambda folder: (parquet(folder),), "speaker"),
        (lambda folder: (npz(folder),), "speaker"),
    ],
)
def test_groups_of_every_source(source, groups, tmp_path):
    data = labelled_images(*source(tmp_path), groups=groups)
    assert data.groups.tolist() == FOUND
    assert data.has_group.tolist() == [name is not None for name in SPEAKERS]


@pytest.mark.parametrize(
    ("name", "groups", "tables"),
    [
        ("{label}/{group}/{i}.png", "folder", {}),
        ("{label}/{group}/deeper/{i}.png", "folder", {}),
        ("{label}/{i}_{group}.png", r"/(\d)_(?P<group>\w+)?\.png", {}),
        ("{label}/{i}_{group}.png", re.compile(r"/\d_(\w*)"), {}),
        ("{label}/{i}.png", "speaker", {".": TABLE}),
        ("{label}/{i}.png", "speaker", {"0": TABLE.replace("0/", ""), "1": TABLE.replace("1/", "")}),
    ],
)
def test_groups_of_folders(name, groups, tables, tmp_path):
    known = [i for i in range(6) if SPEAKERS[i] or groups != "folder"]
    root = folder_of(tmp_path, name, **tables)
    if groups == "folder":
        (stray,) = (path for path in root.rglob("3.png"))
        stray.unlink()
    data = labelled_images(root, groups=groups)
    assert data.groups.tolist() == [FOUND[i] for i in PATHS if i in known]
    assert data.images[:, 0].tolist() == [IMAGES[i].tolist() for i in PATHS if i in known]


def test_a_pattern_on_a_list_of_paths(tmp_path):
    folder_of(tmp_path, "{group}_{i}.png")
    paths = [str(path) for path in sorted(tmp_path.iterdir()) if not path.name.startswith("_")]
    assert (
        labelled_images(paths, [0, 1, 0, 1, 1], groups=r"([a-z]+)_\d\.png$").groups.tolist()
        == ["ann"] * 2 + ["bob"] * 3
    )


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("folder", r"files at class/group/file, got 6 of 6 without a folder .* '0/ann_0\.png'"),
        ("(zebra)", r"'\(zebra\)' does not match 6 of 6 files, such as '0/ann_0\.png'"),
        (r"(ann)_\d", "does not match 4 of 6 files"),
        ("(ann", r"a regular expression, got '\(ann': .*unterminated"),
        ("(a)(b)", "with 2 captures"),
        (re.compile("ann"), "with 0 captures"),
        ("speaker", "there is no metadata.csv in"),
    ],
)
def test_bad_patterns_and_folders_are_refused(groups, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        labelled_images(folder_of(tmp_path, "{label}/{group}_{i}.png"), groups=groups)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file_name,take\n0/0.png,1\n", "has no column 'speaker'; there are file_name, take"),
        ("path,speaker\n0/0.png,ann\n", "has no column 'file_name'"),
        ("file_name,speaker\nelsewhere.png,ann\n", "names none of the 6 images"),
        ("", "cannot be read"),
    ],
)
def test_bad_metadata_are_refused(table, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        labelled_images(folder_of(tmp_path, "{label}/{i}.png", **{".": table}), groups="speaker")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "groups", "error", "message"),
    [
        (lambda _: (IMAGES, LABELS), "speaker", ValueError, "groups is 'speaker', but a ndarray has neither columns"),
        (lambda _: ("digits",), "(a)", ValueError, "but a str has neither columns nor file names"),
        (lambda _: (hugging_face(SPEAKERS, speaker=Value("string")),), "who", ValueError, "no column 'who' of groups"),
        (lambda folder: (npz(folder),), "who", ValueError, "'images' and 'labels' and 'who'"),
        (
            lambda folder: (npz(folder),),
            re.compile("(a)"),
            TypeError,
            "the name of a column of .*, got the pattern",
        ),
    ],
)
def test_names_of_groups_that_are_not_there_are_refused(source, groups, error, message, tmp_path):
    with pytest.raises(error, match=message):
        labelled_images(*source(tmp_path), groups=groups)


def test_groups_go_with_their_images():
    data = labelled_images(IMAGES, [0, -1, 0, 1, 0, 1], groups=SPEAKERS)
    assert data.subset([5, 3]).groups.tolist() == ["bob", "unknown"]
    assert data.labelled().groups.tolist() == [FOUND[i] for i in (0, 2, 3, 4, 5)]
    assert data.relabelled(np.array(["0", "1"]), {}).groups is data.groups
    assert labelled_images(data, groups=range(6)).groups.tolist() == list(range(6))
    assert labelled_images(data) is data


def test_fingerprints_change_with_groups_alone():
    plain = labelled_images(IMAGES, LABELS)
    prints = {labelled_images(IMAGES, LABELS, groups=groups).fingerprint() for groups in (None, SPEAKERS, FOUND[::-1])}
    assert len(prints) == 3
    assert plain.fingerprint() in prints
    with pytest.raises(ValueError, match=r"got shape \(2,\) beside 6 images"):
        LabelledImages(plain.images, plain.labels, groups=np.array([0, 1]))
    with pytest.raises(TypeError, match="groups must be a numpy array or None, got list"):
        LabelledImages(plain.images, plain.labels, groups=LABELS)


def test_cells_are_counted_by_sorted_classes_and_groups():
    counts = cell_counts(LABELS, SPEAKERS)
    assert (counts.index.tolist(), counts.columns.tolist()) == ([0, 1], ["ann", "bob", "unknown"])
    assert counts.to_numpy().tolist() == [[1, 2, 0], [1, 1, 1]]


def checked(labels, groups, use):
    check_groups(np.array(labels), groups_from_array(groups, len(labels)), use=use)


@pytest.mark.parametrize(
    ("labels", "groups", "use", "message"),
    [
        ("aabb", "xyyx", "neither", "use must be one of splits, conditioning, got 'neither'"),
        ("aabb", "xxxx", "both", "at least two groups are needed, got one, 'x', for all"),
        ("aabb", "wxyz", "both", "a different one for each of 4"),
        ("aabb", "xx z", "splits", "which 1 of 4 lack"),
        ("aabb", "yyxx", "both", "groups equal the labels, such as group 'y' for class 'a'"),
        ("aabbcc", "xyxyzz", "conditioning", "nothing separates class 'c' from group 'z'"),
        ("aabb", "xyzz", "conditioning", "nothing separates class 'b' from group 'z'"),
    ],
)
def test_groups_that_cannot_serve_are_refused(labels, groups, use, message):
    for each in ("splits", "conditioning") if use == "both" else (use,):
        with pytest.raises(ValueError, match=message) as caught:
            checked(list(labels), list(groups), each)
        assert "\n" not in str(caught.value)


def test_a_class_in_one_group_is_legal_in_splits_and_said_before_conditioning():
    labels, groups = list("aabbcc"), list("xyxyxx")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked(labels, groups, "splits")
        checked(labels, list("xyxy y"), "conditioning")
    with pytest.warns(UserWarning, match="class 'c' occurs in one group only, the first in 'x'"):
        checked(labels, groups, "conditioning")


def test_groups_are_checked_before_training():
    with pytest.raises(ValueError, match="groups equal the labels"):
        labelled_images(IMAGES, LABELS, groups=LABELS, train=True)
    unlabelled = labelled_images(IMAGES, [0, 0, 1, 1, 0, -1], groups=[0, 1, 0, 1, 0, 9], train=False)
    assert len(unlabelled.labelled().groups) == 5


TABLE_OF_ROWS = pd.DataFrame({"age": [1.0, 2, 3, 4], "site": ["x", "y", None, "x"], "pay": [1, 2, 3, 4]}, [9, 9, 3, 1])


@pytest.mark.parametrize(
    "container",
    [
        lambda table: table,
        lambda table: pl.from_pandas(table.reset_index(drop=True)),
        lambda table: pa.Table.from_pandas(table, preserve_index=False),
    ],
)
@pytest.mark.parametrize("groups", ["site", 1])
def test_a_column_of_a_table_is_taken_out_of_its_features(container, groups):
    table = container(TABLE_OF_ROWS)
    features, found = part_groups(table, groups)
    assert found.tolist() == ["x", "y", "unknown", "x"]
    assert type(features) is type(table)
    assert list(getattr(features, "column_names", features.columns)) == ["age", "pay"]
    kept, found = part_groups(table, groups, keep_group_column=True)
    assert kept is table
    assert len(found) == 4


@pytest.mark.parametrize("container", [np.asarray, np.ndarray.tolist, scipy.sparse.coo_array, scipy.sparse.csr_matrix])
def test_a_column_of_numbers_by_its_position(container):
    numbers = np.array([[5.0, 0, 1], [6, 1, 0], [7, 0, 1]])
    features, found = part_groups(container(numbers), 1)
    assert found.tolist() == [0, 1, 0]
    dense = features.toarray() if scipy.sparse.issparse(features) else features
    np.testing.assert_array_equal(dense, numbers[:, [0, 2]])


def test_groups_beside_a_table_leave_it_as_it_is():
    table, groups = part_groups(TABLE_OF_ROWS, [True, False, None, True])
    assert table is TABLE_OF_ROWS
    assert groups.tolist() == [1, 0, -1, 1]
    assert part_groups(TABLE_OF_ROWS, None)[1] is None


@pytest.mark.parametrize(
    ("table", "groups", "message"),
    [
        (TABLE_OF_ROWS, "sites", "groups names the column 'sites', which the table lacks; did you mean 'site'"),
        (TABLE_OF_ROWS, 3, "column 3 of a table with 3"),
        (TABLE_OF_ROWS, [1, 2], "4 rows and 2 groups"),
        (TABLE_OF_ROWS[["site"]], "site", "'site' of groups only"),
        (TABLE_OF_ROWS.to_numpy(), "site", "a ndarray has no names of columns"),
        (TABLE_OF_ROWS.assign(site=[0.5, 1.5, 0.5, 1.5]), "site", "column 'site': groups must name classes"),
        (np.zeros(4), 0, "two dimensions"),
    ],
)
def test_bad_columns_of_groups_are_refused(table, groups, message):
    with pytest.raises(ValueError, match=message) as caught:
        part_groups(table, groups)
    assert "\n" not in str(caught.value)


def test_missing_groups_of_rows_are_refused_where_each_must_be_known():
    with pytest.raises(ValueError, match="column 'site': groups are missing for 1 of 4 rows"):
        part_groups(TABLE_OF_ROWS, "site", unknown=False)
