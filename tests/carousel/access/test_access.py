"""Who may do what: tokens of a file, and signed ones."""

import hmac
import json
import os
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from carousel.access import Access, JsonWebTokens, Scope, Tokens
from carousel.errors import Forbidden, Unauthenticated

ALICE, BOB = "a" * 32, "b" * 32
FILE = f"""
[alice]
token = "{ALICE}"
scopes = ["predict", "admin"]

[bob]
token = "{BOB}"
scopes = ["metrics"]
"""


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "tokens.toml"
    file.write_text(FILE)
    return file


def test_without_tokens_anybody_may_do_anything_and_has_no_name():
    assert Access().check(None, Scope.ADMIN) == ""


def test_a_token_names_its_client_and_is_for_its_scopes_alone(file):
    access = Access(Tokens(file))
    assert access.check(f"Bearer {ALICE}", Scope.PREDICT) == "alice"
    assert access.check(f"bearer  {ALICE} ", Scope.ADMIN) == "alice"
    assert access.check(f"Bearer {BOB}", Scope.METRICS) == "bob"
    with pytest.raises(Forbidden, match="'bob' has no scope predict"):
        access.check(f"Bearer {BOB}", Scope.PREDICT)


@pytest.mark.parametrize(
    "sent", [None, "", ALICE, f"Basic {ALICE}", "Bearer", "Bearer ", "Bearer é", "Bearer " + "a" * 31]
)
def test_whatever_is_no_token_is_refused_and_not_repeated(file, sent):
    with pytest.raises(Unauthenticated) as refused:
        Access(Tokens(file)).check(sent, Scope.PREDICT)
    assert "aaa" not in str(refused.value)


