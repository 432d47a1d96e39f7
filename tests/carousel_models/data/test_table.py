"""A raw CSV file as a table: what is wrong with a file is said with what to change."""

from pathlib import Path

import numpy as np
import pytest

from carousel_models.data.table import read_table
from carousel_models.refusals import SourceRefused

WEATHER = Path(__file__).parents[3] / "models" / "datasets" / "seattle_weather.csv"


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
    np.testing.assert_array_equal(table.values, [[2, 1], [4, 3]])
    assert table.values.dtype == np.float32
    np.testing.assert_array_equal(table.at, [1, 2])


def test_the_weather_that_ships_is_whole():
    """1,461 days without a gap."""
    table = read_table(WEATHER, ("temp_max", "wind"), time="date")
    assert len(table) == 1461
    assert str(table.at[-1])[:10] == "2015-12-31"


def test_a_gap_in_time_becomes_a_missing_row(csv):
    """Rows stay evenly spaced: a day that is not there is a day without values."""
    path = csv("t,x\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n2020-01-05,5\n")
    table = read_table(path, ("x",), time="t", missing="drop")
    np.testing.assert_array_equal(table.values[:, 0], [1, 2, 3, np.nan, 5])
    assert refusal(path, "x", time="t").startswith(
        "1 values are missing, the first of them column 'x' at 2020-01-04. Complete the file, or set missing to"
    )


def test_months_are_even_steps(csv):
    """Months differ in days, and yet none is missing."""
    assert len(read_table(csv("t,x\n2020-01-01,1\n2020-02-01,2\n2020-03-01,3\n2020-04-01,4\n"), ("x",), time="t")) == 4


def test_other_separators_and_marks(csv):
    """A semicolon and a mark of missing values are settings."""
    table = read_table(csv("a;b\n1;?\n2;3\n"), ("b",), separator=";", na_values=("?",), missing="forward-fill")
    np.testing.assert_array_equal(table.values[:, 0], [np.nan, 3])


@pytest.mark.parametrize(
    ("missing", "filled"),
    [
        ("interpolate", [np.nan, 1, 2, 3, 4, 4]),
        ("forward-fill", [np.nan, 1, 1, 1, 4, 4]),
        ("drop", [np.nan, 1, np.nan, np.nan, 4, np.nan]),
    ],
)
def test_a_policy_does_what_its_name_says(csv, missing, filled):
    """Between two values, before the first and behind the last."""
    table = read_table(csv("i,x\n1,\n2,1\n3,\n4,\n5,4\n6,\n"), ("x",), missing=missing).filled(missing)
    np.testing.assert_array_equal(table.values[:, 0], np.array(filled, np.float32))


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
                "column 'x' holds 'rain' in row 2, not a finite number. Choose columns of numbers as features "
                "and targets; "
                "if it marks a missing value, add it to na_values."
            ),
        ),
        (
            "x\n1\ninf\n",
            {},
            (
                "column 'x' holds 'inf' in row 2, not a finite number. Choose columns of numbers as features "
                "and targets; "
                "if it marks a missing value, add it to na_values."
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
            "column 't': 2020-01-01 in row 2 is earlier than the row before it. Sort the file by 't'.",
        ),
        (
            "t,x\n2020-01-01,1\n2020-01-01,2\n",
            {"time": "t"},
            "column 't': 2020-01-01 in row 2 is the same time as the row before it. Keep one row a time.",
        ),
        (
            "t,x\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n2020-01-04 07:00,3\n",
            {"time": "t"},
            (
                "column 't': 2020-01-04 07:00 in row 4 is not a whole number of steps of 1 days 00:00:00 after "
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
