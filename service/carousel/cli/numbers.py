"""The numbers that flags take: argparse names the flag, what came and what was expected."""

import argparse
import math


def count(text: str) -> int:
    """Read a whole number from 1 on. ArgumentTypeError where it is none."""
    return _whole(text, 1)


def version_number(text: str) -> int:
    """Read a version's number, or 0. ArgumentTypeError where it is none."""
    return _whole(text, 0)


def duration(text: str) -> float:
    """Read a time of more than nothing, in the flag's unit. ArgumentTypeError where it is none."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0 < value < math.inf):
        raise argparse.ArgumentTypeError(f"is {text!r}, expected a number above 0")
    return value


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"is {text!r}, expected a whole number from {least} on")
    return value
