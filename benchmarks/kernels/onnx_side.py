"""The same network as an ONNX graph, run by ONNX Runtime. Runs in the peers' process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]


def forecasting(*, path: str, threads: int) -> tuple[Callable[[], object], list[float]]:
    """Prepare a forecast from the last step of inputs (T, B, I); return it, with the outputs of the first row."""
    with np.load(path) as file:
        weights = dict(file)
    x = weights.pop("x")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph(weights), options, providers=["CPUExecutionProvider"])

    def forecast() -> Array:
        result: Array = session.run(None, {"x": x})[0]
        return result

    return forecast, forecast()[0, 0].tolist()


def graph(weights: dict[str, Array]) -> bytes:
    """Return the network as a serialised model: inputs x (T, B, I), outputs of the last step y (1, B, F * Q)."""
    tensors, nodes = [], []

    def constant(name: str, values: Array) -> str:
        tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **settings: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **settings))
        return output

    y = "x"
    for k in range(sum(name.startswith("lstm.bias") for name in weights)):
        hidden = weights[f"lstm.weight_hh_l{k}"].shape[1]
        bias = _gates(weights[f"lstm.bias_l{k}"])
        names = [
            constant(f"w{k}", _gates(weights[f"lstm.weight_ih_l{k}"])[None]),
            constant(f"r{k}", _gates(weights[f"lstm.weight_hh_l{k}"])[None]),
            constant(f"b{k}", np.concatenate((bias, np.zeros_like(bias)))[None]),
        ]
        h = node("LSTM", [y, *names], f"directions{k}", hidden_size=hidden)
        h = node("Squeeze", [h, constant(f"axis{k}", np.array([1]))], f"h{k}")  # (T, 1, B, H) -> (T, B, H)
        y = node("Add", [y, h], f"y{k}") if k else h
    last = constant("last", np.array([-1]))
    top, inputs = node("Gather", [y, last], "top", axis=0), node("Gather", ["x", last], "inputs", axis=0)
    dense = node("MatMul", [top, constant("dense", weights["dense.weight"].T)], "product")
    dense = node("Tanh", [node("Add", [dense, constant("dense_bias", weights["dense.bias"])], "sum")], "dense_out")
    head = node("MatMul", [dense, constant("head", weights["head.weight"].T)], "head_product")
    head = node("Add", [head, constant("head_bias", weights["head.bias"])], "head_out")
    skip = node("MatMul", [inputs, constant("skip", weights["skip.weight"].T)], "skip_out")
    node("Add", [head, skip], "y")
    n_inputs, outputs = weights["lstm.weight_ih_l0"].shape[1], len(weights["head.bias"])
    whole = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", n_inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "B", outputs])],
        tensors,
    )
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    serialised: bytes = model.SerializeToString()
    return serialised


def _gates(values: Array) -> Array:
    """Return rows in ONNX's order of gates, i, o, f, g, from PyTorch's i, f, g, o."""
    i, f, g, o = np.split(values, 4)
    return np.concatenate((i, o, f, g))
