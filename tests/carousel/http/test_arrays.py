"""Numbers that are read straight into arrays are those that every JSON reader gives, or the document is left to one."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carousel.http.arrays import Unfit, read_arrays

LARGE = np.random.default_rng(0).standard_normal((20, 5))
WHOLE = st.integers(-(2**53), 2**53) | st.sampled_from([-(2**63), 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**53 + 1])
NUMBERS = {
    "whole": WHOLE,
    "mixed": WHOLE | st.floats(allow_nan=False, allow_infinity=False),
    "float": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, 5e-324, 1.7e308, 1e-5]),
}
NAMES = st.sampled_from(["instances", "a [b", "\0", "a\0b", ""]) | st.text(max_size=3)
ODD = st.sampled_from([None, True, "1", [1], [], {}, 2**70, [[1, 2]]])


@st.composite
def tensors(draw):
    """Nested lists of one shape; now and then one of their parts is something else."""
    shape = draw(st.lists(st.integers(1, 12), min_size=1, max_size=3))
    pool = draw(st.lists(NUMBERS[draw(st.sampled_from(sorted(NUMBERS)))], min_size=1, max_size=8))
    value = np.resize(np.array(pool, object), shape).tolist()
    if draw(st.booleans()):
        part = value
        for length in shape[: draw(st.integers(1, len(shape))) - 1]:
            part = part[draw(st.integers(0, length - 1))]
        part[draw(st.integers(0, len(part) - 1))] = draw(ODD)
    return value


def same(read, known):
    """Whether what was read is what is known; an array is compared with what is made of the lists it came as."""
    if isinstance(read, np.ndarray):
        array = np.asarray(known)
        return read.dtype == array.dtype and read.shape == array.shape and read.tobytes() == array.tobytes()
    if isinstance(read, dict):
        return read.keys() == known.keys() and all(same(read[key], known[key]) for key in read)
    if isinstance(read, list):
        return len(read) == len(known) and all(map(same, read, known))
    return type(read) is type(known) and read == known


@settings(max_examples=300, deadline=None)
@given(st.lists(tensors(), min_size=1, max_size=3), NAMES, NAMES)
def test_what_is_read_is_what_every_reader_gives_bit_for_bit(samples, name, other):
    text = json.dumps({"a": "b", name: samples, "inputs": [{other: samples[0], "x": other}]})
    try:
        read = read_arrays(text.encode())
    except Unfit:
        return
    assert same(read, json.loads(text))


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
@pytest.mark.parametrize("shape", [(40,), (20, 5), (2, 20, 5)])
def test_lists_of_many_numbers_come_as_arrays(shape, dtype):
    array = (100 * np.random.default_rng(1).standard_normal(shape)).astype(dtype)
    read = read_arrays(json.dumps({"instances": [array.tolist(), {"x": array.tolist()}, [1, 2]]}).encode())
    [row, named, few] = read["instances"]
    assert few == [1, 2]
    assert isinstance(named["x"], np.ndarray)
    assert same({"instances": [row, named["x"]]}, {"instances": [array.tolist()] * 2})


TEXT = json.dumps(LARGE.tolist())
UNFIT = {
    "keys that come twice": f'{{"instances": 1, "instances": [{TEXT}]}}',
    "a number in brackets of its own": json.dumps({"instances": [[[1, [2], 3, 4]] * 20]}),
    "brackets in text": f'{{"signature_name": "[", "instances": [{TEXT}]}}',
    "no number": f'{{"instances": [{TEXT.replace("[[", "[[NaN, ", 1)}]}}',
    "a number beyond all": f'{{"instances": [{TEXT.replace("[[", "[[1e999, ", 1)}]}}',
    "no object": TEXT,
    "not whole": f'{{"instances": [{TEXT}]',
    "something after it": f'{{"instances": [{TEXT}]}} 1',
    "a mark before it": f'\ufeff{{"instances": [{TEXT}]}}',
    "deep": '{"instances": ' + "[" * 2000 + "]" * 2000 + "}",
    "a little deep": '{"instances": ' + '{"a": ' * 500 + "1" + "}" * 501,
    "many keys": json.dumps({str(i): i for i in range(10_000)}),
    "many objects": json.dumps({"instances": [{"a": 1}] * 20_000}),
    "many numbers beside each other": json.dumps({"instances": [1] * 20_000}),
    "many lists": json.dumps({"instances": [[[]] * 60_000, [[]] * 60_000]}),
    "half a pair": f'{{"instances": [{TEXT}], "a": "\\ud800"}}',
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_simdjson_reads_in_another_way_is_left_to_the_usual_reader(case):
    with pytest.raises(Unfit):
        read_arrays(UNFIT[case].encode())


def test_bytes_that_are_no_text_are_left_to_the_usual_reader():
    with pytest.raises(Unfit):
        read_arrays(b'{"a": "\xff", "instances": [' + TEXT.encode() + b"]}")


def test_a_document_for_which_it_would_take_much_memory_is_left_to_the_usual_reader():
    with pytest.raises(Unfit):
        read_arrays(b'{"instances": [[' + b"0," * 9_000_000 + b"0]]}")


def test_a_large_document_is_read_as_a_small_one():
    """Its memory is let go of afterwards, and that of small ones is used again."""
    text = json.dumps({"instances": [LARGE.tolist()] * 1500})
    for each in (text, text[:10], text, json.dumps({"instances": [LARGE.tolist()]})):
        try:
            assert same(read_arrays(each.encode()), json.loads(each))
        except Unfit:
            assert each == text[:10]
