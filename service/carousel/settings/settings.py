"""Every setting of the server, once, in groups: `configuration` reads them, and `carousel serve --help` shows them.

Nothing heavy is imported here: every command reads this page for its help.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_DAY = 86_400.0
_ANYWHERE = "0.0.0.0"  # noqa: S104 - a server in a container
_NONFINITE = (
    "What to do with NaN and infinity in inputs. Passed on, TensorFlow answers NaN, as Keras does; on ONNX Runtime the "
    "gates clamp NaN, so its answers are numbers that mean nothing."
)


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class Network(_Group):
    """Where it listens, and with how many processes."""

    host: str = Field(_ANYWHERE, description="The address that gRPC listens on.")
    port: int = Field(8500, ge=0, le=65535, description="The port of gRPC; 0 picks a free one and prints it.")
    workers: int = Field(1, ge=1, le=1024, description="Processes that share the port; one a core at most.")
    worker_timeout_seconds: float = Field(
        10.0, ge=1, le=_DAY, description="With several workers: one that stands still for so long is replaced."
    )
    max_connections: int = Field(
        10_000, ge=1, le=1 << 20, description="The most connections of a process; one more is closed at once."
    )
    max_calls: int = Field(
        20_000, ge=1, le=1 << 24, description="The most calls that may be open in a process, streams among them."
    )
    max_calls_per_connection: int = Field(
        2_000, ge=1, le=1 << 24, description="The most calls of one connection; its client's further calls wait."
    )
    message_seconds: float = Field(
        60.0, gt=0, le=_DAY, description="How long a unary call's message may take from the call's beginning."
    )
    unread_seconds: float = Field(
        60.0, ge=1, le=_DAY, description="How long a client may read nothing of an answer before the call is ended."
    )
    max_unread_bytes: int = Field(
        256 << 20,
        ge=1 << 20,
        le=1 << 40,
        description="The most bytes of answers that clients do not read; the longest unread are dropped then.",
    )
    stream_idle_seconds: float = Field(
        1800.0, gt=0, le=30 * _DAY, description="How long a stream that holds no live sequence may be silent."
    )
    max_connection_idle_seconds: float = Field(
        1800.0, gt=0, le=30 * _DAY, description="How long a connection may be without a call."
    )
    keepalive_seconds: float = Field(
        60.0, ge=1, le=_DAY, description="How often a silent client is asked whether it is there."
    )
    keepalive_timeout_seconds: float = Field(20.0, ge=1, le=_DAY, description="How long it may take to say so.")
    max_connection_age_seconds: float | None = Field(
        None, gt=0, le=_DAY, description="Ask clients to reconnect after so long, so that balancers spread them."
    )
    compression: Literal["identity", "deflate", "gzip"] = Field("identity", description="How replies are compressed.")
    reflection: bool = Field(True, description="Whether to serve gRPC reflection.")


class Http(_Group):
    """REST, probes and metrics, on a port of their own."""

    http_host: str = Field(_ANYWHERE, description="The address that HTTP listens on.")
    http_port: int = Field(8501, ge=0, le=65535, description="The port of HTTP; 0 picks a free one and prints it.")
    http_tls: bool = Field(True, description="Whether HTTP is served over TLS where gRPC is.")
    http_timeout_seconds: float = Field(
        30.0, ge=0, le=_DAY, description="How long a request over HTTP may take, and its body to come; 0 for no limit."
    )
    http_header_seconds: float = Field(10.0, gt=0, le=_DAY, description="How long the headers of a request may take.")
    http_idle_seconds: float = Field(75.0, ge=1, le=_DAY, description="How long a connection may be without a request.")
    max_http_connections: int = Field(
        1024, ge=1, le=1 << 20, description="The most HTTP connections of a process; one more is closed at once."
    )
    http_page: bool = Field(
        True, description="Whether HTTP serves a page at /: what is served, how busy it is, try it."
    )
    tensorflow_serving_metrics: bool = Field(
        False, description="Whether /metrics has TensorFlow Serving's names too, so that its dashboards go on."
    )
    http_cors_origins: str | None = Field(
        None, description="Whose web pages may call it: https://example.com, several by commas, or * for all."
    )


class Models(_Group):
    """What is served, and by which engine."""

    repository: Path = Field(Path("models/repository"), description="Where the models are: NAME/VERSION/.")
    engine: Literal["auto", "onnx", "tensorflow"] = Field(
        "auto", description="onnx, tensorflow, or auto: ONNX where a model's cell graph can be trusted."
    )
    tensorflow_batches: bool = Field(
        False, description="Whether rows share TensorFlow's calls: more a second, but their last bits then differ."
    )
    engine_threads: int = Field(1, ge=1, le=1024, description="Threads of an engine call; several pay for wide models.")
    lanes: int = Field(0, ge=0, le=1024, description="Engine calls that run side by side; 0 for one a core.")
    keep_versions: int = Field(1, ge=1, le=1000, description="How many of the newest versions of each model to serve.")
    poll_seconds: float = Field(5.0, ge=0.01, le=_DAY, description="How often to look for new versions.")
    repository_control: bool = Field(
        False,
        description="Whether requests may change what is served: RepositoryModelLoad, RepositoryModelUnload, and "
        "TensorFlow Serving's HandleReloadConfigRequest.",
    )
    settle_seconds: float = Field(
        1.0, ge=0, le=_DAY, description="How long a new version's files must have stood still before it is loaded."
    )
    load_timeout_seconds: float = Field(
        120.0, ge=0.1, le=_DAY, description="How long a load may take before other versions no longer wait for it."
    )
    allow_fallback: bool = Field(
        False, description="Whether a version that lost its cell graph or its states may replace one that has them."
    )
    nonfinite: Literal["refuse", "pass"] = Field("refuse", description=_NONFINITE)
    oip_convert_floats: bool = Field(
        True, description="Whether the Open Inference Protocol takes FP64 and FP16 inputs, rounded to FP32."
    )


class Limits(_Group):
    """What one request may ask for, and how much is promised."""

    max_samples: int = Field(4096, ge=1, le=1 << 24, description="The most sequences in one request.")
    max_timesteps: int = Field(
        1_000_000, ge=1, le=1 << 31, description="The most timesteps of one sequence or live message."
    )
    max_message_bytes: int = Field(64 << 20, ge=1024, le=(1 << 31) - 1, description="The largest request message.")
    max_reply_bytes: int = Field(
        64 << 20,
        ge=1024,
        le=(1 << 31) - 1,
        description="The tensors of the largest answer; clients take 4 MiB unless told.",
    )
    max_held_bytes: int = Field(
        512 << 20,
        ge=1024,
        le=1 << 40,
        description="Inputs and answers of all the requests that are admitted at a time.",
    )
    max_name_bytes: int = Field(
        256, ge=16, le=1 << 16, description="The longest name, id or key that a client may choose."
    )
    max_backlog_seconds: float = Field(
        10.0,
        gt=0,
        le=_DAY,
        description="The most work to promise before refusing, in seconds of this machine; shared out fairly.",
    )
    client_metadata: str | None = Field(
        None,
        pattern="^[0-9a-z_.-]+$",
        description="The metadata key that tells clients apart, for fair shares, set by a proxy that can be trusted; "
        "without it their addresses do.",
    )


class LiveSequences(_Group):
    """How many, and for how long."""

    max_sessions: int = Field(100_000, ge=0, le=1 << 31, description="The most live sequences open at once.")
    max_sessions_per_stream: int = Field(20_000, ge=1, le=1 << 31, description="The most live sequences of one stream.")
    session_idle_seconds: float = Field(600.0, gt=0, le=30 * _DAY, description="How long a live sequence may be idle.")
    session_drain_seconds: float = Field(
        3600.0, ge=0, le=30 * _DAY, description="How long live sequences may stay on a version that is replaced."
    )


class Shutdown(_Group):
    """What SIGTERM begins."""

    drain_notice_seconds: float = Field(
        3.0, ge=0, le=_DAY, description="On SIGTERM: how long to say NOT_SERVING while still serving."
    )
    drain_seconds: float = Field(25.0, ge=0, le=_DAY, description="After that: how long admitted work may take.")


class Security(_Group):
    """Who may talk to it. Files that change are read again."""

    tls_certificate: Path | None = Field(None, description="PEM certificate chain; with tls_key turns TLS on.")
    tls_key: Path | None = Field(None, description="PEM private key, without a passphrase.")
    tls_client_ca: Path | None = Field(None, description="PEM roots; with them every client needs a certificate.")
    tokens: Path | None = Field(
        None, description="A TOML file of bearer tokens; with it every call but health needs one, and its scope."
    )
    jwt_keys: Path | None = Field(
        None, description="Public keys, in PEM or as a JSON Web Key Set: tokens that they signed are taken."
    )
    jwt_audience: str | None = Field(None, description="With jwt_keys: the audience that tokens must name.")
    jwt_issuer: str | None = Field(None, description="With jwt_keys: the issuer that tokens must name.")
    admin_socket: Path | None = Field(
        None, description="A Unix socket: what changes models is served there alone, to this user's programs."
    )
    health_port: int | None = Field(
        None, ge=0, le=65535, description="With TLS: a plaintext port for health alone, for Kubernetes' probes."
    )


class Logging(_Group):
    """What goes to standard error."""

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="Lines for people, or a JSON object a line.")


GROUPS: tuple[type[BaseModel], ...] = (Network, Http, Models, Limits, LiveSequences, Shutdown, Security, Logging)


_Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


class ModelPolicy(_Group):
    """How one model is served, the table [models.NAME] of the settings file; labelled versions always are."""

    keep_versions: int | None = Field(None, ge=1, le=1000, description="How many of the newest.")
    versions: Literal["all"] | tuple[_Number, ...] | None = Field(None, description='"all", or a list of numbers.')
    tensorflow_batches: bool | None = Field(None, description="As the setting of that name, for this model alone.")
    labels: dict[str, _Number] = Field({}, description="Names that clients may use in place of a version's number.")

    @model_validator(mode="after")
    def _is_one_policy(self) -> Self:
        if self.keep_versions is not None and self.versions is not None:
            raise ValueError("keep_versions and versions exclude each other")
        if faults := [label for label in self.labels if not label or label.removeprefix("-").isdigit()]:
            raise ValueError(f"labels: {faults[0]!r} is no name: numbers are versions")
        return self


class Settings(Network, Http, Models, Limits, LiveSequences, Shutdown, Security, Logging):
    """Settings of `carousel serve`. Units are in the names; durations are in seconds, sizes in bytes.

    Attributes:
        models: A policy for each model that has one; in the file alone.
        config: The file that these came from; its policies are read again as it changes.
    """

    models: dict[str, ModelPolicy] = Field({})
    config: Path | None = None

    @property
    def grpc_ports(self) -> tuple[int, ...]:
        """The port of gRPC, and with `health_port` that one too."""
        return (self.port,) if self.health_port is None else (self.port, self.health_port)

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        for name in ("tls_client_ca", "health_port"):
            if getattr(self, name) is not None and self.tls_certificate is None:
                raise ValueError(f"{name} needs tls_certificate and tls_key")
        return self

    @model_validator(mode="after")
    def _web_tokens_are_whole(self) -> Self:
        if (self.jwt_keys is None) != (self.jwt_audience is None):
            raise ValueError("jwt_keys and jwt_audience go together: a token for someone else is none for this server")
        if self.jwt_issuer is not None and self.jwt_keys is None:
            raise ValueError("jwt_issuer needs jwt_keys and jwt_audience")
        return self

    @model_validator(mode="after")
    def _one_process_holds_the_socket(self) -> Self:
        if self.admin_socket is not None and self.workers > 1:
            raise ValueError("admin_socket needs workers = 1: a call reaches one worker only")
        return self

    @model_validator(mode="after")
    def _control_reaches_all(self) -> Self:
        if self.repository_control and self.workers > 1:
            raise ValueError("repository_control needs workers = 1: a call reaches one worker only")
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        taken: dict[int, str] = {0: ""}
        for name in ("port", "http_port", "health_port"):
            number = getattr(self, name)
            if number and number in taken:
                raise ValueError(f"{taken[number]} and {name} are both {number}")
            taken[number] = name
        return self
