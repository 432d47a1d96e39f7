"""SavedModels made without Carousel, each with what its own maker answered: the .zip files beside this script.

They come from Python 3.11 with `tensorflow==2.21.0 keras==3.15.1 tf_keras==2.21.0`:

    python make.py

Each archive holds a SavedModel as its maker wrote it, and `answers.npz`: `inputs/NAME` [samples, ...] and
`outputs/NAME`, by the names of its signature.
"""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
import tf_keras

HERE = Path(__file__).parent
CHANCE = np.random.default_rng(20251125)


def vectors(*shape):
    """Draw float32 numbers."""
    return CHANCE.standard_normal(shape, np.float32)


def trained(model):
    """Give every weight another value than its initial one: biases too."""
    model.set_weights(
        [
            weight + 0.2 * CHANCE.standard_normal(weight.shape).astype(np.float32)
            if weight.dtype.kind == "f"
            else weight
            for weight in model.get_weights()
        ]
    )
    return model


def windows(folder):
    """Keras 3: a stack over windows of 20 timesteps, by `model.export`."""
    layers = keras.layers
    model = trained(
        keras.Sequential(
            [
                layers.Input((20, 5)),
                layers.LSTM(8, return_sequences=True),
                layers.LSTM(6),
                layers.Dense(3, activation="softmax"),
            ]
        )
    )
    inputs = vectors(4, 20, 5)
    model.export(str(folder), verbose=False)
    return {"keras_tensor": inputs}, {"output_0": model(inputs)}


def store_sales(folder):
    """Keras 3: two inputs, one of them without time, and three heads, by `model.export`."""
    layers = keras.layers
    prices, store = keras.Input((None, 4), name="prices"), keras.Input((3,), name="store")
    every = layers.LSTM(7, return_sequences=True)(prices)
    last = layers.LSTM(5)(every)
    both = layers.Concatenate()([last, store])
    heads = [layers.Dense(2, name="low")(both), layers.Dense(2, name="high")(both), layers.Dense(1, name="mean")(both)]
    model = trained(keras.Model([prices, store], heads))
    inputs = {"prices": vectors(3, 12, 4), "store": vectors(3, 3)}
    model.export(str(folder), verbose=False)
    given = model([inputs["prices"], inputs["store"]])
    return inputs, {f"output_{i}": answer for i, answer in enumerate(given)}


def sentiment(folder):
    """tf_keras: token ids through Embedding with mask_zero and Bidirectional, by `model.save`."""
    layers = tf_keras.layers
    model = trained(
        tf_keras.Sequential(
            [
                layers.Input((None,), dtype="int32", name="words"),
                layers.Embedding(30, 6, mask_zero=True),
                layers.Bidirectional(layers.LSTM(5)),
                layers.Dense(2, activation="softmax", name="sentiment"),
            ]
        )
    )
    inputs = CHANCE.integers(1, 30, (4, 9)).astype(np.int32)
    inputs[1, 6:] = inputs[2, 3:] = 0
    model.save(str(folder), save_format="tf")
    return {"words": inputs}, {"sentiment": model(inputs)}


def fixed_batch(folder):
    """tf_keras: a batch of exactly 8, LSTM and GRU, by `model.save`; the names are those of the layers."""
    layers = tf_keras.layers
    model = trained(
        tf_keras.Sequential(
            [
                layers.LSTM(
                    6, return_sequences=True, batch_input_shape=(8, 10, 4), recurrent_activation="hard_sigmoid"
                ),
                layers.GRU(5),
                layers.Dense(1),
            ]
        )
    )
    inputs = vectors(8, 10, 4)
    model.save(str(folder), save_format="tf")
    return {f"{model.layers[0].name}_input": inputs}, {model.layers[-1].name: model(inputs)}


def two_signatures(folder):
    """Keras 3 by `ExportArchive`: two signatures, of which `serving_default` answers every timestep."""
    layers = keras.layers
    taken = keras.Input((None, 3), name="signal")
    model = trained(keras.Model(taken, layers.Dense(4)(layers.LSTM(6, return_sequences=True)(taken))))
    inputs = vectors(3, 11, 3)
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = tf.TensorSpec((None, None, 3), tf.float32, name="signal")
    archive.add_endpoint("serving_default", lambda signal: {"smooth": model(signal)}, input_signature=[spec])
    archive.add_endpoint("energy", lambda signal: tf.reduce_sum(signal**2, -1), input_signature=[spec])
    archive.write_out(str(folder), verbose=False)
    return {"signal": inputs}, {"smooth": model(inputs)}


def not_the_last(folder):
    """TensorFlow by `tf.saved_model.save`: no layers at all, and a `last_step` that is not the last of `sequence`."""
    module = tf.Module()
    module.weight = tf.Variable(vectors(3, 2))

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.float32, name="inputs")])
    def serve(inputs):
        sequence = tf.tanh(tf.cumsum(tf.matmul(inputs, module.weight), axis=1))
        return {"sequence": sequence, "last_step": tf.reduce_mean(sequence, axis=1)}

    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})
    inputs = vectors(3, 7, 3)
    return {"inputs": inputs}, serve(inputs)


def main():
    """Write the archives that are named, or all."""
    makers = [windows, store_sales, sentiment, fixed_batch, two_signatures, not_the_last]
    for maker in makers:
        if sys.argv[1:] and maker.__name__ not in sys.argv[1:]:
            continue
        keras.utils.set_random_seed(1)
        tf_keras.backend.clear_session()
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "saved"
            inputs, outputs = maker(folder)
            arrays = {f"inputs/{name}": array for name, array in inputs.items()}
            arrays |= {f"outputs/{name}": np.asarray(array) for name, array in outputs.items()}
            np.savez(folder / "answers.npz", allow_pickle=False, **arrays)
            with zipfile.ZipFile(HERE / f"{maker.__name__}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(folder.rglob("*")):
                    archive.write(path, path.relative_to(folder))


if __name__ == "__main__":
    main()
