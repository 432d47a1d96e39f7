"""`carousel serve`: the server."""

import argparse
import logging
import os
import re
import signal
import sys
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from carousel.settings import Moved

logger = logging.getLogger("carousel.cli")

_THEIRS = "tensorflow_serving."  # before the names of TensorFlow Serving's flags in what was parsed
_REFUSED = 2  # the status where nothing was started

_DESCRIPTION = """\
Serve every model of a repository over gRPC, and metrics over HTTP. New versions are picked up as they appear.

Each setting below is a flag, an environment variable and a key of the TOML file that --config names:
--http-port, CAROUSEL_HTTP_PORT and http_port are one. A flag goes first, the file last.
SIGTERM drains: health says NOT_SERVING, balancers get a moment to notice, what was admitted is finished."""


def add(commands: Any) -> None:
    """Add the command, without its flags: the settings take a moment to import."""
    parser = commands.add_parser(
        "serve",
        help="serve the models of a repository",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="carousel serve [--config FILE] [--SETTING VALUE ...]",
    )
    parser.set_defaults(run=run)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags, which are the settings in their groups."""
    from carousel.settings import GROUPS  # noqa: PLC0415 - as `add` says

    parser.add_argument("--config", metavar="FILE", help="a TOML file of settings; CAROUSEL_CONFIG names it too")
    for group in GROUPS:
        section = parser.add_argument_group(_heading(group), group.__doc__)
        for name, field in group.model_fields.items():
            choices = ("true", "false") if field.annotation is bool else get_args(field.annotation)
            literal = choices and all(isinstance(choice, str) for choice in choices)
            metavar = "|".join(choices) if literal else name.rsplit("_", 1)[-1].upper()
            default = "unset" if field.default is None else _written(field.default)
            section.add_argument(
                f"--{name.replace('_', '-')}", dest=name, metavar=metavar, help=f"{field.description} [{default}]"
            )
    _add_their_flags(parser)


def _add_their_flags(parser: argparse.ArgumentParser) -> None:
    from carousel.settings import IGNORED, REFUSED, TRANSLATED  # noqa: PLC0415 - as `add` says

    section = parser.add_argument_group("TensorFlow Serving's flags", "For what has moved here, as it stands.")
    for name in (*TRANSLATED, *IGNORED, *REFUSED):
        metavar = name.rsplit("_", 1)[-1].upper()
        meaning = TRANSLATED.get(name, argparse.SUPPRESS)
        section.add_argument(f"--{name}", dest=_THEIRS + name, nargs="?", const="true", metavar=metavar, help=meaning)


def run(given: argparse.Namespace) -> int:
    """Serve until a signal ends it; return 2 for what it was told and cannot use, said in a line each."""
    # Until there is something to drain. The first process of a container would not even die of the signal otherwise;
    # an exception would be lost in the import that it falls into.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from carousel.settings import Settings, move  # noqa: PLC0415 - as `add` says

    named = {name: value for name, value in vars(given).items() if value is not None}
    flags = {name: named[name] for name in ("config", *Settings.model_fields) if name in named}
    theirs = {name.removeprefix(_THEIRS): value for name, value in named.items() if name.startswith(_THEIRS)}
    moved = move(theirs, os.environ, frozenset(flags))
    if moved.faults:
        return _refuse(*moved.faults)
    try:
        with moved.laid_out() as translated:
            status = _serve({**translated, **flags}, moved)
    except OSError as error:  # no folder for temporary files
        return _refuse(str(error))
    if status != _REFUSED:
        from carousel.server import leave  # noqa: PLC0415 - as `add` says

        leave(status)
    return status


def _serve(flags: dict[str, Any], moved: "Moved") -> int:
    """Serve by these settings, some of which came by other names."""
    from carousel.settings import SettingsRefused, read_settings  # noqa: PLC0415 - as `add` says

    try:
        settings = read_settings(flags, os.environ, moved.places)
    except SettingsRefused as error:
        return _refuse(*error.faults)
    # The C core writes lines of its own to stderr, of closed ports and lost clients; GRPC_VERBOSITY brings them back.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # What a server stands on takes a moment to import; no other command should wait for it.
    from carousel.server import Server  # noqa: PLC0415
    from carousel.telemetry import log_to_stderr  # noqa: PLC0415
    from carousel.workers import Workers  # noqa: PLC0415

    log_to_stderr(settings.log_level, settings.log_format)
    for note in moved.notes:
        logger.warning(note)
    try:
        server = Workers(settings) if settings.workers > 1 else Server(settings)
    except OSError as error:  # a port that is taken, a TLS file that cannot be used
        return _refuse(str(error))
    server.drain_on_signals()

    def announce() -> None:
        print(  # noqa: T201 - whoever started it reads the ports here
            f"gRPC on {settings.host}:{server.port}, metrics on http://{settings.http_host}:{server.http_port}/metrics",
            flush=True,
        )

    return server.run(announce)


def _heading(group: type) -> str:
    """Say the name of a group in words."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", group.__name__).lower()


def _refuse(*faults: str) -> int:
    for fault in faults:
        sys.stderr.write(f"carousel serve: {fault}\n")
    return _REFUSED


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
