"""Make the archives of old model files that lie beside this script, each with the Keras that it is named after.

`keras-2.0.5.zip`, `keras-2.1.6.zip`, `keras-2.2.4.zip` and `keras-2.3.1.zip` come from Python 3.7.16 with
`tensorflow==1.15.5 h5py<3 protobuf<3.20 numpy<1.19 keras-applications keras-preprocessing` and that `keras`;
`tf-keras-2.21.0.zip` comes from Python 3.11 with `tensorflow==2.21.0 tf_keras==2.21.0`. In each environment:

    python tests/carousel_models/export/old_files/make.py

An archive holds one file for each model of the table that this Keras can build, and `answers.npz`: for each file the
inputs `NAME/inputs/0`, ... and what that Keras itself answered to them, `NAME/outputs/0`, ... The weights are random
numbers of fixed seeds, no bias is zero, and every batch is of two sequences.

CuDNNLSTM and CuDNNGRU run on a GPU alone. Their files are real, layers, weights and all, written by that Keras; while
they are built, zeros stand in for the product that a GPU would compute. The answers are those of the LSTM and GRU
layers into which that same Keras loads such a file's weights where there is no GPU.
"""

import os
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
if sys.version_info < (3, 8):  # noqa: UP036 - this script runs with the Python of its time
    import keras

    FAMILY, KINDS = "keras", ["h5"]
else:
    import tf_keras as keras

    FAMILY, KINDS = "tf-keras", ["h5", "keras"]
layers, Sequential, Model, Input = keras.layers, keras.models.Sequential, keras.models.Model, keras.layers.Input
VERSION = tuple(int(part) for part in keras.__version__.split("."))
HERE = Path(__file__).resolve().parent
TOKENS = 9


def stack():
    """Two LSTMs as most people wrote them: `input_shape` on the first layer, every default as it was."""
    return Sequential(
        [
            layers.LSTM(3, return_sequences=True, input_shape=(6, 2)),
            layers.Dropout(0.2),
            layers.LSTM(4),
            layers.Dense(2, activation="softmax"),
        ]
    )


def hard_sigmoid():
    """Three layers that name the old hard_sigmoid, of any number of timesteps."""
    return Sequential(
        [
            layers.LSTM(3, recurrent_activation="hard_sigmoid", return_sequences=True, input_shape=(None, 2)),
            layers.TimeDistributed(layers.Dense(3, activation="hard_sigmoid")),
            layers.Activation("hard_sigmoid"),
            layers.GRU(3, recurrent_activation="hard_sigmoid"),
        ]
    )


def stateful():
    """A model of a fixed batch."""
    return Sequential(
        [
            layers.LSTM(3, stateful=True, return_sequences=True, batch_input_shape=(2, 6, 2)),
            layers.TimeDistributed(layers.Dense(2)),
        ]
    )


def bidirectional():
    """Both directions, twice, merged in two ways."""
    return Sequential(
        [
            layers.Bidirectional(layers.LSTM(3, return_sequences=True), input_shape=(6, 2)),
            layers.Bidirectional(layers.LSTM(2, recurrent_activation="sigmoid"), merge_mode="sum"),
            layers.Dense(2, activation="tanh"),
        ]
    )


def bidirectional_tokens():
    """Both directions over masked tokens, all steps: Keras 3 gives zeros at masked steps, Keras 2.0 did not."""
    return Sequential(
        [
            layers.Embedding(TOKENS, 3, mask_zero=True, input_length=6),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(2)),
        ]
    )


