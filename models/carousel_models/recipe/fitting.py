"""How the layers of a recipe are fitted."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from carousel_models.recipe.tables import Count, Fraction, Named, Table

Weight = Annotated[float, Field(ge=0)]


def _form(weights: Any) -> str:
    return "table" if isinstance(weights, dict) else "name"


class EarlyStopping(Table):
    """Stop once the loss on the validation split, without penalties, has not bettered for `patience` epochs."""

    patience: Count
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    restore_best_weights: bool = True


class ReduceLearningRate(Table):
    """Multiply the learning rate by `factor` whenever that loss has not bettered for `patience` epochs."""

    factor: Fraction = 0.1
    patience: Count = 10
    min_delta: Annotated[float, Field(ge=0)] = 1e-4
    cooldown: Annotated[int, Field(ge=0)] = 0
    min_lr: Annotated[float, Field(ge=0)] = 0.0


class Fit(Table):
    """How `keras.Model.fit` is called.

    Attributes:
        optimizer: Clipping is Keras' own, as config.clipnorm; so are schedules, as a table config.learning_rate.
        class_weight: How much the examples of each class count, by its label; "balanced" makes the classes count alike.
        dtype_policy: What the layers compute in, by Keras' name; weights and answers are float32. The mixed ones are
            for GPUs: on a CPU they are slower.
        scale_inputs: Put a Normalization layer, adapted on the training split alone, before the stack.
        scale_targets: Fit forecasts in units of the training targets' deviation; the model itself turns them back.
    """

    loss: Named
    optimizer: Named = Named(class_name="adam")
    epochs: Count
    batch_size: Count = 32
    early_stopping: EarlyStopping | None = None
    reduce_learning_rate: ReduceLearningRate | None = None
    class_weight: (
        Annotated[
            Annotated[Literal["balanced"], Tag("name")] | Annotated[dict[str, Weight], Tag("table")],
            Discriminator(_form),
        ]
        | None
    ) = None
    dtype_policy: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    scale_inputs: bool = True
    scale_targets: bool = True
