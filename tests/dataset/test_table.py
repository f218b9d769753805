"""CSV and Parquet as text, and what is refused."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.dataset.table import Cell, Table, check_table_name, read_table, write_table

COLUMNS = {"text": str, "whole": int, "real": float, "truth": bool}


def _both(folder: Path, rows: list[list[Cell]]) -> tuple[Table, Table]:
    for name in ("t.csv", "t.parquet"):
        write_table(folder / name, COLUMNS, rows)
    return read_table(folder / "t.csv"), read_table(folder / "t.parquet")


def test_both_formats_say_the_same(tmp_path: Path) -> None:
    as_csv, as_parquet = _both(
        tmp_path, [['a, "b"', 3, 0.5, True], [None, None, None, None], ["é", -1, 1e-9, False]]
    )
    assert as_csv.columns == as_parquet.columns == list(COLUMNS)
    assert (as_csv.rows[0][:3], as_parquet.rows[0][:3]) == (['a, "b"', "3", "0.5"],) * 2
    assert (as_csv.rows[0][3], as_parquet.rows[0][3], as_parquet.rows[-1][3]) == ("1", "true", "false")
    assert float(as_csv.rows[-1][2]) == float(as_parquet.rows[-1][2]) == 1e-9
    assert as_parquet.rows[1] == [""] * 4  # a CSV line of empty cells is no line
    assert (as_csv.places, as_parquet.places) == (["line 2", "line 4"], ["row 1", "row 2", "row 3"])


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])).filter(bool), min_size=1, max_size=5))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Line ends, quotes, NUL and byte order marks too."""
    folder = tmp_path_factory.mktemp("t")
    for table in _both(folder, [[text, 1, None, None] for text in texts]):
        assert [row[0] for row in table.rows] == texts


@settings(max_examples=100, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False), whole=st.integers(-(2**63), 2**63 - 1))
def test_any_number_comes_back(tmp_path_factory: pytest.TempPathFactory, value: float, whole: int) -> None:
    for table in _both(tmp_path_factory.mktemp("t"), [["x", whole, value, None]]):
        assert (int(table.rows[0][1]), float(table.rows[0][2])) == (whole, value)


def test_short_lines_are_filled_and_empty_ones_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1\r\n\r\n,\r\n2,3,,\r\n")
    table = read_table(path)
    assert (table.columns, table.rows, table.places) == (
        ["a", "b"],
        [["1", ""], ["2", "3"]],
        ["line 2", "line 5"],
    )


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_an_empty_table(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert read_table(tmp_path / "t.csv") == Table([], [], [])


def test_the_content_decides_the_format(tmp_path: Path) -> None:
    polars.DataFrame({"a": [1]}).write_parquet(tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv").rows == [["1"]]
    (tmp_path / "t.parquet").write_text("a\n1\n")
    with pytest.raises(InvalidManifest, match=r"t\.parquet is a damaged Parquet file"):
        read_table(tmp_path / "t.parquet")


def test_a_column_that_is_not_wanted_may_be_of_any_type(tmp_path: Path) -> None:
    polars.DataFrame({"a": [1], "b": [{"x": 1}], "c": [b"\xff"]}).write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", lambda name: name == "a").rows == [["1"]]
    with pytest.raises(InvalidManifest, match="hold no plain values"):
        read_table(tmp_path / "t.parquet", lambda name: name == "c")


@pytest.mark.filterwarnings("ignore::Warning")
def test_damaged_parquet_never_ends_otherwise_than_by_our_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, COLUMNS, [[f"text {k}", k, k / 7, k % 2 == 0] for k in range(300)])
    whole = path.read_bytes()
    rng = random.Random(7)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole[: rng.choice([len(whole), rng.randrange(4, len(whole))])])
        for _ in range(rng.randrange(1, 9)):
            damaged[rng.randrange(4, len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            read_table(path)
        except InvalidManifest as error:
            refused += 1
            assert str(error).startswith("t.parquet is a damaged Parquet file")  # noqa: PT017
    assert refused > 75


def test_what_may_not_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="may not be read"):
        read_table(tmp_path)
    with pytest.raises(
        InvalidManifest, match=r"t\.tsv names no table; its name must end in \.csv or \.parquet"
    ):
        check_table_name(tmp_path / "t.tsv")
    check_table_name(tmp_path / "T.CSV")


def test_parquet_without_polars_names_the_extra(tmp_path: Path) -> None:
    """In a process of its own in which Polars cannot be imported; CSV goes on working."""
    polars.DataFrame({"a": [1]}).write_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("a\n1\n")
    script = f"""
import sys
sys.modules["polars"] = None
from pathlib import Path
from tumorscope.core.errors import MissingDependency
from tumorscope.dataset.table import read_table, write_table
folder = Path({str(tmp_path)!r})
assert read_table(folder / "t.csv").rows == [["1"]]
for act in (lambda: read_table(folder / "t.parquet"), lambda: write_table(folder / "n.parquet", {{"a": int}}, [])):
    try:
        act()
    except MissingDependency as error:
        print(error)
assert not (folder / "n.parquet").exists()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    reading, writing = done.stdout.splitlines()
    assert reading.startswith("reading Parquet needs the package 'polars'")
    assert writing.startswith("writing Parquet needs the package 'polars'")
    assert "tumorscope[data]" in reading
