"""`carousel serve`: the server."""

import argparse
import os
import sys
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from carousel.settings import Settings

_DESCRIPTION = """\
Serve every model of a repository over gRPC, and metrics over HTTP. New versions are picked up as they appear.

Each setting below is a flag, an environment variable and a key of the TOML file that --config names:
--http-port, CAROUSEL_HTTP_PORT and http_port are one. A flag goes first, the file last.
SIGTERM drains: health says NOT_SERVING, balancers get a moment to notice, what was admitted is finished."""


def add(commands: Any) -> None:
    """Add the command; its flags are the settings."""
    parser = commands.add_parser(
        "serve",
        help="serve the models of a repository",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined) else f" [{_written(field.default)}]"
        choices = get_args(field.annotation)
        literal = choices and all(isinstance(choice, str) for choice in choices)
        metavar = "|".join(choices) if literal else name.rsplit("_", 1)[-1].upper()
        parser.add_argument(
            f"--{name.replace('_', '-')}", dest=name, metavar=metavar, help=f"{field.description}{default}"
        )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    flags = {name: value for name in Settings.model_fields if (value := getattr(given, name)) is not None}
    try:
        settings = Settings(**flags)
    except ValidationError as error:
        for fault in error.errors():
            place = ".".join(map(str, fault["loc"])) or "settings"
            sys.stderr.write(f"carousel serve: {place}: {fault['msg']}, got {fault['input']!r}\n")
        return 2
    # The C core writes lines of its own to stderr, of closed ports and lost clients; GRPC_VERBOSITY brings them back.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # What a server stands on takes a moment to import; no other command should wait for it.
    from carousel.server import Server  # noqa: PLC0415
    from carousel.telemetry import log_to_stderr  # noqa: PLC0415
    from carousel.workers import Workers  # noqa: PLC0415

    log_to_stderr(settings.log_level, settings.log_format)
    server = Workers(settings) if settings.workers > 1 else Server(settings)
    server.drain_on_signals()

    def announce() -> None:
        print(  # noqa: T201 - whoever started it reads the ports here
            f"gRPC on {settings.host}:{server.port}, metrics on http://{settings.http_host}:{server.http_port}/metrics",
            flush=True,
        )

    return server.run(announce)


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
