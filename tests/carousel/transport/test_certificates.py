"""What TLS cannot be served with is refused in a sentence that names the setting and the file."""

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from carousel.transport import check_certificates


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A certificate and its key, in files."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    issued.private_key_pem.write_to_path(folder / "tls.key")
    authority.cert_pem.write_to_path(folder / "ca.crt")
    authority.issue_cert("localhost").private_key_pem.write_to_path(folder / "other.key")
    (folder / "empty").touch()
    (folder / "noise").write_bytes(bytes(range(256)))
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))
    (folder / "locked.key").write_bytes(locked)
    return folder


def test_a_pair_that_fits_is_taken(pair):
    check_certificates(pair / "tls.crt", pair / "tls.key", pair / "ca.crt")


@pytest.mark.parametrize(
    ("certificate", "key", "roots", "said"),
    [
        ("none", "tls.key", "ca.crt", "tls_certificate: cannot read .*none: No such file"),
        ("empty", "tls.key", "ca.crt", "tls_certificate: .*empty holds no certificates"),
        ("noise", "tls.key", "ca.crt", "tls_certificate: .*noise holds no certificates"),
        ("tls.key", "tls.key", "ca.crt", "tls_certificate: .*tls.key holds no certificates"),
        ("tls.crt", "none", "ca.crt", "tls_key: cannot read .*none: No such file"),
        ("tls.crt", "empty", "ca.crt", "tls_key: .*empty holds no private key"),
        ("tls.crt", "tls.crt", "ca.crt", "tls_key: .*tls.crt holds no private key"),
        ("tls.crt", "other.key", "ca.crt", "tls_key: .*other.key is not the key of the certificate in .*tls.crt"),
        (
            "tls.crt",
            "locked.key",
            "ca.crt",
            "tls_key: .*locked.key holds .*or one with a passphrase",
        ),
        ("tls.crt", "tls.key", "none", "tls_client_ca: cannot read .*none: No such file"),
        ("tls.crt", "tls.key", "noise", "tls_client_ca: .*noise holds no certificates"),
    ],
)
def test_what_is_wrong_is_named(pair, certificate, key, roots, said):
    with pytest.raises(OSError, match=said):
        check_certificates(pair / certificate, pair / key, pair / roots)
