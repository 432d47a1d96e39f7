"""One definition: a flag goes before the environment, that before the file, that before the default."""

import os
import subprocess
import sys

import pytest

from carousel.settings import GROUPS, Settings, SettingsRefused, read_settings


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(tmp_path):
    file = tmp_path / "carousel.toml"
    file.write_text("port = 1\nhttp_port = 1\nmax_samples = 1\n")
    environment = {"CAROUSEL_CONFIG": str(file), "CAROUSEL_PORT": "2", "CAROUSEL_HTTP_PORT": "2", "PORT": "9"}
    settings = read_settings({"port": "3"}, environment)
    assert (settings.port, settings.http_port, settings.max_samples, settings.workers) == (3, 2, 1, 1)


def test_the_flag_names_another_file_than_the_environment(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"max_samples = {len(name) + (name == 'two')}\n")
    settings = read_settings({"config": str(tmp_path / "two")}, {"CAROUSEL_CONFIG": str(tmp_path / "one")})
    assert settings.max_samples == 4


def test_kubernetes_own_variables_and_empty_ones_are_none_of_ours():
    links = {
        "CAROUSEL_PORT": "tcp://10.0.0.1:8500",
        "CAROUSEL_PORT_8500_TCP": "tcp://10.0.0.1:8500",
        "CAROUSEL_PORT_8500_TCP_ADDR": "10.0.0.1",
        "CAROUSEL_SERVICE_HOST": "10.0.0.1",
        "CAROUSEL_SERVICE_PORT": "8500",
        "CAROUSEL_CANARY_SERVICE_PORT_GRPC": "8500",
        "CAROUSEL_CANARY_PORT": "tcp://10.0.0.2:8500",
        "CAROUSEL_HEALTH_PORT": "",
    }
    assert read_settings({}, links) == Settings()


FAULTS = {
    "flag": ({"http_port": "99999"}, {}, "", "--http-port: input should be less than or equal to 65535, got '99999'"),
    "variable": ({}, {"CAROUSEL_PORT": "eight"}, "", "CAROUSEL_PORT: input should be a valid integer.*, got 'eight'"),
    "key": ({}, {}, "port = 'x'\n", r".*settings.toml: port: input should be a valid integer.*, got 'x'"),
    "infinite": ({}, {}, "drain_seconds = inf\n", ".*drain_seconds: input should be .*, got inf"),
    "misspelt variable": (
        {},
        {"CAROUSEL_PROT": "1"},
        "",
        "CAROUSEL_PROT: .*did you mean CAROUSEL_PORT.",
    ),
    "misspelt key": ({}, {}, "max_mesage_bytes = 1\n", ".*no such setting; did you mean max_message_bytes."),
    "hyphens": ({}, {}, "http-port = 1\n", ".*http-port: there is no such setting; did you mean http_port."),
    "strange key": ({}, {}, "zzz = 1\n", ".*zzz: there is no such setting"),
    "table": ({}, {}, "[port]\nx = 1\n", ".*port: input should be a valid integer, got {'x': 1}"),
    "broken": ({}, {}, "port = \n", r".*settings.toml: Invalid value \(at line 1, column 8\)"),
    "no text": ({}, {}, "port = 1 # \udcff", ".*settings.toml: 'utf-8' codec can't decode .*"),
    "half of TLS": ({"tls_key": "k"}, {}, "", "tls_certificate and tls_key go together"),
    "roots alone": ({"tls_client_ca": "k"}, {}, "", "tls_client_ca needs tls_certificate and tls_key"),
    "probes alone": ({"health_port": "1"}, {}, "", "health_port needs tls_certificate and tls_key"),
    "control": ({"repository_control": "true", "workers": "2"}, {}, "", "repository_control needs workers = 1.*"),
    "one port twice": ({"http_port": "8500"}, {}, "", "port and http_port are both 8500"),
}


@pytest.mark.parametrize(("flags", "environment", "file", "said"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_one_line_that_names_where_it_came_from(tmp_path, flags, environment, file, said):
    if file:
        (tmp_path / "settings.toml").write_text(file, encoding="utf-8", errors="surrogateescape")
        flags = flags | {"config": str(tmp_path / "settings.toml")}
    with pytest.raises(SettingsRefused, match=f"^{said}$"):
        read_settings(flags, environment)


def test_every_fault_is_said_at_once(tmp_path):
    (tmp_path / "settings.toml").write_text("a = 1\nb = 2\n")
    with pytest.raises(SettingsRefused) as caught:
        read_settings({"config": str(tmp_path / "settings.toml"), "port": "x"}, {"CAROUSEL_Z": "1"})
    assert len(caught.value.faults) == 4


@pytest.mark.parametrize("name", ["no/such/file", "."])
def test_a_file_that_cannot_be_read_is_named_by_who_named_it(name):
    with pytest.raises(SettingsRefused, match=f"^--config: cannot read {name}: [A-Z]"):
        read_settings({"config": name}, {})
    with pytest.raises(SettingsRefused, match=f"^CAROUSEL_CONFIG: cannot read {name}: [A-Z]"):
        read_settings({}, {"CAROUSEL_CONFIG": name})


def test_every_setting_is_in_one_group_says_what_it_is_and_is_bounded():
    """A number without a bound is a fault that shows much later; a unit stands in the name."""
    grouped = [name for group in GROUPS for name in group.model_fields]
    assert sorted([*grouped, "config", "models"]) == sorted(Settings.model_fields)
    for name, field in [(name, Settings.model_fields[name]) for name in grouped]:
        assert field.description
        numbers = [kind for kind in (int, float) if field.annotation in (kind, kind | None)]
        if numbers:
            bounds = {type(bound).__name__ for bound in field.metadata}
            assert bounds & {"Ge", "Gt"}, name
            assert bounds & {"Le", "Lt"}, name
        if numbers == [float]:
            assert name.endswith("_seconds")


def test_the_command_ends_with_status_2_and_a_line_a_fault(tmp_path):
    """As a process: what the shell and an orchestrator see."""
    (tmp_path / "carousel.toml").write_text("prot = 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "carousel", "serve", "--config", "carousel.toml", "--engine", "abacus"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CAROUSEL_WORKER": "2"},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "carousel serve: CAROUSEL_WORKER: there is no such setting; did you mean CAROUSEL_WORKERS?",
        "carousel serve: carousel.toml: prot: there is no such setting; did you mean port?",
        "carousel serve: --engine: input should be 'auto', 'onnx' or 'tensorflow', got 'abacus'",
    ]
