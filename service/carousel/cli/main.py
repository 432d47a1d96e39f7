"""Says what the commands are, and runs the one that was asked for."""

import argparse
import os
import sys

from carousel.cli import check, demo, explain, export, inspect, predict, score, serve, stream, train, tune
from carousel.errors import CarouselError

_COMMANDS = (train, tune, check, explain, export, serve, predict, score, stream, inspect, demo)

_EPILOG = """\
a first run:
  carousel train models/recipes/seattle_weather.toml
  carousel export build/train/seattle-weather/model.keras --repository models/repository --name weather
  carousel serve --repository models/repository
  carousel inspect --target localhost:8500
"""


def parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Make the parser of the command line, and give those of its commands by their names."""
    parser = argparse.ArgumentParser(
        prog="carousel",
        description="Train, export and serve stacked Keras LSTMs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return parser, commands.choices


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 done, 1 it failed and said why, 2 it was called wrongly.
    """
    parser, commands = parsers()
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0].startswith("--") and words[0] != "--help":
        words = ["serve", *words]  # as TensorFlow Serving's image takes flags
    if words[:1] == ["serve"]:
        serve.add_flags(commands["serve"])
    given = parser.parse_args(words)
    try:
        status = int(given.run(given))
        sys.stdout.flush()
    except BrokenPipeError:  # who read the answer has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (CarouselError, OSError) as error:
        sys.stderr.write(f"carousel: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return status
