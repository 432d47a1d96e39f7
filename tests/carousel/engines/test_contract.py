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


@pytest.mark.parametrize("choice", ["onnx", "tensorflow"])
@pytest.mark.parametrize(("name", "given", "answered"), [("bidirectional", 9, 9), ("flat", 6, 1), ("longer", 9, 21)])
def test_a_whole_model_has_no_state_and_may_give_another_length(repository, load, name, given, answered, choice):
    """Its outputs are its sequence, of whatever length, or where it gives none its last step alone."""
    engine, signature, manifest = load(name, choice)
    assert manifest.states == ()
    assert not engine.chunkable
    model = keras.saving.load_model(repository / name / "own.keras")
    inputs = np.random.default_rng(0).standard_normal((given, 2, 3), np.float32)
    outputs, state = engine.run(inputs, np.zeros((2, 0), np.float32))
    assert outputs.shape == (answered, 2, signature.units)
    assert state.shape == (2, 0)
    own = np.asarray(model(np.ascontiguousarray(inputs.swapaxes(0, 1))))
    assert disagreement(outputs[-1] if own.ndim == 2 else outputs.swapaxes(0, 1), own) == ""


@pytest.mark.parametrize("choice", ["onnx", "tensorflow"])
def test_tokens_are_taken_as_whole_numbers(repository, load, choice):
    """[timesteps] of int32; token 0 changes no state."""
    engine, signature, manifest = load("tokens", choice)
    signature = manifest.complete(signature)
    assert (str(signature.dtype), signature.features, signature.vocabulary) == ("int32", (), 50)
    model = keras.saving.load_model(repository / "tokens" / "own.keras")
    tokens = np.array([[0, 7, 0, 0, 3, 49], [5, 0, 0, 0, 0, 0]], np.int32)
    state = np.zeros((2, manifest.state_width), np.float32)
    for begin, end in [(0, 1), (1, 4), (4, 6)]:
        outputs, state = engine.run(np.ascontiguousarray(tokens[:, begin:end].T), state)
    assert disagreement(outputs[-1], np.asarray(model(tokens))) == ""


def test_a_model_without_a_cell_graph_may_still_be_stepwise(repository):
    """An activation that nobody else knows: TensorFlow advances it, state and all, and gives the golden answers."""
    version = repository / "own" / "1"
    signature, manifest = read_signature(version), read_manifest(version)
    assert [state.units for state in manifest.states] == [4, 4]
    engine, because = load_engine(version, signature, manifest)
    assert engine.name == "tensorflow"
    assert "'cubed'" in because
    golden = max(read_golden(version / FOLDER / GOLDEN), key=lambda golden: len(golden.inputs))
    state = np.zeros((1, manifest.state_width), np.float32)
    steps = []
    for step in golden.inputs:
        outputs, state = engine.run(step[None, None], state)
        steps.append(outputs[0, 0])
    assert disagreement(np.array(steps), golden.sequence) == ""
