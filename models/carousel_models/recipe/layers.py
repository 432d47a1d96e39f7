"""The layers that a recipe may say, with Keras' own keys and defaults."""

from typing import Any, Literal

from carousel_models.recipe.tables import Count, Named, Rate, Table


class Weights(Table):
    """What Keras' LSTM and Dense have in common; every key is Keras' own, and so is its default where none is said."""

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


class LSTM(Weights):
    """One LSTM of the stack. `return_sequences` follows from its place: every layer but the last returns sequences."""

    recurrent_activation: Named | None = None
    unit_forget_bias: bool = True
    recurrent_initializer: Named | None = None
    recurrent_regularizer: Named | None = None
    recurrent_constraint: Named | None = None
    dropout: Rate = 0.0
    recurrent_dropout: Rate = 0.0
    seed: int | None = None
    go_backwards: bool = False
    unroll: bool = False
    use_cudnn: Literal[True, False, "auto"] = "auto"


class Dense(Weights):
    """One Dense head after the last LSTM."""
