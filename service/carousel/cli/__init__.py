"""The `carousel` command."""

from carousel.cli.main import main

__all__ = ["main"]
