"""A raw CSV file as a table: what is wrong with a file is said with what to change."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from carousel_models.data import files
from carousel_models.data.table import Table
from carousel_models.data.table import read_table as table_of
from carousel_models.recipe import TableSource
from carousel_models.refusals import SourceRefused

WEATHER = Path(__file__).parents[3] / "models" / "datasets" / "seattle_weather.csv"


def read_table(path: Path, columns: tuple[str, ...], **said: object) -> Table:
    """Read columns of a file; the first is the target as well."""
    given = {"kind": "table", "file": path.name, "features": columns, "targets": columns[:1], "timesteps": 1}
    return table_of(TableSource(**given | said), path.parent)


@pytest.fixture
def csv(tmp_path):
    """Write a CSV file."""

    def write(text: str) -> Path:
        path = tmp_path / "file.csv"
        path.write_text(text, "utf-8")
        return path

    return write


def refusal(path: Path, *columns: str, **options: object) -> str:
    """Say what is said of a file, without its path."""
    with pytest.raises(SourceRefused) as caught:
        read_table(path, columns, **options)
    return str(caught.value).replace(f"{path}: ", "")


def test_columns_come_in_the_order_they_are_named(csv):
    """Columns are chosen by name, not by place."""
    table = read_table(csv("a,b\n1,2\n3,4\n"), ("b", "a"))
    np.testing.assert_array_equal(table.features, [[2, 1], [4, 3]])
    assert table.features.dtype == np.float32
    np.testing.assert_array_equal(table.at, [1, 2])


@pytest.mark.parametrize("groups", [1, 20])
def test_a_parquet_file_is_read_in_bounded_memory(tmp_path, groups):
    """Neither many row groups nor one large one are held: what is read is let go."""
    path, rows = tmp_path / "file.parquet", 20 * files.CHUNK
    numbers = np.random.default_rng(0).standard_normal(rows)
    pa.parquet.write_table(pa.table({"a": numbers}), path, row_group_size=rows // groups)
    source = TableSource(kind="table", file=path.name, features=("a",), targets=("a",), timesteps=1)
    before, most, read = pa.total_allocated_bytes(), 0, 0
    for chunk in files.chunks_of(path, source):
        most = max(most, pa.total_allocated_bytes() - before)
        read += len(chunk.frame)
    assert read == rows
    assert most < path.stat().st_size / 2


def test_the_weather_that_ships_is_whole():
    """1,461 days without a gap."""
    table = read_table(WEATHER, ("temp_max", "wind"), time="date")
    assert len(table) == 1461
    assert str(table.at[len(table) - 1])[:10] == "2015-12-31"


def test_a_gap_in_time_becomes_a_missing_row(csv):
    """Rows stay evenly spaced: a day that is not there is a day without values."""
    path = csv("t,x\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n2020-01-05,5\n")
    table = read_table(path, ("x",), time="t", missing="drop")
    np.testing.assert_array_equal(table.features[:, 0], [1, 2, 3, np.nan, 5])
    assert refusal(path, "x", time="t").startswith(
        "1 values are missing, the first of them column 'x' at 2020-01-04. Complete the file, or set missing to"
    )


def test_months_are_even_steps(csv):
    """Months differ in days, and yet none is missing."""
    assert len(read_table(csv("t,x\n2020-01-01,1\n2020-02-01,2\n2020-03-01,3\n2020-04-01,4\n"), ("x",), time="t")) == 4


def test_other_separators_and_marks(csv):
    """A semicolon and a mark of missing values are settings."""
    table = read_table(csv("a;b\n1;?\n2;3\n"), ("b",), separator=";", na_values=("?",), missing="forward-fill")
    np.testing.assert_array_equal(table.features[:, 0], [np.nan, 3])


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("interpolate", [np.nan, 1, 2, 3, 4, 4]),
        ("forward-fill", [np.nan, 1, 1, 1, 4, 4]),
        ("drop", [np.nan, 1, np.nan, np.nan, 4, np.nan]),
    ],
)
def test_a_policy_does_what_its_name_says(csv, missing, expected):
    """Between two values, before the first and behind the last."""
    table = read_table(csv("i,x\n1,\n2,1\n3,\n4,\n5,4\n6,\n"), ("x",), missing=missing)
    filled = table.filled(missing, [slice(0, len(table))])
    np.testing.assert_array_equal(filled.features[:, 0], np.array(expected, np.float32))


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (
            "a,b\n1,2\n",
            {},
            (
                "has no column 'x'; its columns are 'a', 'b'. Choose among these, or set separator if they were "
                "not told "
                "apart."
            ),
        ),
        (
            "x\n1\nrain\n",
            {},
            (
                "column 'x' holds 'rain' in row 2, not a finite number. Choose columns of numbers as features and "
                "targets; if it marks a missing value, add it to na_values; if it is a word, list the column's words "
                "in categories."
            ),
        ),
        (
            "x\n1\ninf\n",
            {},
            (
                "column 'x' holds 'inf' in row 2, not a finite number. Choose columns of numbers as features and "
                "targets; if it marks a missing value, add it to na_values; if it is a word, list the column's words "
                "in categories."
            ),
        ),
        (
            "i,x\n1,5\n2,\n",
            {},
            (
                "1 values are missing, the first of them column 'x' at row 2. Complete the file, or set missing to "
                '"interpolate", "forward-fill" or "drop".'
            ),
        ),
        ("x\n", {}, "has no rows below its line of column names"),
        (
            "t,x\n2020-01-01,1\nsoon,2\n",
            {"time": "t"},
            (
                "column 't' holds 'soon' in row 2, which is not a time. Write times like 2012-01-31 or "
                "2012-01-31 14:00, "
                "or leave time out of the recipe."
            ),
        ),
        (
            "t,x\n2020-01-02,1\n2020-01-01,2\n",
            {"time": "t"},
            (
                "column 't': 2020-01-01 in row 2 is earlier than the row before it. Sort the file by it; name the "
                "column of a series in group if there are several."
            ),
        ),
        (
            "t,x\n2020-01-01,1\n2020-01-01,2\n",
            {"time": "t"},
            (
                "column 't': 2020-01-01 in row 2 is the same time as the row before it. Keep one row a time; name the "
                "column of a series in group if there are several."
            ),
        ),
        (
            "t,x\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n2020-01-04 07:00,3\n",
            {"time": "t"},
            (
                "column 't': 2020-01-04 07:00:00 in row 4 is not a whole number of steps of 1 days 00:00:00 after "
                "the first "
                "row. Resample the file to even steps, or leave time out of the recipe."
            ),
        ),
        (
            "t,x\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n2021-01-03,3\n",
            {"time": "t"},
            (
                "column 't': at steps of 1 days 00:00:00 only 4 of 369 rows are there. Resample the file to "
                "even steps, or "
                "leave time out of the recipe."
            ),
        ),
    ],
)
def test_a_fault_is_told_with_its_remedy(csv, text, options, sentence):
    """One sentence says what came and where, another what to change."""
    assert refusal(csv(text), "x", **options) == sentence


def test_a_file_that_is_no_table_is_refused(csv, tmp_path):
    """A missing file and an empty one are told apart."""
    assert refusal(csv(""), "x").startswith("is not a CSV file with a line of column names")
    assert refusal(tmp_path / "none.csv", "x").startswith("cannot be read: No such file or directory")


def test_a_column_of_words_becomes_one_number_a_word(csv):
    """In the order of the recipe, whatever the file holds; an unknown word is refused by its row."""
    path = csv("x,sky\n1,sun\n2,rain\n3,\n4,sun\n")
    said = {"targets": ("x",), "categories": {"sky": ("rain", "sun", "fog")}}
    table = read_table(path, ("sky", "x"), missing="drop", **said)
    np.testing.assert_array_equal(table.features, [[0, 1, 0, 1], [1, 0, 0, 2], [np.nan] * 3 + [3], [0, 1, 0, 4]])
    said["categories"] = {"sky": ("rain", "fog")}
    assert refusal(path, "sky", **said) == (
        "column 'sky' holds 'sun' in row 1, which is not among its categories: add it to categories.sky, or to "
        "na_values if it marks a missing value."
    )


def test_the_time_of_a_row_becomes_sine_and_cosine(csv):
    """Six hours are a quarter of a day, and a Monday begins the week."""
    table = read_table(
        csv("t,x\n2024-01-01 00:00,1\n2024-01-01 06:00,2\n2024-01-01 12:00,3\n"),
        ("x",),
        time="t",
        time_features=("hour", "weekday"),
    )
    expected = [[1, 0, 1, 0, 1], [2, 1, 0, 0, 1], [3, 0, -1, 0, 1]]
    np.testing.assert_allclose(table.features, expected, atol=1e-6)


def test_each_group_keeps_its_own_time(csv):
    """Rows of many series may stand in any order among each other; each series is even by itself."""
    path = csv(
        "t,shop,x\n2024-01-01,b,1\n2024-01-01,a,10\n2024-01-02,b,2\n2024-01-03,b,3\n2024-01-02,a,20\n2024-01-04,a,40\n"
    )
    table = read_table(path, ("x",), time="t", group="shop", missing="drop")
    assert table.series == (("b", slice(0, 3)), ("a", slice(3, 7)))
    np.testing.assert_array_equal(table.features[:, 0], [1, 2, 3, 10, 20, np.nan, 40])
    assert refusal(path, "x", time="t").startswith("column 't': 2024-01-01 in row 2 is the same time as the row before")
    csv("t,shop,x\n2024-01-01,b,1\n2024-01-02,,10\n")
    assert refusal(path, "x", time="t", group="shop").startswith("column 'shop' is empty in row 2: say whose row it is")


def test_several_files_and_parquet_read_as_one_csv(tmp_path):
    """In the order of their names; a fault names the file and its own row."""
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=10), "x": np.arange(10.0), "sky": ["sun"] * 10})
    frame[:4].to_csv(tmp_path / "a-1.csv", index=False)
    frame[4:].to_csv(tmp_path / "a-2.csv", index=False)
    frame.to_parquet(tmp_path / "b.parquet")
    said = {"time": "t", "targets": ("x",), "categories": {"sky": ("rain", "sun")}}
    one, many = (read_table(tmp_path / name, ("x", "sky"), **said) for name in ("b.parquet", "a-*.csv"))
    np.testing.assert_array_equal(one.features, many.features)
    np.testing.assert_array_equal(one.at, many.at)
    frame[3:].to_csv(tmp_path / "a-2.csv", index=False)
    with pytest.raises(SourceRefused, match=r"a-2\.csv: column 't': 2024-01-04 in row 1 is the same time as"):
        read_table(tmp_path / "a-*.csv", ("x",), time="t")
    with pytest.raises(SourceRefused, match=r"c-\*\.csv: no file fits: change file in the recipe"):
        read_table(tmp_path / "c-*.csv", ("x",))
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceRefused, match=r"b\.parquet: is not a Parquet file"):
        read_table(tmp_path / "b.parquet", ("x",))


def test_chunks_do_not_show(csv, monkeypatch):
    """Read three rows at a time, a file is the same, and rows are numbered as in the file."""
    text = "t,x\n" + "".join(f"2024-01-{day:02},{day}\n" for day in range(1, 11))
    whole = read_table(csv(text), ("x",), time="t")
    monkeypatch.setattr(files, "CHUNK", 3)
    chunked = read_table(csv(text), ("x",), time="t")
    np.testing.assert_array_equal(whole.features, chunked.features)
    np.testing.assert_array_equal(whole.at, chunked.at)
    assert refusal(csv(text + "2024-01-11,?\n"), "x").startswith("column 'x' holds '?' in row 11,")
    assert refusal(csv(text + "soon,1\n"), "x", time="t").startswith("column 't' holds 'soon' in row 11,")
