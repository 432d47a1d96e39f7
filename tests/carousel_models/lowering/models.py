"""Small models, one for each thing that a lowering has to get right. All read [6 timesteps, 3 features] or 6 tokens."""

import keras
from keras import layers as L  # noqa: N812 - the table reads better
from keras import ops

ALL = {"return_sequences": True}


def seq(*stack, shape=(6, 3), dtype="float32"):
    return keras.Sequential([L.Input(shape, dtype=dtype), *stack])


def fun(function, shape=(6, 3)):
    taken = L.Input(shape)
    return keras.Model(taken, function(taken))


def tokens(*stack):
    return seq(*stack, shape=(6,), dtype="int32")


def itself(layer, **options):
    """A layer that takes several tensors, called on one as all of them."""
    if isinstance(layer, L.MultiHeadAttention | L.GroupQueryAttention):
        return lambda x: layer(x, x, **options)
    return lambda x: layer([x, x], **options)


def masked_merges(x):
    one, other = L.Dense(3)(L.Masking()(x)), L.Dense(3)(L.Masking(0.5)(x))
    sides = [L.LSTM(3, **ALL)(one), L.GRU(3, **ALL)(other)]
    merged = [L.Multiply()(sides), L.Maximum()(sides), L.Minimum()([one, x]), L.Multiply()([x, other]), L.Add()(sides)]
    return L.LSTM(4)(L.Concatenate()(merged))


def twice(layer):
    return lambda x: layer(layer(x))


def nested(x):
    taken = L.Input((6, 3))
    inner = keras.Model(taken, L.Add()([taken, L.LSTM(3, **ALL)(taken)]))
    return inner(x)


def encoder_decoder(x):
    _, *states = L.LSTM(4, return_state=True)(x)
    return L.LSTM(4, **ALL)(x, initial_state=states)


def own_attention(x):
    return ops.sum(x * ops.softmax(L.Dense(1)(x), axis=1), axis=1)


def activations(*names):
    return [L.Activation(name) for name in names]


