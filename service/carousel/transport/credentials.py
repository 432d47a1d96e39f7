"""TLS credentials from files, read again when the files change."""

import logging
from pathlib import Path
from typing import TypeAlias

import grpc

from carousel.transport.certificates import check_certificates

logger = logging.getLogger("carousel.transport")

_Stamps: TypeAlias = tuple[tuple[int, int, int], ...]


class _Files:
    """Certificate, key and client authorities on disk, and what they looked like when last read.

    The C core asks at each handshake, on its own threads. A rotation writes the files one after the other, so a pair
    that does not fit is to be expected: the old one stays in use then, and the next write brings the next reading.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._seen: _Stamps | None = None

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read the files. Raises OSError naming the file that cannot be used."""
        check_certificates(self._certificate, self._key, self._client_ca)
        pair = (self._key.read_bytes(), self._certificate.read_bytes())
        roots = None if self._client_ca is None else self._client_ca.read_bytes()
        return grpc.ssl_server_certificate_configuration([pair], roots)

    def first(self) -> grpc.ServerCertificateConfiguration:
        """Read the files for the first time. Raises as `read`."""
        check_certificates(self._certificate, self._key, self._client_ca)
        self._seen = self._stamps()
        return self.read()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Read the files if they changed since the last reading, else None."""
        stamps: _Stamps | None = None
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return None
            configuration = self.read()
            if self._stamps() != stamps:
                return None  # it goes on; the next handshake looks again
        except OSError as error:
            if stamps != self._seen:
                self._seen = stamps
                logger.warning("TLS files are refused (%s); the certificate read before stays in use", error)
            return None
        self._seen = stamps
        logger.info("TLS files changed; new connections get the certificate in %s", self._certificate)
        return configuration

    def _stamps(self) -> _Stamps:
        paths = (self._certificate, self._key, self._client_ca)
        found = (path.stat() for path in paths if path is not None)
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in found)


def server_credentials(certificate: Path, key: Path, client_ca: Path | None = None) -> grpc.ServerCredentials:
    """TLS for `Server.listen` from PEM files, which may be replaced while the server runs.

    With `client_ca`, clients must show a certificate that one of its authorities signed. Raises OSError naming the file
    that cannot be used.
    """
    files = _Files(certificate, key, client_ca)
    return grpc.dynamic_ssl_server_credentials(
        files.first(),
        files.changed,  # type: ignore[arg-type]  # None is "unchanged", which the published types leave out
        require_client_authentication=client_ca is not None,
    )
