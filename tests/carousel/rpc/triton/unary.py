"""ModelInfer, and everything that Triton's client asks of a server, by its sync and asyncio clients."""

import asyncio
import queue

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2 as pb


def test_the_server_and_its_models_are_live_ready_and_described(server):
    assert server.is_server_live()
    assert server.is_server_ready()
    assert server.is_model_ready("stack")
    assert server.is_model_ready("stack", "1")
    assert not server.is_model_ready("stack", "7")
    assert not server.is_model_ready("nobody")
    about = server.get_server_metadata()
    assert about.name == "carousel"
    assert [int(part) for part in about.version.split(".")]
    assert "statistics" in about.extensions
    model = server.get_model_metadata("stack")
    assert (model.name, list(model.versions), model.platform) == ("stack", ["1"], "tensorflow_savedmodel")
    assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [("inputs", "FP32", [-1, -1, 64])]
    assert [(t.name, t.datatype, list(t.shape)) for t in model.outputs] == [
        ("sequence", "FP32", [-1, -1, 256]),
        ("last_step", "FP32", [-1, 256]),
    ]
    config = server.get_model_config("stack").config
    assert (config.name, config.max_batch_size) == ("stack", 4096)
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
    assert not config.model_transaction_policy.decoupled
    states = config.parameters["states"].string_value.split(",")
    assert [state.split(":")[1] for state in states] == ["128", "128", "256", "256"]
    index = {(m.name, m.version, m.state) for m in server.get_model_repository_index().models}
    assert ("stack", "1", "READY") in index


def test_answers_are_those_of_carousel_v1_bit_for_bit(server, own, draw, given):
    """Whatever the samples, both protocols give the same bits."""
    for model, input_dim in (("small", 3), ("stack", 64), ("whole", 3), ("longer", 3)):
        inputs = draw(5, 7, input_dim)
        answer = server.infer(model, given(inputs=inputs), request_id="echoed")
        full = np.stack([p.output for p in own.predict(model, inputs, return_sequences=True)])
        last = np.stack([p.output for p in own.predict(model, inputs)])
        assert answer.as_numpy("sequence").tobytes() == full.tobytes()
        assert answer.as_numpy("last_step").tobytes() == last.tobytes()
        response = answer.get_response()
        assert (response.id, response.model_name, response.model_version) == ("echoed", model, "1")


def test_ragged_samples_are_answered_as_if_alone_with_zeros_past_their_lengths(server, own, draw, given):
    inputs, lengths = draw(4, 9, 3), np.array([9, 1, 4, 8], np.int32)
    inputs[1, 1:] = np.nan  # what lies past a length is not looked at
    for shaped in (lengths, lengths.astype(np.int64), lengths[:, None]):
        answer = server.infer("small", given(inputs=inputs, lengths=shaped))
        full, last = answer.as_numpy("sequence"), answer.as_numpy("last_step")
        for i, length in enumerate(lengths):
            [alone] = own.predict("small", [inputs[i, :length]], return_sequences=True)
            assert full[i, :length].tobytes() == alone.output.tobytes()
            assert not full[i, length:].any()
            assert last[i].tobytes() == alone.output[-1].tobytes()


def test_states_are_given_by_name_and_start_a_sequence_in_any_order(server, draw, given, wanted, states):
    """The second half from the first half's states is the second half of the whole."""
    inputs = draw(3, 8, 64)
    whole = server.infer("stack", given(inputs=inputs)).as_numpy("sequence")
    names = states("stack")
    first = server.infer("stack", given(inputs=inputs[:, :5]), outputs=wanted(*reversed(names)))
    assert [output.name for output in first.get_response().outputs] == list(reversed(names))
    for order in (names, names[::-1], sorted(names)):
        found = {name: first.as_numpy(name) for name in order}
        second = server.infer("stack", given(**found, inputs=inputs[:, 5:]))
        assert second.as_numpy("sequence").tobytes() == whole[:, 5:].tobytes()