def test_every_token_is_compared_whichever_came(file, monkeypatch):
    """Constant time: the number of comparisons does not say which token was met, nor how much of it."""
    compared = []

    def compare(known, presented):
        compared.append(len(presented))
        return real(known, presented)

    real = hmac.compare_digest
    tokens = Tokens(file)
    monkeypatch.setattr(hmac, "compare_digest", compare)
    for token in (ALICE, BOB, "x", "y" * 10_000):
        tokens.find(token)
    assert compared == [32] * 8


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[alice", "is no TOML"),
        ("[alice]\ntoken = 'short'\nscopes = ['predict']", r"alice.token: String should have at least 16"),
        (f"[alice]\ntoken = '{ALICE}'\nscopes = ['all']", "alice.scopes.0: Input should be"),
        (f"[alice]\ntoken = '{ALICE}'\nscopes = []", "alice.scopes: .*at least 1"),
        (f"[alice]\ntoken = '{ALICE}'", "alice.scopes: Field required"),
        (FILE.replace(BOB, ALICE), "two clients have the same token"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_place_and_its_tokens_are_not_said(file, content, said):
    file.write_text(content)
    with pytest.raises(OSError, match=f"tokens: .*tokens.toml.*{said}") as refused:
        Tokens(file)
    assert ALICE not in str(refused.value)
    with pytest.raises(OSError, match=r"tokens: cannot read .*nowhere: No such file"):
        Tokens(file.parent / "nowhere")


def test_a_file_that_changes_is_read_again_and_a_broken_one_changes_nothing(file, caplog):
    tokens = Tokens(file)
    file.write_text("[alice")
    tokens.refresh()
    assert tokens.find(ALICE) is not None
    assert "the tokens read before stay in use" in caplog.text
    fresh = file.with_suffix(".new")
    fresh.write_text(FILE.replace(ALICE, "c" * 32))
    fresh.replace(file)
    tokens.refresh()
    assert tokens.find(ALICE) is None
    assert tokens.find("c" * 32).client == "alice"


KEYS = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
NOW = time.time()


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed(algorithm="ES256", key=None, headers=None, **claims):
    every = {"sub": "carol", "aud": "carousel", "iss": "us", "exp": NOW + 36_000, "scope": "openid predict"} | claims
    every = {name: value for name, value in every.items() if value is not None}
    return jwt.encode(every, key or KEYS[algorithm], algorithm, headers=headers)


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "keys.pem"
    file.write_bytes(pem(KEYS["ES256"]))
    return file


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_signed_token_grants_what_its_scope_says(tmp_path, algorithm):
    file = tmp_path / "key.pem"
    file.write_bytes(pem(KEYS[algorithm]))
    access = Access(web_tokens=JsonWebTokens(file, "carousel", "us"))
    assert access.check(f"Bearer {signed(algorithm)}", Scope.PREDICT) == "carol"
    with pytest.raises(Forbidden, match="'carol' has no scope admin"):
        access.check(f"Bearer {signed(algorithm)}", Scope.ADMIN)


@pytest.mark.parametrize(
    "token",
    [
        signed(exp=NOW - 60),
        signed(exp=None),
        signed(sub=None),
        signed(aud="another"),
        signed(aud=None),
        signed(iss="another"),
        signed(nbf=NOW + 36_000),
        signed("RS256"),
        signed(key=ec.generate_private_key(ec.SECP256R1())),
        jwt.encode({"sub": "carol", "aud": "carousel", "exp": NOW + 36_000}, None, "none"),
        jwt.encode({"sub": "carol", "aud": "carousel", "exp": NOW + 36_000}, "k" * 64, "HS256"),
        signed()[:-4] + "AAAA",
        "a.b.c",
        "é" * 40,
    ],
)
def test_a_token_that_is_not_signed_for_this_server_now_is_refused(key_file, token):
    access = Access(web_tokens=JsonWebTokens(key_file, "carousel", "us"))
    with pytest.raises(Unauthenticated, match="the token is refused"):
        access.check(f"Bearer {token}", Scope.PREDICT)


def test_a_token_remembered_ends_with_its_time_and_with_its_key(key_file):
    now = [NOW]
    tokens = JsonWebTokens(key_file, "carousel", clock=lambda: now[0])
    token = signed(exp=time.time() - 5)  # within the leeway of clocks, so that it is taken once
    assert tokens.find(token).client == "carol"
    lasting = signed()
    assert tokens.find(lasting).client == "carol"
    key_file.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    os.utime(key_file, (1, 1))
    tokens.refresh()
    with pytest.raises(Unauthenticated):
        tokens.find(lasting)


def test_a_key_set_finds_the_key_by_its_id_and_takes_no_shared_secret(tmp_path):
    file = tmp_path / "keys.json"
    public = [
        json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEYS["ES256"].public_key())) | {"kid": "one", "alg": "ES256"},
        json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEYS["RS256"].public_key())) | {"kid": "two", "alg": "RS256"},
    ]
    file.write_text(json.dumps({"keys": public}))
    tokens = JsonWebTokens(file, "carousel")
    assert tokens.find(signed(headers={"kid": "one"})).client == "carol"
    assert tokens.find(signed("RS256", headers={"kid": "two"})).client == "carol"
    for headers in ({"kid": "three"}, {"kid": "two"}, None):
        with pytest.raises(Unauthenticated):
            tokens.find(signed(headers=headers))
    file.write_text(json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}))
    with pytest.raises(OSError, match="holds a key that is no public one"):
        JsonWebTokens(file, "carousel")


def test_what_holds_no_public_key_is_refused_by_name(key_file):
    private = KEYS["ES256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"{}", private, bytes(range(256))):
        key_file.write_bytes(content)
        with pytest.raises(OSError, match=r"jwt_keys: .*keys\.pem holds neither a public key"):
            JsonWebTokens(key_file, "carousel")


def test_both_kinds_stand_side_by_side(file, key_file):
    access = Access(Tokens(file), JsonWebTokens(key_file, "carousel"))
    assert access.check(f"Bearer {ALICE}", Scope.PREDICT) == "alice"
    assert access.check(f"Bearer {signed()}", Scope.PREDICT) == "carol"
