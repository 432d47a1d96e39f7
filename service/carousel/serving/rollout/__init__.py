"""Which versions are served: what the repository and the policies say, loaded beside what serves, and swapped in."""

from carousel.serving.rollout.loader import Loader
from carousel.serving.rollout.policy import Policies
from carousel.serving.rollout.rollout import Rollout

__all__ = ["Loader", "Policies", "Rollout"]
