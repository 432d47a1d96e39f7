"""What a recipe leaves open, for `carousel tune` to decide."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from carousel_models.recipe.tables import Count, Rate, Table

Strength = Annotated[float, Field(ge=0)]


class Range(Table):
    """Every number from `low` to `high`; with `log`, each power of ten gets as many trials."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low} with log = true: give a low above 0, or leave log out")
        return self


def _form(values: Any) -> str:
    return "range" if isinstance(values, dict | Range) else "list"


Rates = Annotated[Annotated[Range, Tag("range")] | Annotated[tuple[Rate, ...], Tag("list")], Discriminator(_form)]
Strengths = Annotated[
    Annotated[Range, Tag("range")] | Annotated[tuple[Strength, ...], Tag("list")], Discriminator(_form)
]


class Open(Table):
    """The keys that are open; each is a list of values, or for real numbers also a range.

    Attributes:
        layer: What the layers of the stack are.
        depth: How many there are.
        units: How many units each of them has.
        dropout: Of their inputs.
        recurrent_dropout: Of their states.
        kernel_regularizer: Strength of an L2 penalty on their kernels.
        recurrent_regularizer: Strength of an L2 penalty on their recurrent kernels.
        learning_rate: Of the optimizer.
        batch_size: Examples of a batch.
        timesteps: Length of the windows.
    """

    layer: tuple[Literal["LSTM", "GRU", "Bidirectional"], ...] | None = None
    depth: tuple[Count, ...] | None = None
    units: tuple[Count, ...] | None = None
    dropout: Rates | None = None
    recurrent_dropout: Rates | None = None
    kernel_regularizer: Strengths | None = None
    recurrent_regularizer: Strengths | None = None
    learning_rate: Strengths | None = None
    batch_size: tuple[Count, ...] | None = None
    timesteps: tuple[Count, ...] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        said = {key: getattr(self, key) for key in self.model_fields_set}
        if not said:
            raise ValueError("is empty: say one key or more, like units = [16, 32, 64]")
        if empty := [key for key, values in said.items() if values == ()]:
            raise ValueError(f"{empty[0]} has no values: list some, or leave the key out")
        return self


class Tune(Table):
    """How `carousel tune` looks for a better recipe.

    Attributes:
        open: What it may change.
        trials: How many recipes it tries, unless the command says otherwise.
    """

    open: Open
    trials: Count = 40
