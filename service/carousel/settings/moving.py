"""TensorFlow Serving's flags, environment and configuration files, as settings of this server.

What means the same here is translated. What means nothing is said in one line each. What would make this server another
than its flags say is refused.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAME, _BASE_PATH = "model", "/models"  # the image's own

TRANSLATED = {
    "model_name": "the name of the one model that is served",
    "model_base_path": "the folder of its versions",
    "model_config_file": "models, their folders, versions and labels, as text of ModelServerConfig",
    "rest_api_port": "http_port",
    "rest_api_timeout_in_ms": "http_timeout_seconds",
    "rest_api_enable_cors_support": "http_cors_origins",
    "file_system_poll_wait_seconds": "poll_seconds",
    "ssl_config_file": "tls_certificate, tls_key and tls_client_ca, as text of SSLConfig",
}
"""TensorFlow Serving's flags that mean something here, and what."""

_BATCHED = "sequences are batched always, without padding or waiting"
_THREADS = "one thread serves; see workers and engine_threads"
_LOADING = "versions are loaded one after the other, and tried again when they failed"
_DEVICE = "there is one engine on the CPU, without sessions to tune"

IGNORED = {
    "enable_batching": _BATCHED,
    "batching_parameters_file": _BATCHED,
    "allow_version_labels_for_unavailable_models": "a label may always be set before its version is there",
    "enable_grpc_healthcheck_service": "health is served always",
    "enable_model_warmup": "every version is run before it is served",
    "num_request_iterations_for_warmup": "every version is run before it is served",
    "enable_profiler": "there is no TensorFlow profiler",
    "enable_per_model_metrics": "metrics are counted for each model always",
    "enable_signature_method_name_check": "signatures are checked as they are loaded",
    "monitoring_config_file": "/metrics and /monitoring/prometheus/metrics are served always",
    "model_config_file_poll_wait_seconds": (
        "the model config file is read at the start alone; the [models] tables of a --config file are read again"
    ),
    "grpc_channel_arguments": "see the settings of connections and keepalive",
    "grpc_max_threads": _THREADS,
    "rest_api_num_threads": _THREADS,
    "rest_api_impl": "there is one",
    "num_load_threads": _LOADING,
    "num_unload_threads": _LOADING,
    "max_num_load_retries": _LOADING,
    "load_retry_interval_micros": _LOADING,
    "flush_filesystem_caches": _LOADING,
    "tensorflow_session_parallelism": _DEVICE,
    "tensorflow_session_config_file": _DEVICE,
    "tensorflow_intra_op_parallelism": _DEVICE,
    "tensorflow_inter_op_parallelism": _DEVICE,
    "per_process_gpu_memory_fraction": _DEVICE,
    "xla_cpu_compilation_enabled": _DEVICE,
    "xla_gpu_compilation_enabled": _DEVICE,
    "thread_pool_factory_config_file": _DEVICE,
    "platform_config_file": _DEVICE,
    "remove_unused_fields_from_bundle_metagraph": "TensorFlow is not what serves a lowered model",
}
"""Flags that mean nothing here, and why."""

REFUSED = {
    "grpc_socket_path": "no Unix socket is served: clients would not find it",
    "use_tflite_model": "TFLite models are not served",
    "prefer_tflite_model": "TFLite models are not served",
    "mixed_precision": "answers are float32",
    "saved_model_tags": "the graph tagged `serve` is served",
}
"""Flags that are refused unless they say what is so anyway."""

_AS_IT_IS = {"", "false", "0", "serve"}


