"""The settings in the words of each room: a room knows its own few options, and not the settings."""

import logging

import grpc

from carousel import http, transport
from carousel.access import Access, JsonWebTokens, Tokens
from carousel.rpc.services import Options
from carousel.serving import Limits
from carousel.settings import Settings
from carousel.transport import TlsFiles

logger = logging.getLogger("carousel.server")


def limits(settings: Settings) -> Limits:
    """Give what one request may ask for."""
    return Limits(
        samples=settings.max_samples,
        timesteps=settings.max_timesteps,
        refuse_nonfinite=settings.nonfinite == "refuse",
        reply_bytes=settings.max_reply_bytes,
        held_bytes=settings.max_held_bytes,
        name_bytes=settings.max_name_bytes,
    )


def rpc_options(settings: Settings) -> Options:
    """Give what gRPC's methods are told."""
    return Options(
        reflection=settings.reflection,
        tls=settings.tls_certificate is not None,
        convert_floats=settings.oip_convert_floats,
        repository_control=settings.repository_control,
        client_metadata=settings.client_metadata,
        admin_is_local=settings.admin_socket is not None,
    )


def patience(settings: Settings) -> transport.Patience:
    """Give how long calls may be silent, and how many there may be."""
    return transport.Patience(
        settings.max_calls, settings.message_seconds, settings.unread_seconds, settings.max_unread_bytes
    )


def http_bounds(settings: Settings) -> http.Bounds:
    """Give what clients of the HTTP port may keep open."""
    return http.Bounds(
        settings.max_http_connections,
        settings.http_header_seconds,
        settings.http_idle_seconds,
        settings.unread_seconds,
        settings.max_message_bytes,
        settings.max_held_bytes,
    )


def http_options(settings: Settings) -> http.Options:
    """Give what the HTTP port is told."""
    origins = tuple(origin.strip() for origin in (settings.http_cors_origins or "").split(",") if origin.strip())
    return http.Options(
        settings.max_message_bytes,
        settings.http_timeout_seconds,
        settings.client_metadata,
        origins,
        settings.repository_control,
        settings.admin_socket is not None,
        settings.http_page,
        settings.tensorflow_serving_metrics,
    )


def tls_files(settings: Settings) -> TlsFiles | None:
    """Give the files of TLS; None without it."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)


def access(settings: Settings) -> Access:
    """Give who may do what, and warn where tokens would cross the network in the clear."""
    web_tokens = None
    if settings.jwt_keys is not None and settings.jwt_audience is not None:
        web_tokens = JsonWebTokens(settings.jwt_keys, settings.jwt_audience, settings.jwt_issuer)
    access = Access(None if settings.tokens is None else Tokens(settings.tokens), web_tokens)
    if not access.open and settings.tls_certificate is None:
        logger.warning("tokens are asked for without TLS: whoever sees the network traffic can read and use them")
    return access


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """Give gRPC's TLS; None without it."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return transport.server_credentials(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
