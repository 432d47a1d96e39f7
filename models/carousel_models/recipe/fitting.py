"""How the layers of a recipe are fitted."""

from typing import Annotated

from pydantic import Field

from carousel_models.recipe.tables import Count, Named, Table


class EarlyStopping(Table):
    """Stop once the loss on the validation split, without penalties, has not bettered for `patience` epochs."""

    patience: Count
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    restore_best_weights: bool = True


class Fit(Table):
    """How `keras.Model.fit` is called.

    Attributes:
        scale_inputs: Put a Normalization layer, adapted on the training split alone, before the stack.
        scale_targets: Fit forecasts in units of the training targets' deviation; the model itself turns them back.
    """

    loss: Named
    optimizer: Named = Named(class_name="adam")
    epochs: Count
    batch_size: Count = 32
    early_stopping: EarlyStopping | None = None
    scale_inputs: bool = True
    scale_targets: bool = True
