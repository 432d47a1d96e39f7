"""A request whose form is known is answered byte for byte as one that is read from its first byte to its last."""

import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carousel.artifact import Column, Layout, Signature, State, TensorSpec
from carousel.batching import Admission
from carousel.errors import CarouselError
from carousel.oip import Infer, Rules
from carousel.rpc import forms
from carousel.rpc.open_inference import OpenInference
from carousel.rpc.parsing import locate, parse
from carousel.rpc.v1 import Inference
from carousel.serving import Catalog, Limits, Model, Requests, Sessions, Version, write_snapshot
from carousel.stubs.oip import open_inference_pb2 as oip
from carousel.stubs.v1 import inference_pb2 as v1
from carousel.testing import FakeEngine, flat_costs
from carousel.wire import write_tensor

LIMITS = Limits(timesteps=9)
STATE = write_snapshot("00" * 32, 4, np.array([7, 9], np.float32))


class House:
    """Both protocols before one model of a running sum; each call is answered before the next one comes."""

    def __init__(self):
        sessions = Sessions(LIMITS, max_open=9, max_per_scope=9, idle_seconds=60)
        self.catalog = Catalog(sessions)
        self.requests = Requests(self.catalog, LIMITS)
        self.add(1)
        infer = Infer(self.requests, None, Rules(LIMITS, convert=True))
        self.inference = Inference(self.catalog, self.requests, sessions, None, LIMITS)
        self.infer = OpenInference(self.catalog, self.requests, infer, None, LIMITS, None, None, control=False)
        self.methods = {
            method.name: method.handler for method in (*self.inference.methods, *self.infer.methods)
        }  # without interceptors

    def add(self, number):
        """Serve a new version, whose name alone tells it from the others."""
        given, gives = TensorSpec("x", "float32", (None, None, 2)), TensorSpec("dense", "float32", (None, 2))
        signature = Signature(
            TensorSpec("inputs", "float32", (None, None, 2)),
            TensorSpec("sequence", "float32", (None, None, 2)),
            TensorSpec("last_step", "float32", (None, 2)),
            input_layout=Layout((Column(given, 0, 2, timewise=True),)),
            output_layout=Layout((Column(gives, 0, 2, timewise=False),)),
        )
        state = (State(name="state", units=2),)
        version = Version("m", number, signature, state, "00" * 32, FakeEngine(2), flat_costs(), "", None)
        self.catalog.add(Model(version, Admission(1e9), None))

    def answer(self, name, message, meanwhile=lambda: None):
        """Serve one call, do something `meanwhile`; return its answer, or the error's words."""
        answers = []
        call = SimpleNamespace(
            metadata=(), deadline=math.inf, client="c", model="", request_id="", reason="", on_cancel=None
        )
        call.reply, call.fail = answers.append, lambda status: answers.append(str(status))
        try:
            self.methods[name](call, message)
        except CarouselError as error:
            answers.append(repr(error))
        meanwhile()
        for model in self.catalog.all_versions():
            while model._scheduler.ready:
                model.turn()
        (answer,) = answers
        return answer


def random_predict(chance):
    """Write a request of one of a few forms, most of them right; each rarer wish and fault is among them."""
    request = v1.PredictRequest(
        model=chance.choice("mmmn"),
        version=chance.choice((0, 0, 1)),
        return_sequences=chance.random() < 0.5,
        return_state=chance.random() < 0.2,
        outputs=chance.choice(([], [], [], ["last_step"], ["nothing"])),
        initial_state=chance.choice(([], [], [], [STATE])),
    )
    for _ in range(chance.choice((1, 1, 1, 2))):
        write_tensor(random_steps(chance, chance.choice((1, 3, 12))), request.inputs.add())  # 12 are too many
    return "Predict", request.SerializeToString()


def random_infer(chance):
    """Likewise."""
    request = oip.ModelInferRequest(model_name="m", id=chance.choice(("", "", "7")))
    steps = np.stack([random_steps(chance, 3) for _ in range(chance.choice((1, 1, 2)))])
    datatype, wide = chance.choice((("FP32", steps), ("FP32", steps), ("FP64", steps.astype(np.float64))))
    datatype = datatype if chance.random() < 0.9 else "INT32"
    name = chance.choice(("inputs", "inputs", "inputs", "x", "nothing"))
    request.inputs.add(name=name, datatype=datatype, shape=steps.shape)
    request.raw_input_contents.append(wide.tobytes())
    for output in chance.choice((["last_step"], ["sequence"], [], ["dense"], ["state"], ["last_step", "sequence"])):
        request.outputs.add(name=output)
    return "ModelInfer", request.SerializeToString()


def random_steps(chance, timesteps):
    numbers = [chance.choice((0.0, 1.0, -2.0, 5.0, 0.25)) for _ in range(2 * timesteps)]
    if chance.random() < 0.1:
        numbers[0] = math.nan
    return np.array(numbers, np.float32).reshape(timesteps, 2)


@pytest.mark.parametrize("seed", range(2))
def test_a_known_form_changes_no_byte_of_any_answer(seed):
    """Each message goes to a server that keeps forms, and to one that reads every message anew."""
    chance = random.Random(seed)
    keeps, reads = House(), House()
    reads.inference._forms.serve = reads.infer._forms.serve = lambda *_: False
    for _ in range(1000):
        name, message = chance.choice((random_predict, random_infer))(chance)
        assert keeps.answer(name, message) == reads.answer(name, message)
    assert len(keeps.inference._forms._forms) == 8  # 2 of timesteps, 2 of versions, 2 of outputs
    assert len(keeps.infer._forms._forms) == 4  # 2 of samples, 2 of outputs


