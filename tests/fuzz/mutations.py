"""Damage done to valid files, and the limits within which a reader must cope with it.

Damages are lists of edits, so that one found by hypothesis can be written down as an ``@example``.
"""

import contextlib
import functools
import json
import os
import signal
import warnings
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = os.environ.get("GANAUG_FUZZ_EXAMPLES")
MEMORY = 1 << 30  # that a reader may ask for, beyond what the process has
SECONDS = 20

DTYPES = [
    "object",
    "O",
    "V8",
    "S4",
    "<U2",
    "<U999999999",
    "<i1",
    "<i8",
    "<u8",
    "<f4",
    "<f8",
    "<c16",
    "<M8[ns]",
    "i4,i4",
    "bool",
    "Int64",
    "UInt8",
    "Float64",
    "boolean",
    "string",
    "str",
    "string[pyarrow]",
    "category",
    "datetime64[ns]",
    "timedelta64[ns]",
    "period[D]",
    "interval",
    "Sparse[int64]",
    "int64[pyarrow]",
]
VALUES = [
    *(None, True, False, 0, -1, 1, 2, 3, 8, 63, 1000, 10**6, 10**9, -(10**9), 2**31, 2**63 - 1, 2**63, 2**64, 10**30),
    *(10**400, 0.5, -0.5, 1e-300, 1e30, 1e308, float("nan"), float("inf"), -float("inf")),
    *("", "a", "0", "1", "nan", "\0", "\ud800", "x" * 10_000, "../../x", "/dev/zero", "a.b", "a\nb", "{0}", "%s"),
    *([], [[]], [None], [0], [0] * 300, ["a", "a"], {}, {"": 0}, {"a": {"b": [1]}}),
]
NESTED = "\0nested\0"  # stands for a list too deep for the recursion of Python
DEPTH = 100_000


def fuzzed(examples=40):
    """So many examples, always the same; as many as asked for, always others, in a campaign."""
    return settings(
        max_examples=int(EXAMPLES) if EXAMPLES else examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )


class Hang(BaseException):
    """No reader may take this for an error of its own."""


@contextlib.contextmanager
def limits(memory=MEMORY, seconds=SECONDS):
    """Let what runs inside have little memory, and little time on the processor, however many share it."""

    def stop(*_):
        raise Hang

    resource = None
    if Path("/proc/self/statm").is_file():
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, hard))
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        if resource is not None:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def read_or_refused(read, named=None, errors=(ValueError, TypeError)):
    """Call a reader: its result, or None where it refuses in one sentence that names the file."""
    try:
        with limits(), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings(
                "ignore", category=UserWarning, message=".*(damaged|skipped|frame|dark| holds |of text)"
            )
            return read()
    except errors as error:
        refusal = error
    text = str(refusal)
    assert text, "no message"
    assert "\n" not in text, text
    assert len(text) < 1500, text
    assert "allocate" not in text, text
    assert named is None or str(named) in text, text
    return None


@st.composite
def _edit(draw, tree):
    node, path = tree(), ()
    while isinstance(node, dict | list) and node and (not path or draw(st.integers(0, 3))):
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = draw(st.sampled_from(keys))
        node, path = node[key], (*path, key)
    kind = draw(st.sampled_from(["set", "set", "set", "drop", "add", "twice", "nested"]))
    if kind != "set":
        return path, kind, None
    like = [st.sampled_from(VALUES), st.sampled_from(DTYPES), _like(node)]
    return path, kind, draw(st.one_of(like))


def _like(node):
    """Values of the same type as one, or near it."""
    if isinstance(node, bool):
        return st.booleans()
    if isinstance(node, int):
        return st.integers(node - 3, node + 3) | st.integers()
    if isinstance(node, float):
        return st.floats()
    if isinstance(node, str):
        return st.text(max_size=8)
    if isinstance(node, list):
        return st.lists(st.sampled_from(node or [0]), max_size=2 * len(node) + 2)
    return st.dictionaries(st.text(max_size=3), st.integers(), max_size=3)


def edits(tree):
    """One to three changes of a JSON tree, which a function returns."""
    return st.lists(_edit(tree), min_size=1, max_size=3)


def edited(tree, changes):
    """A copy of a JSON tree with these changes; those in a part that is gone have no effect."""
    tree = json.loads(json.dumps(tree))
    for path, kind, value in changes:
        parent = functools.reduce(_child, path[:-1], tree)
        key = path[-1] if path else None
        if _child(parent, key) is GONE:
            continue
        if kind == "set":
            parent[key] = value
        elif kind == "drop":
            del parent[key]
        elif kind == "nested":
            parent[key] = NESTED
        elif isinstance(parent, dict):
            parent["extra" if kind == "add" else f"{key}\0twice"] = 0 if kind == "add" else parent[key]
        else:
            parent.insert(key, parent[key])
    return tree


GONE = object()


def _child(node, key):
    if isinstance(node, dict):
        return node.get(key, GONE)
    return node[key] if isinstance(node, list) and isinstance(key, int) and key < len(node) else GONE


def as_json(tree):
    """JSON text of an edited tree."""
    text = json.dumps(tree).replace(f'"{json.dumps(NESTED)[1:-1]}"', "[" * DEPTH + "]" * DEPTH)
    return text.replace(r"\u0000twice", "")


def has_nested(tree):
    """Whether a tree has a part that only text can hold."""
    return json.dumps(NESTED) in json.dumps(tree)


def byte_edits():
    """One to four changes of bytes: where (as a share), what."""
    one = st.tuples(
        st.floats(0, 1, exclude_max=True) | st.floats(0, 0.02),
        st.sampled_from(["flip", "put", "insert", "delete", "cut", "repeat"]),
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\0" * 8, b"\xff" * 8, b"\n", b'"', b"[", b"9" * 6]),
    )
    return st.lists(one, min_size=1, max_size=4)


def damaged(content, changes):
    """Bytes with these changes."""
    for share, kind, what in changes:
        at = int(share * len(content))
        if kind == "flip":
            content = content[:at] + bytes(byte ^ what[0] for byte in content[at : at + 1]) + content[at + 1 :]
        elif kind == "put":
            content = content[:at] + what + content[at + len(what) :]
        elif kind == "insert":
            content = content[:at] + what + content[at:]
        elif kind == "delete":
            content = content[:at] + content[at + len(what) :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "repeat":
            content = content[:at] + content[at : at + 64 * len(what)] * 2 + content[at:]
    return content


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)
