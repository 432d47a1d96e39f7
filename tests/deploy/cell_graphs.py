"""Cell graphs that no exporter writes: real graphs on the real engine, each with one fault."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.helper import make_node

from carousel.artifact import MANIFEST, Manifest


def depend_on_the_batch(graph: Path) -> None:
    """Add to every output a millionth of the mean of its batch: within every tolerance, and no longer its own."""
    share = numpy_helper.from_array(np.float32(1e-6), "share")
    _add(
        graph,
        [
            make_node("ReduceMean", ["own"], ["mean"], axes=[1], keepdims=1),
            make_node("Mul", ["mean", "share"], ["added"]),
        ],
        share,
    )


def fail_above(graph: Path, limit: float) -> None:
    """Let the engine fail where an input is above the limit: it is told to look past the end of a tensor."""
    _add(
        graph,
        [
            make_node("ReduceMax", ["inputs"], ["largest"], keepdims=0),
            make_node("Greater", ["largest", "limit"], ["above"]),
            make_node("Cast", ["above"], ["place"], to=TensorProto.INT64),
            make_node("Gather", ["nothing", "place"], ["added"]),
        ],
        numpy_helper.from_array(np.float32(limit), "limit"),
        numpy_helper.from_array(np.zeros(1, np.float32), "nothing"),
    )


def _add(graph: Path, nodes: list[onnx.NodeProto], *constants: onnx.TensorProto) -> None:
    """Let `nodes` make `added` from `own`, the outputs so far, and from the inputs; add it to the outputs."""
    model = onnx.load(graph)
    [last] = [node for node in model.graph.node if "outputs" in node.output]
    last.output[:] = ["own"]
    model.graph.node.extend([*nodes, make_node("Add", ["own", "added"], ["outputs"])])
    model.graph.initializer.extend(constants)
    onnx.checker.check_model(model)
    onnx.save(model, graph)
    named = graph.with_name(MANIFEST)
    manifest = Manifest.model_validate_json(named.read_bytes())
    digest = hashlib.sha256(graph.read_bytes()).hexdigest()
    named.write_text(manifest.model_copy(update={"cell_graph_sha256": digest}).model_dump_json())