def predict(steps, **fields):
    request = v1.PredictRequest(model="m", **fields)
    write_tensor(np.asarray(steps, np.float32), request.inputs.add())
    return request.SerializeToString()


def infer(steps):
    request = oip.ModelInferRequest(model_name="m", outputs=[{"name": "last_step"}])
    request.inputs.add(name="inputs", datatype="FP32", shape=[1, *np.shape(steps)])
    request.raw_input_contents.append(np.asarray(steps, np.float32).tobytes())
    return request.SerializeToString()


@pytest.mark.parametrize(
    ("name", "write", "kind"), [("Predict", predict, v1.PredictRequest), ("ModelInfer", infer, oip.ModelInferRequest)]
)
def test_a_form_is_parsed_once_and_forgotten_when_another_version_is_served(name, write, kind, monkeypatch):
    """The next answer is the new version's, though no byte of the request but its elements changed."""
    parsed = []
    for module in ("v1.inference", "open_inference.grpc_inference"):
        monkeypatch.setattr(f"carousel.rpc.{module}.parse", lambda *given: parsed.append(given[0]) or parse(*given))
    house = House()
    for number in (1, 2, 3):
        if number > 1:
            house.add(number)
        for value in (1.0, 2.0, 3.0):
            answer = house.answer(name, write([[value, value]]))
            assert np.array([value, value], np.float32).tobytes() in answer
            version = (
                v1.PredictResponse.FromString(answer).version if name == "Predict" else answer.count(b"%d" % number)
            )
            assert version
            if name == "Predict":
                assert v1.PredictResponse.FromString(answer).version == number
            else:
                assert oip.ModelInferResponse.FromString(answer).model_version == str(number)
    assert parsed == [kind] * 3


def test_what_was_answered_by_a_version_that_left_is_no_form():
    """It was asked of the newest version, which is another one by the time it is answered."""
    house = House()
    house.answer("Predict", predict(np.ones((1, 2)), version=1))
    asked = predict(np.ones((1, 2)))
    assert v1.PredictResponse.FromString(house.answer("Predict", asked, lambda: house.add(2))).version == 1
    assert v1.PredictResponse.FromString(house.answer("Predict", asked)).version == 2


def test_no_sender_makes_the_forms_many_or_large(monkeypatch):
    """Only so many are kept, whatever is asked, and none of a message that says much beside its elements."""
    monkeypatch.setattr(forms, "_MAX_FORMS", 10)
    house = House()
    known = house.inference._forms
    for timesteps in range(1, 10):
        for number in (0, 1):
            for every in (False, True):
                house.answer("Predict", predict(np.ones((timesteps, 2)), version=number, return_sequences=every))
                assert 0 < len(known._forms) <= 10
                assert len(known._places) <= 10
    known._forms.clear()
    long = predict(np.ones((1, 2))) + b"\xfa\x3f\xff\x07" + bytes(1023)  # a field that this version does not know
    assert v1.PredictRequest.FromString(long).inputs
    assert house.answer("Predict", long) == house.answer("Predict", predict(np.ones((1, 2))))
    assert len(known._forms) == 1


PLACED = (v1.PredictRequest.INPUTS_FIELD_NUMBER, v1.Tensor.CONTENT_FIELD_NUMBER)


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=2),
    st.text(max_size=5),
    st.lists(st.integers(-1, 2**40), max_size=3),
    st.binary(max_size=3),
)
def test_a_field_is_located_where_the_parser_finds_it(contents, model, shape, state):
    """And not at all where there are two of it."""
    request = v1.PredictRequest(model=model, return_state=True, initial_state=[state])
    for content in contents:
        request.inputs.add(dtype=1, shape=shape, content=content)
    message = request.SerializeToString()
    if len(contents) > 1 or not contents[0]:
        assert locate(message, PLACED) is None
    else:
        begin, end = locate(message, PLACED)
        assert message[begin:end] == contents[0]
        other = bytes(byte ^ 0xFF for byte in contents[0])
        request.inputs[0].content = other
        assert message[:begin] + other + message[end:] == request.SerializeToString()


def test_nothing_is_looked_for_among_many_fields():
    """However many there are, looking costs no more than a few of them do."""
    message = predict(np.ones((1, 2)))
    assert locate(message + b"\xf8\x3f\x00" * 30, PLACED) is not None
    assert locate(message + b"\xf8\x3f\x00" * 20_000, PLACED) is None


def test_nothing_is_located_beside_a_group():
    """Of a kind of field that proto3 has no more: what follows it could be hidden in it."""
    message = predict(np.ones((1, 2)))
    assert locate(message, PLACED) is not None
    assert locate(message + b"\xfb\x3f\xfc\x3f", PLACED) is None


def test_a_message_of_several_tensors_is_none_of_one_of_the_same_length(client):
    """It begins and ends as the shorter message of its first tensor alone, whose form is known too."""
    steps = np.random.default_rng(6).standard_normal((40, 3)).astype(np.float32)
    alone = {
        length: client.predict("small", [steps[:length]], timeout=30)[0].output.tobytes() for length in range(1, 41)
    }
    for length in range(1, 14):
        for count in (2, 3):
            answers = client.predict("small", [steps[:length]] * count, timeout=30)
            assert [answer.output.tobytes() for answer in answers] == [alone[length]] * count
