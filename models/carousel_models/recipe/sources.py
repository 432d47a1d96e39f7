"""Where the examples of a recipe come from."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from carousel_models.recipe.tables import Count, Fraction, Table

Columns = tuple[str, ...]
TimeFeature = Literal["hour", "weekday", "day_of_year"]


def _form(horizon: Any) -> str:
    return "one" if isinstance(horizon, int) else "several"


class TableSource(Table):
    """Windows of the rows of CSV or Parquet files, to forecast what comes `horizon` rows after each.

    Attributes:
        file: Relative to the recipe's folder; with a star in its name, like `sales-*.csv`, each file that fits.
        separator: What stands between two cells of a CSV file.
        time: The column that says when; None where rows are merely in order.
        group: The column that says whose row it is, where a file holds many series; each keeps its own order of time.
        features: The columns a model reads, in the order of its inputs.
        known: Columns whose future is known, like holidays: each timestep gets what they will be at the horizon.
        categories: The values of each column of words among features and known: each value becomes an input, 0 or 1.
        time_features: What the model gets of the time of each row, as sine and cosine.
        targets: The columns it forecasts.
        measured_in: The unit of each target, for figures and plots.
        timesteps: Rows of a window.
        horizon: How many rows after a window its target is; with several, the outputs are those of the first, then
            those of the next.
        season: After how many rows things come round again, for a baseline that says what was measured a season before.
        na_values: What marks a missing value, beside an empty cell, NA, NaN and null.
        missing: What to do about missing values; see `carousel_models.data.table`.
        validation: The fraction of each series' rows that decides when to stop and which settings are best.
        test: The fraction of each series' rows, the latest, that judges the model.
        walk_forward: How many times more the recipe is fitted and judged, each time with so many of the latest rows
            left away as the test split has: whether it would have done well at other times too.
    """

    kind: Literal["table"]
    file: str
    separator: str = ","
    time: str | None = None
    group: str | None = None
    features: Columns
    known: Columns = ()
    categories: dict[str, Columns] = Field(default={})
    time_features: tuple[TimeFeature, ...] = ()
    targets: Columns
    measured_in: dict[str, str] = Field(default={})
    timesteps: Count
    horizon: Annotated[
        Annotated[Count, Tag("one")] | Annotated[tuple[Count, ...], Tag("several")], Discriminator(_form)
    ] = 1
    season: Count | None = None
    na_values: tuple[str, ...] = ()
    missing: Literal["interpolate", "forward-fill", "drop", "refuse"] = "refuse"
    validation: Fraction = 0.15
    test: Fraction = 0.15
    walk_forward: Annotated[int, Field(ge=0)] = 0

    @property
    def columns(self) -> Columns:
        """The columns that are read, each once."""
        said = (self.time, self.group, *self.features, *self.known, *self.targets)
        return tuple(dict.fromkeys(column for column in said if column is not None))

    @property
    def words(self) -> Columns:
        """Those of them that hold words."""
        return tuple(self.categories)

    @property
    def horizons(self) -> tuple[int, ...]:
        """All horizons, ascending."""
        return (self.horizon,) if isinstance(self.horizon, int) else self.horizon

    @property
    def outputs(self) -> Columns:
        """The name of each unit of the model's answer; with several horizons, each with its own: `sales +3`."""
        if isinstance(self.horizon, int):
            return self.targets
        return tuple(f"{target} +{horizon}" for horizon in self.horizons for target in self.targets)

    @property
    def inputs(self) -> Columns:
        """The name of each number of a timestep, in the order that the model takes them."""
        ahead = [f"{name} +{horizon}" for horizon in self.horizons for name in self.encoded(self.known)]
        waves = [f"{feature} {wave}" for feature in self.time_features for wave in ("sine", "cosine")]
        return (*self.encoded(self.features), *waves, *ahead)

    def encoded(self, columns: Columns) -> Columns:
        """Name what columns become: a column of words is one number for each of its values.

        Args:
            columns: Their names in the file.

        Returns:
            The names of the numbers, in the same order.
        """
        return tuple(
            name
            for column in columns
            for name in (
                [f"{column}={value}" for value in self.categories[column]] if column in self.categories else [column]
            )
        )

    @field_validator("features", "targets")
    @classmethod
    def _some(cls, columns: Columns) -> Columns:
        if not columns:
            raise ValueError("is empty: name one column or more")
        return columns

    @field_validator("features", "targets", "known")
    @classmethod
    def _once(cls, columns: Columns) -> Columns:
        if twice := sorted({column for column in columns if columns.count(column) > 1}):
            raise ValueError(f"names {', '.join(map(repr, twice))} more than once")
        return columns

    @field_validator("horizon")
    @classmethod
    def _ascending(cls, horizon: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if not isinstance(horizon, int) and (not horizon or list(horizon) != sorted(set(horizon))):
            raise ValueError(f"{list(horizon)} is not ascending: say each horizon once, the nearest first")
        return horizon

    @model_validator(mode="after")
    def _words_and_numbers(self) -> Self:
        if words := sorted(self.categories.keys() & set(self.targets)):
            raise ValueError(f"categories names the target {words[0]!r}: only numbers are forecast")
        if unread := sorted(self.categories.keys() - {*self.features, *self.known}):
            raise ValueError(f"categories names {unread[0]!r}, which is among neither features nor known")
        if self.time_features and self.time is None:
            raise ValueError("time_features needs a time column: say time")
        return self

    @model_validator(mode="after")
    def _season_is_past(self) -> Self:
        if self.season is not None and self.season < self.horizons[-1]:
            raise ValueError(
                f"season {self.season} is shorter than horizon {self.horizons[-1]}: what was measured a season before "
                "a target would come after its window; give whole seasons, horizon or more"
            )
        return self

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation} and test {self.test} leave no rows for training")
        return self


class TextSource(Table):
    """A column of text and one of labels, in CSV or Parquet files: each text becomes a sequence of tokens.

    Attributes:
        file: Relative to the recipe's folder; with a star in its name, each file that fits.
        separator: What stands between two cells of a CSV file.
        text: The column of texts.
        label: The column of what each text is.
        vocabulary: How many words have a token of their own: padding, unknown, and the commonest of the training texts.
        na_values: What marks an empty cell, beside nothing, NA, NaN and null.
        validation: The fraction of every label's texts that decides when to stop and which settings are best.
        test: The fraction of every label's texts that judges the model.
    """

    kind: Literal["text"]
    file: str
    separator: str = ","
    text: str
    label: str
    vocabulary: Annotated[int, Field(ge=3)] = 10_000
    na_values: tuple[str, ...] = ()
    validation: Fraction = 0.15
    test: Fraction = 0.15

    @property
    def columns(self) -> Columns:
        """The columns that are read."""
        return (self.text, self.label)

    @property
    def words(self) -> Columns:
        """Those of them that hold words: both."""
        return (self.text, self.label)


class AeonSource(Table):
    """Labelled sequences, each of its own length, that the package `aeon` carries (extra `vowels`).

    Attributes:
        dataset: Which of them; the package's own split into training and test is kept.
        validation: The fraction of every class' training sequences that decides when to stop.
    """

    kind: Literal["aeon"]
    dataset: Literal["japanese_vowels", "basic_motions"]
    validation: Fraction = 0.2