def test_typed_contents_are_answered_in_typed_contents(stub, draw):
    inputs = draw(2, 4, 3)
    raw = pb.ModelInferRequest(model_name="small", raw_input_contents=[inputs.tobytes()])
    raw.inputs.add(name="inputs", datatype="FP32", shape=inputs.shape)
    typed = pb.ModelInferRequest(model_name="small")
    typed.inputs.add(name="inputs", datatype="FP32", shape=inputs.shape).contents.fp32_contents.extend(inputs.ravel())
    one, two = stub.ModelInfer(raw), stub.ModelInfer(typed)
    assert not two.raw_output_contents
    for content, output in zip(one.raw_output_contents, two.outputs, strict=True):
        assert np.array(output.contents.fp32_contents, np.float32).tobytes() == content


def test_double_and_half_inputs_are_rounded_where_the_setting_allows(server, draw, given):
    inputs = draw(1, 4, 3).astype(np.float16)
    same = [server.infer("small", given(inputs=inputs.astype(dtype))) for dtype in ("f2", "f4", "f8")]
    assert len({answer.as_numpy("sequence").tobytes() for answer in same}) == 1


def test_a_request_may_name_its_outputs_and_a_timeout_that_is_long_enough(server, draw, given, wanted):
    answer = server.infer("small", given(inputs=draw(1, 2, 3)), outputs=wanted("last_step"), timeout=60_000_000)
    assert [output.name for output in answer.get_response().outputs] == ["last_step"]


def test_callbacks_and_asyncio_give_the_same_bits(server, target, draw, given):
    inputs = draw(1, 6, 64)
    expected = server.infer("stack", given(inputs=inputs)).as_numpy("sequence").tobytes()

    async def ask() -> list[bytes]:
        async with triton_aio.InferenceServerClient(target) as client:
            assert await client.is_server_ready()
            answers = await asyncio.gather(*(client.infer("stack", given(inputs=inputs)) for _ in range(20)))
            return [answer.as_numpy("sequence").tobytes() for answer in answers]

    assert set(asyncio.run(ask())) == {expected}
    answers: queue.SimpleQueue = queue.SimpleQueue()
    server.async_infer("stack", given(inputs=inputs), lambda result, error: answers.put((result, error)))
    result, error = answers.get(timeout=30)
    assert error is None
    assert result.as_numpy("sequence").tobytes() == expected


def test_statistics_count_exactly_what_was_asked(server, draw, given):
    """A load tool's order of calls: what it asked is what a window of the statistics holds."""

    def window() -> triton.service_pb2.ModelStatistics:
        [stats] = server.get_inference_statistics("relu50").model_stats
        return stats

    server.get_server_metadata()
    server.get_model_metadata("relu50")
    server.get_model_config("relu50")
    before = window()
    for samples in (1, 1, 3):
        server.infer("relu50", given(inputs=draw(samples, 10, 1)))
    after = window()
    assert after.inference_count - before.inference_count == 5
    assert after.inference_stats.success.count - before.inference_stats.success.count == 3
    assert after.inference_stats.queue.count - before.inference_stats.queue.count == 5
    assert after.inference_stats.fail == before.inference_stats.fail
    ticks = after.execution_count - before.execution_count
    assert ticks >= 3
    assert sum(batch.compute_infer.count for batch in after.batch_stats) == after.execution_count
    rows = sum(batch.batch_size * batch.compute_infer.count for batch in after.batch_stats)
    assert rows >= after.inference_count
    assert after.inference_stats.success.ns > before.inference_stats.success.ns
    assert after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns
    assert after.last_inference >= before.last_inference
    statistics = server.get_inference_statistics().model_stats
    assert {"relu50", "small", "stack"} <= {stats.name for stats in statistics}


def test_models_are_unloaded_and_loaded_by_request_where_that_is_allowed(strict, draw, given):
    with triton.InferenceServerClient(strict) as server:
        assert server.is_model_ready("relu50")
        server.unload_model("relu50")
        assert not server.is_model_ready("relu50")
        server.load_model("relu50")
        assert server.is_model_ready("relu50")
        assert server.infer("relu50", given(inputs=draw(1, 10, 1))).as_numpy("last_step").shape == (1, 1)
        index = {m.name: (m.state, m.reason) for m in server.get_model_repository_index().models}
        assert index["relu50"] == ("READY", "")
        assert index["broken"][0] == "UNAVAILABLE"
        assert "is not a SavedModel" in index["broken"][1]
