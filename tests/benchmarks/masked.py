"""TensorFlow's side of `mixed`: the same layers behind a Masking layer, in a process of their own.

TensorFlow's memory and threads would slow what else is measured beside them. Asked for a way by a line, it answers with
the seconds on the wall and of its processor that all the sequences took.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from carousel.tensors import Floats
from tests.benchmarks import report
from tests.benchmarks.measure import Timing, timed
from tests.benchmarks.workloads import STACK_UNITS, sequences_of

BATCH = 32
TENSORFLOW, KERAS = "TensorFlow's SavedModel, padded, masked", "Keras' predict, padded, masked"


@contextmanager
def tensorflow(name: str) -> Iterator[dict[str, Callable[[], Timing]]]:
    """Start it for the sequences of this name; give what asks for each way."""
    command = [sys.executable, "-m", "tests.benchmarks.masked", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def ask(way: str) -> Timing:
            asked.write(way + "\n")
            asked.flush()
            wall, cpu = map(float, answers.readline().split())
            return Timing(wall, cpu)

        yield {way: lambda way=way: ask(way) for way in (TENSORFLOW, KERAS)}  # type: ignore[misc]
        asked.close()


def batches(sequences: list[Floats]) -> list[list[Floats]]:
    """Cut into batches in the order of arrival."""
    return [sequences[i : i + BATCH] for i in range(0, len(sequences), BATCH)]


def pad(batch: list[Floats]) -> Floats:
    """Fill up to the longest with zeros, [batch, timesteps, input_dim]."""
    padded = np.zeros((len(batch), max(map(len, batch)), batch[0].shape[1]), np.float32)
    for row, sequence in enumerate(batch):
        padded[row, : len(sequence)] = sequence
    return padded


def main(name: str) -> None:
    sequences = sequences_of(name)
    ways = _ways(sequences)
    for line in sys.stdin:
        timing = timed(ways[line.rstrip("\n")])
        sys.stdout.write(f"{timing.wall} {timing.cpu}\n")
        sys.stdout.flush()


def _ways(sequences: list[Floats]) -> dict[str, Callable[[], object]]:
    """On one thread, like the others: as they are served, and as Keras' users ask."""
    import tensorflow as tf  # noqa: PLC0415 - slow to import
    from keras import Sequential, layers  # noqa: PLC0415 - as above

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    input_dim = sequences[0].shape[1]
    masked = Sequential(
        [
            layers.Input((None, input_dim), name="inputs"),
            layers.Masking(),
            *(layers.LSTM(u, return_sequences=True) for u in STACK_UNITS[:-1]),
            layers.LSTM(STACK_UNITS[-1]),
        ]
    )
    folder = report.FOLDER / "models" / f"masked{input_dim}"
    masked.export(folder, verbose=False)
    saved = tf.saved_model.load(folder)
    served = saved.signatures["serving_default"]

    def by_saved_model() -> None:
        assert saved is not None  # the signature alone does not keep its weights
        for batch in batches(sequences):
            (answer,) = served(inputs=tf.constant(pad(batch))).values()
            answer.numpy()

    def by_keras() -> None:
        for batch in batches(sequences):
            masked.predict(pad(batch), batch_size=BATCH, verbose=0)

    return {TENSORFLOW: by_saved_model, KERAS: by_keras}


if __name__ == "__main__":
    main(sys.argv[1])
