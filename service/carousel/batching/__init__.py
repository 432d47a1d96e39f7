"""Who runs next, and how far: pure values and decisions, without a clock, an engine or I/O."""

from carousel.batching.admission import Admission
from carousel.batching.batch import Batch
from carousel.batching.costs import TICK, Costs
from carousel.batching.masked import leave_out
from carousel.batching.scheduler import Scheduler
from carousel.batching.sequence import Sequence
from carousel.batching.slots import Slots

__all__ = ["TICK", "Admission", "Batch", "Costs", "Scheduler", "Sequence", "Slots", "leave_out"]
