"""What is served, on the loop's thread: versions, requests, live sequences, the catalog."""

from carousel.serving.catalog import Catalog
from carousel.serving.face import Face, faces, stateful_face
from carousel.serving.faults import unexpected
from carousel.serving.inputs import BEGINNING, Start, Tensors, read_past, read_start, read_states
from carousel.serving.lanes import Lanes, usable_cores
from carousel.serving.model import Model
from carousel.serving.opening import Opening, open_session
from carousel.serving.phase import Lifecycle, Phase
from carousel.serving.request import Pending, Request, Requests
from carousel.serving.rollout import Loader, Policies, Rollout
from carousel.serving.session import Holder, Session
from carousel.serving.sessions import Ending, Sessions, expired
from carousel.serving.sliding import of_any_length, window_of
from carousel.serving.snapshot import read_snapshot, write_snapshot
from carousel.serving.validation import Limits, check, shape_faults
from carousel.serving.version import Version, load_version

__all__ = [
    "BEGINNING",
    "Catalog",
    "Ending",
    "Face",
    "Holder",
    "Lanes",
    "Lifecycle",
    "Limits",
    "Loader",
    "Model",
    "Opening",
    "Pending",
    "Phase",
    "Policies",
    "Request",
    "Requests",
    "Rollout",
    "Session",
    "Sessions",
    "Start",
    "Tensors",
    "Version",
    "check",
    "expired",
    "faces",
    "load_version",
    "of_any_length",
    "open_session",
    "read_past",
    "read_snapshot",
    "read_start",
    "read_states",
    "shape_faults",
    "stateful_face",
    "unexpected",
    "usable_cores",
    "window_of",
    "write_snapshot",
]
