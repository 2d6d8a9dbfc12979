"""CSV files of all kinds are read, and rows that are added to them are written like theirs."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from ganaug.data.tables.files.csv_format import CsvOptions
from ganaug.data.tables.files.table_files import open_table, read_table, write_table
from ganaug.data.tables.files.table_format import TableFormat

N = 60
WHOLE = np.random.default_rng(0).integers(1, 99_999, N)
DAY = pd.Timestamp("2020-01-05")
DAYS = [DAY + pd.Timedelta(days=v % 3000) for v in WHOLE]

# Cells as they stand in the file, and the dtypes they are read as.
COLUMNS = {
    "whole": ([str(v) for v in WHOLE], "Int64"),
    "whole beside missing": (["" if v % 5 == 0 else str(v) for v in WHOLE], "Int64"),
    "whole as floats": (["NA" if v % 5 == 0 else f"{v}.0" for v in WHOLE], "Float64"),
    "two decimals": ([f"{v / 8:.2f}" for v in WHOLE], "Float64"),
    "shortest": ([f"{v / 8:.10g}" for v in WHOLE], "Float64"),
    "as Python": ([repr(float(v / 7)) for v in WHOLE], "Float64"),
    "exponents": ([f"{v / 7:.3e}" for v in WHOLE], "Float64"),
    "signed": ([f"{v - 50_000:+d}" for v in WHOLE], "Int64"),
    "question marks": (["?" if v % 5 == 0 else str(v) for v in WHOLE], "Int64"),
    "thousands": ([f"{v:,}" for v in WHOLE], "Int64"),
    "dollars": ([f"${v / 8:.2f}" for v in WHOLE], "Float64"),
    "percent": ([f"{v % 100}%" for v in WHOLE], "Int64"),
    "dates": ([str(day.date()) for day in DAYS], "datetime64"),
    "midnights": ([str(day) for day in DAYS], "datetime64"),
    "American dates": ([f"{day:%m/%d/%Y}" for day in DAYS], "datetime64"),
    "German dates": (
        ["-" if v % 9 == 0 else f"{day:%d.%m.%Y}" for v, day in zip(WHOLE, DAYS, strict=True)],
        "datetime64",
    ),
    "times": ([f"{DAY + pd.Timedelta(minutes=v):%Y-%m-%dT%H:%M}" for v in WHOLE], "datetime64"),
    "TRUE": (["TRUE" if v % 2 else "FALSE" for v in WHOLE], "boolean"),
    "true beside null": (["null" if v % 5 == 0 else "true" if v % 2 else "false" for v in WHOLE], "boolean"),
    "yes": (["yes" if v % 2 else "NO" for v in WHOLE], "string"),
    "codes": ([f"{v % 1000:04d}" for v in WHOLE], "string"),
    "texts": ([["a b", 'say ""x""', "é", "a,b;c", "two\nlines", "NULL"][v % 6] for v in WHOLE], "string"),
    "inches": ([f'{v % 9}" pipe' for v in WHOLE], "string"),
}


def lines_of(cells, sep=",", quote=lambda cell: '"' in cell.replace('""', "'") or any(c in cell for c in ",;\t|\n")):
    """A column beside another one and a label, quoted where need be."""
    quoted = [f'"{c}"' if quote(c) and not c.endswith("pipe") else c for c in cells]
    return [f"x{sep}y{sep}k", *(f"{c}{sep}{'a' if i % 2 else 'b'}{sep}{i}" for i, c in enumerate(quoted))]


def written_anew(file, path):
    """The file's rows once as they were and once as new ones."""
    both = pd.concat([file.table, file.table], ignore_index=True)
    write_table(both, path, like=file.format, originals=file.lines)
    return path.read_bytes()


@pytest.mark.parametrize("column", COLUMNS)
def test_new_cells_are_written_as_the_real_ones_are(tmp_path, column):
    cells, dtype = COLUMNS[column]
    head, *rows = lines_of(cells)
    (tmp_path / "t.csv").write_text("\n".join([head, *rows]) + "\n", newline="")
    file = open_table(tmp_path / "t.csv")
    assert str(file.table["x"].dtype).startswith(dtype)
    expected = "\n".join([head, *rows, *rows]) + "\n"
    assert written_anew(file, tmp_path / "new.csv").decode() == expected
    # The format survives a model's folder, and the new file is read as the old one was.
    form = TableFormat.from_state(json.loads(json.dumps(file.format.to_state())))
    assert form.lines(file.table) == rows
    pd.testing.assert_frame_equal(read_table(tmp_path / "new.csv").iloc[:N], file.table)


