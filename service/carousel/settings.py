"""Every setting of the server, once: flag, environment variable and TOML key have one name and one description."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from carousel.engines import Choice

_NONFINITE = (
    "What to do with NaN and infinity in inputs. Passed on, TensorFlow answers NaN, as Keras does; on ONNX Runtime the "
    "gates clamp NaN, so its answers are numbers that mean nothing."
)


class Settings(BaseSettings):
    """Settings of `carousel serve`.

    A flag (--http-port) goes before an environment variable (CAROUSEL_HTTP_PORT), that before a key of the TOML file
    that --config or CAROUSEL_CONFIG names (http_port), and that before the default.
    """

    model_config = SettingsConfigDict(env_prefix="CAROUSEL_", extra="forbid", validate_default=False)

    config: Path | None = Field(None, description="A TOML file of settings.")
    repository: Path = Field(Path("models/repository"), description="Where the models are: NAME/VERSION/.")
    host: str = Field("0.0.0.0", description="The address that gRPC listens on.")  # noqa: S104 - a server in a container
    port: int = Field(8500, ge=0, le=65535, description="The port of gRPC; 0 picks a free one and prints it.")
    http_host: str = Field("0.0.0.0", description="The address that /metrics listens on.")  # noqa: S104 - as above
    http_port: int = Field(8501, ge=0, le=65535, description="The port of /metrics; 0 picks a free one and prints it.")
    engine: Choice = Field(
        "auto", description="onnx, tensorflow, or auto: ONNX where a model's cell graph can be trusted."
    )
    engine_threads: int = Field(1, ge=1, description="Threads of one engine call; more pay for wide models only.")
    workers: int = Field(1, ge=1, description="Processes that share the port, one loop each; one a core at most.")
    worker_timeout_seconds: float = Field(
        10.0, gt=0, description="With several workers: one whose loop stands still for so long is replaced, in seconds."
    )
    keep_versions: int = Field(1, ge=1, description="How many of the newest versions of each model to serve.")
    poll_seconds: float = Field(5.0, gt=0, description="How often to look for new versions, in seconds.")
    max_samples: int = Field(4096, ge=1, description="The most sequences in one request.")
    max_timesteps: int = Field(1_000_000, ge=1, description="The most timesteps of one sequence or live message.")
    max_message_bytes: int = Field(64 << 20, ge=1024, description="The largest request message, in bytes.")
    max_backlog_seconds: float = Field(10.0, gt=0, description="The most work to promise, in seconds, before refusing.")
    nonfinite: Literal["refuse", "pass"] = Field("refuse", description=_NONFINITE)
    max_sessions: int = Field(100_000, ge=0, description="The most live sequences open at once.")
    max_sessions_per_stream: int = Field(20_000, ge=1, description="The most live sequences of one stream.")
    session_idle_seconds: float = Field(600.0, gt=0, description="How long a live sequence may be idle, in seconds.")
    drain_notice_seconds: float = Field(
        3.0, ge=0, description="On SIGTERM: how long to say NOT_SERVING while still serving, in seconds."
    )
    drain_seconds: float = Field(25.0, ge=0, description="After that: how long admitted work may take, in seconds.")
    max_connection_age_seconds: float | None = Field(
        None, gt=0, description="Ask clients to reconnect after this long, so that balancers spread them; unset: never."
    )
    repository_control: bool = Field(
        False, description="Whether RepositoryModelLoad and RepositoryModelUnload are served."
    )
    oip_convert_floats: bool = Field(
        True, description="Whether the Open Inference Protocol takes FP64 and FP16 inputs, rounded to FP32."
    )
    compression: Literal["identity", "deflate", "gzip"] = Field("identity", description="How replies are compressed.")
    reflection: bool = Field(True, description="Whether to serve gRPC reflection.")
    tls_certificate: Path | None = Field(None, description="PEM certificate chain; with tls_key turns TLS on.")
    tls_key: Path | None = Field(None, description="PEM private key.")
    tls_client_ca: Path | None = Field(None, description="PEM roots; with them every client needs a certificate.")
    health_port: int | None = Field(
        None, ge=0, le=65535, description="With TLS: a plaintext port for health alone, for Kubernetes' probes."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="Lines for people, or a JSON object a line.")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Settings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        return self

    @model_validator(mode="after")
    def _control_reaches_all(self) -> "Settings":
        if self.repository_control and self.workers > 1:
            raise ValueError("repository_control needs workers = 1: a call reaches one worker only")
        return self

    @property
    def grpc_ports(self) -> tuple[int, ...]:
        """The port of gRPC, and with `health_port` that one too."""
        return (self.port,) if self.health_port is None else (self.port, self.health_port)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' own signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the TOML file behind flags and environment."""
        given = {**env_settings(), **init_settings()}
        file = given.get("config")
        toml = TomlConfigSettingsSource(settings_cls, Path(file)) if file else None
        return (init_settings, env_settings, *([toml] if toml else []))
