"""What to build and from what: everything that a recipe says, and what must agree in it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from carousel_models.recipe.fitting import Fit
from carousel_models.recipe.layers import Dense, Embedding, Layer, Weights
from carousel_models.recipe.search_space import Tune
from carousel_models.recipe.sources import AeonSource, TableSource, TextSource
from carousel_models.recipe.tables import Table


class Recipe(Table):
    """Everything a training needs: where the sequences come from, which layers, how they are fitted.

    Attributes:
        name: Names the folder of what is trained.
        seed: Decides every random number.
        origin: Where its settings come from, for the report.
        source: Where the sequences come from.
        embedding: What gives each token of a text its vector; for texts alone.
        stack: The recurrent layers.
        decoder: Recurrent layers that write a forecast of several horizons as a sequence, a timestep for each, from
            what the stack ends with; without them it is one vector.
        heads: The Dense layers behind them; behind a decoder, at each of its timesteps.
        fit: How they are fitted.
        tune: What `carousel tune` may change.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    origin: str | None = None
    source: Annotated[TableSource | TextSource | AeonSource, Field(discriminator="kind")]
    embedding: Embedding | None = None
    stack: tuple[Layer, ...]
    decoder: tuple[Layer, ...] = ()
    heads: tuple[Dense, ...]
    fit: Fit
    tune: Tune | None = None

    # Not as a Field's min_length: pydantic counts only the layers without a fault.
    @field_validator("stack", "heads")
    @classmethod
    def _some(cls, layers: tuple[Weights, ...]) -> tuple[Weights, ...]:
        if not layers:
            raise ValueError("is empty: say one layer or more")
        return layers

    @classmethod
    def of(cls, tables: Mapping[str, Any]) -> Self:
        """Check the tables of a TOML file.

        Args:
            tables: As `tomllib` reads them.

        Returns:
            The recipe.

        Raises:
            pydantic.ValidationError: They say what cannot be built.
        """
        # As JSON, because pydantic's strict types take an array for a tuple only from there.
        return cls.model_validate_json(json.dumps(tables, default=str))

    @property
    def tables(self) -> dict[str, Any]:
        """What the recipe says, and no defaults, as the tables of a TOML file."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)

    @property
    def measured_in(self) -> dict[str, str]:
        """The unit of each output that has one."""
        if not isinstance(self.source, TableSource):
            return {}
        units = [self.source.measured_in.get(target) for target in self.source.targets] * len(self.source.horizons)
        return {output: unit for output, unit in zip(self.source.outputs, units, strict=True) if unit is not None}

    @property
    def inputs(self) -> tuple[str, ...] | None:
        """The name of each number of a timestep, in the order that the model takes them; None if they have none."""
        return self.source.inputs if isinstance(self.source, TableSource) else None

    @property
    def horizons(self) -> int:
        """How many timesteps are forecast; 1 where classes are told apart."""
        return len(self.source.horizons) if isinstance(self.source, TableSource) else 1

    @property
    def walks(self) -> int:
        """How many times more it is fitted, to rows that end earlier."""
        return self.source.walk_forward if isinstance(self.source, TableSource) else 0

    @property
    def longest(self) -> int:
        """The timesteps of the longest window that this recipe, or one that tuning tries, cuts; 1 if it cuts none."""
        if not isinstance(self.source, TableSource):
            return 1
        return max(self.source.timesteps, *((self.tune and self.tune.open.timesteps) or ()))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The name of every layer of stack and heads, in order: states and signatures are named after them."""
        return (
            *(["embedding" if self.embedding.name is None else self.embedding.name] if self.embedding else []),
            *(layer.name or f"{layer.layer.lower()}_{i}" for i, layer in enumerate((*self.stack, *self.decoder))),
            *(head.name or f"dense_{i}" for i, head in enumerate(self.heads)),
        )

    @model_validator(mode="after")
    def _names_apart(self) -> Self:
        names = (*self.layer_names, "scaled", "raw_units", "for_each_horizon")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two layers are named {', '.join(map(repr, twice))}: rename one")
        return self

    @model_validator(mode="after")
    def _one_unit_each(self) -> Self:
        if isinstance(self.source, TableSource):
            outputs = self.source.targets if self.decoder else self.source.outputs
            if self.heads[-1].units != len(outputs):
                raise ValueError(
                    f"the last of heads has {self.heads[-1].units} units, and the source {len(outputs)} "
                    f"{'targets' if self.decoder else 'outputs'}, {', '.join(outputs)}: give one unit each"
                )
        return self

    @model_validator(mode="after")
    def _horizons_to_decode(self) -> Self:
        if self.decoder and not (isinstance(self.source, TableSource) and len(self.source.horizons) > 1):
            raise ValueError(
                "decoder writes a timestep for each horizon: say several in source.horizon, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _tokens_embedded(self) -> Self:
        if isinstance(self.source, TextSource) and self.embedding is None:
            raise ValueError("the source gives tokens: add a table [embedding] with output_dim")
        if self.embedding is not None and not isinstance(self.source, TextSource):
            raise ValueError("the source gives numbers and no tokens: remove the table [embedding]")
        return self

    @model_validator(mode="after")
    def _timesteps_to_choose(self) -> Self:
        if self.tune and self.tune.open.timesteps and not isinstance(self.source, TableSource):
            raise ValueError("tune.open.timesteps is said, and each sequence of the source has its own: leave it out")
        return self