@dataclass(slots=True)
class Moved:
    """What TensorFlow Serving's flags and environment come to.

    Attributes:
        settings: By name; `places` says where each came from.
        folders: The folder of each model's versions, where they are not NAME/VERSION/ of one repository.
        pem: Certificates and keys by the setting that names a file of them.
        notes: What means nothing here, a sentence each.
        faults: What is refused, a sentence each.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    pem: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def set(self, name: str, value: Any, place: str) -> None:
        """Take a setting, and remember where it came from."""
        self.settings[name], self.places[name] = value, place

    @contextmanager
    def laid_out(self) -> Iterator[dict[str, Any]]:
        """Give the settings, with the models linked into a repository of their own, and PEM texts as files, meanwhile.

        Raises:
            OSError: There is no folder for temporary files.
        """
        if not (self.folders or self.pem):
            yield self.settings
            return
        with tempfile.TemporaryDirectory(prefix="carousel-") as folder:
            settings = dict(self.settings)
            if self.folders:
                settings["repository"] = repository = Path(folder) / "models"
                repository.mkdir()
                for name, path in self.folders.items():
                    (repository / name).symlink_to(path.absolute())
            for setting, text in self.pem.items():
                settings[setting] = file = Path(folder) / setting
                file.touch(0o600)
                file.write_text(text)
            yield settings


def move(flags: Mapping[str, str], environment: Mapping[str, str], own: frozenset[str]) -> Moved:
    """Translate TensorFlow Serving's flags by name, and MODEL_NAME and MODEL_BASE_PATH.

    `own` are the settings that were given as flags by their own names: with a repository among them, or a file of
    settings, the environment is not looked at.
    """
    moved = Moved()
    for name, why in IGNORED.items():
        if name in flags:
            moved.notes.append(f"--{name}={flags[name]}: has no meaning here: {why}")
    moved.faults += [
        f"--{name}: {why}, got {flags[name]!r}"
        for name, why in REFUSED.items()
        if flags.get(name, "").lower() not in _AS_IT_IS
    ]
    _find_models(flags, environment, own, moved)
    if (port := flags.get("rest_api_port")) == "0":
        moved.notes.append("--rest_api_port=0: HTTP stays, for probes and metrics, on http_port")
    elif port is not None:
        moved.set("http_port", port, "--rest_api_port")
    _scale(flags, "rest_api_timeout_in_ms", "http_timeout_seconds", 1000, moved)
    if flags.get("file_system_poll_wait_seconds") == "0":
        moved.faults.append("--file_system_poll_wait_seconds: 0 is to look once, and this server looks always")
    else:
        _scale(flags, "file_system_poll_wait_seconds", "poll_seconds", 1, moved)
    if flags.get("rest_api_enable_cors_support", "false").lower() in {"true", "1"}:
        moved.set("http_cors_origins", "*", "--rest_api_enable_cors_support")
    if file := flags.get("ssl_config_file"):
        _read_tls(file, moved)
    taken = {**moved.settings, **moved.pem, **({"repository": ""} if moved.folders else {})}
    moved.faults += [
        f"--{name.replace('_', '-')}: is set by {moved.places.get(name, 'a flag of TensorFlow Serving')} too; give one"
        for name in sorted(own & taken.keys())
    ]
    return moved


def _find_models(flags: Mapping[str, str], environment: Mapping[str, str], own: frozenset[str], moved: Moved) -> None:
    """Find which folders hold the versions of which models."""
    if file := flags.get("model_config_file"):
        if "config" in own:
            moved.faults.append("--model_config_file: --config says which versions are served too; give one of them")
        _read_models(file, moved)
        return
    named = {"model_name", "model_base_path"} & flags.keys()
    variables = [name for name in ("MODEL_NAME", "MODEL_BASE_PATH") if environment.get(name)]
    if not named and (not variables or own & {"repository", "config"}):
        return
    usual = environment.get("MODEL_NAME") or _NAME
    folder = f"{environment.get('MODEL_BASE_PATH') or _BASE_PATH}/{usual}"
    place = f"--{min(named)}" if named else variables[0]
    _add(flags.get("model_name") or usual, flags.get("model_base_path") or folder, place, moved)


def _read_models(file: str, moved: Moved) -> None:
    from carousel.stubs.tfserving.config_pb2 import ModelServerConfig  # noqa: PLC0415 - few servers need it

    read = _parsed(file, "--model_config_file", ModelServerConfig(), moved)
    if read is None:
        return
    if read.WhichOneof("config") != "model_config_list":
        moved.faults.append(f"--model_config_file: {file} holds no model_config_list")
    policies: dict[str, Any] = {}
    for model in read.model_config_list.config:
        place = f"--model_config_file: {file}: {model.name or 'a model without a name'}"
        if model.name in policies:
            moved.faults.append(f"{place}: is there twice")
        if model.model_platform not in {"", "tensorflow"}:
            moved.faults.append(f"{place}: model_platform is {model.model_platform!r}, expected 'tensorflow'")
        if model.HasField("logging_config"):
            moved.notes.append(f"{place}: logging_config: has no meaning here: requests are not logged")
        _add(model.name, model.base_path, place, moved)
        policies[model.name] = policy_of(model)
    moved.set("models", policies, f"--model_config_file: {file}")


def policy_of(model: Any) -> dict[str, Any]:
    """Read the policy in a ModelConfig of TensorFlow Serving's, as `ModelPolicy` has it."""
    policy: dict[str, Any] = {"labels": dict(model.version_labels)}
    choice = model.model_version_policy.WhichOneof("policy_choice")
    if choice == "all":
        policy["versions"] = "all"
    elif choice == "specific":
        policy["versions"] = tuple(model.model_version_policy.specific.versions)
    elif choice == "latest":
        policy["keep_versions"] = model.model_version_policy.latest.num_versions or 1
    return policy


def _read_tls(file: str, moved: Moved) -> None:
    from carousel.stubs.tfserving.config_pb2 import SSLConfig  # noqa: PLC0415 - as above

    read = _parsed(file, "--ssl_config_file", SSLConfig(), moved)
    if read is None:
        return
    if not (read.server_key and read.server_cert):
        moved.faults.append(f"--ssl_config_file: {file} holds no server_key or no server_cert")
    moved.pem |= {"tls_key": read.server_key, "tls_certificate": read.server_cert}
    if read.client_verify and not read.custom_ca:
        moved.faults.append(f"--ssl_config_file: {file}: client_verify needs custom_ca here: the roots of clients")
    elif read.client_verify:
        moved.pem["tls_client_ca"] = read.custom_ca


def _parsed(file: str, place: str, into: Any, moved: Moved) -> Any:
    from google.protobuf import text_format  # noqa: PLC0415 - as above

    try:
        return text_format.Parse(Path(file).read_text(encoding="utf-8"), into)
    except OSError as error:
        moved.faults.append(f"{place}: cannot read {file}: {error.strerror}")
    except (text_format.ParseError, UnicodeDecodeError) as error:
        moved.faults.append(f"{place}: {file}: {error}")
    return None


def _add(name: str, folder: str, place: str, moved: Moved) -> None:
    """Take a model, if its name and the folder of its versions can be used."""
    if not name or "/" in name or name.startswith("."):
        moved.faults.append(f"{place}: expected a name without slashes, got {name!r}")
    elif not folder:
        moved.faults.append(f"{place}: the folder of its versions, base_path, is missing")
    elif "://" in folder:
        moved.faults.append(f"{place}: {folder}: expected a folder: mount the bucket, or copy the versions first")
    else:
        moved.folders[name] = Path(folder)
        moved.places["repository"] = place


def _scale(flags: Mapping[str, str], name: str, setting: str, per_second: int, moved: Moved) -> None:
    if name not in flags:
        return
    try:
        moved.set(setting, int(flags[name]) / per_second, f"--{name}")
    except ValueError:
        moved.faults.append(f"--{name}: expected a whole number, got {flags[name]!r}")
