"""Write tests/data/torch_*.npz: what torch's recurrent layers and torch.optim.Adam answer on small seeded cases.

The tests read the files and never run this script; PyTorch is no dependency of the project. To write them again,
from the root of the repository::

    python3 -m venv /tmp/torchenv
    /tmp/torchenv/bin/pip install torch==2.13.0 numpy
    /tmp/torchenv/bin/python tests/reference/make_torch_numbers.py

All arithmetic is float64; what is drawn (weights, inputs) is rounded to float32 first, so that float32 kernels start
from exactly the same numbers. Keys are ``case/name``; cases are named like ``lstm_T5_B3_I2_H4_L1``.

Cases of a cell (torch_lstm.npz; GRU and RNN: torch_cells.npz): ``x``, ``h0``, ``c0`` (L, B, H), weights by torch's
names, ``r``, ``r_h``, ``r_c``; the loss is ``sum(r * h) + sum(r_h * h_last) + sum(r_c * c_last)``. Answers: ``h``,
``h_last``, ``c_last``, ``loss``, ``d_`` + name. Only the LSTM has a c.

Network cases: the network of docs/lstm.md, torch's names for the LSTM weights and ``weight_dense``, ``bias_dense``,
``weight_head``, ``bias_head``; ``x``, ``target`` and ``weights`` (T, B, F), ``quantiles``; the loss is the weighted
pinball loss, in which the median counts ten times. Answers: ``output`` (T, B, F * Q), ``loss``, ``d_`` + name.

Sequence cases (torch_cells.npz): networks of docs/lstm.md for sequences, ``weight_embedding`` where symbols come in.
``next``: ``symbols`` (T, B), the cross-entropy of ``targets`` (T, B) at every step, weighted by ``weights`` (T, B).
``binary``, ``categorical``: numbers ``x`` (T, B, I), read at the steps ``ends`` (B,); ``targets`` (B, outputs).
Answers: ``output``, ``loss``, ``d_`` + name.

All: ``losses`` and ``norms`` (3,), before each of three Adam steps at LEARNING_RATE with gradients clipped to
``max_norm``, and ``after_`` + name, the weights after them (kept as float32 to save space). torch has two biases a
layer where this project has one: it is their sum. Both receive the same gradient, so ``bias_hh`` is frozen; else the
sum would move twice as far in a step. Not so the part of a GRU's that stands inside of the product with the reset gate.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parents[1] / "data"
SHAPES = [(5, 3, 2, 4), (7, 2, 1, 3), (12, 4, 6, 8), (9, 5, 3, 17)]  # T, B, I, H
CELL_SHAPES = [(5, 3, 2, 4), (9, 5, 3, 17)]  # of a GRU and a plain RNN
SEQUENCES = [("next", "lstm", 0), ("next", "gru", 6), ("binary", "rnn", 6), ("categorical", "lstm", 0)]  # dense units
SEQUENCE_SIZES = (6, 4, 3, 5, 2)  # T, B, I or width of the embedding, H, L
VOCABULARY, CLASSES = 11, 4
NETWORK_SHAPES = [(6, 3, 4, 5, 2), (5, 2, 3, 4, 3)]  # T, B, I, H, L
FORECAST_STEPS, DENSE = 3, 6
QUANTILES = [0.1, 0.5, 0.9]
SHARES = [1 / 12, 10 / 12, 1 / 12]  # what each has to say in the loss
STEPS, LEARNING_RATE = 3, 0.01

Case = dict[str, np.ndarray]
Tensors = dict[str, torch.Tensor]


def draw(generator: np.random.Generator, *shape: int, scale: float = 1.0) -> torch.Tensor:
    """Draw normal numbers that float32 holds exactly."""
    return torch.from_numpy((scale * generator.standard_normal(shape)).astype(np.float32).astype(np.float64))


def cell_weights(module: torch.nn.RNNBase, generator: np.random.Generator) -> Tensors:
    """Give the module drawn weights, freeze the second bias, and return its weights by name."""
    weights = dict(module.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(draw(generator, *weight.shape, scale=0.5))
            if name.startswith("bias_hh") and isinstance(module, torch.nn.GRU):
                own = (torch.arange(len(weight)) >= 2 * module.hidden_size).to(weight.dtype)
                weight.register_hook(lambda gradient, own=own: own * gradient)
            else:
                weight.requires_grad_(not name.startswith("bias_hh"))
    return weights


def run(case: Case, weights: Tensors, loss_of: Callable[[], torch.Tensor], inputs: Tensors) -> Case:
    """Add to `case` the weights, the first gradients, and what three clipped Adam steps lead to."""
    stored = {name: weight.detach().numpy() for name, weight in {**weights, **inputs}.items()}
    case |= {name: value.astype(np.float32) for name, value in stored.items()}
    trained = {name: weight for name, weight in weights.items() if weight.requires_grad}
    optimiser = torch.optim.Adam(trained.values(), lr=LEARNING_RATE)
    losses, norms = [], []
    for step in range(STEPS):
        optimiser.zero_grad()
        loss = loss_of()
        loss.backward()
        if step == 0:
            differentiated = trained | {name: value for name, value in inputs.items() if value.requires_grad}
            case |= {f"d_{name}": value.grad.numpy().copy() for name, value in differentiated.items()}
            norm = torch.linalg.vector_norm(torch.cat([weight.grad.ravel() for weight in trained.values()])).item()
            case |= {"loss": np.array(loss.item()), "max_norm": np.array(norm / 2)}  # so that clipping acts
        norms.append(torch.nn.utils.clip_grad_norm_(trained.values(), float(case["max_norm"])).item())
        losses.append(loss.item())
        optimiser.step()
    case |= {f"after_{name}": weight.detach().numpy().astype(np.float32) for name, weight in trained.items()}
    return case | {"losses": np.array(losses), "norms": np.array(norms)}


def cell_case(cell: str, shape: tuple[int, int, int, int], layers: int, generator: np.random.Generator) -> Case:
    """Answer for a plain torch.nn.LSTM, GRU or RNN of one or more layers."""
    steps, rows, inputs_, hidden = shape
    module = getattr(torch.nn, cell.upper())(inputs_, hidden, layers, dtype=torch.float64)
    weights, states = cell_weights(module, generator), ("h", "c") if cell == "lstm" else ("h",)
    inputs = {"x": draw(generator, steps, rows, inputs_)}
    inputs |= {f"{name}0": draw(generator, layers, rows, hidden) for name in states}
    for value in inputs.values():
        value.requires_grad_()
    inputs |= {"r": draw(generator, steps, rows, hidden)}
    inputs |= {f"r_{name}": draw(generator, layers, rows, hidden) for name in states}

    def answer() -> Tensors:
        begin = tuple(inputs[f"{name}0"] for name in states)
        h, end = module(inputs["x"], begin if cell == "lstm" else begin[0])
        ends = end if cell == "lstm" else (end,)
        return {"h": h} | {f"{name}_last": state for name, state in zip(states, ends, strict=True)}

    def loss_of() -> torch.Tensor:
        said = answer()
        loss = (inputs["r"] * said["h"]).sum()
        for name in states:
            loss = loss + (inputs[f"r_{name}"] * said[f"{name}_last"]).sum()
        return loss

    case = {name: value.detach().numpy() for name, value in answer().items()}
    return run(case, weights, loss_of, inputs)


def network_case(shape: tuple[int, int, int, int, int], generator: np.random.Generator) -> Case:
    """Answer for the whole network: residual stack, dense tanh layer, head, pinball loss with missing targets."""
    steps, rows, inputs_, hidden, layers = shape
    modules = [torch.nn.LSTM(hidden if k else inputs_, hidden, dtype=torch.float64) for k in range(layers)]
    weights: Tensors = {}
    for k, module in enumerate(modules):
        for name, weight in cell_weights(module, generator).items():
            weights[name.replace("_l0", f"_l{k}")] = weight
    columns = FORECAST_STEPS * len(QUANTILES)
    for name, *size in (("dense", DENSE, hidden), ("head", columns, DENSE)):
        weights[f"weight_{name}"] = draw(generator, *size, scale=0.5).requires_grad_()
        weights[f"bias_{name}"] = draw(generator, size[0], scale=0.5).requires_grad_()
    observed = (generator.random((steps, rows, FORECAST_STEPS)) < 0.8).astype(np.float64)
    inputs = {
        "x": draw(generator, steps, rows, inputs_).requires_grad_(),
        "target": draw(generator, steps, rows, FORECAST_STEPS),
        "weights": torch.from_numpy(observed),
    }
    quantiles, shares = (torch.tensor(numbers, dtype=torch.float64) for numbers in (QUANTILES, SHARES))

    def answer() -> torch.Tensor:
        y, _ = modules[0](inputs["x"])
        for module in modules[1:]:
            y = y + module(y)[0]
        z = torch.tanh(torch.nn.functional.linear(y, weights["weight_dense"], weights["bias_dense"]))
        return torch.nn.functional.linear(z, weights["weight_head"], weights["bias_head"])

    def loss_of() -> torch.Tensor:
        output = answer().reshape(steps, rows, FORECAST_STEPS, len(QUANTILES))
        error = inputs["target"][..., None] - output
        each = (shares * torch.maximum(quantiles * error, (quantiles - 1) * error)).sum(dim=-1)
        return (inputs["weights"] * each).sum() / inputs["weights"].sum()

    case = run({"output": answer().detach().numpy()}, weights, loss_of, inputs)
    return case | {"quantiles": np.array(QUANTILES)}


def sequence_case(kind: str, cell: str, wide: int, generator: np.random.Generator) -> Case:
    """Answer for a network that sees symbols and guesses the next, or numbers and answers at the end."""
    steps, rows, inputs_, hidden, layers = SEQUENCE_SIZES
    modules = [
        getattr(torch.nn, cell.upper())(hidden if k else inputs_, hidden, dtype=torch.float64) for k in range(layers)
    ]
    weights: Tensors = {}
    for k, module in enumerate(modules):
        for name, weight in cell_weights(module, generator).items():
            weights[name.replace("_l0", f"_l{k}")] = weight
    outputs = {"next": VOCABULARY, "binary": 1, "categorical": CLASSES}[kind]
    sizes = {"head": (outputs, wide or hidden)} | ({"dense": (wide, hidden)} if wide else {})
    for name, size in sizes.items():
        weights[f"weight_{name}"] = draw(generator, *size, scale=0.5).requires_grad_()
        weights[f"bias_{name}"] = draw(generator, size[0], scale=0.5).requires_grad_()
    if kind == "next":
        weights["weight_embedding"] = draw(generator, VOCABULARY, inputs_).requires_grad_()
        symbols, targets = generator.integers(0, VOCABULARY, (2, steps, rows))
        inputs = {"symbols": torch.from_numpy(symbols), "targets": torch.from_numpy(targets)}
        inputs["weights"] = torch.from_numpy((generator.random((steps, rows)) < 0.8).astype(np.float64))
    else:
        inputs = {"x": draw(generator, steps, rows, inputs_).requires_grad_()}
        inputs["ends"] = torch.from_numpy(generator.integers(0, steps, rows))
        of_classes = torch.from_numpy(generator.integers(0, max(2, outputs), rows))
        inputs["targets"] = of_classes[:, None] if kind == "binary" else torch.eye(outputs)[of_classes]

    def answer() -> torch.Tensor:
        x = weights["weight_embedding"][inputs["symbols"]] if kind == "next" else inputs["x"]
        y, _ = modules[0](x)
        for module in modules[1:]:
            y = y + module(y)[0]
        z = y if kind == "next" else y[inputs["ends"], torch.arange(rows)]
        if wide:
            z = torch.tanh(torch.nn.functional.linear(z, weights["weight_dense"], weights["bias_dense"]))
        return torch.nn.functional.linear(z, weights["weight_head"], weights["bias_head"])

    def loss_of() -> torch.Tensor:
        said = answer()
        if kind == "binary":
            return torch.nn.functional.binary_cross_entropy_with_logits(said, inputs["targets"].to(said.dtype))
        if kind == "categorical":
            return torch.nn.functional.cross_entropy(said, inputs["targets"].to(said.dtype))
        each = torch.nn.functional.cross_entropy(said.flatten(0, 1), inputs["targets"].flatten(), reduction="none")
        return (inputs["weights"].flatten() * each).sum() / inputs["weights"].sum()

    return run({"output": answer().detach().numpy()}, weights, loss_of, inputs)


def save(name: str, cases: dict[str, Case]) -> None:
    """Write cases into one file."""
    FOLDER.mkdir(exist_ok=True)
    arrays = {f"{case}/{name}": value for case, values in cases.items() for name, value in values.items()}
    np.savez_compressed(FOLDER / name, allow_pickle=False, **arrays)


def lstm_cases() -> dict[str, Case]:
    """Answer for LSTMs, and for networks of them."""
    generator = np.random.default_rng(20260101)
    cases: dict[str, Case] = {}
    for shape in SHAPES:
        for layers in (1, 2):
            cases["lstm_T{}_B{}_I{}_H{}_L{}".format(*shape, layers)] = cell_case("lstm", shape, layers, generator)
    for network in NETWORK_SHAPES:
        cases["network_T{}_B{}_I{}_H{}_L{}".format(*network)] = network_case(network, generator)
    return cases


def other_cases() -> dict[str, Case]:
    """Answer for the other cells, and for networks that see sequences."""
    generator = np.random.default_rng(20260102)
    cells = {
        f"{cell}_T{shape[0]}_B{shape[1]}_I{shape[2]}_H{shape[3]}_L{layers}": cell_case(cell, shape, layers, generator)
        for cell in ("gru", "rnn")
        for shape in CELL_SHAPES
        for layers in (1, 2)
    }
    return cells | {"_".join(map(str, one)): sequence_case(*one, generator) for one in SEQUENCES}


def main() -> None:
    """Write both files."""
    torch.set_num_threads(1)
    save("torch_lstm.npz", lstm_cases())
    save("torch_cells.npz", other_cases())


if __name__ == "__main__":
    main()
