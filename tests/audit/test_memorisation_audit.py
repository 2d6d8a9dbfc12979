import json

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import SMOTE
from sklearn.datasets import load_breast_cancer

from ganaug import ImageGAN, LabelledImages, TableGAN, labelled_images
from ganaug.audit import audit
from ganaug.data.fingerprints import check_holdout, row_keys
from ganaug.data.kinds import KINDS

FORBIDDEN = ("private", "anonymous", "safe")


@pytest.fixture(scope="module")
def digits():
    """Training, holdout and fresh images: the digits come in the order of their writers, so they are mixed."""
    data = labelled_images("digits")
    mixed = np.random.default_rng(0).permutation(len(data))
    return [data.subset(part) for part in np.split(mixed, [300, 600, 900])[:3]]


@pytest.fixture(scope="module")
def rows():
    table, y = load_breast_cancer(return_X_y=True, as_frame=True)
    mixed = np.random.default_rng(0).permutation(len(y))
    return [(table.iloc[part], y.iloc[part]) for part in np.array_split(mixed, 3)]


def with_images(data, images):
    return LabelledImages(np.asarray(images).clip(0, 255).astype(np.uint8), data.labels)


def noisy(images, deviation):
    return images + np.random.default_rng(1).normal(0, deviation, images.shape)


CHANGES = {
    "copies": lambda x: x,
    "shifted right": lambda x: np.roll(x, 1, 3),
    "shifted up, the border repeated": lambda x: np.concatenate([x[:, :, 1:], x[:, :, -1:]], 2),
    "mirrored": lambda x: x[..., ::-1],
    "mirrored and shifted": lambda x: np.roll(x[..., ::-1], -1, 2),
    "noisy": lambda x: noisy(x, 15),
    "very noisy": lambda x: noisy(x, 60),
    "brighter": lambda x: x.astype(int) + 12,
}


def test_fresh_images_pass(digits):
    train, holdout, fresh = digits
    report = audit(fresh, train, holdout, random_state=0)
    assert report.verdict == "pass"
    assert {finding.verdict for finding in report.findings.values()} == {"pass"}
    assert report.exact.count == 0
    assert report.near.low <= report.near.expected <= report.near.high
    assert report.membership.auc_low < 0.5 < report.membership.auc_high


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_copies_of_images_fail(digits, change):
    train, holdout, _ = digits
    report = audit(with_images(train, change(train.images)), train, holdout, random_state=0)
    assert report.verdict == "fail"
    assert report.findings["data_copying"].verdict == "fail"
    assert report.data_copying.share > 0.9


@pytest.mark.parametrize("name", ["shifted right", "mirrored", "mirrored and shifted", "noisy"])
def test_changed_copies_are_counted_as_near_ones_and_shown_with_their_originals(digits, name):
    train, holdout, _ = digits
    report = audit(with_images(train, CHANGES[name](train.images)), train, holdout, random_state=0)
    assert report.findings["copies"].verdict == "fail"
    assert report.exact.count == 0
    assert report.near.rate > 0.9
    assert report.near.rate_holdout < 0.1
    assert all(pair.synthetic == pair.train for pair in report.pairs)
    np.testing.assert_array_equal(report.pair_samples[1], train.images[[pair.train for pair in report.pairs]])


@pytest.mark.parametrize("name", ["copies", "mirrored", "noisy"])
def test_half_copies_fail(digits, name):
    train, holdout, fresh = digits
    copied = np.arange(len(train)) % 2 == 0
    images = np.concatenate([CHANGES[name](train.images)[copied], fresh.images[~copied]])
    labels = np.concatenate([train.labels[copied], fresh.labels[~copied]])
    report = audit(with_images(LabelledImages(images.astype(np.uint8), labels), images), train, holdout, random_state=0)
    assert report.verdict == "fail"
    assert report.findings["copies"].verdict == "fail"


