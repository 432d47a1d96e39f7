"""What one client had of a scheduler, and what it still needs."""


class Share:
    """Of one client, in timesteps, so that the counts are exact.

    Attributes:
        name: Who the client is.
        timesteps: That its sequences here still need.
        tag: What got rows for it, level with the other clients; the lowest is next.
        live: Its sequences here that are neither done nor cancelled.
    """

    __slots__ = ("live", "name", "tag", "timesteps")

    def __init__(self, name: str, tag: int) -> None:
        self.name = name
        self.timesteps = self.live = 0
        self.tag = tag
