"""A manifest that was written for TensorFlow Serving starts this server: what it says holds, or is refused by name."""

import json
import os
import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest

from carousel.client import Client
from carousel.errors import ModelNotFound
from carousel.settings import move, read_settings
from carousel.settings.moving import IGNORED, REFUSED, TRANSLATED
from carousel.stubs.tfserving.serving_pb2 import GetModelStatusRequest, ModelSpec, ModelVersionStatus
from carousel.stubs.tfserving.serving_pb2_grpc import ModelServiceStub

NOTHING = frozenset()


@contextmanager
def running(*arguments, **environment):
    """Start `carousel` as an image does, with these arguments; give its process and the address of gRPC."""
    quick = {"CAROUSEL_HOST": "127.0.0.1", "CAROUSEL_HTTP_HOST": "127.0.0.1", "CAROUSEL_HTTP_PORT": "0"}
    quick |= {"CAROUSEL_DRAIN_NOTICE_SECONDS": "0", "CAROUSEL_SETTLE_SECONDS": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "carousel", *map(str, arguments)],
        env=os.environ | quick | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline().removeprefix("gRPC on ").partition(",")[0]
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def mounted(tmp_path, repository) -> Path:
    """KServe's layout: the versions directly under the base path, whatever the model is called."""
    models = tmp_path / "mnt" / "models"
    models.mkdir(parents=True)
    (models / "1").symlink_to(repository / "small" / "1")
    return models


def test_kserves_command_line_serves_the_versions_of_its_base_path_by_the_models_name(mounted):
    flags = ("--model_name=weather", "--port=0", f"--model_base_path={mounted}", "--rest_api_timeout_in_ms=60000")
    with running(*flags, "--enable_batching") as (process, target), Client(target) as client:
        assert client.predict("weather", [np.ones((4, 3))])[0].output.shape == (2,)
        with pytest.raises(ModelNotFound, match="served are: weather"):
            client.predict("models", [np.ones((4, 3))])
        process.terminate()
        log = process.communicate(timeout=60)[1]
    assert "--enable_batching=true: has no meaning here: sequences are batched always" in log
    assert process.returncode == 0


def test_the_images_environment_serves_what_the_image_would(mounted):
    """MODEL_BASE_PATH/MODEL_NAME/VERSION, and no other model beside it; an image's own default repository gives way."""
    where = {"MODEL_BASE_PATH": str(mounted.parent), "MODEL_NAME": "models", "CAROUSEL_REPOSITORY": "/models"}
    (mounted.parent / "another").symlink_to(mounted)
    with running("serve", "--port=0", **where) as (_, target), Client(target) as client:
        assert client.predict("models", [np.ones((4, 3))])[0].output.shape == (2,)
        with pytest.raises(ModelNotFound):
            client.predict("another", [np.ones((4, 3))])


def test_a_model_config_file_says_models_folders_versions_and_labels(tmp_path, repository):
    for number in (1, 2, 3):
        (tmp_path / "here").mkdir(exist_ok=True)
        (tmp_path / "here" / str(number)).symlink_to(repository / "small" / "1")
    (tmp_path / "models.config").write_text(f"""
        model_config_list {{
          config {{
            name: "first" base_path: "{tmp_path}/here" model_platform: "tensorflow"
            model_version_policy {{ specific {{ versions: 1 versions: 3 }} }}
            version_labels {{ key: "stable" value: 1 }}
            logging_config {{ sampling_config {{ sampling_rate: 0.1 }} }}
          }}
          config {{ name: "second" base_path: "{repository}/small" }}
        }}""")
    with (
        running(f"--model_config_file={tmp_path}/models.config", "--port=0") as (_, target),
        grpc.insecure_channel(target) as channel,
    ):
        stub = ModelServiceStub(channel)
        for spec, numbers in (
            (ModelSpec(name="first"), [3, 1]),
            (ModelSpec(name="first", version_label="stable"), [1]),
            (ModelSpec(name="second"), [1]),
        ):
            found = stub.GetModelStatus(GetModelStatusRequest(model_spec=spec), timeout=30).model_version_status
            assert [each.version for each in found] == numbers
            assert all(each.state == ModelVersionStatus.AVAILABLE for each in found)


PEM = 'server_key: "KEY" server_cert: "CERT" custom_ca: "CA" client_verify: true'


def test_what_means_the_same_is_translated(tmp_path):
    (tmp_path / "ssl").write_text(PEM)
    flags = {
        "rest_api_port": "9001",
        "rest_api_timeout_in_ms": "1500",
        "file_system_poll_wait_seconds": "7",
        "rest_api_enable_cors_support": "true",
        "ssl_config_file": str(tmp_path / "ssl"),
    }
    moved = move(flags, {}, NOTHING)
    assert not moved.faults
    with moved.laid_out() as translated:
        settings = read_settings(translated, {}, moved.places)
        assert (settings.http_port, settings.http_timeout_seconds, settings.poll_seconds) == (9001, 1.5, 7)
        assert settings.http_cors_origins == "*"
        assert settings.tls_key.read_text() == "KEY"
        assert settings.tls_key.stat().st_mode & 0o077 == 0
        assert (settings.tls_certificate.read_text(), settings.tls_client_ca.read_text()) == ("CERT", "CA")
    assert not settings.tls_key.exists()