def tokens():
    """A text classifier."""
    return Sequential(
        [
            layers.Embedding(TOKENS, 3, mask_zero=True, input_length=6),
            layers.LSTM(3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def masking():
    """Masked vectors."""
    return Sequential(
        [
            layers.Masking(0.0, input_shape=(6, 2)),
            layers.LSTM(3, return_sequences=True),
            layers.GRU(2),
        ]
    )


def gru():
    """The GRU as it was at first: the reset gate before the product."""
    before = {} if VERSION < (2, 1) else {"reset_after": False}
    return Sequential([layers.GRU(3, input_shape=(6, 2), return_sequences=True), layers.GRU(2, **before)])


def gru_reset_after():
    """The GRU as CuDNN has it: two biases."""
    return Sequential([layers.GRU(3, input_shape=(6, 2), reset_after=True), layers.Dense(2)])


def convolution():
    """What people put before an LSTM."""
    return Sequential(
        [
            layers.Conv1D(4, 3, padding="same", activation="relu", input_shape=(8, 2)),
            layers.BatchNormalization(),
            layers.MaxPooling1D(2),
            layers.SimpleRNN(3, return_sequences=True),
            layers.LSTM(3, activation="softsign", go_backwards=True, use_bias=False, implementation=2),
            layers.LeakyReLU(0.1),
            layers.Dense(2, activation="elu"),
        ]
    )


def horizon():
    """An encoder and a decoder, joined by RepeatVector."""
    return Sequential(
        [
            layers.LSTM(3, input_shape=(6, 2)),
            layers.RepeatVector(4),
            layers.LSTM(3, return_sequences=True),
            layers.TimeDistributed(layers.Dense(1)),
            layers.Flatten(),
        ]
    )


def branches():
    """A functional model: two inputs, a layer called twice, two outputs."""
    first, second = Input(shape=(6, 2), name="first"), Input(shape=(6, 2), name="second")
    shared = layers.LSTM(3, return_sequences=True, name="shared")
    joined = layers.concatenate([shared(first), shared(second)])
    summed = layers.add([layers.Dense(2)(joined), second])
    return Model([first, second], [layers.Dense(1, name="a")(layers.LSTM(3)(summed)), layers.GRU(2, name="b")(joined)])


def encoder_decoder():
    """The states of one LSTM begin another."""
    source, target = Input(shape=(None, 2)), Input(shape=(None, 3))
    _, hidden, cell = layers.LSTM(4, return_state=True)(source)
    decoded, _, _ = layers.LSTM(4, return_sequences=True, return_state=True)(target, initial_state=[hidden, cell])
    return Model([source, target], layers.Dense(2, activation="softmax")(decoded))


def nested():
    """A model inside a model."""
    inner = Sequential([layers.LSTM(3, return_sequences=True, input_shape=(6, 2)), layers.BatchNormalization()])
    taken = Input(shape=(6, 2))
    return Model(taken, layers.LSTM(2)(inner(taken)))


def cells():
    """A stack of cells in one layer."""
    stacked = layers.RNN([layers.LSTMCell(3), layers.LSTMCell(2)], input_shape=(6, 2))
    return Sequential([stacked, layers.Dense(2)])


def cudnn():
    """The layers that need a GPU."""

    def zeros(layer, inputs, initial_state):
        steps = keras.backend.zeros_like(inputs)[:, :, :1] * keras.backend.zeros((layer.units,))
        return steps if layer.return_sequences else steps[:, -1], [steps[:, -1] for _ in initial_state]

    layers.CuDNNLSTM._process_batch = layers.CuDNNGRU._process_batch = zeros
    return Sequential(
        [
            layers.CuDNNLSTM(3, return_sequences=True, input_shape=(6, 2)),
            layers.Bidirectional(layers.CuDNNLSTM(2, return_sequences=True)),
            layers.CuDNNGRU(3),
            layers.Dense(2),
        ]
    )


def cudnn_elsewhere():
    """The layers that take the weights of `cudnn` where there is no GPU."""
    return Sequential(
        [
            layers.LSTM(3, recurrent_activation="sigmoid", return_sequences=True, input_shape=(6, 2)),
            layers.Bidirectional(layers.LSTM(2, recurrent_activation="sigmoid", return_sequences=True)),
            layers.GRU(3, recurrent_activation="sigmoid", reset_after=True),
            layers.Dense(2),
        ]
    )


def normalization():
    """BatchNormalization first, with `input_shape`; LayerNormalization and MultiHeadAttention after."""
    taken = Input(shape=(6, 2))
    seen = layers.LSTM(4, return_sequences=True)(layers.BatchNormalization()(taken))
    seen = layers.MultiHeadAttention(2, 3)(seen, value=seen, key=seen)
    seen = layers.Attention()([seen, layers.LayerNormalization()(seen)])
    return Model(taken, layers.LSTM(2)(seen))


def batch_normalization_first():
    """BatchNormalization first in a Sequential."""
    return Sequential([layers.BatchNormalization(input_shape=(6, 2)), layers.LSTM(3), layers.Dense(2)])


def normalization_first():
    """An adapted Normalization first in a Sequential."""
    first = layers.Normalization(input_shape=(6, 2))
    first.adapt(3 + 2 * np.random.RandomState(5).randn(40, 6, 2).astype("float32"))
    return Sequential([first, layers.LSTM(3, return_sequences=True), layers.LSTM(2)])


def operations():
    """Python operators and TensorFlow functions between the layers."""
    import tensorflow as tf  # noqa: PLC0415 - only here

    taken = Input(shape=(6, 2))
    seen = layers.LSTM(3, return_sequences=True)(2.0 * taken - 1.0)
    context = tf.reduce_mean(seen, axis=1, keepdims=True)
    weighed = tf.nn.softmax(seen, axis=1) * context + tf.math.tanh(seen / 2.0)
    last = weighed[:, -1, :]
    both = tf.concat([last, tf.reduce_max(weighed, axis=1), weighed[:, 0, ::2]], axis=-1)
    again = tf.expand_dims(both, 1) ** 2
    return Model(taken, layers.Dense(2)(layers.LSTM(2)(tf.reshape(again, (-1, 2, 4)))))


BUILDERS = {
    "stack": stack,
    "hard_sigmoid": hard_sigmoid,
    "stateful": stateful,
    "bidirectional": bidirectional,
    "bidirectional_tokens": bidirectional_tokens,
    "tokens": tokens,
    "masking": masking,
    "gru": gru,
    "convolution": convolution,
    "horizon": horizon,
    "branches": branches,
    "encoder_decoder": encoder_decoder,
    "nested": nested,
}
if VERSION >= (2, 1):
    BUILDERS["gru_reset_after"] = gru_reset_after
    BUILDERS["cells"] = cells
if (2, 1) <= VERSION < (2, 4):
    BUILDERS["cudnn"] = cudnn
if FAMILY == "tf-keras":
    BUILDERS["normalization"] = normalization
    BUILDERS["batch_normalization_first"] = batch_normalization_first
    BUILDERS["normalization_first"] = normalization_first
    BUILDERS["operations"] = operations


def draw_weights(model, seed):
    """Set every weight to numbers of a fixed seed; variances are positive, and what was adapted stays."""
    random = np.random.RandomState(seed)

    def drawn(weight, value):
        name = getattr(weight, "name", "")
        if name.startswith(("mean", "variance", "count")):
            return value
        numbers = random.uniform(-0.9, 0.9, value.shape)
        return np.abs(numbers) + 0.2 if "variance" in name else numbers

    for layer in model.layers:
        if hasattr(layer, "layers"):
            draw_weights(layer, seed + 1)
        else:
            layer.set_weights([drawn(*pair) for pair in zip(layer.weights, layer.get_weights())])  # noqa: B905 - Python 3.7


def draw_inputs(model, seed):
    """Draw two sequences for each input: token ids where an Embedding comes first; some steps are zero."""
    random = np.random.RandomState(seed)
    drawn = []
    for taken in model.inputs:
        shape = [2] + [int(size or 7) for size in taken.shape.as_list()[1:]]
        numbers = random.randint(1, TOKENS, shape) if len(shape) == 2 else random.randn(*shape)
        numbers[0, 0] = numbers[0, 4:] = numbers[1, 2] = 0
        drawn.append(numbers.astype("int32" if len(shape) == 2 else "float32"))
    return drawn


def answers_of(name, model, path, inputs):
    """Ask this Keras itself."""
    if name == "cudnn":
        keras.backend.clear_session()
        model = cudnn_elsewhere()
        model.load_weights(path)
    given = model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=2)
    return given if isinstance(given, list) else [given]


def main():
    """Write the archive of the Keras that runs this."""
    place = HERE / f"{FAMILY}-{keras.__version__}.zip"
    recorded = {}
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(str(place), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, build in sorted(BUILDERS.items()):
            keras.backend.clear_session()
            model = build()
            seed = zlib.crc32(name.encode()) % 2**31
            draw_weights(model, seed)
            inputs = draw_inputs(model, seed)
            for kind in KINDS:
                path = f"{folder}/{name}.{kind}"
                model.save(path)
                archive.write(path, f"{name}.{kind}")
            recorded.update({f"{name}/inputs/{position}": value for position, value in enumerate(inputs)})
            if name == "stateful":
                model.reset_states()
            outputs = answers_of(name, model, path, inputs)
            recorded.update({f"{name}/outputs/{position}": value for position, value in enumerate(outputs)})
        model.save_weights(f"{folder}/weights_alone.h5")
        archive.write(f"{folder}/weights_alone.h5", "weights_alone.h5")
        np.savez_compressed(f"{folder}/answers.npz", **recorded)
        archive.write(f"{folder}/answers.npz", "answers.npz")
    sys.stdout.write(f"{place}: {place.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
