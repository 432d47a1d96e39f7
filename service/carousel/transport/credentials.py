"""TLS credentials from files, read again when the files change."""

import logging
from pathlib import Path

import grpc

logger = logging.getLogger("carousel.transport")


class _Files:
    """Certificate, key and client authorities on disk, and what they looked like when last read.

    The C core asks at each handshake, on its own threads. A rotation writes the files one after the other, so a pair
    that does not fit is to be expected: the core keeps the old one then, and the next write brings the next reading.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._paths = tuple(path for path in (certificate, key, client_ca) if path is not None)
        self._seen = self._stamps()

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read the files. Raises OSError naming the file that cannot be read."""
        certificate, key, *client_ca = (path.read_bytes() for path in self._paths)
        return grpc.ssl_server_certificate_configuration([(key, certificate)], *client_ca)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Read the files if they changed since the last reading, else None."""
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return None
            configuration = self.read()
        except OSError as error:
            logger.warning("TLS files cannot be read (%s); the certificate read before stays in use", error)
            return None
        self._seen = stamps
        logger.info("TLS files changed; new connections get the certificate in %s", self._paths[0])
        return configuration

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        found = (path.stat() for path in self._paths)
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in found)


def server_credentials(certificate: Path, key: Path, client_ca: Path | None = None) -> grpc.ServerCredentials:
    """TLS for `Server.listen` from PEM files, which may be replaced while the server runs.

    With `client_ca`, clients must show a certificate that one of its authorities signed. Raises OSError naming the file
    that cannot be read.
    """
    files = _Files(certificate, key, client_ca)
    return grpc.dynamic_ssl_server_credentials(
        files.read(), files.changed, require_client_authentication=client_ca is not None
    )
