"""JSON Web Tokens (RFC 7519, 9068), held against public keys in a file; PyJWT does the cryptography."""

import hashlib
import json
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carousel.access.scope import Grant, Scope
from carousel.access.watched_file import WatchedFile
from carousel.errors import Unauthenticated

logger = logging.getLogger("carousel.access")

_ALGORITHMS = ("ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
"""With public keys alone: a shared secret, or none, would let whoever reads the key file write tokens."""

_REMEMBERED = 1024  # tokens whose signature was checked: a check takes some 100 us, and a client sends one many times
_LEEWAY = 10.0  # seconds that clocks may differ


class JsonWebTokens:
    """Tokens that an identity provider signed. They must name `audience` (aud), a subject (sub) and an end (exp).

    The claim `scope` lists scopes, with spaces between; `issuer`, where it is set, must be the claim iss.
    """

    def __init__(
        self, keys: Path, audience: str, issuer: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Read the public keys: one in PEM, or a JSON Web Key Set.

        Raises:
            OSError: PyJWT is not installed, or the file cannot be read or used; the message names the setting.
        """
        try:
            import jwt  # noqa: PLC0415 - an optional extra
        except ImportError:
            raise OSError("jwt_keys needs PyJWT: install lstm-carousel[jwt]") from None
        self._jwt: Any = jwt
        self._file = WatchedFile("jwt_keys", keys)
        self._audience, self._issuer, self._clock = audience, issuer, clock
        self._checked: OrderedDict[bytes, tuple[Grant, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._keys = self._read()

    def find(self, token: str) -> Grant:
        """Say what a token grants.

        Raises:
            Unauthenticated: It is not one, is not signed by a key of the file, or its claims do not fit.
        """
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        with self._lock:
            known, end = self._checked.pop(digest, (None, -math.inf))
            if known is not None and self._clock() < end:
                self._checked[digest] = (known, end)
                return known
            checked = self._checked
        grant, end = self._verified(token)
        with self._lock:
            checked[digest] = (grant, end)  # which is not used any more if the keys changed meanwhile
            if len(checked) > _REMEMBERED:
                checked.popitem(last=False)
        return grant

    def refresh(self) -> None:
        """Read the keys again if they changed; a file that cannot be used is logged, and the keys from before stay."""
        try:
            if not self._file.changed():
                return
            keys = self._read()
        except OSError as error:
            logger.warning("%s; the keys read before stay in use", error)
        else:
            with self._lock:
                self._keys, self._checked = keys, OrderedDict()  # what a key signed that is gone counts no more
            logger.info("jwt_keys: %s holds %d", self._file.path, len(self._keys))

    def _verified(self, token: str) -> tuple[Grant, float]:
        jwt = self._jwt
        try:
            key = self._key(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "sub", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Unauthenticated(f"the token is refused: {error}") from None
        named = claims.get("scope")
        scopes = named.split() if isinstance(named, str) else ()
        return Grant(claims["sub"], frozenset(scope for scope in Scope if scope in scopes)), claims["exp"]

    def _key(self, header: dict[str, Any]) -> Any:
        named = header.get("kid")
        if len(self._keys) == 1 and (named is None or None in self._keys):
            return next(iter(self._keys.values()))
        if named not in self._keys:
            raise Unauthenticated("the token is refused: no key that this server knows signed it")
        return self._keys[named]

    def _read(self) -> dict[str | None, Any]:
        """Read the keys by their id; a single one in PEM has none."""
        from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - as above

        content, path = self._file.read(), self._file.path
        try:
            if content.lstrip().startswith(b"{"):
                keys = {key.key_id: key for key in self._jwt.PyJWKSet.from_dict(json.loads(content)).keys}
                if any(key.algorithm_name not in _ALGORITHMS for key in keys.values()):
                    raise OSError(f"jwt_keys: {path} holds a key that is no public one")
                return keys
            return {None: load_pem_public_key(content)}
        except (self._jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
            raise OSError(f"jwt_keys: {path} holds neither a public key in PEM nor a key set: {error}") from None
