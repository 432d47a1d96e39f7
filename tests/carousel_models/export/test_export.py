"""A version appears in a repository complete and checked, or not at all."""

import logging
import os
import signal
import stat
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from carousel.artifact import (
    CELL_GRAPH,
    FOLDER,
    GOLDEN,
    disagreement,
    fingerprint,
    read_golden,
    read_manifest,
    read_signature,
)
from carousel.engines import OnnxEngine
from carousel_models.export import export
from carousel_models.export.publishing import publish
from carousel_models.refusals import ExportRefused, VersionExists


@pytest.fixture(scope="module")
def model():
    """A small stack with a head."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            layers.Input((None, 3)),
            layers.Normalization(mean=[100.0, 0.0, -5.0], variance=[400.0, 1.0, 0.01]),
            layers.LSTM(8, return_sequences=True, dropout=0.3, recurrent_dropout=0.3, name="first-lstm"),
            layers.Dropout(0.5),
            layers.LSTM(5, name="second"),
            layers.Dense(2, activation="tanh"),
        ]
    )


@pytest.fixture(scope="module")
def version(model, tmp_path_factory):
    """That stack, exported."""
    return export(model, tmp_path_factory.mktemp("repository"), "small")


def test_plain_tensorflow_loads_what_was_exported(model, version):
    """`tf.saved_model.load` gives both signatures; `serving_default` answers as Keras does, of any length."""
    signatures = tf.saved_model.load(str(version)).signatures
    assert set(signatures) == {"serving_default", "advance"}
    inputs = np.random.default_rng(0).standard_normal((4, 6, 3), np.float32)
    answers = signatures["serving_default"](inputs=tf.constant(inputs))
    assert disagreement(answers["last_step"].numpy(), model.predict(inputs, verbose=0)) == ""
    assert answers["sequence"].shape == (4, 6, 2)
    assert signatures["serving_default"](inputs=tf.zeros((1, 99, 3)))["sequence"].shape == (1, 99, 2)


def test_the_full_sequence_is_the_last_step_of_every_prefix(version):
    """Law 2 in the SavedModel: the head is applied at every step."""
    serve = tf.saved_model.load(str(version)).signatures["serving_default"]
    inputs = np.random.default_rng(1).standard_normal((1, 6, 3), np.float32)
    sequence = serve(inputs=tf.constant(inputs))["sequence"].numpy()
    for t in range(6):
        last = serve(inputs=tf.constant(inputs[:, : t + 1]))["last_step"].numpy()
        assert disagreement(sequence[:, t], last) == ""


def test_advance_goes_on_where_it_left_off(version):
    """Named states go in and come out; two calls give what one gives."""
    loaded = tf.saved_model.load(str(version))
    signatures, states = loaded.signatures, read_manifest(version).states
    assert [(state.name, state.units) for state in states] == [
        ("first_lstm_h", 8),
        ("first_lstm_c", 8),
        ("second_h", 5),
        ("second_c", 5),
    ]
    inputs = np.random.default_rng(2).standard_normal((2, 6, 3), np.float32)
    carried = {state.name: tf.zeros((2, state.units)) for state in states}
    outputs = []
    for chunk in (inputs[:, :4], inputs[:, 4:]):
        answers = signatures["advance"](inputs=tf.constant(chunk), **carried)
        outputs.append(answers.pop("outputs").numpy())
        carried = answers
    whole = signatures["serving_default"](inputs=tf.constant(inputs))["sequence"].numpy()
    assert disagreement(np.concatenate(outputs, axis=1), whole) == ""


def test_a_version_tells_what_it_is(version):
    """Signature, manifest and golden answers agree with each other and with the files."""
    signature, manifest = read_signature(version), read_manifest(version)
    assert (signature.timesteps, signature.input_dim, signature.units) == (None, 3, 2)
    assert manifest.fingerprint == fingerprint(version)
    assert (manifest.cell_graph, manifest.not_lowered_because, manifest.keras_version) == (True, "", keras.__version__)
    answers = read_golden(version / FOLDER / GOLDEN)
    assert [len(golden.inputs) for golden in answers] == [1, 2, 7, 40]
    drawn = np.concatenate([golden.inputs for golden in answers])
    assert np.all(np.abs(drawn.mean(axis=0) - [100, 0, -5]) < [20, 1, 0.1])


def test_the_same_model_gives_the_same_golden_answers(model, version, tmp_path):
    """Golden inputs do not depend on when and where they were drawn."""
    again = export(model, tmp_path, "again")
    for one, other in zip(read_golden(version / FOLDER / GOLDEN), read_golden(again / FOLDER / GOLDEN), strict=True):
        assert one.inputs.tobytes() == other.inputs.tobytes()


def test_the_users_model_stays_as_it_is(model, version):
    """Dropout, weights and answers of the exported model are the user's own still."""
    assert version.exists()
    assert model.layers[1].dropout == 0.3
    assert not model.layers[1].return_state
    assert model.layers[3].return_sequences is False


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_a_file_is_exported_as_the_model_in_it(model, tmp_path, kind):
    """A .keras or .h5 file gives the same answers as the model that was saved in it."""
    path = tmp_path / f"model.{kind}"
    model.save(path)
    exported = export(path, tmp_path / "repository", "from-file")
    inputs = np.random.default_rng(0).standard_normal((2, 6, 3), np.float32)
    serve = tf.saved_model.load(str(exported)).signatures["serving_default"]
    assert disagreement(serve(inputs=tf.constant(inputs))["last_step"].numpy(), model.predict(inputs, verbose=0)) == ""


