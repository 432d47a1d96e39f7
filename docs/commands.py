"""The commands page, docs/commands.md, from the parsers of the commands themselves."""

import argparse
from pathlib import Path

from carousel.cli.main import parsers

PAGE = Path(__file__).with_suffix(".md")

_HEAD = """\
# Commands
Written by `docs/commands.py` from what `carousel COMMAND --help` reads; do not edit. The exit status is 0 when it is
done, 1 when it failed and said why, 2 when it was called wrongly, 130 after Ctrl-C.
"""

_SERVE = "\nIts flags are the [settings](settings.md).\n"


def written() -> dict[Path, str]:
    """Write the page."""
    _, commands = parsers()
    sections = [_section(name, command) for name, command in commands.items()]
    return {PAGE: _HEAD + "".join(sections)}


def _section(name: str, command: argparse.ArgumentParser) -> str:
    text = f"\n## carousel {name}\n{command.description}\n"
    if name == "serve":
        return text + _SERVE
    actions = command._actions[1:]  # noqa: SLF001 - argparse has no other way; the first is --help
    rows = [f"| {_called(action)} | {_cell(action.help or '')} |\n" for action in actions]
    return text + "\n| argument | what it says |\n|---|---|\n" + "".join(rows)


def _called(action: argparse.Action) -> str:
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""
    taken = str(action.metavar or choices or action.dest.upper())
    if not action.option_strings:
        return f"`{taken}{' ...' if action.nargs == '+' else ''}`"
    flag = ", ".join(action.option_strings)
    return f"`{flag}`" if action.nargs == 0 else _cell(f"`{flag} {taken}`")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
