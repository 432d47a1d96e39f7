"""The names that a model's author gave are understood by carousel.v1, its client, the command and Open Inference."""

import json
from pathlib import Path

import grpc
import keras
import numpy as np
import pytest
from keras import layers

from carousel.artifact import disagreement
from carousel.cli.main import main
from carousel.client import Client
from carousel.errors import InvalidRequest
from carousel.stubs.oip import open_inference_pb2 as oip
from carousel.stubs.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from carousel_models.export import export
from tests.carousel.serving.test_foreign import ARCHIVES, unpacked


@pytest.fixture(scope="module")
def served(tmp_path_factory, started):
    """Serve every SavedModel that others made, and a model of two inputs and two heads exported by Carousel."""
    repository = tmp_path_factory.mktemp("repository")
    recorded = {archive.stem: unpacked(archive, repository)[1:] for archive in ARCHIVES}
    keras.utils.set_random_seed(5)
    prices, store = keras.Input((None, 4), name="prices"), keras.Input((3,), name="store")
    both = layers.Concatenate()([layers.LSTM(5)(prices), store])
    model = keras.Model([prices, store], [layers.Dense(2, name="low")(both), layers.Dense(1, name="mean")(both)])
    export(model, repository, "sales")
    rng = np.random.default_rng(5)
    inputs = {"prices": rng.standard_normal((3, 12, 4), "f"), "store": rng.standard_normal((3, 3), "f")}
    low, mean = model([inputs["prices"], inputs["store"]])
    recorded["sales"] = inputs, {"low": np.asarray(low), "mean": np.asarray(mean)}
    serving = started(repository=repository)
    yield serving, recorded
    serving.stop()


NAMES = [*(archive.stem for archive in ARCHIVES), "sales"]


@pytest.mark.parametrize("name", NAMES)
def test_the_client_sends_and_gets_tensors_by_the_authors_names(served, name):
    """Every output is as declared, and near what its maker gave."""
    serving, recorded = served
    inputs, outputs = recorded[name]
    samples = len(next(iter(inputs.values())))
    with Client(serving.target) as client:
        answers = client.predict(name, [{key: tensor[i] for key, tensor in inputs.items()} for i in range(samples)])
        described = client.get_model(name)
    assert [spec.name for spec in described.own_inputs] == list(inputs)
    assert sorted(spec.name for spec in described.own_outputs) == sorted(outputs)
    for key, expected in outputs.items():
        assert disagreement(np.stack([answer.outputs[key] for answer in answers]), expected) == ""


@pytest.mark.parametrize("name", NAMES)
def test_open_inference_takes_and_gives_the_authors_names(served, name):
    """By tensors [batch, ...], and what is declared is what is described."""
    serving, recorded = served
    inputs, outputs = recorded[name]
    request = oip.ModelInferRequest(model_name=name)
    for key, tensor in inputs.items():
        datatype = "INT32" if tensor.dtype.kind == "i" else "FP32"
        request.inputs.add(name=key, datatype=datatype, shape=tensor.shape)
        request.raw_input_contents.append(tensor.tobytes())
    for key in outputs:
        request.outputs.add(name=key)
    with grpc.insecure_channel(serving.target) as channel:
        stub = GRPCInferenceServiceStub(channel)
        response = stub.ModelInfer(request)
        metadata = stub.ModelMetadata(oip.ModelMetadataRequest(name=name))
    for output, content in zip(response.outputs, response.raw_output_contents, strict=True):
        array = np.frombuffer(content, np.float32).reshape(tuple(output.shape))
        assert disagreement(array, outputs[output.name]) == ""
    if name != "sales":
        assert [tensor.name for tensor in metadata.inputs] == list(inputs)
        assert {tensor.name for tensor in metadata.outputs} == set(outputs)


def test_a_declared_last_step_is_what_was_declared(served):
    """Not the last of the declared sequence, by name and without."""
    serving, recorded = served
    inputs, outputs = recorded["not_the_last"]
    with Client(serving.target) as client:
        (last,) = client.predict("not_the_last", inputs["inputs"][:1])
        (every,) = client.predict("not_the_last", inputs["inputs"][:1], return_sequences=True)
    assert disagreement(last.output, outputs["last_step"][0]) == ""
    assert disagreement(every.output, outputs["sequence"][0]) == ""


def test_the_names_that_carousel_adds_stay(served):
    """`sequence` and `last_step` of a model whose author named neither, beside a name of theirs."""
    serving, recorded = served
    with Client(serving.target) as client:
        prices, store = (tensor[0] for tensor in recorded["sales"][0].values())
        wanted = ("last_step", "sequence", "mean")
        (answer,) = client.predict("sales", [{"prices": prices, "store": store}], outputs=wanted)
        (same,) = client.predict("sales", [np.hstack([prices, np.tile(store, (len(prices), 1))])])
    assert answer.outputs["sequence"].shape == (12, 3)
    assert answer.outputs["last_step"].tobytes() == answer.outputs["sequence"][-1].tobytes() == same.output.tobytes()
    assert answer.outputs["mean"].tolist() == answer.outputs["last_step"][2:].tolist()


def test_names_that_are_not_the_models_are_faults(served):
    """Each by its place in the request."""
    serving, recorded = served
    prices, store = (tensor[0] for tensor in recorded["sales"][0].values())
    with Client(serving.target) as client, pytest.raises(InvalidRequest) as error:
        client.predict("sales", [{"price": prices, "store": store}], outputs=["high"])
    assert "outputs[0]: is 'high', expected one of low, mean, sequence, last_step" in error.value.message
    with Client(serving.target) as client, pytest.raises(InvalidRequest) as error:
        client.predict("sales", [{"price": prices, "store": store[:2]}])
    for fault in (
        "samples[0].price: is no input of the model; it takes prices, store",
        "samples[0].prices: is missing",
        "samples[0].store.shape: is [2], expected [3]",
    ):
        assert fault in error.value.message


def test_the_command_takes_a_file_an_input_or_one_whose_header_names_them(served, tmp_path, capsys):
    """Both give the same JSON object, by the names of the outputs."""
    serving, recorded = served
    prices, store = (tensor[0] for tensor in recorded["sales"][0].values())
    np.savetxt(tmp_path / "prices.csv", prices, delimiter=",")
    np.savetxt(tmp_path / "store.csv", store[None], delimiter=",")
    header = ",".join([*(f"prices.{i}" for i in range(4)), *(f"store[{i}]" for i in range(3))])
    together = np.hstack([prices, np.tile(store, (len(prices), 1))])
    np.savetxt(tmp_path / "all.csv", together, delimiter=",", header=header, comments="")
    printed = []
    for files in ([f"{key}={tmp_path / key}.csv" for key in ("prices", "store")], [str(tmp_path / "all.csv")]):
        assert main(["predict", "sales", *files, "--named", "--target", serving.target]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert printed[0] == printed[1]
    assert disagreement(np.float32(printed[0]["low"]), recorded["sales"][1]["low"][0]) == ""
    (tmp_path / "wrong.csv").write_text(Path(tmp_path / "all.csv").read_text().replace("store[2]", "shop"))
    assert main(["predict", "sales", str(tmp_path / "wrong.csv"), "--named", "--target", serving.target]) != 0
    assert "'shop' is no input of the model; it takes prices, store" in capsys.readouterr().err
