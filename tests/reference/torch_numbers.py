"""The numbers that make_torch_numbers.py saved from PyTorch, as float64."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from tests.reference import Array

Case = dict[str, Array]

LSTM_CASES = [
    f"lstm_T{t}_B{b}_I{i}_H{h}_L{layers}"
    for t, b, i, h in [(5, 3, 2, 4), (7, 2, 1, 3), (12, 4, 6, 8), (9, 5, 3, 17)]
    for layers in (1, 2)
]
CELL_CASES = {
    cell: [f"{cell}_T{t}_B{b}_I{i}_H{h}_L{n}" for t, b, i, h in [(5, 3, 2, 4), (9, 5, 3, 17)] for n in (1, 2)]
    for cell in ("gru", "rnn")
}
SEQUENCE_CASES = ["next_lstm_0", "next_gru_6", "binary_rnn_6", "categorical_lstm_0"]
NETWORK_CASES = ["network_T6_B3_I4_H5_L2", "network_T5_B2_I3_H4_L3"]


@cache
def torch_numbers() -> dict[str, Case]:
    """Return the saved cases by name."""
    cases: dict[str, Case] = {}
    for path in (Path(__file__).parents[1] / "data").glob("torch_*.npz"):
        with np.load(path) as file:
            for key in file.files:
                case, name = key.split("/")
                cases.setdefault(case, {})[name] = file[key].astype(np.float64)
    return cases


def weights_of(case: Case, prefix: str = "") -> Case:
    """Return the case's weights under our names: the two biases of torch become one, their sum."""
    weights = {name: case[prefix + name] for name in case if name.startswith("weight_") and prefix + name in case}
    for name in [name for name in case if name.startswith("bias_ih")]:
        # The second bias is frozen, so after the steps it is still what it was; but for the last block of a GRU's,
        # which is one of its own.
        second, hidden = name.replace("_ih_", "_hh_"), case[name.replace("bias_ih", "weight_hh")].shape[1]
        frozen = 0.0 * case[second] if prefix == "d_" else case[second].copy()
        own = [case[prefix + second][2 * hidden :]] if len(frozen) == 3 * hidden else []
        if own:
            frozen[2 * hidden :] = 0.0
        weights[name.replace("_ih_", "_")] = np.concatenate([case[prefix + name] + frozen, *own])
    return weights | {name: case[prefix + name] for name in ("bias_dense", "bias_head") if name in case}
