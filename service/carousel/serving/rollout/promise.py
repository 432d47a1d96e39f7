"""What clients of a version may rely on."""

from typing import NamedTuple

from carousel.artifact import Manifest
from carousel.engines import Choice
from carousel.serving.version import Version


class Promise(NamedTuple):
    """What clients of a version may rely on; one that has less of either may not take the place of one that has it.

    Attributes:
        preferred: It is served by the preferred engine, or by the one that was asked for.
        stepwise: It has states, so its sequences can be cut in time, and live ones are served.
    """

    preferred: bool
    stepwise: bool

    def keeps(self, other: "Promise") -> bool:
        """Whether whatever `other` has is had here too."""
        return self.preferred >= other.preferred and self.stepwise >= other.stepwise


def promise_of(version: Version, choice: Choice) -> Promise:
    """Say what a version that was loaded by this choice of engine promises."""
    return Promise(choice != "auto" or not version.not_preferred_because, bool(version.states))


def promise_written(manifest: Manifest, choice: Choice) -> Promise:
    """Say what a version promises by its manifest alone, before it is loaded."""
    return Promise(choice != "auto" or manifest.cell_graph, bool(manifest.states))
