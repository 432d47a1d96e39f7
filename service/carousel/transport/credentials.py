"""TLS credentials from files, read again when the files change."""

import logging
import ssl
from pathlib import Path
from typing import TypeAlias

import grpc

from carousel.transport.certificates import check_certificates

logger = logging.getLogger("carousel.transport")

_Stamps: TypeAlias = tuple[tuple[int, int, int], ...]


class TlsFiles:
    """Certificate, key and client authorities on disk, and what they looked like when last read.

    A rotation writes the files one after the other, so a pair that does not fit is to be expected: the old one stays in
    use then, and the next write brings the next reading.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """Read them. With `client_ca`, clients must show a certificate that one of its authorities signed.

        Raises:
            OSError: A file cannot be used; the message names it.
        """
        self.certificate, self.key, self.client_ca = certificate, key, client_ca
        check_certificates(certificate, key, client_ca)
        self._seen: _Stamps | None = self._stamps()

    def changed(self) -> bool:
        """Whether there are other files than at the last call, and they can be used."""
        stamps: _Stamps | None = None
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return False
            check_certificates(self.certificate, self.key, self.client_ca)
            if self._stamps() != stamps:
                return False  # it goes on; the next call looks again
        except OSError as error:
            if stamps != self._seen:
                self._seen = stamps
                logger.warning("TLS files are refused (%s); the certificate read before stays in use", error)
            return False
        self._seen = stamps
        logger.info("TLS files changed; new connections get the certificate in %s", self.certificate)
        return True

    def context(self) -> ssl.SSLContext:
        """Make what Python's own servers take."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load(context)
        if self.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def renew(self, context: ssl.SSLContext) -> None:
        """Have `context` use new files, if there are any."""
        if self.changed():
            self._load(context)

    def _load(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self.certificate, self.key)
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)

    def _stamps(self) -> _Stamps:
        paths = (self.certificate, self.key, self.client_ca)
        found = (path.stat() for path in paths if path is not None)
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in found)


def server_credentials(certificate: Path, key: Path, client_ca: Path | None = None) -> grpc.ServerCredentials:
    """TLS for `Server.listen` from PEM files, which may be replaced while the server runs.

    Raises:
        OSError: A file cannot be used; the message names it.
    """
    files = TlsFiles(certificate, key, client_ca)

    def changed() -> grpc.ServerCertificateConfiguration | None:
        """Say the new files, if there are any. The C core asks at each handshake, on its own threads."""
        return _configuration(files) if files.changed() else None

    return grpc.dynamic_ssl_server_credentials(
        _configuration(files),
        changed,  # type: ignore[arg-type]  # None is "unchanged", which the published types leave out
        require_client_authentication=client_ca is not None,
    )


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    pair = (files.key.read_bytes(), files.certificate.read_bytes())
    roots = None if files.client_ca is None else files.client_ca.read_bytes()
    return grpc.ssl_server_certificate_configuration([pair], roots)
