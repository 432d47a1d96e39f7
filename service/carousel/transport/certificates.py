"""TLS files, checked before gRPC's C core gets them: what the core refuses, it refuses without saying why."""

import ssl
from pathlib import Path


def check_certificates(certificate: Path, key: Path, client_ca: Path | None = None) -> None:
    """Check that PEM files can serve TLS together.

    Raises:
        OSError: A file cannot be read or is not what it should be, or the key is another certificate's; the message
            names the setting and the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _check_chain(context, "tls_certificate", certificate)
    if client_ca is not None:
        _check_chain(context, "tls_client_ca", client_ca)
    _read("tls_key", key)
    try:
        context.load_cert_chain(certificate, key, password=_refuse_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise OSError(f"tls_key: {key} is not the key of the certificate in {certificate}") from None
        raise _unusable_key(key) from None
    except ValueError:  # a passphrase was asked for
        raise _unusable_key(key) from None


def _check_chain(context: ssl.SSLContext, setting: str, path: Path) -> None:
    text = _read(setting, path).decode("ascii", "ignore")
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise OSError(f"{setting}: {path} holds no certificates in PEM") from None


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OSError(f"{setting}: cannot read {path}: {error.strerror}") from None


def _refuse_passphrase() -> str:
    raise ValueError


def _unusable_key(key: Path) -> OSError:
    return OSError(f"tls_key: {key} holds no private key in PEM, or one with a passphrase")