def test_a_whole_model_is_exported_with_its_cell_graph(tmp_path, caplog):
    """It is said that it takes no live sequences, and which layer is why."""
    stack = [layers.Input((None, 3)), layers.Bidirectional(layers.LSTM(4, recurrent_dropout=0.5))]
    with caplog.at_level(logging.WARNING):
        exported = export(keras.Sequential(stack), tmp_path, "whole")
    manifest = read_manifest(exported)
    assert (manifest.states, manifest.cell_graph, manifest.not_lowered_because) == ((), True, "")
    assert "(Bidirectional) reads the sequence from its end as well" in manifest.not_stepwise_because
    assert manifest.not_stepwise_because in caplog.text
    assert read_signature(exported).sequence is None


@keras.saving.register_keras_serializable("tests")
def cubed(x):
    """An activation that no library knows."""
    return x * x * x


def test_what_tensorflow_alone_can_serve_is_said(tmp_path, caplog):
    """Without a lowering a model is exported all the same, with the reason in its manifest and in the log."""
    with caplog.at_level(logging.WARNING):
        exported = export(
            keras.Sequential([layers.Input((None, 3)), layers.LSTM(4, activation=cubed)]), tmp_path, "own"
        )
    manifest = read_manifest(exported)
    assert (len(manifest.states), manifest.cell_graph) == (2, False)
    assert "the activation 'cubed' has no ONNX form here" in manifest.not_lowered_because
    assert manifest.not_lowered_because in caplog.text


def test_a_stateful_model_says_where_its_requests_start(tmp_path, caplog):
    """Keras goes on from its last batch; a request starts from zeros."""
    stack = [layers.Input(batch_shape=(2, 6, 3)), layers.LSTM(4, stateful=True, name="keeps")]
    with caplog.at_level(logging.WARNING):
        export(keras.Sequential(stack), tmp_path, "stateful")
    assert "stateful=True of keeps: each request starts from zeros" in caplog.text


def test_the_shortest_sequence_is_known(tmp_path):
    """A model that cannot take one timestep says how many it takes at least, and its lengths are recorded."""
    sequences = {"return_sequences": True}
    stack = [layers.Input((None, 3)), layers.Conv1D(4, 5), layers.MaxPooling1D(2), layers.LSTM(4, **sequences)]
    exported = export(keras.Sequential(stack), tmp_path, "short")
    assert read_manifest(exported).min_timesteps == 6
    answers = read_golden(exported / FOLDER / GOLDEN)
    assert [(len(golden.inputs), len(golden.sequence)) for golden in answers] == [(6, 1), (16, 6), (40, 18)]


def test_tokens_are_what_the_signature_says(tmp_path):
    """Floats before an Embedding are tokens to who sends them; masked ones are among the golden answers."""
    stack = [layers.Input((None,)), layers.Embedding(50, 4, mask_zero=True), layers.Bidirectional(layers.LSTM(3))]
    exported = export(keras.Sequential(stack), tmp_path, "tokens")
    signature = read_manifest(exported).complete(read_signature(exported))
    assert (str(signature.inputs), signature.vocabulary) == ("inputs int32 [?, ?]", 50)
    drawn = np.concatenate([golden.inputs for golden in read_golden(exported / FOLDER / GOLDEN)])
    assert (drawn.min(), drawn.dtype) == (0, np.int32)


