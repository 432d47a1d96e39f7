"""What the tables of a recipe are made of: strict keys, and Keras' objects by their names."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
