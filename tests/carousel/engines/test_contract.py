"""What every engine owes to whoever runs it, asked of both."""

import keras
import numpy as np
import pytest

from carousel.artifact import FOLDER, GOLDEN, disagreement, read_golden, read_manifest, read_signature
from carousel.engines import load_engine

TEACHING = ["lstm128", "stack", "relu50"]


@pytest.fixture
def load(repository):
    """Load the engine of a name for a model."""

    def load(name, choice):
        version = repository / name / "1"
        signature, manifest = read_signature(version), read_manifest(version)
        engine, because = load_engine(version, signature, manifest, choice)
        assert engine.name == choice
        assert (because == "") == (choice == "onnx")
        return engine, signature, manifest

    return load


@pytest.mark.parametrize("choice", ["onnx", "tensorflow"])
@pytest.mark.parametrize("name", TEACHING)
def test_answers_are_those_of_keras(repository, load, name, choice):
    """The last step is what the user's own model predicts, within 1e-5."""
    engine, signature, manifest = load(name, choice)
    model = keras.saving.load_model(repository / name / "own.keras")
    timesteps = model.input_shape[1]
    inputs = np.random.default_rng(0).standard_normal((timesteps, 3, signature.input_dim), np.float32)
    outputs, state = engine.run(inputs, np.zeros((3, manifest.state_width), np.float32))
    assert outputs.shape == (timesteps, 3, signature.units)
    assert state.shape == (3, manifest.state_width)
    assert outputs.dtype == state.dtype == np.float32
    assert disagreement(outputs[-1], np.asarray(model(np.ascontiguousarray(inputs.swapaxes(0, 1))))) == ""


@pytest.mark.parametrize("choice", ["onnx", "tensorflow"])
@pytest.mark.parametrize("name", [*TEACHING])
def test_a_state_carries_everything_from_chunk_to_chunk(load, name, choice):
    """Two chunks give what one gives, and the rows' states may change places between them."""
    engine, signature, manifest = load(name, choice)
    inputs = np.random.default_rng(1).standard_normal((5, 3, signature.input_dim), np.float32)
    whole, last = engine.run(inputs, np.zeros((3, manifest.state_width), np.float32))
    first, state = engine.run(inputs[:2], np.zeros((3, manifest.state_width), np.float32))
    places = [2, 0, 1]
    second, after = engine.run(np.ascontiguousarray(inputs[2:, places]), state[places])
    assert disagreement(np.concatenate([first[:, places], second]), whole[:, places]) == ""
    assert disagreement(after, last[places]) == ""


@pytest.mark.parametrize("choice", ["onnx", "tensorflow"])
def test_what_an_engine_gave_stays_as_it_is(load, choice):
    """Outputs and states belong to the caller: the next run does not write into them, and they can be written to."""
    engine, signature, manifest = load("relu50", choice)
    inputs = np.ones((4, 2, signature.input_dim), np.float32)
    outputs, state = engine.run(inputs, np.zeros((2, manifest.state_width), np.float32))
    kept = outputs.copy(), state.copy()
    engine.run(-inputs, state)
    assert outputs.tobytes() == kept[0].tobytes()
    assert state.tobytes() == kept[1].tobytes()
    outputs[0] = state[0, 0] = 7


@pytest.mark.parametrize("choice", ["onnx", "tensorflow"])
def test_the_callers_arrays_may_be_views(load, choice):
    """Inputs and state that are not contiguous are read as they are, and not written to."""
    engine, signature, manifest = load("stack", choice)
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((6, 8, signature.input_dim), np.float32)
    state = rng.standard_normal((8, manifest.state_width), np.float32)
    inputs.flags.writeable = state.flags.writeable = False
    viewed, _ = engine.run(inputs[:, ::2], state[::2])
    copied, _ = engine.run(inputs[:, ::2].copy(), state[::2].copy())
    assert viewed.tobytes() == copied.tobytes()


def test_no_shape_makes_tensorflow_trace_again(load):
    """A signature is traced once, at export: new numbers of rows and steps run the same graph."""
    engine, signature, manifest = load("relu50", "tensorflow")
    graph = engine._run.graph
    for rows, steps in [(1, 1), (2, 5), (7, 3)]:
        inputs = np.zeros((steps, rows, signature.input_dim), np.float32)
        engine.run(inputs, np.zeros((rows, manifest.state_width), np.float32))
    assert engine._run.graph is graph


@pytest.mark.parametrize(("name", "steps"), [("bidirectional", 9), ("flat", 1)])
def test_a_model_that_rides_whole_is_served_by_tensorflow(repository, name, steps):
    """It has no states; its outputs are its sequence or, where it gives none, its last step alone."""
    version = repository / name / "1"
    signature, manifest = read_signature(version), read_manifest(version)
    assert manifest.states == ()
    engine, because = load_engine(version, signature, manifest)
    assert engine.name == "tensorflow"
    assert "it cannot ride in chunks: layer " in because
    model = keras.saving.load_model(repository / name / "own.keras")
    inputs = np.random.default_rng(0).standard_normal((signature.timesteps or 9, 2, 3), np.float32)
    outputs, state = engine.run(inputs, np.zeros((2, 0), np.float32))
    assert outputs.shape == (steps, 2, signature.units)
    assert state.shape == (2, 0)
    own = np.asarray(model(np.ascontiguousarray(inputs.swapaxes(0, 1))))
    assert disagreement(outputs[-1], own if own.ndim == 2 else own[:, -1]) == ""


def test_a_model_without_a_plan_may_still_ride_in_chunks(repository):
    """An activation that ONNX has not: TensorFlow advances it, state and all, and reproduces the golden answers."""
    version = repository / "gelu" / "1"
    signature, manifest = read_signature(version), read_manifest(version)
    assert [state.units for state in manifest.states] == [4, 4]
    engine, because = load_engine(version, signature, manifest)
    assert engine.name == "tensorflow"
    assert "'gelu'" in because
    golden = max(read_golden(version / FOLDER / GOLDEN), key=lambda golden: len(golden.inputs))
    state = np.zeros((1, manifest.state_width), np.float32)
    steps = []
    for step in golden.inputs:
        outputs, state = engine.run(step[None, None], state)
        steps.append(outputs[0, 0])
    assert disagreement(np.array(steps), golden.sequence) == ""
