"""The thread that has the repository looked at, and models loaded and unloaded by request."""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from carousel.errors import CarouselError, ModelRejected
from carousel.serving.rollout.policy import Policies
from carousel.serving.rollout.rollout import Rollout
from carousel.settings import ModelPolicy

logger = logging.getLogger("carousel.serving.rollout")

Then = Callable[[CarouselError | None], None]
"""What is called on the loop's thread with what a request came to."""


class Loader:
    """Looks every so often, and at once when asked to. Its methods may be called from any thread."""

    def __init__(
        self, rollout: Rollout, policies: Policies, post: Callable[[Callable[[], None]], None], *, every: float
    ) -> None:
        """Have `rollout` look every so many seconds; `post` brings a function to the loop's thread."""
        self._rollout = rollout
        self._policies = policies
        self._post = post
        self._every = every
        self._wishes: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)

    @property
    def rejected(self) -> dict[tuple[str, int], str]:
        """Why each version that was rejected was, by name and version."""
        return self._rollout.rejections.reasons

    def start(self, ready: Callable[[], None]) -> None:
        """Begin; `ready` is called on the loop's thread after the first look."""
        self._ready = ready
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A load that is under way is left to end by itself."""
        self._stop.set()
        self._wishes.put(lambda: None)

    def read_again(self) -> None:
        """Read the policies again, and look at once. From a signal handler too."""
        self._policies.read_again()
        self._wishes.put(self._rollout.look)

    def load(self, name: str, then: Then) -> None:
        """Serve a model that was unloaded or rejected."""
        self._wishes.put(partial(self._answer, partial(self._rollout.load, name), then))

    def unload(self, name: str, then: Then) -> None:
        """Retire a model until `load` asks for it again."""
        self._wishes.put(partial(self._answer, partial(self._rollout.unload, name), then))

    def serve_only(self, models: Mapping[str, tuple[Path, ModelPolicy]], then: Then) -> None:
        """Serve these models alone, each from the folder of its versions, by its policy."""
        self._wishes.put(partial(self._answer, partial(self._rollout.serve_only, models), then))

    def _run(self) -> None:
        copying = self._rollout.copying
        self._survive(self._rollout.look)
        if copying:  # what was there at the start should be served from the start, if it stands still soon
            self._stop.wait(copying.settle)
            self._survive(self._rollout.look)
        self._post(self._ready)
        while not self._stop.is_set():
            try:
                wish = self._wishes.get(timeout=min(self._every, copying.settle) if copying else self._every)
            except queue.Empty:
                wish = self._rollout.look
            self._survive(wish)

    def _survive(self, wish: Callable[[], object]) -> None:
        try:
            wish()
        except Exception:  # the thread must go on, or no version would ever come or go again
            logger.exception("a look into the repository failed")

    def _answer(self, wish: Callable[[], CarouselError | None], then: Then) -> None:
        error: CarouselError | None = ModelRejected("the repository could not be looked at; the log says why")
        try:
            error = wish()
        finally:
            self._post(lambda: then(error))