def test_values_between_the_real_ones_have_no_more_digits(tmp_path):
    columns = {"single": "%.9g", "six": "%.6g", "exponent": "%.4e", "fixed": "%.3f"}
    values = np.random.default_rng(1).lognormal(sigma=3, size=200)
    table = pd.DataFrame({name: [style % v for v in values] for name, style in columns.items()})
    table.to_csv(tmp_path / "t.csv", index=False)
    file = open_table(tmp_path / "t.csv")
    form = TableFormat.from_state(json.loads(json.dumps(file.format.to_state())))
    new = [line.split(",") for line in form.lines(file.table * 1.0123456789)]
    for i, name in enumerate(columns):
        assert max(len(row[i]) for row in new) <= table[name].str.len().max() + 1
    assert all("e" in row[2] and len(row[3].partition(".")[2]) == 3 for row in new)


PLAIN = [f"{v},{v / 8:.2f},{'Zoë' if v % 2 else 'Bo'},{v % 3}" for v in WHOLE]
TEXT = "\n".join(["n,x,name,y", *PLAIN]) + "\n"
GERMAN = TEXT.replace(",", ";").replace(".", ",")
QUOTED = '"n","x","name","y"\n' + "".join('"' + row.replace(",", '","') + '"\n' for row in PLAIN)
STRINGS = '"n","x","name","y"\n' + "".join('{},{},"{}",{}\n'.format(*row.split(",")) for row in PLAIN)
FILES = {
    "plain": ("t.csv", TEXT.encode(), ""),
    "semicolons": ("t.csv", TEXT.replace(",", ";").encode(), "separated by ';'"),
    "decimal commas": ("t.csv", GERMAN.encode(), "separated by ';', decimal commas"),
    "quoted decimal commas": ("t.csv", QUOTED.replace(".", ",").encode(), "separated by ',', decimal commas"),
    "pipes": ("t.csv", TEXT.replace(",", "|").encode(), "separated by '|'"),
    "tabs": ("t.tsv", TEXT.replace(",", "\t").encode(), ""),
    "tabs by another name": ("t.txt", TEXT.replace(",", "\t").encode(), "separated by tabs"),
    "spaces too": ("t.csv", TEXT.replace(",", ", ").encode(), ""),
    "latin-1": ("t.csv", TEXT.encode("latin-1"), "separated by ',', encoding cp1252"),
    "utf-16": ("t.txt", TEXT.encode("utf-16"), "separated by ',', encoding utf-16-le"),
    "utf-16 without a mark": ("t.csv", TEXT.encode("utf-16-be"), "separated by ',', encoding utf-16-be"),
    "byte order mark": ("t.csv", TEXT.encode("utf-8-sig"), ""),
    "Windows": ("t.csv", TEXT.replace("\n", "\r\n").encode(), ""),
    "old Mac": ("t.csv", TEXT.replace("\n", "\r").encode(), ""),
    "all quoted": ("t.csv", QUOTED.encode(), ""),
    "texts quoted": ("t.csv", STRINGS.encode(), ""),
    "gzipped": ("t.csv.gz", gzip.compress(TEXT.encode(), mtime=0), ""),
    "gzipped tabs": ("t.TSV.GZ", gzip.compress(TEXT.replace(",", "\t").encode(), mtime=0), ""),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_are_read_whatever_they_are_and_written_as_they_were(tmp_path, kind):
    name, content, note = FILES[kind]
    path = tmp_path / name
    path.write_bytes(content)
    (tmp_path / "plain.csv").write_text(TEXT)
    file = open_table(path)
    pd.testing.assert_frame_equal(file.table, read_table(tmp_path / "plain.csv"))
    assert "; ".join(file.notes) == note
    new = written_anew(file, tmp_path / f"new{name}")
    if name.lower().endswith(".gz"):
        content, new = gzip.decompress(content), gzip.decompress(new)
    encoding = file.format.file.encoding
    head, *rows = content.decode(encoding).splitlines(keepends=True)
    assert new.decode(encoding) == "".join([head, *rows, *rows])
    pd.testing.assert_frame_equal(read_table(tmp_path / f"new{name}").iloc[N:].reset_index(drop=True), file.table)


def test_another_suffix_has_its_own_separator_and_compression(tmp_path):
    (tmp_path / "t.csv").write_bytes(GERMAN.encode("cp1252"))
    file = open_table(tmp_path / "t.csv")
    for name, sep in (("a.tsv", "\t"), ("b.tsv.gz", "\t"), ("c.csv.gz", ";"), ("d.txt", ";")):
        new = written_anew(file, tmp_path / name)
        text = (gzip.decompress(new) if name.endswith(".gz") else new).decode("cp1252")
        head, *rows = GERMAN.replace(";", sep).splitlines()
        assert text.splitlines() == [head, *rows, *rows]
        assert written_anew(file, tmp_path / name) == new
        pd.testing.assert_frame_equal(read_table(tmp_path / name).iloc[:N], file.table)


ODD = {
    "comments": ("# by me, 2024\n#\na,b\n1,2\n# half\n3,4\n", "a,b\n1,2\n3,4\n", "3 lines that begin with #"),
    "a header with #": ("#a,b\n1,2\n3,4\n", "#a,b\n1,2\n3,4\n", None),
    "colours": ("a,b\n#ff0000,2\n#00ff00,4\n", "a,b\n#ff0000,2\n#00ff00,4\n", None),
    "short rows": ("a,b,c\n1,2\n3,4,5\n", "a,b,c\n1,2,\n3,4,5\n", "1 of 2 rows, first row 1, have too few fields"),
    "trailing separators": ("a,b,\n1,2,\n3,4,\n", "a,b,\n1,2,\n3,4,\n", None),
    "trailing in rows only": ("a,b\n1,2,\n3,4,\n", "a,b\n1,2\n3,4\n", None),
    "Excel's hint": ("sep=;\na;b\n1;2\n3;4\n", "a;b\n1;2\n3;4\n", "separated by ';'"),
    "an index without a name": (",b\n0,2\n1,4\n", ",b\n0,2\n1,4\n", None),
    "blank lines": ("\na,b\n\n1,2\n   \n3,4\n\n", "a,b\n1,2\n3,4\n", None),
    "mixed line ends": ("a,b\r\n1,2\n3,4\r\n", "a,b\r\n1,2\r\n3,4\r\n", None),
    "quoted newlines": ('a,b\n1,"x\r\ny"\n3,z\n', 'a,b\n1,"x\r\ny"\n3,z\n', None),
    "names in reverse": ('a;b\n"Doe, Jane";2\n"Poe, Ed";4\n', 'a;b\n"Doe, Jane";2\n"Poe, Ed";4\n', "separated by ';'"),
    "no last line end": ("a,b\n1,2\n3,4", "a,b\n1,2\n3,4\n", None),
    "a huge field": (f'a,b\n"{"x," * 90_000}",2\ny,4\n', f'a,b\n"{"x," * 90_000}",2\ny,4\n', None),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_files_are_read_and_what_is_changed_is_said(tmp_path, kind):
    content, expected, note = ODD[kind]
    (tmp_path / "t.csv").write_bytes(content.encode())
    file = open_table(tmp_path / "t.csv")
    assert len(file.table) == 2
    assert file.table.shape[1] == (3 if kind == "short rows" else 2)
    assert (note in "; ".join(file.notes)) if note else file.notes == ()
    write_table(file.table, tmp_path / "new.csv", like=file.format, originals=file.lines)
    assert (tmp_path / "new.csv").read_bytes().decode() == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty; pass a file with a line of column names"),
        ("t.csv", b"\n \n", "is empty"),
        ("t.csv", b"a,b\n", "holds no rows"),
        ("t.csv", b"a,b,a\n1,2,3\n", "column names must differ, got 'a' twice; rename one, or add a line of names"),
        (
            "t.csv",
            b"a,b\n1,2\n3,4,5\n",
            "row 2 has more fields than the header, 3 in place of 2; put fields that hold ','",
        ),
        ("t.csv", b"b,c\nr,1,2\ns,3,4\n", "as all rows have: name their first column too"),
        ("t.csv", b"My report\n\na,b\n1,2\n", "remove what is before the line of column names"),
        ("t.csv", b"a,b\n1,\x002\n", r"the control character '\x00' at 6, as text does not; pass its encoding"),
        ("t.csv", b'a,b\n"1,2\n3,4\n', "a field of line 2 begins with a quotation mark that nothing closes"),
        ("t.csv", b"PK\x03\x04...", "is a zip archive or an Excel workbook; unpack it, or save its sheet as CSV"),
        ("t.csv", b"PAR1...", "give it the suffix .parquet"),
        ("t.csv", b"<!DOCTYPE html><html>", "is a web page; download the file"),
        ("t.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "fetch that with 'git lfs pull'"),
        ("t.csv.gz", gzip.compress(TEXT.encode(), mtime=0)[:50], "gzip compression is damaged"),
        ("t.xlsx", b"PK", "must end in .csv, .tsv, .txt (each may end in .gz) or .parquet"),
        ("t.parquet.gz", b"", "must end in .csv"),
    ],
)
def test_what_cannot_be_read_ends_in_one_sentence_with_the_remedy(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name) as caught:
        open_table(tmp_path / name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_decide_in_place_of_what_is_found(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("a;b|c\n1,234;x|é\n2,500;?|none of it\n".encode("cp1252"))

    def read(*options):
        return read_table(path, CsvOptions(*options))

    assert read(";").columns.tolist() == ["a", "b|c"]
    assert read("|").columns.tolist() == ["a;b", "c"]
    assert read(";", ",")["a"].tolist() == [1.234, 2.5]
    assert read(";", ".")["a"].tolist() == [1234, 2500]
    assert read("|", None, "latin-1")["c"][0] == "é"
    assert read("|", None, "cp437")["c"][0] == "Θ"
    assert read("|", None, None, ["none of it"])["c"].isna().tolist() == [False, True]
    with pytest.raises(ValueError, match=r"is no utf-8; pass another encoding \(--encoding\)"):
        read(None, None, "utf-8")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="is no CSV file; leave sep, decimal, encoding and na_values out"):
        read_table(tmp_path / "t.parquet", CsvOptions(";"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sep": ";;"}, "sep must be one character such as ';', or tab, got ';;'"),
        ({"sep": "a"}, "sep must be one character"),
        ({"decimal": "x"}, "decimal must be '.' or ',', got 'x'"),
        ({"sep": ",", "decimal": ","}, "sep and decimal cannot both be ','"),
        ({"encoding": "utf-9"}, "encoding 'utf-9' is not known; pass one such as utf-8, cp1252 or utf-16"),
        ({"encoding": "base64"}, "encoding 'base64' is not known"),
        ({"na_values": "?"}, "na_values must be a list of strings, got '?'"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message.split()[0]) as caught:
        CsvOptions(**options)
    assert message in str(caught.value)


def test_what_was_read_from_text_is_said_and_can_be_left_as_it_is(tmp_path):
    names = ["question marks", "thousands", "American dates", "dates", "codes"]
    cells = zip(*(COLUMNS[name][0] for name in names), strict=True)
    lines = [",".join(f'"{name}"' for name in names), *(",".join(f'"{c}"' for c in row) for row in cells)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    (note,) = open_table(tmp_path / "t.csv").notes
    assert note == (
        "read from text: 'question marks': numbers, missing ones '?'; 'thousands': numbers with ',' between thousands; "
        "'American dates': dates %m/%d/%Y"
    )
    left = open_table(tmp_path / "t.csv", text=["American dates", "question marks", "no such column"])
    assert left.table["American dates"].tolist() == COLUMNS["American dates"][0]
    assert left.table["question marks"].tolist() == COLUMNS["question marks"][0]
    assert left.format.lines(left.table) == lines[1:]


def test_one_column_may_have_another_decimal_mark_than_the_file(tmp_path):
    rows = "".join(f"{v / 8:.3f};{v / 4:.2f};{v / 2:.1f}\n".replace(".", ",", 2) for v in WHOLE)
    (tmp_path / "t.csv").write_text(f"a;b;c\n{rows}")
    file = open_table(tmp_path / "t.csv")
    assert file.table.to_numpy(float).tolist() == [[v / 8, round(v / 4, 2), v / 2] for v in WHOLE]
    assert file.format.lines(file.table) == list(file.lines)


def test_dates_that_can_be_read_in_two_ways_stay_text_and_are_named(tmp_path):
    (tmp_path / "t.csv").write_text("d,e\n" + "".join(f"0{i}/0{i + 1}/2020,word {i}\n" for i in range(1, 9)))
    file = open_table(tmp_path / "t.csv")
    assert file.table["d"][0] == "01/02/2020"
    assert file.notes == ("'d' may be dates of which day and month are not clear, and stay text; write 2020-01-31",)
    assert file.format.lines(file.table) == list(file.lines)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "xls"},
        {"names": ["x"]},
        {"header": [1, 2, 3]},
        {"header_quoted": 1},
        {"cells": None},
        {"cells": [{}, {}, {}]},
        {"file": {"sep": "ab"}},
        {"file": {"encoding": "rot13"}},
        {"file": {"line_end": "\x1b[2J"}},
        {"file": {"bom": 3}},
        {"file": {"path": "/etc/passwd"}},
        {"file": []},
    ],
    ids=str,
)
def test_formats_that_no_file_has_are_refused(tmp_path, change):
    (tmp_path / "t.csv").write_text("x,y,k\n1.5,a,3\n2.5,,4\n")
    state = open_table(tmp_path / "t.csv").format.to_state()
    assert TableFormat.from_state(state).to_state() == state
    with pytest.raises((ValueError, TypeError, LookupError)):
        TableFormat.from_state(state | change)