STEPWISE = {
    "LSTM": lambda: seq(L.LSTM(4)),
    "two": lambda: seq(L.LSTM(4, **ALL), L.LSTM(3)),
    "no bias": lambda: seq(L.LSTM(4, use_bias=False)),
    "linear": lambda: seq(L.LSTM(4, activation=None, recurrent_activation="hard_sigmoid")),
    "unrolled": lambda: seq(L.LSTM(4, unroll=True)),
    "stateful": lambda: keras.Sequential([L.Input(batch_shape=(2, 6, 3)), L.LSTM(4, stateful=True)]),
    "dropout": lambda: seq(L.LSTM(4, dropout=0.5, recurrent_dropout=0.5), L.Dropout(0.5)),
    "softplus": lambda: seq(L.LSTM(4, activation="softplus")),
    "gelu": lambda: seq(L.LSTM(4, activation="gelu", recurrent_activation="silu", **ALL)),
    "GRU": lambda: seq(L.GRU(4, **ALL)),
    "GRU reset before": lambda: seq(L.GRU(4, reset_after=False)),
    "GRU no bias": lambda: seq(L.GRU(4, use_bias=False)),
    "GRU mish": lambda: seq(L.GRU(4, activation="mish", **ALL), L.GRU(4, reset_after=False, activation="mish")),
    "SimpleRNN": lambda: seq(L.SimpleRNN(4, **ALL), L.SimpleRNN(3, activation="relu", use_bias=False)),
    "SimpleRNN mish": lambda: seq(L.SimpleRNN(4, activation="mish")),
    "a cell": lambda: seq(L.RNN(L.LSTMCell(4))),
    "cells": lambda: seq(L.RNN([L.LSTMCell(4), L.GRUCell(3), L.SimpleRNNCell(2)], **ALL)),
    "Masking": lambda: seq(L.Masking(), L.LSTM(4, **ALL), L.Dense(2), L.GRU(3)),
    "Masking sequence": lambda: seq(L.Masking(), L.SimpleRNN(4, **ALL), L.LayerNormalization(), L.LSTM(3, **ALL)),
    "Masking gelu": lambda: seq(L.Masking(), L.LSTM(4, activation="gelu", **ALL)),
    "Masking zeros": lambda: seq(L.Masking(), L.LSTM(4, zero_output_for_mask=True, **ALL)),
    "Masking TimeDistributed": lambda: seq(L.Masking(), L.LSTM(4, **ALL), L.TimeDistributed(L.Dense(2)), L.LSTM(2)),
    "Embedding": lambda: tokens(L.Embedding(9, 5), L.LSTM(4)),
    "Embedding masked": lambda: tokens(L.Embedding(9, 5, mask_zero=True), L.LSTM(4, **ALL), L.LSTM(3, **ALL)),
    "Embedding of floats": lambda: seq(L.Embedding(9, 5, mask_zero=True), L.LSTM(4), shape=(6,)),
    "causal Conv1D": lambda: seq(L.Conv1D(5, 3, padding="causal", activation="relu"), L.LSTM(4)),
    "dilated": lambda: seq(L.Conv1D(4, 2, padding="causal", dilation_rate=3, groups=1), L.LSTM(4, **ALL)),
    "grouped": lambda: seq(L.Conv1D(6, 3, groups=3, padding="causal", use_bias=False), L.LSTM(4)),
    "Conv1D of one": lambda: seq(L.Conv1D(6, 1), L.LSTM(4)),
    "residual": lambda: fun(lambda x: L.Add()([x, L.LSTM(3, **ALL)(x)])),
    "two branches": lambda: fun(lambda x: L.Dense(2)(L.Concatenate()([L.LSTM(3)(x), L.GRU(2)(x)]))),
    "merges": lambda: fun(
        lambda x: L.Maximum()([L.Average()([L.LSTM(3, **ALL)(x), x]), L.Multiply()([x, x]), L.Subtract()([x, x])])
    ),
    "masked merges": lambda: fun(masked_merges),
    "shared": lambda: fun(twice(L.LSTM(3, **ALL))),
    "nested": lambda: fun(nested),
    "nested Sequential": lambda: seq(keras.Sequential([L.LSTM(4, **ALL, name="a"), L.LSTM(3)]), L.Dense(2)),
    "hidden state": lambda: fun(lambda x: L.Dense(2)(L.LSTM(4, return_state=True)(x)[1])),
    "arithmetic": lambda: fun(lambda x: ops.tanh(x * 2.0 + L.LSTM(3, **ALL)(x) - 1) / 3),
    "last timestep": lambda: fun(lambda x: L.Dense(2)(L.LSTM(4, **ALL)(x)[:, -1])),
    "some features": lambda: fun(lambda x: L.LSTM(3)(x[:, :, 1:])),
    "feature mean": lambda: fun(lambda x: L.LSTM(3)(x - ops.mean(x, axis=-1, keepdims=True))),
    "TimeDistributed": lambda: seq(L.LSTM(4, **ALL), L.TimeDistributed(L.Dense(2, activation="relu"))),
    "flat already": lambda: seq(L.LSTM(4), L.Flatten(), L.Dense(2)),
    "reshaped": lambda: seq(L.LSTM(4), L.Reshape((2, 2)), L.Conv1D(3, 2), L.Flatten(), L.Dense(2)),
    "normalisations": lambda: seq(
        L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0]),
        L.LSTM(4, **ALL),
        L.BatchNormalization(scale=False),
        L.LayerNormalization(),
        L.RMSNormalization(),
        L.UnitNormalization(),
        L.LSTM(4),
        L.GroupNormalization(2),
        L.LayerNormalization(axis=1, center=False),
    ),
    "Normalization undone": lambda: seq(L.LSTM(3), L.Normalization(mean=[1, 2, 3], variance=[4, 5, 6], invert=True)),
    "Rescaling": lambda: seq(L.Rescaling([0.1, 2.0, 3.0], -1.0), L.LSTM(4)),
    "EinsumDense": lambda: seq(
        L.LSTM(4, **ALL), L.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d"), L.LSTM(2)
    ),
    "SpectralNormalization": lambda: seq(L.LSTM(4), L.SpectralNormalization(L.Dense(2))),
    "lora": lambda: seq(L.LSTM(4), L.Dense(8, lora_rank=2)),
    "Dense with a layer": lambda: seq(L.LSTM(4), L.Dense(3, activation=L.ReLU(max_value=0.1))),
    "stacked features": lambda: fun(lambda x: L.LSTM(3)(ops.stack([x[:, :, 0], x[:, :, 1]], axis=-1))),
    "a new axis": lambda: fun(lambda x: L.LSTM(3)(x[:, :, 0][:, :, None])),
    "PReLU": lambda: seq(L.LSTM(4, **ALL), L.PReLU(shared_axes=[1]), L.LSTM(2), L.PReLU()),
    "ReLU": lambda: seq(L.LSTM(4), L.ReLU(threshold=0.1, negative_slope=0.2, max_value=0.3)),
    "ELU, LeakyReLU": lambda: seq(L.LSTM(4), L.ELU(0.5), L.LeakyReLU(0.1), L.Softmax()),
    "activations": lambda: seq(
        L.LSTM(4, **ALL),
        *activations("celu", "elu", "gelu", "hard_silu", "hard_tanh", "log_sigmoid", "mish", "silu", "soft_shrink"),
        *activations("sparse_plus", "squareplus", "tanh_shrink", "selu", "softplus", "softsign", "relu6"),
    ),
}
"""Models that can be cut in time."""

