"""The one place where an exception that nobody expected becomes an error with an id that the log explains."""

import logging
import uuid

from carousel.errors import CarouselError, EngineFault, ServerFault

logger = logging.getLogger("carousel.serving")


def unexpected(bug: BaseException, what: str, kind: type[EngineFault | ServerFault] = ServerFault) -> CarouselError:
    """Log `bug` with its traceback under a new id, and give the error that its callers get.

    Args:
        bug: What was raised.
        what: Happened, as a sentence without its full stop; goes to log and caller, so it names nothing secret.
        kind: Whose fault it is.
    """
    if isinstance(bug, CarouselError):
        return bug
    fault = uuid.uuid4().hex[:12]
    logger.error("fault %s: %s", fault, what, exc_info=bug)
    return kind(f"{what} (fault {fault}; the server's log says more)")
