"""TLS, mutual TLS, and certificates that change while the server runs."""

import socket
import ssl

import grpc
import pytest
import trustme

from carousel.transport import Unary, server_credentials


@pytest.fixture(scope="module")
def authority():
    """Make a certificate authority."""
    return trustme.CA()


def write(certificate, folder):
    """Write a certificate and its key as a rotation does, each in one step, and return their paths."""
    paths = folder / "tls.crt", folder / "tls.key"
    pems = b"".join(blob.bytes() for blob in certificate.cert_chain_pems), certificate.private_key_pem.bytes()
    for path, pem in zip(paths, pems, strict=True):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pem)
        fresh.replace(path)
    return paths


@pytest.fixture
def files(authority, tmp_path):
    """Write a certificate for localhost and its key; the paths."""
    return write(authority.issue_cert("localhost"), tmp_path)


def call(port, credentials):
    """Echo over a new connection."""
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        return channel.unary_unary("/t.T/Echo")(b"hello", timeout=10)


def shown(port):
    """Return the certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port)) as raw, context.wrap_socket(raw) as secure:
        return secure.getpeercert(binary_form=True)


def test_tls_serves_clients_that_trust_it_and_no_others(polled, methods, authority, files):
    """A client with another root cannot connect."""
    port = polled(methods, credentials=server_credentials(*files)).port
    assert call(port, grpc.ssl_channel_credentials(authority.cert_pem.bytes())) == b"hello"
    with pytest.raises(grpc.RpcError) as caught:
        call(port, grpc.ssl_channel_credentials(trustme.CA().cert_pem.bytes()))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_mutual_tls_names_the_client_and_refuses_strangers(polled, authority, files, tmp_path):
    """With `client_ca` a client must show a certificate of that authority; the call knows its name."""
    clients = trustme.CA()
    clients.cert_pem.write_to_path(tmp_path / "clients.pem")
    names = []

    def who(answered, message):
        names.append(answered.identities["x509_common_name"])
        answered.reply(message)

    credentials = server_credentials(*files, tmp_path / "clients.pem")
    port = polled({"/t.T/Echo": Unary(who)}, credentials=credentials).port
    root = authority.cert_pem.bytes()

    def with_certificate_of(issuer):
        own = issuer.issue_cert("client.example", common_name="client one")
        return grpc.ssl_channel_credentials(root, own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())

    assert call(port, with_certificate_of(clients)) == b"hello"
    assert names == [(b"client one",)]
    for stranger in (grpc.ssl_channel_credentials(root), with_certificate_of(trustme.CA())):
        with pytest.raises(grpc.RpcError) as caught:
            call(port, stranger)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_is_rotated_without_a_restart(polled, methods, authority, files, tmp_path):
    """New connections are shown the new certificate; those already open live on."""
    trust = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    port = polled(methods, credentials=server_credentials(*files)).port
    with grpc.secure_channel(f"localhost:{port}", trust) as old:
        assert old.unary_unary("/t.T/Echo")(b"before", timeout=10) == b"before"
        first = shown(port)
        assert shown(port) == first
        fresh = authority.issue_cert("localhost")
        write(fresh, tmp_path)
        assert shown(port) == ssl.PEM_cert_to_DER_cert(fresh.cert_chain_pems[0].bytes().decode())
        assert shown(port) != first
        assert old.unary_unary("/t.T/Echo")(b"after", timeout=10) == b"after"
    assert call(port, trust) == b"hello"


def test_a_rotation_caught_in_the_middle_changes_nothing(polled, methods, authority, files, caplog):
    """A certificate without its key yet, or a file that is missing, leaves the old pair in use."""
    port = polled(methods, credentials=server_credentials(*files)).port
    first = shown(port)
    certificate, key = files
    fresh = authority.issue_cert("localhost")
    certificate.write_bytes(fresh.cert_chain_pems[0].bytes())
    assert shown(port) == first
    assert "tls.key is not the key of the certificate in" in caplog.text
    key.write_text("no key")
    assert shown(port) == first
    assert "tls.key holds no private key in PEM" in caplog.text
    refused = len(caplog.records)
    assert shown(port) == first
    assert len(caplog.records) == refused  # said once, not at each connection
    key.unlink()
    assert shown(port) == first
    assert "tls.key" in caplog.text
    write(fresh, key.parent)
    assert shown(port) == ssl.PEM_cert_to_DER_cert(fresh.cert_chain_pems[0].bytes().decode())