WHOLE = {
    "Bidirectional": (lambda: seq(L.Bidirectional(L.LSTM(4, **ALL))), "reads the sequence from its end as well"),
    "Bidirectional last": (lambda: seq(L.Bidirectional(L.LSTM(4))), "(Bidirectional) reads"),
    "sum": (lambda: seq(L.Bidirectional(L.GRU(4, **ALL), merge_mode="sum")), "(Bidirectional)"),
    "ave": (lambda: seq(L.Bidirectional(L.GRU(4), merge_mode="ave")), "(Bidirectional)"),
    "mul": (lambda: seq(L.Bidirectional(L.SimpleRNN(4, **ALL), merge_mode="mul")), "(Bidirectional)"),
    "not merged": (
        lambda: fun(lambda x: L.Add()(list(L.Bidirectional(L.LSTM(4), merge_mode=None)(x)))),
        "(Bidirectional)",
    ),
    "Bidirectional states": (
        lambda: fun(lambda x: L.Concatenate()(list(L.Bidirectional(L.LSTM(4, return_state=True))(x)))),
        "(Bidirectional)",
    ),
    "Masking Bidirectional": (
        lambda: seq(L.Masking(), L.Bidirectional(L.LSTM(4, **ALL)), L.Bidirectional(L.GRU(2))),
        "(Bidirectional)",
    ),
    "Masking Bidirectional sequence": (lambda: seq(L.Masking(), L.Bidirectional(L.LSTM(4, **ALL))), "(Bidirectional)"),
    "Masking Bidirectional gelu": (
        lambda: seq(L.Masking(), L.Bidirectional(L.LSTM(4, activation="gelu"))),
        "(Bidirectional)",
    ),
    "Embedding Bidirectional": (
        lambda: tokens(L.Embedding(9, 5, mask_zero=True), L.Bidirectional(L.LSTM(4)), L.Dense(2)),
        "(Bidirectional)",
    ),
    "backwards": (lambda: seq(L.LSTM(4, go_backwards=True, **ALL)), "(LSTM) reads the sequence from its end"),
    "Masking backwards": (lambda: seq(L.Masking(), L.LSTM(4, go_backwards=True, **ALL)), "(LSTM) reads"),
    "Masking backwards last": (lambda: seq(L.Masking(), L.GRU(4, go_backwards=True)), "(GRU) reads"),
    "valid": (lambda: seq(L.Conv1D(5, 3), L.LSTM(4)), "looks at timesteps to come (padding='valid')"),
    "same": (lambda: seq(L.Conv1D(5, 4, padding="same", dilation_rate=2), L.LSTM(4, **ALL)), "(padding='same')"),
    "strides": (lambda: seq(L.Conv1D(5, 4, strides=2, padding="same"), L.LSTM(4, **ALL)), "(strides above 1)"),
    "causal strides": (lambda: seq(L.Conv1D(5, 3, strides=2, padding="causal"), L.LSTM(4)), "(strides above 1)"),
    "SeparableConv1D": (
        lambda: seq(L.SeparableConv1D(6, 3, depth_multiplier=2, padding="same"), L.LSTM(4)),
        "(SeparableConv1D) looks",
    ),
    "DepthwiseConv1D": (
        lambda: seq(L.DepthwiseConv1D(3, depth_multiplier=2), L.LSTM(4, **ALL)),
        "(DepthwiseConv1D) looks",
    ),
    "MaxPooling1D": (lambda: seq(L.MaxPooling1D(2), L.LSTM(4)), "pools over windows of timesteps"),
    "MaxPooling1D same": (lambda: seq(L.MaxPooling1D(4, 3, padding="same"), L.LSTM(4)), "(MaxPooling1D)"),
    "AveragePooling1D": (lambda: seq(L.AveragePooling1D(3), L.LSTM(4)), "(AveragePooling1D)"),
    "AveragePooling1D same": (lambda: seq(L.AveragePooling1D(3, 2, padding="same"), L.LSTM(4)), "(AveragePooling1D)"),
    "GlobalMaxPooling1D": (lambda: seq(L.LSTM(4, **ALL), L.GlobalMaxPooling1D()), "needs all timesteps at once"),
    "GlobalAveragePooling1D": (lambda: seq(L.LSTM(4, **ALL), L.GlobalAveragePooling1D()), "needs all timesteps"),
    "masked average": (lambda: seq(L.Masking(), L.LSTM(4, **ALL), L.GlobalAveragePooling1D()), "needs all timesteps"),
    "Flatten": (lambda: seq(L.LSTM(4, **ALL), L.Flatten(), L.Dense(2)), "(Flatten) needs all timesteps at once"),
    "RepeatVector": (
        lambda: seq(L.LSTM(4), L.RepeatVector(3), L.LSTM(3, **ALL), L.TimeDistributed(L.Dense(2))),
        "(RepeatVector) begins when the sequence has ended",
    ),
    "a second sequence": (lambda: seq(L.LSTM(4), L.Reshape((2, 2)), L.LSTM(3)), "begins when the sequence has ended"),
    "Permute": (lambda: seq(L.Permute((2, 1)), L.LSTM(4)), "makes features of timesteps"),
    "Reshape": (lambda: seq(L.Reshape((3, 6)), L.LSTM(3)), "makes other timesteps of the sequence's"),
    "UpSampling1D": (lambda: seq(L.LSTM(4, **ALL), L.UpSampling1D(2)), "gives more timesteps than it takes"),
    "Cropping1D": (lambda: seq(L.Cropping1D((1, 2)), L.LSTM(4, **ALL)), "gives fewer timesteps than it takes"),
    "ZeroPadding1D": (lambda: seq(L.ZeroPadding1D((1, 2)), L.LSTM(4, **ALL)), "gives more timesteps than it takes"),
    "a slice": (lambda: fun(lambda x: L.LSTM(3, **ALL)(x)[:, 2:]), "takes a part of the timesteps"),
    "mean over time": (lambda: fun(lambda x: ops.mean(L.LSTM(3, **ALL)(x), axis=1)), "works along the time axis"),
    "BatchNormalization of timesteps": (lambda: seq(L.LSTM(4, **ALL), L.BatchNormalization(axis=1)), "the time axis"),
    "cell state": (lambda: fun(lambda x: L.LSTM(4, return_state=True)(x)[2] * 2.0), "takes a cell state"),
    "encoder-decoder": (lambda: fun(encoder_decoder), "takes a cell state that only the last timestep has"),
    "TimeDistributed after Bidirectional": (
        lambda: seq(L.Bidirectional(L.LSTM(4, **ALL)), L.TimeDistributed(L.Dense(2))),
        "(Bidirectional)",
    ),
    "Attention": (
        lambda: fun(lambda x: itself(L.Attention(use_scale=True))(L.LSTM(4, **ALL)(x))),
        "attends to all timesteps at once",
    ),
    "Attention by sums": (
        lambda: fun(lambda x: itself(L.Attention(score_mode="concat"), use_causal_mask=True)(L.LSTM(4, **ALL)(x))),
        "attends",
    ),
    "AdditiveAttention": (
        lambda: fun(lambda x: itself(L.AdditiveAttention())(L.LSTM(4, **ALL)(L.Masking()(x)))),
        "attends",
    ),
    "MultiHeadAttention": (
        lambda: fun(lambda x: itself(L.MultiHeadAttention(2, 3))(L.LSTM(4, **ALL)(x))),
        "attends",
    ),
    "MultiHeadAttention masked": (
        lambda: fun(
            lambda x: itself(L.MultiHeadAttention(2, 3), use_causal_mask=True)(L.LSTM(4, **ALL)(L.Masking()(x)))
        ),
        "attends",
    ),
    "GroupQueryAttention": (
        lambda: fun(lambda x: itself(L.GroupQueryAttention(3, 4, 2))(L.LSTM(4, **ALL)(x))),
        "attends",
    ),
    "Conv1DTranspose": (lambda: seq(L.LSTM(4, **ALL), L.Conv1DTranspose(3, 3, strides=2)), "more timesteps than"),
    "Conv1DTranspose same": (
        lambda: seq(L.LSTM(4, **ALL), L.Conv1DTranspose(3, 5, strides=2, padding="same"), L.Conv1DTranspose(2, 1)),
        "gives more timesteps than it takes",
    ),
    "Conv1DTranspose apart": (lambda: seq(L.LSTM(4, **ALL), L.Conv1DTranspose(3, 2, strides=3)), "more timesteps"),
    "AdaptiveAveragePooling1D": (lambda: seq(L.LSTM(4, **ALL), L.AdaptiveAveragePooling1D(4)), "needs all timesteps"),
    "AdaptiveMaxPooling1D": (lambda: seq(L.LSTM(4, **ALL), L.AdaptiveMaxPooling1D(4)), "needs all timesteps"),
    "GroupNormalization": (
        lambda: seq(L.LSTM(4, **ALL), L.GroupNormalization(2), L.LSTM(3)),
        "works along the time axis",
    ),
    "LayerNormalization of all": (lambda: seq(L.LSTM(4, **ALL), L.LayerNormalization(axis=[1, 2])), "the time axis"),
    "an attention of one's own": (
        lambda: fun(lambda x: own_attention(L.LSTM(4, **ALL)(x))),
        "works along the time axis",
    ),
    "masked attention": (
        lambda: fun(lambda x: itself(L.Attention())(L.Bidirectional(L.LSTM(3, **ALL))(L.Masking()(x)))),
        "(Bidirectional)",
    ),
    "Dot": (lambda: fun(lambda x: itself(L.Dot(axes=2))(L.LSTM(4, **ALL)(x))), "multiplies timesteps"),
    "timesteps beside an end": (
        lambda: fun(lambda x: L.Concatenate()([L.RepeatVector(6)(L.LSTM(4)(x)), x])),
        "begins when the sequence has ended",
    ),
}
"""Models that need the whole sequence, and what is said of the layer that does."""
