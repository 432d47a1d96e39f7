"""What cannot be exported is refused by a sentence that says what to change, and leaves nothing behind."""

import keras
import pytest
from keras import layers

from carousel_models.export import export
from carousel_models.refusals import ExportRefused, VersionExists


def lengths_apart():
    """Two sequences of different lengths."""
    taken = [layers.Input((4, 2)), layers.Input((5, 2))]
    return keras.Model(taken, layers.Concatenate()([layers.LSTM(2)(x) for x in taken]))


def sequence_beside_an_end():
    """A sequence, and a vector beside it."""
    taken = layers.Input((4, 2), name="taken")
    read = layers.LSTM(2, return_sequences=True, name="read")(taken)
    return keras.Model(taken, [read, layers.LSTM(3, name="end")(read)])


class Subclassed(keras.Model):
    """A model whose layers Keras cannot see."""

    def call(self, inputs):
        """Give back what came."""
        return inputs


def batch_dependent():
    """Its answer to a sequence is how it differs from the others."""
    taken = layers.Input((4, 2))
    return keras.Model(taken, layers.LSTM(2)(taken - keras.ops.mean(taken, axis=0, keepdims=True)))


def quantised():
    """A head in eight bits."""
    model = keras.Sequential([layers.Input((4, 2)), layers.LSTM(2), layers.Dense(8, name="eight")])
    model.quantize("int8")
    return model


REFUSED = {
    "lengths apart": (lengths_apart, "expected sequences float32 [batch, timesteps, input_dim] of one length"),
    "a sequence beside an end": (
        sequence_beside_an_end,
        "gives a sequence beside what is no sequence of as many timesteps: read [None, 4, 2], end [None, 3]",
    ),
    "subclassed": (Subclassed, "Subclassed is no Sequential or functional model with known shapes"),
    "not built": (lambda: keras.Sequential([layers.LSTM(2)]), "with keras.layers.Input((timesteps, input_dim)) first"),
    "no recurrent layer": (
        lambda: keras.Sequential([layers.Input((4, 2)), layers.Flatten(), layers.Dense(2)]),
        "has no recurrent layer",
    ),
    "text": (
        lambda: keras.Sequential(
            [layers.Input((1,), dtype="string"), layers.TextVectorization(9), layers.Embedding(9, 2), layers.LSTM(2)]
        ),
        "reads text: only numbers are served; leave it out of the model and send the tokens",
    ),
    "numbers without features": (
        lambda: keras.Sequential([layers.Input((4,)), layers.Reshape((4, 1)), layers.LSTM(2)]),
        "expected float32 [batch, timesteps, input_dim]",
    ),
    "its batch": (batch_dependent, "depends on the others in its batch, so it has no answer of its own"),
    "quantised": (quantised, "layer 'eight' is quantised to int8: only float32 is served"),
    "unknown input_dim": (
        lambda: keras.Sequential([layers.Input((None, 4, 2)), layers.TimeDistributed(layers.LSTM(2))]),
        "expected float32 [batch, timesteps, input_dim]",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_model_that_cannot_be_served_is_refused(tmp_path, reason):
    """The sentence names the layer or the shape, and what to do."""
    build, said = REFUSED[reason]
    with pytest.raises(ExportRefused) as error:
        export(build(), tmp_path, "model")
    assert said in str(error.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        (b"text", "is not a Keras model"),
        (b"PK\x05\x06" + bytes(18), "is not a Keras model"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content, said):
    """Missing, of another kind, or an archive of something else."""
    path = tmp_path / "model.keras"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExportRefused, match=said):
        export(path, tmp_path / "repository", "model")


def test_weights_alone_are_refused(tmp_path):
    """An .h5 file of weights says to save the whole model."""
    path = tmp_path / "model.weights.h5"
    keras.Sequential([layers.Input((4, 2)), layers.LSTM(2)]).save_weights(path)
    with pytest.raises(ExportRefused, match="holds weights alone"):
        export(path, tmp_path / "repository", "model")


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "-a", "a b", "a\n"])
def test_a_name_that_is_no_folder_of_its_own_is_refused(tmp_path, name):
    """Names are single, visible path segments."""
    with pytest.raises(ExportRefused, match="is not a model name"):
        export(tmp_path / "model.keras", tmp_path, name)


def test_versions_begin_at_one(tmp_path):
    """Zero and less are refused."""
    with pytest.raises(ExportRefused, match="numbered from 1"):
        export(tmp_path / "model.keras", tmp_path, "model", 0)


def test_a_version_that_exists_is_refused_before_any_work(tmp_path):
    """The file is not even looked for."""
    (tmp_path / "model" / "3").mkdir(parents=True)
    with pytest.raises(VersionExists, match="never overwritten"):
        export(tmp_path / "missing.keras", tmp_path, "model", 3)
