"""Doors that lock, over real sockets: tokens, scopes, the admin socket, and names that strangers do not learn."""

import stat
import time
from contextlib import contextmanager

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from carousel.server import Server
from carousel.settings import Settings, SettingsRefused, read_settings
from carousel.stubs.oip import open_inference_pb2 as oip
from carousel.stubs.v1 import inference_pb2 as v1
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub

TOKENS = {"asker": "p" * 32, "admin": "a" * 32, "scraper": "m" * 32}
SCOPES = {"asker": "predict", "admin": "admin", "scraper": "metrics"}
OPEN = {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"}
OPEN |= {f"/inference.GRPCInferenceService/{name}" for name in ("ServerLive", "ServerReady")}
CHANGING = {"RepositoryModelLoad", "RepositoryModelUnload", "TraceSetting", "LogSettings"}
CHANGING |= {"HandleReloadConfigRequest"}


@pytest.fixture
def tokens(tmp_path):
    file = tmp_path / "tokens.toml"
    file.write_text(
        "".join(f'[{name}]\ntoken = "{token}"\nscopes = ["{SCOPES[name]}"]\n' for name, token in TOKENS.items())
    )
    return file


def bearing(name):
    return [] if name is None else [("authorization", f"Bearer {TOKENS[name]}")]


@contextmanager
def channel_to(target):
    with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


def code_of(channel, path, message=b"", metadata=()):
    """What an rpc with this message ends as; a stream is closed at once."""
    streams = path.endswith(("Stream", "Infer", "Info")) and not path.endswith("/ModelInfer")
    if streams:
        call = channel.stream_stream(path)(iter([]), metadata=metadata, timeout=30)
    elif path.endswith("Watch"):
        call = channel.unary_stream(path)(message, metadata=metadata, timeout=30)
        next(call)
        call.cancel()
        return grpc.StatusCode.OK
    else:
        call = channel.unary_unary(path).future(message, metadata=metadata, timeout=30)
    return call.code()


def test_with_tokens_every_method_but_health_needs_one_of_its_scope(server, tokens):
    """For each method that is served: no token, a wrong one, one of another scope, and the right one."""
    serving = server(tokens=tokens, repository_control=True)
    methods = list(serving.server._services.methods)
    assert len(methods) > 20
    denied = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
    with channel_to(serving.target) as channel:
        for path in methods:
            if path in OPEN:
                assert code_of(channel, path) is grpc.StatusCode.OK, path
                continue
            right = "admin" if path.rpartition("/")[2] in CHANGING or "SharedMemory" in path else "asker"
            assert code_of(channel, path) is grpc.StatusCode.UNAUTHENTICATED, path
            wrong = [("authorization", "Bearer " + "x" * 32)]
            assert code_of(channel, path, metadata=wrong) is grpc.StatusCode.UNAUTHENTICATED, path
            for name in TOKENS.keys() - {right}:
                assert code_of(channel, path, metadata=bearing(name)) is grpc.StatusCode.PERMISSION_DENIED, path
            answered = code_of(channel, path, metadata=bearing(right))
            assert answered not in denied, path


def test_not_found_lists_the_models_to_those_who_may_list_them_alone(server, tokens, refusal):
    serving = server(tokens=tokens)
    with channel_to(serving.target) as channel:
        predict = InferenceServiceStub(channel).Predict
        stranger = refusal(predict, v1.PredictRequest(model="nothing"))
        known = refusal(predict, v1.PredictRequest(model="nothing"), metadata=bearing("asker"))
        health = refusal(HealthStub(channel).Check, HealthCheckRequest(service="nothing"))
    assert stranger.code is grpc.StatusCode.UNAUTHENTICATED
    assert known.code is grpc.StatusCode.NOT_FOUND
    assert "small" in known.message
    assert "small" not in stranger.message + health.message
    assert b"small" not in stranger.details + health.details


def test_a_token_taken_from_the_file_is_refused_within_seconds_and_one_added_is_taken(server, tokens):
    serving = server(tokens=tokens)
    with channel_to(serving.target) as channel:
        lists = "/carousel.v1.InferenceService/ListModels"
        assert code_of(channel, lists, metadata=bearing("asker")) is grpc.StatusCode.OK
        fresh = tokens.with_suffix(".new")
        fresh.write_text(tokens.read_text().replace(TOKENS["asker"], "n" * 32))
        fresh.replace(tokens)
        new = [("authorization", "Bearer " + "n" * 32)]
        for _ in range(600):
            if code_of(channel, lists, metadata=new) is grpc.StatusCode.OK:
                break
            time.sleep(0.05)
        assert code_of(channel, lists, metadata=new) is grpc.StatusCode.OK
        assert code_of(channel, lists, metadata=bearing("asker")) is grpc.StatusCode.UNAUTHENTICATED


def test_a_client_with_a_token_has_a_share_by_its_name(server, tokens):
    serving = server(tokens=tokens)
    requests, seen = serving.server._services.requests, []
    submit = requests.submit

    def noting(request, *arguments):
        seen.append(request.client)
        return submit(request, *arguments)

    serving.on_loop(lambda: setattr(requests, "submit", noting))
    with channel_to(serving.target) as channel:
        code_of(channel, "/carousel.v1.InferenceService/Predict", metadata=bearing("asker"))
    assert seen == ["token:asker"]


def test_what_changes_models_is_served_on_the_admin_socket_alone(server, tokens, tmp_path):
    socket = tmp_path / "admin.sock"
    serving = server(tokens=tokens, admin_socket=socket, repository_control=True)
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    load = "/inference.GRPCInferenceService/RepositoryModelLoad"
    message = oip.RepositoryModelLoadRequest(model_name="small").SerializeToString()
    with channel_to(serving.target) as channel:
        assert code_of(channel, load, message, bearing("admin")) is grpc.StatusCode.PERMISSION_DENIED
    with channel_to(f"unix:{socket}") as channel:
        assert code_of(channel, load, message) is grpc.StatusCode.UNAUTHENTICATED
        assert code_of(channel, load, message, bearing("asker")) is grpc.StatusCode.PERMISSION_DENIED
        assert code_of(channel, load, message, bearing("admin")) is grpc.StatusCode.OK
        assert serving.stop() == 0  # an idle connection to it holds no drain up


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"jwt_keys": "keys.pem"}, "jwt_keys and jwt_audience go together"),
        ({"jwt_issuer": "us"}, "jwt_issuer needs jwt_keys"),
        ({"admin_socket": "a.sock", "workers": "2"}, "admin_socket needs workers = 1"),
    ],
)
def test_doors_that_would_not_lock_are_refused_at_start(flags, said):
    with pytest.raises(SettingsRefused, match=said):
        read_settings(flags, {})


def test_tokens_that_cannot_be_read_start_no_server(tmp_path):
    with pytest.raises(OSError, match=r"tokens: cannot read .*nowhere: No such file or directory"):
        Server(Settings(host="127.0.0.1", port=0, http_port=0, tokens=tmp_path / "nowhere"))
