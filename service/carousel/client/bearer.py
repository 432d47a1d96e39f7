"""A bearer token with every call."""

import grpc


def bearing(token: str, credentials: grpc.ChannelCredentials | None) -> grpc.ChannelCredentials:
    """Give channel credentials that send a bearer token too; gRPC sends it over TLS or within this machine alone."""
    return grpc.composite_channel_credentials(
        credentials or grpc.local_channel_credentials(), grpc.access_token_call_credentials(token)
    )
