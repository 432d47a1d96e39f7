"""Scores files larger than memory: part by part, each written whole, so that an interrupted run goes on."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from carousel.offline.local_model import LocalModel
from carousel.offline.sources import Piece, SourceRefused, read_pieces
from carousel.tensors import Floats

Form = Literal["csv", "parquet", "npz"]

_RECORD = "score.json"


@dataclass(frozen=True, slots=True)
class Scoring:
    """How files are scored.

    Attributes:
        model: What answers.
        folder: Where the answers go: `part-000000` and so on, and `score.json`, which says of what they are.
        form: Of the parts. Each has a line an answer: its sequence's file and name, its timestep, its outputs.
        by, columns: As `sources.read_pieces` takes them.
        return_sequences: Whether every timestep is answered, or the last one alone.
        part_steps: Timesteps after which a part is full. Parts are cut the same way in each run.
        threads: Sequences run on so many cores.
    """

    model: LocalModel
    folder: Path
    form: Form = "parquet"
    by: str | None = None
    columns: tuple[str, ...] | None = None
    return_sequences: bool = False
    part_steps: int = 500_000
    threads: int = 1

    def run(self, files: Iterable[Path], on_part: Callable[[int, bool], None] = lambda _steps, _done: None) -> int:
        """Score the files; go on where a run before was interrupted.

        Args:
            files: In order.
            on_part: Told of each part's timesteps, and whether it was there already.

        Returns:
            How many timesteps there are in all.

        Raises:
            SourceRefused: A file cannot be read, or the folder holds answers of something else.
            InvalidRequest: A sequence does not suit the model.
        """
        given = list(files)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._recognize(given)
        total = 0
        state: Floats | None = None
        with ThreadPoolExecutor(1) as reader:
            parts = self._parts(given)
            coming = reader.submit(next, parts, None)
            number = 0
            while (part := coming.result()) is not None:
                coming = reader.submit(next, parts, None)  # read while this one is scored
                steps = sum(len(piece.steps) for _, piece in part)
                path = self.folder / f"part-{number:06}.{self.form}"
                done = path.exists()
                if not done:
                    state = self._score(part, path, state)
                elif not part[-1][1].ends:
                    state = np.load(self._state_of(path))
                else:
                    state = None
                on_part(steps, done)
                total += steps
                number += 1
        return total

    def _parts(self, files: list[Path]) -> Iterator[list[tuple[Path, Piece]]]:
        """Cut what the files hold into parts: whole sequences, or pieces of one that goes on."""
        part: list[tuple[Path, Piece]] = []
        steps = 0
        for file in files:
            for piece in read_pieces(file, self.by, self.columns):
                part.append((file, piece))
                steps += len(piece.steps)
                if steps >= self.part_steps:
                    yield part
                    part, steps = [], 0
        if part:
            yield part

    def _score(self, part: list[tuple[Path, Piece]], path: Path, state: Floats | None) -> Floats | None:
        """Score one part and write it; give the state of a sequence that goes on after it."""
        answers: list[Floats | None] = [None] * len(part)
        whole = []
        goes_on = state is not None
        for place, (_, piece) in enumerate(part):
            if goes_on or not piece.ends:
                outputs, after = self.model.advance(piece.steps, state)
                answers[place] = outputs if self.return_sequences else outputs[-1]
                state, goes_on = (None, False) if piece.ends else (after, True)
                if not piece.ends and not self.return_sequences:
                    answers[place] = None  # only its last timestep is answered
            else:
                whole.append(place)
        for place, output in self._run_all(part, whole):
            answers[place] = output
        if goes_on:
            assert state is not None
            _replace(self._state_of(path), lambda beside: _save(beside, state))
        _replace(path, lambda beside: self._write(beside, part, answers))
        return state

    def _run_all(self, part: list[tuple[Path, Piece]], places: list[int]) -> Iterator[tuple[int, Floats]]:
        """Run whole sequences on every thread, each with a batch of its own; they take from one queue."""
        taking, queue = threading.Lock(), iter(places)

        def run() -> list[tuple[int, Floats]]:
            mine: list[int] = []

            def take() -> Iterator[object]:
                while True:
                    with taking:
                        taken = list(islice(queue, 1))
                    if not taken:
                        return
                    mine.append(taken[0])
                    yield part[taken[0]][1].steps

            answered = self.model.run(take(), return_sequences=self.return_sequences)  # type: ignore[arg-type]
            return [(mine[i], output) for i, output in answered]

        with ThreadPoolExecutor(self.threads) as pool:
            for answers in [pool.submit(run) for _ in range(self.threads)]:
                yield from answers.result()

    def _write(self, path: Path, part: list[tuple[Path, Piece]], answers: list[Floats | None]) -> None:
        """Write the answers of a part."""
        there = [
            (file, piece, answer) for (file, piece), answer in zip(part, answers, strict=True) if answer is not None
        ]
        if self.form == "npz":
            arrays = {f"{file.name}:{piece.name}:{piece.begin}": answer for file, piece, answer in there}
            with path.open("wb") as stream:
                np.savez(stream, **arrays)  # type: ignore[arg-type]  # its stubs take the names for its own
            return
        import pyarrow as pa  # noqa: PLC0415 - an extra: serving does without

        rows = [np.atleast_2d(answer) for _, _, answer in there]
        counts = [len(each) for each in rows]
        values = np.concatenate(rows) if rows else np.empty((0, self.model.signature.units), np.float32)
        columns: dict[str, object] = {
            "file": np.repeat([file.name for file, _, _ in there], counts) if there else [],
            "sequence": np.repeat([str(piece.name) for _, piece, _ in there], counts) if there else [],
        }
        if self.return_sequences and there:
            columns["timestep"] = np.concatenate([piece.begin + np.arange(len(answer)) for _, piece, answer in there])
        columns |= {f"output_{i}": values[:, i] for i in range(values.shape[1])}
        table = pa.table(columns)
        if self.form == "csv":
            import pyarrow.csv  # noqa: PLC0415 - as above

            pa.csv.write_csv(table, path)
        else:
            import pyarrow.parquet  # noqa: PLC0415 - as above

            pa.parquet.write_table(table, path)

    def _recognize(self, files: list[Path]) -> None:
        """Write of what the answers are; refuse a folder that holds those of something else."""
        try:
            stamps = [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
        except OSError as error:
            raise SourceRefused(f"{error.filename}: {error.strerror}") from error
        how = [self.form, self.by, self.columns, self.return_sequences, self.part_steps]
        text = json.dumps({"model": self.model.version.fingerprint, "files": stamps, "how": how}, indent=1)
        record = self.folder / _RECORD
        if record.exists() and record.read_text() != text:
            raise SourceRefused(f"{self.folder}: holds the answers of another model, other files or other settings")
        if not record.exists() and any(self.folder.iterdir()):
            raise SourceRefused(f"{self.folder}: is not empty, and no scoring was begun there")
        record.write_text(text)

    @staticmethod
    def _state_of(path: Path) -> Path:
        return path.with_suffix(".state.npy")


def _save(path: Path, state: Floats) -> None:
    with path.open("wb") as stream:
        np.save(stream, state)


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file beside, and rename it: it is there whole or not at all."""
    beside = path.with_name(f".{path.name}")
    write(beside)
    with beside.open("rb") as stream:
        os.fsync(stream.fileno())
    beside.rename(path)
