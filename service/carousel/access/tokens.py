"""Bearer tokens from a file, which is read again when it changes."""

import hashlib
import hmac
import logging
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from carousel.access.scope import Grant, Scope
from carousel.access.watched_file import WatchedFile

logger = logging.getLogger("carousel.access")

_LEAST = 16  # characters of a token: a shorter one can be guessed


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    token: Annotated[str, Field(min_length=_LEAST, pattern=r"^[0-9A-Za-z._~+/=-]+$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]


_ENTRIES = TypeAdapter(dict[str, _Entry])


class Tokens:
    """The tokens of a TOML file: a table for each client, `[NAME]`, with `token` and `scopes`.

    Only their SHA-256 is kept, and every one of them is compared, in a time that does not depend on what came.
    """

    def __init__(self, file: Path) -> None:
        """Read the file.

        Raises:
            OSError: It cannot be read or used; the message names the setting, the file and the place, and no token.
        """
        self._file = WatchedFile("tokens", file)
        self._grants = self._read()

    def find(self, token: str) -> Grant | None:
        """Find what a token grants; None where it is not in the file."""
        presented, found = _digest(token), None
        for digest, grant in self._grants:
            if hmac.compare_digest(digest, presented):
                found = grant
        return found

    def refresh(self) -> None:
        """Read the file again if it changed; one that cannot be used is logged, and the tokens from before stay."""
        try:
            if not self._file.changed():
                return
            self._grants = self._read()
        except OSError as error:
            logger.warning("%s; the tokens read before stay in use", error)
        else:
            logger.info("tokens: %s holds %d", self._file.path, len(self._grants))

    def _read(self) -> tuple[tuple[bytes, Grant], ...]:
        content, path = self._file.read(), self._file.path
        try:
            entries = _ENTRIES.validate_python(tomllib.loads(content.decode("utf-8")))
        except ValidationError as error:
            fault = error.errors(include_input=False)[0]
            raise OSError(f"tokens: {path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
        except ValueError as error:  # broken TOML, or no UTF-8
            raise OSError(f"tokens: {path} is no TOML: {error}") from None
        grants = tuple((_digest(entry.token), Grant(name, entry.scopes)) for name, entry in entries.items())
        if len({digest for digest, _ in grants}) < len(grants):
            raise OSError(f"tokens: {path}: two clients have the same token")
        return grants


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