def test_copies_under_other_labels_fail(digits):
    train, holdout, _ = digits
    shifted = LabelledImages(np.roll(train.images, 1, 3), np.roll(train.labels, 1))
    assert audit(shifted, train, holdout, random_state=0).verdict == "fail"


def of_class(data, *classes):
    return data.subset(np.flatnonzero(np.isin(data.labels, classes)))


@pytest.mark.parametrize("name", ["copies", "shifted right", "noisy"])
def test_copies_of_images_of_a_class_without_synthetic_ones_fail(digits, name):
    train, holdout, _ = digits
    threes = of_class(train, 3)
    report = audit(
        LabelledImages(CHANGES[name](threes.images).clip(0, 255).astype(np.uint8), np.full(len(threes), 5)),
        train,
        holdout,
        random_state=0,
    )
    assert report.findings["copies"].verdict == "fail"
    assert report.exact.count == (len(threes) if name == "copies" else 0)
    assert {pair.train_class for pair in report.pairs} == {"3"}
    assert (report.pair_samples[1] == train.images[[pair.train for pair in report.pairs]]).all()
    assert "3" in report.not_audited


def test_fresh_images_of_one_class_pass_whatever_other_classes_there_are(digits):
    train, holdout, fresh = digits
    for part in (holdout, of_class(holdout, 5)):
        assert audit(of_class(fresh, 5), train, part, random_state=0).verdict == "pass"


@pytest.mark.parametrize("with_holdout", [True, False])
def test_copies_of_images_without_a_label_fail(digits, with_holdout):
    train, holdout, fresh = digits
    hidden = LabelledImages(
        train.images, np.where(np.arange(300) % 2, train.labels, -1), {c: f"no. {c}" for c in range(10)}
    )
    held_out = holdout if with_holdout else None
    report = audit(train.subset(np.repeat(range(0, 300, 2), 2)), hidden, held_out, random_state=0)
    assert report.verdict == "fail"
    assert report.exact.count == 300
    assert report.not_audited == ()
    assert audit(fresh, hidden, held_out, random_state=0).exact.count == 0


def test_labels_are_for_all_samples_or_for_none(digits):
    train, holdout, _ = digits
    images = torch.from_numpy(train.images)
    with pytest.raises(ValueError, match=r"^train has labels and synthetic has none; pass labels, or leave out"):
        audit(images, train, holdout)
    with pytest.raises(ValueError, match=r"^synthetic has labels and train has none; pass train_labels"):
        audit(train, images)
    with pytest.raises(ValueError, match=r"^train has labels and holdout has none; pass holdout_labels"):
        audit(train, train, torch.from_numpy(holdout.images))
    with pytest.raises(ValueError, match=r"^synthetic holds 300 images labelled -1, which marks images without"):
        audit(LabelledImages(train.images, np.full(300, -1)), train)
    with pytest.raises(ValueError, match=r"^synthetic holds no images; pass at least one"):
        audit(train.subset([]), train)
    report = audit(images, images, torch.from_numpy(holdout.images), random_state=0)
    assert (report.verdict, report.exact.count, report.not_audited) == ("fail", 300, ())


def test_rows_of_other_classes_are_searched_for_copies(rows):
    (train, y), (holdout, y_holdout), _ = rows
    copied = train[y == 1]
    report = audit(
        copied,
        train,
        holdout,
        labels=np.zeros(len(copied), int),
        train_labels=y,
        holdout_labels=y_holdout,
        random_state=0,
    )
    assert report.exact.count == len(copied)
    assert report.findings["copies"].verdict == "fail"


def test_a_single_exact_copy_of_an_image_fails(digits):
    train, holdout, fresh = digits
    images = fresh.images.copy()
    images[7] = train.images[3]
    report = audit(with_images(fresh, images), train, holdout, random_state=0)
    assert report.exact.count == 1
    assert report.findings["copies"].verdict == "fail"
    assert (report.pairs[0].synthetic, report.pairs[0].train) == (7, 3)


