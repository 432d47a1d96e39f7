"""The requests that a version brings are replayed before it serves; whatever is wrong with them stops no load."""

import logging
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2, regression_pb2

from carousel.artifact import MAX_RECORDS, WARMUP, State, read_signature
from carousel.batching import Costs
from carousel.rpc.tfserving import Warming
from carousel.serving import Limits, Version
from carousel.testing import FakeEngine, flat_costs

LIMITS = Limits(timesteps=500)


@pytest.fixture
def folder(repository, tmp_path):
    """A version of three features, whose warm-up records are still to be written."""
    folder = tmp_path / "small" / "7"
    shutil.copytree(repository / "small" / "1", folder)
    return folder


def asked(shape, name="anything"):
    """A record as TensorFlow Serving's own code writes it."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "of another name"
    request.inputs[name].CopyFrom(tf.make_tensor_proto(np.ones(shape, np.float32)))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    return log.SerializeToString()


def write(folder, *records):
    """Write them by TensorFlow's own writer."""
    (folder / WARMUP).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / WARMUP)) as writer:
        for record in records:
            writer.write(record)


def replay(folder, caplog, costs=None, max_bytes=1 << 20):
    """Replay what a version brings; give what its engine ran and the line that the log has of it."""
    engine = FakeEngine(3)
    costs = costs or flat_costs()
    states = (State(name="sum", units=3),)
    version = Version("small", 7, read_signature(folder), states, "ab" * 16, engine, costs, "", None)
    caplog.clear()
    with caplog.at_level(logging.INFO, "carousel.serving.rollout"):
        Warming(LIMITS, max_bytes).replay(folder, version)
    return engine.runs, [(record.levelname, record.getMessage()) for record in caplog.records]


def test_every_sequence_of_every_record_is_run_alone(folder, caplog):
    write(folder, asked((2, 5, 3)), asked((1, 9, 3)))
    runs, said = replay(folder, caplog)
    assert runs == [(5, 1), (5, 1), (8, 1), (1, 1)]  # in ticks
    assert said[0][0] == "INFO"
    assert said[0][1].startswith("small version 7: 2 warm-up requests replayed in")


def test_without_records_nothing_is_said(folder, caplog):
    assert replay(folder, caplog) == ([], [])


BAD = {
    "of another kind": (
        prediction_log_pb2.PredictionLog(
            regress_log=prediction_log_pb2.RegressLog(request=regression_pb2.RegressionRequest())
        ).SerializeToString(),
        "only what was asked of Predict is replayed",
    ),
    "no message": (b"\xff" * 40, "are no tensorflow.serving.PredictionLog"),
    "of another width": (asked((1, 5, 4)), "has input_dim 4, the model takes 3"),
    "too long": (asked((1, 501, 3)), "the limit is 500 (max_timesteps)"),
    "empty": (b"", "predict_log: is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_is_said_and_the_others_are_run(folder, caplog, case):
    record, words = BAD[case]
    write(folder, asked((1, 5, 3)), record, asked((1, 6, 3)))
    runs, [(level, said)] = replay(folder, caplog)
    assert runs == [(5, 1), (6, 1)]
    assert level == "WARNING"
    assert said.startswith("small version 7: 2 warm-up requests replayed, 1 failed: record 1: ")
    assert words in said


@pytest.mark.parametrize("damage", ["cut", "no records", "a length", "a folder"])
def test_a_damaged_file_is_said_and_stops_nothing(folder, caplog, damage):
    write(folder, asked((1, 5, 3)), asked((1, 6, 3)))
    path = folder / WARMUP
    content = path.read_bytes()
    if damage == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"cut": content[:-10], "no records": b"\x00" * 100, "a length": b"\xff" + content[1:]}[damage])
    runs, [(level, said)] = replay(folder, caplog)
    assert runs == ([(5, 1)] if damage == "cut" else [])
    assert level == "WARNING"
    assert "cannot be read" in said or "is damaged or cut at record" in said


def test_records_bytes_and_time_are_bounded(folder, caplog):
    write(folder, *[asked((1, 2, 3))] * (MAX_RECORDS + 5))
    assert len(replay(folder, caplog)[0]) == MAX_RECORDS
    runs, [(_, said)] = replay(folder, caplog, max_bytes=10)
    assert (runs, "is damaged or cut" in said) == ([], True)
    slow = Costs(0.0, {1: 30.0})  # seconds a timestep
    write(folder, asked((1, 5, 3)))
    runs, [(_, said)] = replay(folder, caplog, costs=slow)
    assert (runs, "would take more than 10 s" in said) == ([], True)


def test_a_server_replays_them_as_it_loads(folder, server, caplog):
    """And serves, though one of them is bad."""
    write(folder, asked((2, 5, 3)), b"\xff" * 40)
    with caplog.at_level(logging.INFO, "carousel.serving.rollout"):
        server(repository=folder.parents[1])
    assert any("small version 7: 1 warm-up requests replayed, 1 failed" in message for message in caplog.messages)