FAULTS = {
    "a socket": ({"grpc_socket_path": "/s"}, "--grpc_socket_path: no Unix socket is served"),
    "TFLite": ({"use_tflite_model": "true"}, "--use_tflite_model: TFLite models are not served"),
    "another graph": ({"saved_model_tags": "train"}, "--saved_model_tags: the graph tagged `serve` is served"),
    "a bucket": ({"model_base_path": "gs://b/m"}, "--model_base_path: gs://b/m: expected a folder: mount the bucket"),
    "a name with a slash": ({"model_name": "a/b"}, "--model_name: expected a name without slashes, got 'a/b'"),
    "one look": ({"file_system_poll_wait_seconds": "0"}, "--file_system_poll_wait_seconds: 0 is to look once"),
    "no number": ({"rest_api_timeout_in_ms": "soon"}, "--rest_api_timeout_in_ms: expected a whole number, got 'soon'"),
    "no config file": ({"model_config_file": "/no"}, "--model_config_file: cannot read /no: No such file"),
    "no TLS file": ({"ssl_config_file": "/no"}, "--ssl_config_file: cannot read /no: No such file"),
}
TEXTS = {
    "model_config_list { config { nme: 'a' } }": "has no field named",
    "custom_model_config {}": "holds no model_config_list",
    "model_config_list { config { name: 'a' base_path: '/a' model_platform: 'jax' } }": "model_platform is 'jax'",
    "model_config_list { config { name: 'a' } }": "a: the folder of its versions, base_path, is missing",
    "model_config_list { config { name: 'a' base_path: '/a' } config { name: 'a' base_path: '/b' } }": "is there twice",
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_would_mislead_is_refused_by_name(name):
    flags, said = FAULTS[name]
    [fault] = move(flags, {}, NOTHING).faults
    assert said in fault


@pytest.mark.parametrize("text", TEXTS)
def test_a_model_config_file_that_is_wrong_is_refused_by_name(tmp_path, text):
    (tmp_path / "models.config").write_text(text)
    [fault] = move({"model_config_file": str(tmp_path / "models.config")}, {}, NOTHING).faults
    assert fault.startswith(f"--model_config_file: {tmp_path}/models.config")
    assert TEXTS[text] in fault


def test_a_setting_by_two_names_is_refused():
    [fault] = move({"rest_api_port": "1"}, {}, frozenset({"http_port"})).faults
    assert fault == "--http-port: is set by --rest_api_port too; give one"
    [fault] = move({"model_name": "a"}, {}, frozenset({"repository"})).faults
    assert fault == "--repository: is set by --model_name too; give one"


@pytest.mark.parametrize("name", IGNORED)
def test_what_has_no_meaning_is_accepted_with_a_line_that_says_so(name):
    moved = move({name: "true"}, {}, NOTHING)
    assert not moved.faults
    [note] = moved.notes
    assert note.startswith(f"--{name}=true: has no meaning here: ")


def test_each_flag_has_one_fate_and_every_fault_of_a_value_names_the_flag_that_came():
    assert len({*TRANSLATED, *IGNORED, *REFUSED}) == len(TRANSLATED) + len(IGNORED) + len(REFUSED)
    with running("--rest_api_port=99999") as (process, _):
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert said.startswith("carousel serve: --rest_api_port: ")


def test_the_environment_gives_way_to_a_repository_or_a_file_that_is_named():
    environment = {"MODEL_NAME": "a"}
    assert move({}, environment, NOTHING).folders == {"a": Path("/models/a")}
    assert move({}, {"MODEL_BASE_PATH": "/m"}, NOTHING).folders == {"model": Path("/m/model")}
    assert not move({}, environment, frozenset({"repository"})).folders
    assert not move({}, environment, frozenset({"config"})).folders
    assert not move({}, {}, NOTHING).folders


DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("tensorflow-serving", "kserve", "triton")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_the_pages_run_as_they_stand_but_for_folders_and_ports(page, mounted, tmp_path):
    """The server starts by the first, and the others are answered by it."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "small").symlink_to(mounted)
    text = (DOCS / f"coming-from-{page}.md").read_text()
    [start, *others] = re.findall(r"```(?:bash|python)\n(.*?)```", text, re.DOTALL)
    assert others
    where = {"/mnt/models": str(mounted), "/models": str(tmp_path / "models")}
    words = [re.sub(r"(?<![\w/])(/mnt/models|/models)\b", lambda m: where[m[1]], word) for word in start.split()]
    *_, http = ports = re.findall(r"port[= ](\d+)", start)
    rest = free_port()
    words = [re.sub(rf"\b{http}$", str(rest), re.sub(rf"\b{ports[0]}$", "0", word)) for word in words]
    assert words[0] == "carousel"
    environment = {"CAROUSEL_HTTP_PORT": ""}
    with running(*words[1:], **environment) as (_, target):
        for other in others:
            there = other.replace(f"localhost:{http}", f"127.0.0.1:{rest}").replace(f"localhost:{ports[0]}", target)
            command = ["bash", "-c", there] if other.startswith("curl") else [sys.executable, "-c", there]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            answer = json.loads(done.stdout)
            rows = answer["predictions"][0] if isinstance(answer, dict) else answer
            assert len(rows) == 2


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