def test_blurred_images_are_near_to_everything_but_no_copies(digits):
    train, holdout, fresh = digits
    means = np.stack([fresh.images[fresh.labels == c].mean(0) for c in range(10)])
    report = audit(with_images(fresh, noisy(means[fresh.labels], 2)), train, holdout, random_state=0)
    assert report.data_copying.c_t < -2
    assert report.data_copying.c_t_exchanged < -2
    assert report.verdict == "not assessable"
    assert "blurred" in report.findings["data_copying"].reason


def test_large_colour_images_are_compared(tmp_path):
    randomness = np.random.default_rng(0)
    draw = lambda: LabelledImages(  # noqa: E731
        randomness.integers(256, size=(20, 3, 40, 48)).astype(np.uint8), np.repeat(["cat", "dog"], 10)
    )
    train, holdout = draw(), draw()
    assert audit(draw(), train, holdout, random_state=0).verdict == "pass"
    report = audit(with_images(train, np.roll(train.images, 1, 2)), train, holdout, random_state=0)
    assert report.verdict == "fail"


def test_fresh_rows_pass_and_copies_fail(rows):
    (train, y), (holdout, y_holdout), (fresh, y_fresh) = rows
    known = {"train_labels": y, "holdout_labels": y_holdout, "random_state": 0}
    assert audit(fresh, train, holdout, labels=y_fresh, **known).verdict == "pass"
    copies = audit(train, train, holdout, labels=y, **known)
    assert {finding.verdict for finding in copies.findings.values()} == {"fail"}
    assert copies.exact.count == len(train)
    assert copies.membership.auc > 0.9
    changed = train + 0.05 * train.std().to_numpy() * np.random.default_rng(0).normal(size=train.shape)
    report = audit(changed, train, holdout, labels=y, **known)
    assert report.findings["copies"].verdict == "fail"
    assert report.exact.count == 0
    half = pd.concat([changed[: len(y) // 2], fresh[: len(y) // 2]])
    of_half = pd.concat([y[: len(y) // 2], y_fresh[: len(y) // 2]])
    assert audit(half, train, holdout, labels=of_half, **known).verdict == "fail"


def test_smote_is_found_out_and_classes_without_new_rows_are_named(rows):
    (train, y), (holdout, y_holdout), _ = rows
    table, target = SMOTE(random_state=0).fit_resample(train, y)
    new = slice(len(train), None)
    report = audit(
        table[new], train, holdout, labels=target[new], train_labels=y, holdout_labels=y_holdout, random_state=0
    )
    assert report.verdict == "fail"
    assert (report.classes, report.not_audited) == (("0",), ("1",))
    assert report.n_train == len(y)
    assert "Without synthetic rows, and only searched for copies: 1." in str(report)


def test_mixed_rows_with_missing_values():
    def draw(seed):
        randomness = np.random.default_rng(seed)
        table = pd.DataFrame({"age": randomness.integers(18, 80, 60), "income": randomness.lognormal(size=60)})
        table["city"] = pd.Series(randomness.choice(["Oslo", "Rome", "Bonn"], 60)).astype("category")
        table["since"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(randomness.integers(0, 900, 60), unit="D")
        table.loc[:4, "income"] = np.nan
        table.loc[5:7, "city"] = None
        return table

    train, holdout, fresh = map(draw, range(3))
    assert audit(fresh, train, holdout, random_state=0).verdict == "pass"
    copied = train.assign(age=train["age"] + 1)
    report = audit(copied[copied.columns[::-1]], train, holdout, random_state=0)  # in another order of the columns
    assert report.findings["copies"].verdict == "fail"
    assert list(report.pair_table()["kind"][:2]) == ["synthetic", "training"]
    assert list(report.pair_table().columns[4:]) == list(train.columns)


def discrete(seed, n=60):
    return pd.DataFrame(np.random.default_rng(seed).integers(3, size=(n, 3)), columns=list("abc"))


def test_rows_that_repeat_by_nature_are_no_copies():
    report = audit(discrete(2), discrete(0), discrete(1), random_state=0)
    assert report.exact.count > 20
    assert report.exact.rate_real > 0.4
    assert report.verdict == "pass"


def continuous(seed, n):
    randomness = np.random.default_rng(seed)
    return randomness.normal(size=(n, 4)) + np.repeat([0, 1], n // 2)[:, None], np.repeat(["a", "b"], n // 2)


@pytest.mark.parametrize("kind", ["images", "numbers", "discrete"])
def test_false_alarms_are_at_most_five_in_a_hundred(kind):
    data = labelled_images("digits")
    data = data.subset(np.flatnonzero(data.labels < 2))
    alarms = 0
    n_audits = 100 if kind == "images" else 60
    for seed in range(n_audits):
        if kind == "images":
            mixed = np.random.default_rng(seed).permutation(len(data))
            train, holdout, fresh = (data.subset(part) for part in np.split(mixed, [60, 120, 180])[:3])
            report = audit(fresh, train, holdout, random_state=seed)
        elif kind == "numbers":
            (fresh, y), (train, y_train), (holdout, y_holdout) = (
                continuous(1000 * part + seed, n) for part, n in enumerate((40, 80, 40))
            )
            report = audit(
                fresh, train, holdout, labels=y, train_labels=y_train, holdout_labels=y_holdout, random_state=seed
            )
        else:
            report = audit(*(discrete(1000 * part + seed) for part in range(3)), random_state=seed)
        alarms += report.verdict == "fail"
    assert alarms <= n_audits / 20


def test_classes_may_be_more_frequent_in_training_than_in_the_holdout():
    alarms = 0
    for seed in range(20):
        tables = []
        for part, (n_a, n_b) in enumerate([(60, 60), (60, 60), (150, 30)]):
            randomness = np.random.default_rng([seed, part])
            tables += [(randomness.normal(size=(n_a + n_b, 3)) + np.repeat([0, 4], [n_a, n_b])[:, None], n_a, n_b)]
        labels = [np.repeat(["a", "b"], (n_a, n_b)) for _, n_a, n_b in tables]
        report = audit(
            *(table for table, *_ in tables),
            labels=labels[0],
            train_labels=labels[1],
            holdout_labels=labels[2],
            random_state=seed,
        )
        alarms += report.verdict == "fail"
    assert alarms <= 1


def test_without_a_holdout_only_exact_copies_are_assessed(digits):
    train, _, fresh = digits
    report = audit(fresh, train, random_state=0)
    assert report.verdict == "not assessable"
    assert {finding.verdict for finding in report.findings.values()} == {"not assessable"}
    assert (report.near, report.data_copying, report.membership) == (None, None, None)
    assert "AUC" not in str(report)
    assert "C_T" not in str(report)
    copies = audit(train, train, random_state=0)
    assert copies.verdict == "fail"
    assert copies.findings["membership"].verdict == "not assessable"


def test_a_small_holdout_cannot_be_attacked():
    train, holdout, fresh = (np.random.default_rng(seed).normal(size=(12, 3)) for seed in range(3))
    report = audit(fresh, train, holdout, random_state=0)
    assert report.findings["membership"].verdict == "not assessable"
    assert report.findings["membership"].reason == "it needs 20 holdout samples in all, there are 12"
    assert report.verdict == "not assessable"


def test_the_rate_at_one_per_cent_needs_a_hundred_holdout_samples(digits):
    train, holdout, fresh = digits
    assert audit(fresh, train, holdout, random_state=0).membership.tpr is not None
    report = audit(fresh, train, holdout.subset(range(190)), random_state=0)
    assert report.membership.tpr is None
    assert "cannot tell 1 %" in str(report)


def test_a_gan_is_drawn_from(digits, rows):
    train, holdout, _ = digits
    gan = ImageGAN(steps=2, device="cpu", random_state=0, verbose=False).fit(train)
    report = audit(gan, train, holdout, per_class=12, random_state=0)
    assert report.n_synthetic == 120
    with pytest.warns(UserWarning, match="not what the generator was trained on"):
        audit(gan, holdout, train, per_class=12, random_state=0)
    (table, y), (other, y_other), _ = rows
    gan = TableGAN(steps=2, random_state=0, verbose=False).fit(table, y)
    report = audit(gan, table, other, train_labels=y, holdout_labels=y_other, per_class=50, random_state=0)
    assert report.n_synthetic == 100
    with pytest.raises(ValueError, match="synthetic must be a fitted generator, got a TableGAN without"):
        audit(TableGAN(), table, other, train_labels=y, holdout_labels=y_other)
    with pytest.raises(ValueError, match="synthetic is a TableGAN and train holds images"):
        audit(gan, train, holdout)


@pytest.mark.parametrize("source", [None, np.random.RandomState(0), np.random.default_rng(0)], ids=str)
def test_no_seed_is_needed(digits, source):
    train, holdout, _ = digits
    gan = ImageGAN(steps=2, device="cpu", verbose=False).fit(train)
    assert audit(gan, train, holdout, per_class=10, random_state=source).n_synthetic == 100


def test_the_same_seed_gives_the_same_report_and_global_states_stay(digits):
    train, holdout, fresh = digits
    states = np.random.get_state()[1].copy(), torch.get_rng_state()
    first, second = (audit(fresh, train, holdout, random_state=3) for _ in range(2))
    assert first.to_dict() == second.to_dict()
    assert (np.random.get_state()[1] == states[0]).all()
    assert torch.equal(torch.get_rng_state(), states[1])
    assert audit(fresh, train, holdout, random_state=4).to_dict() != first.to_dict()


def test_classes_are_matched_by_their_names(digits):
    train, holdout, fresh = digits
    names = {c: f"digit {c}" for c in range(10)}
    named = LabelledImages(train.images, train.labels, names)
    by_text = LabelledImages(fresh.images, np.array([names[label] for label in fresh.labels.tolist()]))
    report = audit(by_text, named, holdout, random_state=0)
    assert report.classes[0] == "digit 0"
    plain = audit(torch.from_numpy(fresh.images), train, holdout, labels=fresh.labels.astype(str), random_state=0)
    assert plain.near == report.near


def test_the_report_can_be_written_and_claims_nothing(digits):
    train, holdout, fresh = digits
    passed, failed = (audit(part, train, holdout, random_state=0) for part in (fresh, train))
    for report in (passed, failed, audit(fresh, train)):
        text = str(report) + json.dumps(report.to_dict())
        assert not any(word in text.lower() for word in FORBIDDEN)
        assert "It guarantees no privacy" in text
    assert json.loads(json.dumps(failed.to_dict()))["findings"]["copies"]["verdict"] == "fail"
    assert passed.sheet().mode == "RGB"
    with pytest.raises(ValueError, match="make no table"):
        passed.pair_table()


def test_bad_input_is_refused_in_one_sentence(digits):
    train, holdout, fresh = digits
    overlapping = LabelledImages(
        np.concatenate([holdout.images, train.images[:12]]), np.concatenate([holdout.labels, train.labels[:12]])
    )
    few_7 = (fresh.labels != 7) | (np.cumsum(fresh.labels == 7) <= 3)
    cases = [
        ((fresh, train, overlapping), "^12 of 312 holdout images are also in the training data; remove them"),
        ((holdout, train, holdout), "^300 of 300 synthetic images are also in the holdout"),
        (
            (fresh.subset(np.flatnonzero(few_7)), train, holdout),
            "^synthetic holds 3 samples of class '7', at least 10 of each",
        ),
        ((fresh, train, holdout.subset(np.flatnonzero(holdout.labels != 7))), "^holdout holds no samples of class '7'"),
        (
            (fresh, train.subset(np.flatnonzero(train.labels != 7)), holdout),
            "^synthetic holds class '7', which train does not",
        ),
        ((np.zeros((30, 9, 8)), train, holdout), "^synthetic holds images of shape"),
        ((np.full((30, 8, 8), 9.0), train, holdout), "^synthetic: floating-point images must have values in"),
        ((np.zeros((30, 64)), train, holdout), "^synthetic holds rows of a table and train images"),
    ]
    for sides, message in cases:
        labels = np.arange(30) % 10 if isinstance(sides[0], np.ndarray) else None
        with pytest.raises(ValueError, match=message) as caught:
            audit(*sides, labels=labels)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(x=np.nan), "column 'x' of synthetic holds NaN or other missing values in 30 rows"),
        (lambda t: t.assign(x=np.inf), "synthetic: column 'x' holds infinite values"),
        (lambda t: t.rename(columns={"x": "z"}), "synthetic has the columns 'z', 'y', train has 'x', 'y'"),
        (lambda t: t.assign(x="many"), "column 'x' holds names in synthetic and numbers or dates in train"),
        (lambda t: t[:9], "synthetic holds 9 samples of class '0', at least 10"),
        (lambda t: t[:0], "synthetic: the table must have at least one row"),
    ],
)
def test_bad_rows_are_refused(change, message):
    train, holdout, fresh = (
        pd.DataFrame(np.random.default_rng(s).normal(size=(30, 2)), columns=["x", "y"]) for s in range(3)
    )
    with pytest.raises(ValueError, match=message):
        audit(change(fresh), train, holdout)
    with pytest.raises(ValueError, match=r"^5 of 35 holdout rows are also in the training data"):
        audit(fresh, train, pd.concat([holdout, train[:5]]))
    with pytest.raises(ValueError, match=r"^25 of 30 synthetic rows are also in the holdout"):
        audit(pd.concat([fresh[:5], holdout[5:]]), train, holdout)
    with pytest.raises(ValueError, match="per_class is for a generator"):
        audit(fresh, train, holdout, per_class=20)
    with pytest.raises(ValueError, match="no column of the tables varies"):
        audit(fresh * 0, train * 0)


def test_a_holdout_may_repeat_a_row_of_names_and_small_numbers_where_none_repeat():
    def drawn(n, rng):
        columns = {
            "age": rng.integers(20, 70, n),
            "kind": rng.choice(list("abc"), n),
            "children": rng.integers(0, 9, n),
        }
        return pd.DataFrame(columns)

    def refused(train, holdout):
        keys = row_keys(train[:0], train, holdout)
        try:
            check_holdout(*keys, kind=KINDS["rows"], rows=train)
        except ValueError:
            return True
        return False

    shared, wrong = 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        train, holdout = drawn(60, rng), drawn(30, rng)
        if train.duplicated().any():
            continue
        shared += len(train.merge(holdout)) > 0
        wrong += refused(train, holdout)
        assert refused(train, pd.concat([train[:8], holdout[8:]]))
        weights = rng.normal(size=60)
        assert refused(train.assign(w=weights), pd.concat([train[:1].assign(w=weights[:1]), holdout.assign(w=0.1)]))
    assert shared > 20
    assert wrong <= 0.05 * shared


@pytest.mark.parametrize("decimals", [0, 1])
def test_a_holdout_may_repeat_rows_of_a_table_that_repeat_by_nature(decimals):
    # Some data sets among so many have holdouts that repeat far more training rows than these repeat each other.
    for seed in range(300):
        table = np.random.default_rng(seed).normal(size=(160, 2)).round(decimals)
        keys = row_keys(pd.DataFrame(table[:80]), pd.DataFrame(table[80:]))
        if np.isin(keys[1], keys[0]).any() and len(np.unique(keys[0])) < 80:
            check_holdout(keys[0][:0], *keys, kind=KINDS["rows"])
    leaked = row_keys(pd.DataFrame(table[:80]), pd.DataFrame(table[:80]))
    with pytest.raises(ValueError, match="80 of 80 holdout rows"):
        check_holdout(leaked[0][:0], *leaked, kind=KINDS["rows"])
