"""Gates and states of a panel's series, in pieces, each written as it is made.

Gates and states are float32. They are written with the fewest digits that give the same float32 back, so that an answer
has the very numbers of the pass, in half the bytes that float64 would take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster import Explanation, LayerTrace, NetworkTrace, Panel, TooShortError
from service.answers import to_json
from service.models.served import Model
from service.problems import message_of

__all__ = ["Part", "explain_pieces", "layers_of", "numbers_of", "shortest"]

_AT_ONCE = 16
"""Series in a piece: between pieces it is looked whether the request's time is over."""
_MOVERS = 5
_STATES = ("input_gate", "forget_gate", "candidate", "output_gate", "cell_state", "hidden_state")


@dataclass(frozen=True, slots=True)
class Part:
    """Some series: their `service.schemas.explanations.SeriesExplanation`s in JSON, and those that have none.

    Attributes
    ----------
    body
        The explanations, parted by commas; empty if there are none.
    engine
        What computed them, if anything did.
    skipped
        Series that cannot be forecast: id and reason.
    """

    body: bytes
    engine: str
    skipped: dict[str, str]


def explain_pieces(model: Model, panel: Panel, *, network: int | None, layer: int | None) -> Iterator[Part]:
    """Explain a panel, some series at a time and in their order."""
    for start in range(0, len(panel), _AT_ONCE):
        part = panel.select(np.arange(start, min(start + _AT_ONCE, len(panel))))
        try:
            made = model.explain(part, network=network, layer=layer)
        except TooShortError as error:
            reasons = error.skipped or dict.fromkeys(part.ids, str(error))
            yield Part(b"", "", _for_clients(reasons))
        else:
            body = to_json([_series(made, i) for i in range(len(made))])[1:-1]
            yield Part(body, made.engine, _for_clients(made.skipped))


def layers_of(info: Mapping[str, Any]) -> list[int]:
    """Return how many layers each network of a model has."""
    return [int(one["layers"]) for one in _shapes(info)]


def numbers_of(info: Mapping[str, Any], panel: Panel, *, network: int | None, layer: int | None) -> int:
    """Return how many numbers the answer has for these networks and layers of a model."""
    total = 0
    for number, shape in enumerate(_shapes(info)):
        if network in (None, number):
            layers = int(shape["layers"]) if layer is None else int(layer < shape["layers"])
            steps = int(np.minimum(panel.lengths, int(shape["positions"])).sum())
            total += steps * (1 + 6 * int(shape["hidden"]) * layers) if layers else 0
    return total


def _shapes(info: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(info.get("architecture", {}).get("networks", []))


def _series(made: Explanation, i: int) -> dict[str, Any]:
    is_integer = made.panel.frequency.is_integer
    return {
        "unique_id": made.ids[i],
        "ds": made.times(i).tolist() if is_integer else made.time_labels(i),
        "y": made.values(i).tolist(),
        "networks": [_network(made, trace, i) for trace in made.networks],
    }


def _network(made: Explanation, trace: NetworkTrace, i: int) -> dict[str, Any]:
    padding = int(trace.padding[i])
    return {
        "network": trace.network,
        "steps": trace.steps - padding,
        "padding": padding,
        "season_removed": trace.season_removed,
        "horizon": trace.horizon,
        "inputs": trace.inputs[i, padding:].tolist(),
        "layers": [_layer(made, trace, layer, i) for layer in trace.layers],
    }


def _layer(made: Explanation, trace: NetworkTrace, layer: LayerTrace, i: int) -> dict[str, Any]:
    padding = int(trace.padding[i])
    states = np.stack([getattr(layer, name)[i, padding:].T for name in _STATES])
    return {
        "layer": layer.layer,
        "units": layer.units,
        **dict(zip(_STATES, shortest(states).tolist(), strict=True)),
        "movers": [
            {
                "unit": mover.unit,
                "change": mover.change,
                "cell_state_before": float(str(np.float32(mover.cell_state_before))),
                "cell_state": float(str(np.float32(mover.cell_state))),
            }
            for mover in made.movers_of(i, trace, layer, _MOVERS)
        ],
        "movers_steps": made.moving_steps(trace, i),
    }


def shortest(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the numbers of fewest decimal digits that round to these float32.

    Six significant digits always come back from float32, and nine always lead to it. Six times as fast as writing
    each of them as text and reading that.
    """
    result = values.astype(np.float64, order="C")
    flat, wide = values.reshape(-1), result.reshape(-1)
    left = np.flatnonzero(np.isfinite(flat) & (flat != 0))
    exponents = np.floor(np.log10(np.abs(wide[left]))).astype(np.int64)
    for digits in range(6, 10):
        places = digits - 1 - exponents
        scale = 10.0 ** np.abs(places)
        exact = wide[left]
        near = np.where(places >= 0, np.rint(exact * scale) / scale, np.rint(exact / scale) * scale)
        found = near.astype(np.float32) == flat[left]
        wide[left[found]] = near[found]
        left, exponents = left[~found], exponents[~found]
    return result


def _for_clients(reasons: Mapping[str, str]) -> dict[str, str]:
    return {name: message_of(reason) for name, reason in reasons.items()}
