"""What is counted: copies are whole and stay as they are, and workers are counted together."""

from collections import Counter
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from carousel.telemetry import SECONDS, Histogram, ModelCounters, RpcCounters

VALUES = st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["", "a" * 32, "b" * 32])))


def counted(values):
    histogram = Histogram(SECONDS)
    for value, trace in values:
        histogram.add(value, trace)
    return histogram


def said(histogram):
    return histogram.counts, histogram.total, histogram.exemplars


@given(VALUES)
def test_a_bucket_keeps_its_newest_traced_value(values):
    """One exemplar a bucket at most: the last traced value that fell into it."""
    histogram = counted(values)
    for bucket, (below, bound) in enumerate(zip([-1.0, *SECONDS], [*SECONDS, 1e9], strict=True)):
        traced = [(value, trace) for value, trace in values if trace and below < value <= bound]
        found = histogram.exemplars.get(bucket)
        assert (found and (found.value, found.trace)) == (traced[-1] if traced else None)


@given(VALUES, VALUES)
def test_two_workers_together_show_the_newer_exemplar_of_each_bucket(earlier, later):
    """Counts add up in either order, and of two exemplars the newer one stays."""
    first, second = counted(earlier), counted(later)
    second.exemplars = {i: exemplar._replace(at=exemplar.at + 1) for i, exemplar in second.exemplars.items()}
    for both in (first + second, second + first):
        assert both.counts == [a + b for a, b in zip(first.counts, second.counts, strict=True)]
        assert {i: e.trace for i, e in both.exemplars.items()} == {
            i: e.trace for i, e in (first.exemplars | second.exemplars).items()
        }


def test_a_copy_holds_everything_and_counts_no_further():
    """What left the loop does not change under whoever reads it."""
    for counters in (ModelCounters(), RpcCounters("unary")):
        _count(counters)
        copy, before = counters.copy(), written(counters)
        assert written(copy) == before
        _count(counters)
        assert written(copy) == before != written(counters)


def _count(counters):
    """Count something of everything."""
    for field in fields(counters):
        value = getattr(counters, field.name)
        match value:
            case Counter():
                value["key"] += 1
            case Histogram():
                value.add(1.0, "a" * 32)
            case int() | float():
                setattr(counters, field.name, value + 1)


def written(counters):
    """Everything a counters holds, as text."""
    values = [getattr(counters, field.name) for field in fields(counters)]
    return [repr(said(value) if isinstance(value, Histogram) else value) for value in values]
