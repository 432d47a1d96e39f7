"""Where settings come from: flags, environment variables, a TOML file. Each fault names the place it came from."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from carousel.errors import CarouselError
from carousel.settings.settings import ModelPolicy, Settings

PREFIX = "CAROUSEL_"

# What Kubernetes sets in every container for Services whose names begin with "carousel": no settings of ours.
_SERVICE_LINK = re.compile(r"\w+_SERVICE_(HOST|PORT\w*)|\w+_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://")


class SettingsRefused(CarouselError):
    """Settings that cannot be used.

    Attributes:
        faults: Every fault, one line each: the place it came from, what is wrong, what came.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class _Given(NamedTuple):
    value: Any
    place: str


def read_settings(
    flags: Mapping[str, Any], environment: Mapping[str, str], places: Mapping[str, str] | None = None
) -> Settings:
    """Put the settings together: a flag goes before an environment variable, that before the file.

    `flags` holds the settings by name, and `config` for the file; CAROUSEL_CONFIG names it otherwise. An empty variable
    counts as unset. `places` says where flags came from that were given by other names.

    Raises:
        SettingsRefused: The file cannot be read, a name is no setting, or a value cannot be used.
    """
    faults: list[str] = []
    places = places or {}
    from_flags = {name: _Given(value, places.get(name, f"--{name.replace('_', '-')}")) for name, value in flags.items()}
    from_environment = _of_environment(environment, faults)
    config = (from_flags | from_environment | from_flags).pop("config", None)
    from_file = {} if config is None else _of_file(config, faults)
    given = from_file | from_environment | from_flags
    given.pop("config", None)
    try:
        file = None if config is None else Path(config.value)
        settings = Settings(**{name: each.value for name, each in given.items()}, config=file)
    except ValidationError as error:
        faults += [_written(fault, given) for fault in error.errors()]
    if faults:
        raise SettingsRefused(faults)
    return settings


def read_policies(file: Path) -> Mapping[str, ModelPolicy]:
    """Read the [models] tables of a settings file again.

    Raises:
        SettingsRefused: The file cannot be read, or is not one of settings any more.
    """
    faults: list[str] = []
    given = _of_file(_Given(str(file), str(file)), faults)
    try:
        settings = Settings.model_validate({"models": given["models"].value} if "models" in given else {})
    except ValidationError as error:
        faults += [_written(fault, given) for fault in error.errors()]
    if faults:
        raise SettingsRefused(faults)
    return settings.models


def _of_environment(environment: Mapping[str, str], faults: list[str]) -> dict[str, _Given]:
    found = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX) or not value:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name == "config" or name in Settings.model_fields:
            if not _SERVICE_URL.match(value):
                found[name] = _Given(value, variable)
        elif not _SERVICE_LINK.fullmatch(variable) and not _SERVICE_URL.match(value):
            faults.append(f"{variable}: there is no such setting{_nearest(name, lambda near: PREFIX + near.upper())}")
    return found


def _of_file(config: _Given, faults: list[str]) -> dict[str, _Given]:
    try:
        read = tomllib.loads(Path(config.value).read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"{config.place}: cannot read {config.value}: {error.strerror}")
        return {}
    except ValueError as error:  # broken TOML, or no UTF-8
        faults.append(f"{config.value}: {error}")
        return {}
    for name in [name for name in read if name not in Settings.model_fields or name == "config"]:
        del read[name]
        faults.append(f"{config.value}: {name}: there is no such setting{_nearest(name, str)}")
    return {name: _Given(value, f"{config.value}: {name}") for name, value in read.items()}


def _nearest(name: str, written: Any) -> str:
    near = difflib.get_close_matches(name.lower().replace("-", "_"), Settings.model_fields, 1)
    return f"; did you mean {written(near[0])}?" if near else ""


def _written(fault: Any, given: Mapping[str, _Given]) -> str:
    """Write a fault as one line; a fault of several settings together has no place of its own."""
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not fault["loc"]:
        return message
    name = str(fault["loc"][0])
    each = given[name]
    return f"{each.place}: {message[:1].lower()}{message[1:]}, got {each.value!r}"
