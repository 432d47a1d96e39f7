"""The check that every protocol asks for before it works."""

import threading

from carousel.access.jwt import JsonWebTokens
from carousel.access.scope import Grant, Scope
from carousel.access.tokens import Tokens
from carousel.errors import Forbidden, Unauthenticated

_LOOK_EVERY = 1.0  # seconds between two looks at the files


class Access:
    """Who may do what. Without tokens and keys, anybody may do anything, and has no name.

    `check` may be called from any thread. The files are read on a thread of its own, between `start` and `stop`.
    """

    def __init__(self, tokens: Tokens | None = None, web_tokens: JsonWebTokens | None = None) -> None:
        self._tokens = tokens
        self._web_tokens = web_tokens
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def open(self) -> bool:
        """Whether nothing is asked for."""
        return self._tokens is None and self._web_tokens is None

    def check(self, authorization: str | None, scope: Scope) -> str:
        """Say who calls, by the value of the header or metadata `authorization`; "" where nothing is asked for.

        Raises:
            Unauthenticated: There is no token, or it is not known, has ended, or is not signed as it should be.
            Forbidden: It is not for this.
        """
        if self.open:
            return ""
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Unauthenticated("a token is needed: send `authorization: Bearer TOKEN`")
        grant = self._find(token.strip())
        if scope not in grant.scopes:
            raise Forbidden(f"{grant.client!r} has no scope {scope}")
        return grant.client

    def start(self) -> None:
        """Look every second whether the files changed."""
        if not self.open:
            self._thread = threading.Thread(target=self._follow, name="access", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(_LOOK_EVERY)

    def _find(self, token: str) -> Grant:
        grant = None if self._tokens is None else self._tokens.find(token)
        if grant is not None:
            return grant
        if self._web_tokens is None:
            raise Unauthenticated("the token is not known")
        return self._web_tokens.find(token)

    def _follow(self) -> None:
        while not self._ending.wait(_LOOK_EVERY):
            for source in (self._tokens, self._web_tokens):
                if source is not None:
                    source.refresh()
