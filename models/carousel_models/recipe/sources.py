"""Where the examples of a recipe come from."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from carousel_models.recipe.tables import Count, Fraction, Table


class CsvSource(Table):
    """Windows of a CSV file, to forecast what comes `horizon` rows after each.

    Attributes:
        file: Relative to the recipe's folder.
        time: The column that says when; None where rows are merely in order.
        features: The columns a model reads, in the order of its inputs.
        targets: The columns it forecasts, in the order of its outputs.
        measured_in: The unit of each target, for figures and plots.
        season: After how many rows things come round again, for a baseline that says what was measured a season before.
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
    measured_in: dict[str, str] = Field(default={})
    timesteps: Count
    horizon: Count = 1
    season: Count | None = None
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
    def _season_is_past(self) -> Self:
        if self.season is not None and self.season < self.horizon:
            raise ValueError(
                f"season {self.season} is shorter than horizon {self.horizon}: what was measured a season before a "
                "target would come after its window; give whole seasons, horizon or more"
            )
        return self

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
