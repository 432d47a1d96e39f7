"""Files are scored as their sequences would be alone, and an interrupted run goes on without a gap or a double."""

import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import carousel
from carousel.offline import Scoring, SourceRefused
from carousel.offline.sources import read_pieces

LENGTHS = [3, 50, 1, 7, 20, 33, 4, 90, 11, 2]


@pytest.fixture(scope="module")
def model(repository):
    return carousel.load(repository / "small")


@pytest.fixture(scope="module")
def sequences():
    chance = np.random.default_rng(0)
    return [chance.standard_normal((length, 3)).astype(np.float32) for length in LENGTHS]


@pytest.fixture
def files(tmp_path, sequences):
    """The same sequences as a table, in both its forms, and as arrays."""
    steps = np.concatenate(sequences)
    names = np.repeat([f"s{i}" for i in range(len(sequences))], LENGTHS)
    table = pa.table({"who": names} | {f"x{i}": steps[:, i] for i in range(3)})
    pa.csv.write_csv(table, tmp_path / "a.csv")
    pa.parquet.write_table(table, tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", *sequences)
    return tmp_path


def answers(folder):
    """All lines of all parts."""
    parts = sorted(folder.glob("part-*.parquet"))
    return pa.concat_tables([pa.parquet.read_table(part) for part in parts])


def outputs(table):
    return np.stack([table.column(name) for name in table.column_names if name.startswith("output_")], axis=1)


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("file", ["a.csv", "a.parquet", "a.npz"])
@pytest.mark.parametrize("part_steps", [1, 40, 10_000])
def test_every_sequence_is_answered_once_with_its_own_bits(model, files, sequences, file, part_steps, return_sequences):
    by = None if file == "a.npz" else "who"
    how = {"by": by, "return_sequences": return_sequences, "part_steps": part_steps, "threads": 2}
    assert Scoring(model, files / "out", **how).run([files / file]) == sum(LENGTHS)
    table = answers(files / "out")
    expected = model.predict(sequences, return_sequences=return_sequences)
    assert outputs(table).astype(np.float32).tobytes() == np.concatenate([np.atleast_2d(e) for e in expected]).tobytes()
    if return_sequences:
        assert table.column("timestep").to_pylist() == [t for length in LENGTHS for t in range(length)]


@pytest.mark.parametrize("part_steps", [1, 100_000, 10_000_000])
def test_a_file_that_is_one_sequence_comes_in_pieces_and_keeps_its_state(model, tmp_path, part_steps):
    steps = np.random.default_rng(3).standard_normal((150_000, 3)).astype(np.float32)
    pa.parquet.write_table(pa.table({f"x{i}": steps[:, i] for i in range(3)}), tmp_path / "long.parquet")
    scoring = Scoring(model, tmp_path / "out", return_sequences=True, part_steps=part_steps)
    assert scoring.run([tmp_path / "long.parquet"]) == len(steps)
    [expected] = model.predict([steps], return_sequences=True)
    table = answers(tmp_path / "out")
    assert outputs(table).astype(np.float32).tobytes() == expected.tobytes()
    assert table.column("timestep").to_pylist() == list(range(len(steps)))
    for part in sorted((tmp_path / "out").glob("part-*.parquet"))[1:]:
        part.unlink()  # as if it had been killed after the first
    found = []
    assert scoring.run([tmp_path / "long.parquet"], lambda _steps, done: found.append(done)) == len(steps)
    assert found[0]
    assert not any(found[1:])
    assert answers(tmp_path / "out").equals(table)


def test_a_killed_run_goes_on_where_it_was(repository, tmp_path):
    """kill -9 at any moment: no line is missing, none is double, and none is scored again."""
    steps = np.random.default_rng(1).standard_normal((60_000, 3)).astype(np.float32)
    who = np.repeat(np.arange(6_000), 10)
    pa.parquet.write_table(pa.table({"who": who} | {f"x{i}": steps[:, i] for i in range(3)}), tmp_path / "many.parquet")
    command = [sys.executable, "-m", "carousel", "score", repository / "small", tmp_path / "many.parquet"]
    command = [*map(str, command), "--by=who", "--part=2000", "--output"]
    subprocess.run([*command, str(tmp_path / "at once")], check=True, capture_output=True, timeout=120)
    process = subprocess.Popen([*command, str(tmp_path / "killed")], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(list((tmp_path / "killed").glob("part-*"))) < 3:
        assert time.monotonic() < end
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("part-*")}
    done = subprocess.run([*command, str(tmp_path / "killed")], check=True, capture_output=True, text=True, timeout=120)
    assert f"60000 timesteps scored, {2000 * len(before)} of them in a run before" in done.stdout
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())
    assert answers(tmp_path / "killed").equals(answers(tmp_path / "at once"))


@pytest.mark.parametrize("groups", [1, 30])
def test_a_table_is_read_in_bounded_memory(tmp_path, groups):
    """Neither many row groups nor one large one are held: what is read is let go."""
    rows = 30 * 65_536
    columns = np.random.default_rng(2).standard_normal((2, rows)).astype(np.float32)
    table = pa.table({"who": np.arange(rows) // 50, "x0": columns[0], "x1": columns[1]})
    pa.parquet.write_table(table, tmp_path / "much.parquet", row_group_size=rows // groups)
    del table, columns
    before, most, steps = pa.total_allocated_bytes(), 0, 0
    for piece in read_pieces(tmp_path / "much.parquet", "who", None):
        most = max(most, pa.total_allocated_bytes() - before)
        steps += len(piece.steps)
    assert steps == rows
    assert most < (tmp_path / "much.parquet").stat().st_size / 2


def test_what_cannot_be_scored_is_named(model, files):
    def refused(said, file, folder="out", **how):
        with pytest.raises(SourceRefused, match=said):
            Scoring(model, files / folder, **how).run([files / file])

    refused("none.csv: No such file", "none.csv")
    refused("column 'who' holds string, expected numbers", "a.csv", "first")
    refused("the lines of x0|no_such", "a.csv", "second", by="no_such")
    (files / "mixed.csv").write_text("who,x0,x1,x2\na,1,2,3\nb,1,2,3\na,1,2,3\n")
    refused("the lines of who = 'a' do not stand together: sort the file by who", "mixed.csv", "third", by="who")
    Scoring(model, files / "fourth", by="who").run([files / "a.csv"])
    refused("holds the answers of another model, other files or other settings", "a.parquet", "fourth", by="who")
