"""Models without a server: the same engine, batching and promise, in one's own process."""

from carousel.offline.local_model import LocalModel, load
from carousel.offline.scoring import Scoring
from carousel.offline.sources import SourceRefused

__all__ = ["LocalModel", "Scoring", "SourceRefused", "load"]
