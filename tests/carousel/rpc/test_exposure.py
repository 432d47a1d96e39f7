"""docs/before-you-expose-it.md is true: each row of what is open by default, what closes it, and its examples."""

import asyncio
import re
import tomllib
from pathlib import Path

import grpc
import httpx
import pytest

from carousel.access import Scope, Tokens
from carousel.client import AsyncClient, Client
from carousel.errors import Forbidden, ModelNotFound, Unauthenticated
from carousel.settings import GROUPS, Settings, read_settings
from carousel.stubs.oip import open_inference_pb2 as oip

PAGE = (Path(__file__).parents[3] / "docs" / "before-you-expose-it.md").read_text("utf-8")
[EXAMPLE] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
TOKEN = tomllib.loads(EXAMPLE)["forecasts"]["token"]
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
LOAD = "/inference.GRPCInferenceService/RepositoryModelLoad"


@pytest.fixture
def tokens(tmp_path):
    """The file that the page shows."""
    file = tmp_path / "tokens.toml"
    file.write_text(EXAMPLE)
    return file


def test_by_default_it_listens_everywhere_without_tls_or_tokens():
    settings = Settings()
    assert (settings.host, settings.http_host) == ("0.0.0.0", "0.0.0.0")
    assert (settings.port, settings.http_port) == (8500, 8501)
    assert (settings.tls_certificate, settings.tokens, settings.jwt_keys, settings.admin_socket) == (None,) * 4
    assert settings.reflection
    assert not settings.repository_control
    assert settings.http_cors_origins is None


def test_by_default_a_stranger_learns_names_rpcs_and_counts_and_loads_nothing(server):
    serving = server()
    with Client(serving.target) as client, pytest.raises(ModelNotFound, match="served are: small"):
        client.predict("nothing", [[[1.0] * 3]])
    with grpc.insecure_channel(serving.target) as channel:
        assert channel.stream_stream(REFLECT)(iter([]), timeout=30).code() is grpc.StatusCode.OK
        message = oip.RepositoryModelLoadRequest(model_name="small").SerializeToString()
        refused = channel.unary_unary(LOAD).future(message, timeout=30)
        assert refused.code() is not grpc.StatusCode.OK
    metrics = httpx.get(serving.metrics)
    assert metrics.status_code == 200
    assert 'model="small"' in metrics.text


def test_reflection_false_serves_none(server):
    with grpc.insecure_channel(server(reflection=False).target) as channel:
        assert channel.stream_stream(REFLECT)(iter([]), timeout=30).code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_file_that_the_page_shows_is_taken_and_closes_what_it_says(server, tokens):
    serving = server(tokens=tokens)
    assert httpx.get(serving.metrics).status_code == 401
    scraping = {"authorization": f"Bearer {tomllib.loads(EXAMPLE)['prometheus']['token']}"}
    assert httpx.get(serving.metrics, headers=scraping).status_code == 200
    with Client(serving.target) as stranger, pytest.raises(Unauthenticated) as refused:
        stranger.predict("nothing", [[[1.0] * 3]])
    assert "small" not in str(refused.value)
    with grpc.insecure_channel(serving.target) as channel:
        assert channel.stream_stream(REFLECT)(iter([]), timeout=30).code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_client_sends_its_token_with_unary_calls_and_live_sequences(server, tokens):
    with Client(server(tokens=tokens).target, token=TOKEN) as client:
        [answer] = client.predict("small", [[[1.0] * 3] * 4])
        with client.live("small") as live:
            assert live.feed([[1.0] * 3] * 4).output.tolist() == answer.output.tolist()


def test_the_client_for_asyncio_sends_it_too(server, tokens):
    async def ask():
        async with AsyncClient(server(tokens=tokens).target, token=TOKEN) as client:
            return [model.name for model in await client.list_models()]

    assert asyncio.run(ask()) == ["small"]


def test_a_token_of_another_scope_is_told_so(server, tokens):
    token = tomllib.loads(EXAMPLE)["prometheus"]["token"]
    with Client(server(tokens=tokens).target, token=token) as client, pytest.raises(Forbidden, match="'prometheus'"):
        client.predict("small", [[[1.0] * 3]])


def test_every_scope_and_every_flag_that_the_page_names_exists(tokens):
    assert len(Tokens(tokens).find(TOKEN).scopes) == 1
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(Scope)
    names = {name.replace("_", "-") for group in GROUPS for name in group.model_fields}
    flags = set(re.findall(r"--([a-z][a-z-]+)", PAGE))
    assert flags <= names, flags - names


@pytest.mark.parametrize("page", ["before-you-expose-it.md", "fair-shares.md"])
def test_the_commands_of_the_pages_start_a_server(page, tokens):
    """As far as their settings: what the settings do is shown above."""
    text = (Path(__file__).parents[3] / "docs" / page).read_text("utf-8")
    commands = re.findall(r"^carousel serve (.*)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        words = command.replace("tokens.toml", str(tokens)).split()
        flags = {
            name.removeprefix("--").replace("-", "_"): value for name, value in zip(*[iter(words)] * 2, strict=True)
        }
        settings = read_settings(flags, {})
        assert settings.tokens == tokens or settings.client_metadata == "x-forwarded-client"


def test_the_page_says_which_test_stands_for_it():
    assert Path(__file__).name in PAGE
