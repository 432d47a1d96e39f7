"""The layers that a recipe may say, with Keras' own keys and defaults."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from carousel_models.recipe.tables import Count, Named, Rate, Table


class Weights(Table):
    """What all layers have in common; every key is Keras' own, and so is its default where none is said."""

    units: Count
    name: str | None = None
    activation: Named | None = None
    use_bias: bool = True
    kernel_initializer: Named | None = None
    bias_initializer: Named | None = None
    kernel_regularizer: Named | None = None
    bias_regularizer: Named | None = None
    activity_regularizer: Named | None = None
    kernel_constraint: Named | None = None
    bias_constraint: Named | None = None

    @property
    def said(self) -> dict[str, Any]:
        """The arguments that the recipe names, and no others."""
        return {key: getattr(self, key) for key in self.model_fields_set}


class Recurrent(Weights):
    """What Keras' LSTM and GRU have in common. `return_sequences` follows from the place: all but the last return them.

    Attributes:
        bidirectional: Wrap the layer in Keras' Bidirectional, which joins both directions' outputs.
    """

    layer: str
    bidirectional: bool = False
    recurrent_activation: Named | None = None
    recurrent_initializer: Named | None = None
    recurrent_regularizer: Named | None = None
    recurrent_constraint: Named | None = None
    dropout: Rate = 0.0
    recurrent_dropout: Rate = 0.0
    seed: int | None = None
    go_backwards: bool = False
    unroll: bool = False
    use_cudnn: Literal[True, False, "auto"] = "auto"

    @property
    def said(self) -> dict[str, Any]:
        """The arguments of the Keras layer that the recipe names, and no others."""
        return {key: value for key, value in super().said.items() if key not in {"layer", "bidirectional"}}


class LSTM(Recurrent):
    """One LSTM of the stack; what a layer is if nothing else is said."""

    layer: Literal["LSTM"] = "LSTM"
    unit_forget_bias: bool = True


class GRU(Recurrent):
    """One GRU of the stack."""

    layer: Literal["GRU"]
    reset_after: bool = True


def _kind(layer: Any) -> str:
    return str(layer.get("layer", "LSTM") if isinstance(layer, dict) else getattr(layer, "layer", "LSTM"))


Layer = Annotated[Annotated[LSTM, Tag("LSTM")] | Annotated[GRU, Tag("GRU")], Discriminator(_kind)]
"""A layer of the stack, told apart by its key `layer`."""


class Embedding(Table):
    """The layer that gives each token a vector, before the stack; `input_dim` is the size of the vocabulary."""

    output_dim: Count
    name: str | None = None
    mask_zero: bool = True
    embeddings_initializer: Named | None = None
    embeddings_regularizer: Named | None = None
    embeddings_constraint: Named | None = None

    @property
    def said(self) -> dict[str, Any]:
        """The arguments that the recipe names, and no others."""
        return {key: getattr(self, key) for key in self.model_fields_set}


class Dense(Weights):
    """One Dense head after the last layer of the stack."""
