"""The grpcio versions this room was tested on."""

import grpc

OLDEST, NEWEST = (1, 74), (1, 85)


def untested(version: str = grpc.__version__) -> str | None:
    """Say in a sentence for the log that grpcio's `version` is outside the tested range; None when it is inside."""
    major, minor, *_ = version.split(".")
    if OLDEST <= (int(major), int(minor)) <= NEWEST:
        return None
    tested = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    return (
        f"grpcio {version} is installed, but this server was tested on {tested}, and stands on a layer of it that may "
        "change without notice: install a tested version."
    )
