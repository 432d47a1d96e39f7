"""What is served, on the loop's thread: versions, requests, live sequences, the catalog."""

from carousel.serving.catalog import Catalog
from carousel.serving.loader import Loader
from carousel.serving.model import Model
from carousel.serving.policy import Policies
from carousel.serving.request import Group
from carousel.serving.session import Session
from carousel.serving.sessions import Roster
from carousel.serving.snapshot import read_snapshot, write_snapshot
from carousel.serving.version import Version, load_version

__all__ = [
    "Catalog",
    "Group",
    "Loader",
    "Model",
    "Policies",
    "Roster",
    "Session",
    "Version",
    "load_version",
    "read_snapshot",
    "write_snapshot",
]