def test_several_inputs_and_outputs_stand_side_by_side(tmp_path):
    """Their names and widths are in the manifest; what has no timesteps is repeated at every one of them."""
    taken = [
        layers.Input((None, 3), name="sensors"),
        layers.Input((2,), name="plant"),
        layers.Input((None, 1), name="t"),
    ]
    read = layers.Concatenate()([layers.LSTM(4)(taken[0]), taken[1], layers.GRU(3)(taken[2])])
    model = keras.Model(taken, [layers.Dense(2, name="mean")(read), layers.Dense(1, name="risk")(read)])
    exported = export(model, tmp_path, "several")
    manifest = read_manifest(exported)
    assert [(part.name, part.width, part.timewise) for part in manifest.inputs] == [
        ("sensors", 3, True),
        ("plant", 2, False),
        ("t", 1, True),
    ]
    assert [(part.name, part.width) for part in manifest.outputs] == [("mean", 2), ("risk", 1)]
    assert manifest.states != ()
    rng = np.random.default_rng(0)
    sensors, plant, t = (rng.standard_normal(shape, np.float32) for shape in ((2, 5, 3), (2, 2), (2, 5, 1)))
    together = np.concatenate([sensors, np.repeat(plant[:, None], 5, axis=1), t], axis=2)
    engine = OnnxEngine(exported / FOLDER / CELL_GRAPH)
    outputs, _ = engine.run(
        np.ascontiguousarray(together.swapaxes(0, 1)), np.zeros((2, manifest.state_width), np.float32)
    )
    own = np.concatenate(model([sensors, plant, t]), axis=1)
    assert disagreement(outputs[-1], own) == ""


@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_other_floats_are_served_in_float32(tmp_path, policy):
    """The manifest says what the model itself computes in."""
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential([layers.Input((None, 3)), layers.LSTM(4), layers.Dense(2)])
    finally:
        keras.config.set_dtype_policy("float32")
    exported = export(model, tmp_path, "other")
    manifest = read_manifest(exported)
    assert manifest.computed_in == policy.removeprefix("mixed_")
    assert manifest.cell_graph
    assert read_signature(exported).inputs.dtype == "float32"


def test_where_float32_drifts_float64_is_the_judge(tmp_path):
    """recurrent_activation=None over 60 timesteps: Keras itself is further from the truth than the cell graph is."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([layers.Input((60, 3)), layers.LSTM(8, recurrent_activation=None)])
    exported = export(model, tmp_path, "drifts")
    assert read_manifest(exported).cell_graph


def test_an_untrained_model_that_grows_without_bound_is_exported(tmp_path):
    """Golden sequences whose answers overflow are left out: there is nothing to compare."""
    stack = keras.Sequential([layers.Input((None, 1)), layers.LSTM(4, activation="relu", use_bias=False)])
    stack.set_weights([np.full(weight.shape, 4.0) for weight in stack.get_weights()])
    exported = export(stack, tmp_path, "growing")
    assert all(np.isfinite(golden.last_step).all() for golden in read_golden(exported / FOLDER / GOLDEN))


def test_a_model_that_answers_nothing_finite_is_refused(tmp_path):
    """NaN in the weights is found before anything is published."""
    stack = keras.Sequential([layers.Input((None, 1)), layers.LSTM(2)])
    stack.set_weights([np.full(weight.shape, np.nan) for weight in stack.get_weights()])
    with pytest.raises(ExportRefused, match="NaN or infinity"):
        export(stack, tmp_path, "nan")
    assert list(tmp_path.iterdir()) == []


def write(folder):
    """Write the least that is a version."""
    (folder / "saved_model.pb").write_bytes(b"model")


def test_versions_are_numbered_upwards_and_never_overwritten(tmp_path):
    """One more than the highest there is; a version that exists stays as it is."""
    model = tmp_path / "repository" / "name"
    assert publish(write, model) == model / "1"
    assert publish(write, model, 7) == model / "7"
    assert publish(write, model) == model / "8"
    before = (model / "7").stat().st_mtime_ns
    with pytest.raises(VersionExists, match="7: exists already"):
        publish(write, model, 7)
    assert (model / "7").stat().st_mtime_ns == before
    assert sorted(path.name for path in model.iterdir()) == ["1", "7", "8"]


def test_two_exports_at_once_both_find_a_place(tmp_path):
    """Who finishes first takes the number; the other takes the next, or is refused if it asked for that very one."""
    model = tmp_path / "name"

    def overtaken(folder):
        write(folder)
        publish(write, model)

    assert publish(overtaken, model) == model / "2"
    with pytest.raises(VersionExists):
        publish(overtaken, model, 3)
    assert sorted(path.name for path in model.iterdir()) == ["1", "2", "3"]


def test_a_version_can_be_read_by_whoever_may_read_the_repository(tmp_path):
    """Server and exporter may be different users, so the umask alone decides."""
    umask = os.umask(0o022)
    try:
        published = publish(write, tmp_path / "name")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(published.stat().st_mode) == 0o755


KILLED = """
import os, signal, sys
from pathlib import Path
from carousel_models.export.publishing import publish

def write(folder):
    (folder / "saved_model.pb").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

publish(write, Path(sys.argv[1]))
"""


def test_a_killed_export_leaves_no_version(tmp_path):
    """Killed in the middle: no server sees a version, and the next export takes the first number."""
    model = tmp_path / "name"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(model)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in model.iterdir() if not path.name.startswith(".")] == []
    assert publish(write, model) == model / "1"
