"""The requests that a version brings, run once before it serves: TensorFlow Serving's warm-up."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carousel.artifact import read_warmup
from carousel.errors import DeadlineExceeded, InvalidRequest, ModelRejected, Violation
from carousel.rpc.parsing import parse
from carousel.rpc.tfserving.model_spec import Spec
from carousel.rpc.tfserving.prediction import Prediction
from carousel.serving import Limits, Version
from carousel.stubs.tfserving import serving_pb2 as pb
from carousel.tensors import Samples

logger = logging.getLogger("carousel.serving.rollout")

_SECONDS = 10.0
"""That all requests of a version may take: a new version waits for them."""


@dataclass(frozen=True, slots=True)
class Warming:
    """Replays warm-up requests. Whatever is wrong with them is logged, and stops no load.

    Attributes:
        limits: What a request may hold.
        max_bytes: Of one record.
    """

    limits: Limits
    max_bytes: int

    def replay(self, folder: Path, version: Version) -> None:
        """Run what the version in `folder` brings. On the thread that loaded it; may take some seconds."""
        begun = time.monotonic()
        replayed, first, failed = 0, "", 0
        try:
            for number, record in enumerate(read_warmup(folder, self.max_bytes)):
                try:
                    self._run(record, version, begun + _SECONDS)
                    replayed += 1
                except DeadlineExceeded as over:
                    first = first or str(over)
                    break
                except Exception as error:  # noqa: BLE001 - an engine may raise anything, and the others are run
                    failed += 1
                    first = first or f"record {number}: {str(error) or type(error).__name__}"
        except ModelRejected as error:
            first = first or str(error)
        if first:
            logger.warning("%s: %d warm-up requests replayed, %d failed: %s", version, replayed, failed, first)
        elif replayed:
            logger.info("%s: %d warm-up requests replayed in %.1f s", version, replayed, time.monotonic() - begun)

    def _run(self, record: bytes, version: Version, until: float) -> None:
        log = parse(pb.PredictionLog, record)
        if not log.HasField("predict_log"):
            raise InvalidRequest((Violation("predict_log", "is missing: only what was asked of Predict is replayed"),))
        request = log.predict_log.request
        # Under which name and version it was recorded does not matter.
        spec = Spec(version.name, version.number, "", request.model_spec.signature_name)
        tensors = Prediction(request, len(record), spec).read(version)
        tensors.checked(version, self.limits)
        if len(tensors.inputs) > self.limits.samples:
            found = f"holds {len(tensors.inputs)} sequences, the limit is {self.limits.samples} (max_samples)"
            raise InvalidRequest((Violation("inputs", found),))
        for steps in tensors.inputs:
            _run_one(steps, version, until)


def _run_one(steps: Samples, version: Version, until: float) -> None:
    """Run one sequence by itself, in ticks as when served. Raises DeadlineExceeded where it takes too long."""
    tick = version.costs.tick_steps(1) if version.states else len(steps)
    state = np.zeros((1, version.state_width), np.float32)
    for begin in range(0, len(steps), tick):
        part = steps[begin : begin + tick]
        if time.monotonic() + version.costs.work_seconds(len(part)) > until:
            raise DeadlineExceeded(f"the rest is left out: it would take more than {_SECONDS:g} s")
        _, state = version.engine.run(np.ascontiguousarray(part[:, np.newaxis]), state)
