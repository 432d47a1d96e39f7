"""The grpcio versions this room was tested on."""

import grpc

OLDEST, NEWEST = (1, 74), (1, 85)


def untested(version: str = grpc.__version__) -> str | None:
    """A sentence for the log when grpcio's `version` is outside the tested range, else None."""
    release = tuple(int(part) for part in version.split(".")[:2])
    if OLDEST <= release <= NEWEST:
        return None
    return (
        f"grpcio {version} is outside the range this server was tested on, {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}. "
        "It stands on a layer of grpcio that may change without notice: install a tested version, or run the contract tests first."
    )
