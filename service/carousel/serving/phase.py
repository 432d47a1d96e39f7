"""Where the server stands between its start and its end."""

from enum import Enum

from carousel.errors import GoingAway


class Phase(Enum):
    """One server's way, in order."""

    STARTING = "starting"  # the first look at the repository is not over
    SERVING = "serving"
    NOTICE = "notice"  # still serves, and says that it will not for long
    DRAINING = "draining"  # finishes what it holds, and takes nothing new


class Lifecycle:
    """The one value that everything about starting and draining is read from. Of the loop's thread alone."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING

    @property
    def draining(self) -> bool:
        """Whether nothing new is taken."""
        return self.phase is Phase.DRAINING

    def check_serving(self) -> None:
        """Raise GoingAway unless new requests are taken."""
        if self.phase is Phase.STARTING:
            raise GoingAway("the server is starting: models are being loaded")
        if self.draining:
            raise GoingAway("the server is going away: another one will answer")

    def advance(self, phase: Phase) -> bool:
        """Go on to `phase`; False, and nothing changes, where that was reached before."""
        order = list(Phase)
        if order.index(phase) <= order.index(self.phase):
            return False
        self.phase = phase
        return True
