"""The most this machine's one core can do: large float32 matrix products."""

import os
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

SIZE = 768
FLOPS = 2 * SIZE**3


def products() -> dict[str, Callable[[], object]]:
    """One product of [768, 768] by [768, 768], by each library that offers it; both on one thread."""
    left, right = np.random.default_rng(0).standard_normal((2, SIZE, SIZE)).astype(np.float32)
    out = np.empty((SIZE, SIZE), np.float32)
    session = _session()
    feed = {"left": left, "right": right}
    return {
        "numpy (OpenBLAS)": lambda: np.matmul(left, right, out),
        "ONNX Runtime MatMul": lambda: session.run(None, feed),
    }


def sgemm(seconds: float = 0.1) -> tuple[float, str]:
    """Measure for about `seconds` each; return the most FLOP/s of any repetition, and whose it was."""
    assert os.environ.get("OPENBLAS_NUM_THREADS") == "1", "run `python -m tests.benchmarks`, which sets one thread"
    best = (0.0, "")
    for name, product in products().items():
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            product()
            best = max(best, (FLOPS / (time.perf_counter() - began), name))
    return best


def _session() -> onnxruntime.InferenceSession:
    shape = [SIZE, SIZE]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "product",
        [value(name, TensorProto.FLOAT, shape) for name in ("left", "right")],
        [value("product", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
