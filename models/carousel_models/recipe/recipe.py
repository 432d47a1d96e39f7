"""What to build and from what: a recipe is a TOML file, and this is everything that may stand in it."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from carousel_models.recipe.faults import faults_of
from carousel_models.refusals import RecipeRefused

Fraction = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class Table(BaseModel):
    """A table of a recipe: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Named(Table):
    """One of Keras' objects: by its name alone, or as a table of `class_name` and `config` as Keras serialises it."""

    class_name: str
    config: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        return {"class_name": value} if isinstance(value, str) else value

    @property
    def identifier(self) -> str | dict[str, Any]:
        """What Keras' own `get` functions take."""
        return {"class_name": self.class_name, "config": dict(self.config)} if self.config else self.class_name


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


class CsvSource(Table):
    """Windows of a CSV file, to forecast what comes `horizon` rows after each.

    Attributes:
        file: Relative to the recipe's folder.
        time: The column that says when; None where rows are merely in order.
        features: The columns a model reads, in the order of its inputs.
        targets: The columns it forecasts, in the order of its outputs.
        measured_in: The unit of each target, for figures and plots.
        na_values: What marks a missing value, beside an empty cell, NA, NaN and null.
        missing: What to do about missing values; see `carousel_models.data.table`.
        validation: The fraction of the rows that decides when to stop.
        test: The fraction of the rows, the latest, that judges the model.
    """

    kind: Literal["csv"]
    file: str
    separator: str = ","
    time: str | None = None
    features: tuple[str, ...]
    targets: tuple[str, ...]
    measured_in: dict[str, str] = {}
    timesteps: Count
    horizon: Count = 1
    na_values: tuple[str, ...] = ()
    missing: Literal["interpolate", "forward-fill", "drop", "refuse"] = "refuse"
    validation: Fraction = 0.15
    test: Fraction = 0.15

    @field_validator("features", "targets")
    @classmethod
    def _once(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if not columns:
            raise ValueError("is empty: name one column or more")
        if twice := sorted({column for column in columns if columns.count(column) > 1}):
            raise ValueError(f"names {', '.join(map(repr, twice))} more than once")
        return columns

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation} and test {self.test} leave no rows for training")
        return self


class AeonSource(Table):
    """Labelled sequences, each of its own length, that the package `aeon` carries (extra `vowels`).

    Attributes:
        dataset: Which of them; the package's own split into training and test is kept.
        validation: The fraction of every class' training sequences that decides when to stop.
    """

    kind: Literal["aeon"]
    dataset: Literal["japanese_vowels", "basic_motions"]
    validation: Fraction = 0.2


class EarlyStopping(Table):
    """Stop once the loss on the validation split has not bettered for `patience` epochs."""

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


class Recipe(Table):
    """Everything a training needs: where the sequences come from, which layers, how they are fitted."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    source: Annotated[CsvSource | AeonSource, Field(discriminator="kind")]
    stack: tuple[LSTM, ...]
    heads: tuple[Dense, ...]
    fit: Fit

    # Not as a Field's min_length: pydantic counts only the layers without a fault.
    @field_validator("stack", "heads")
    @classmethod
    def _some(cls, layers: tuple[Weights, ...]) -> tuple[Weights, ...]:
        if not layers:
            raise ValueError("is empty: say one layer or more")
        return layers

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The name of every layer of stack and heads, in order: states and signatures are named after them."""
        return (
            *(layer.name or f"lstm_{i}" for i, layer in enumerate(self.stack)),
            *(head.name or f"dense_{i}" for i, head in enumerate(self.heads)),
        )

    @model_validator(mode="after")
    def _names_apart(self) -> Self:
        names = (*self.layer_names, "scaled", "raw_units")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two layers are named {', '.join(map(repr, twice))}: rename one")
        return self

    @model_validator(mode="after")
    def _one_unit_a_target(self) -> Self:
        if isinstance(self.source, CsvSource) and self.heads[-1].units != len(self.source.targets):
            raise ValueError(
                f"the last of heads has {self.heads[-1].units} units and source.targets names "
                f"{len(self.source.targets)} columns: give one unit a target"
            )
        return self


def read_recipe(path: Path) -> Recipe:
    """Read and check the recipe at `path`.

    Raises:
        RecipeRefused: The file cannot be read, is not TOML, or says what cannot be built; every fault is named.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RecipeRefused(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeRefused(f"{path}: is not TOML: {error}") from error
    return _checked(path, tables)


def _checked(path: Path, tables: Mapping[str, Any]) -> Recipe:
    try:
        # As JSON, because pydantic's strict types take an array for a tuple only from there.
        return Recipe.model_validate_json(json.dumps(tables, default=str))
    except ValidationError as error:
        raise RecipeRefused("\n".join(f"{path}: {fault}" for fault in faults_of(error, _KEYS))) from error


_KEYS = frozenset(
    key
    for table in (Recipe, CsvSource, AeonSource, LSTM, Dense, Named, Fit, EarlyStopping)
    for key in table.model_fields
)
