"""The same network in PyTorch, run by the interpreter that has it: reads a file of arrays, prints figures as JSON."""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import numpy as np


def main(path: str) -> None:
    """Train for the given time and print the perplexity on what is held out, the seconds and the steps."""
    import torch

    asked: Any = np.load(path)
    settings = json.loads(str(asked["settings"]))
    torch.manual_seed(0)
    torch.set_num_threads(settings["threads"])
    model = _model(torch, settings)
    known, held_out = (torch.from_numpy(asked[name]) for name in ("known", "held_out"))
    steps, seconds = _train(torch, model, known, settings)
    model.eval()
    with torch.no_grad():
        logits, _ = model(held_out[:-1].reshape(-1, 1), None)
        loss = sum(
            float(torch.nn.functional.cross_entropy(model.head(part), target, reduction="sum"))
            for part, target in zip(logits[:, 0].split(2048), held_out[1:].split(2048), strict=True)
        )
    print(json.dumps({"perplexity": math.exp(loss / (len(held_out) - 1)), "seconds": seconds, "steps": steps}))


def _model(torch: Any, settings: Any) -> Any:
    class Model(torch.nn.Module):  # type: ignore[misc]  # PyTorch is not here when types are checked
        def __init__(self) -> None:
            super().__init__()
            size, hidden = settings["size"], settings["hidden"]
            self.embedding = torch.nn.Embedding(size, hidden)
            self.lstm = torch.nn.LSTM(hidden, hidden, settings["layers"])
            self.head = torch.nn.Linear(hidden, size)
            bound = hidden**-0.5
            torch.nn.init.uniform_(self.embedding.weight, -bound, bound)
            torch.nn.init.zeros_(self.head.bias)
            self.head.weight = self.embedding.weight
            self.dropout = torch.nn.Dropout(settings["dropout"])

        def forward(self, symbols: Any, states: Any) -> Any:
            h, states = self.lstm(self.dropout(self.embedding(symbols)), states)
            return self.dropout(h), states

    return Model()


def _train(torch: Any, model: Any, known: Any, settings: Any) -> tuple[int, float]:
    """Train until the time is over; return the steps that took, and the seconds."""
    streams, window = settings["streams"], settings["window"]
    often = 1.0 + torch.bincount(known, minlength=settings["size"])
    with torch.no_grad():  # as ours begins
        model.head.bias.copy_(torch.log(often / often.sum()))
    length = (len(known) - 1) // streams
    at = length * torch.arange(streams)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    place, states, steps, began = 0, None, 0, time.perf_counter()
    while (passed := (time.perf_counter() - began) / settings["seconds"]) < 1:
        optimiser.param_groups[0]["lr"] = settings["learning_rate"] * _one_cycle(passed)
        steps += 1
        if place + window > length:
            place, states = 0, None
        part = known[place + at + torch.arange(window + 1)[:, None]]
        place += window
        h, states = model(part[:-1], states)
        states = tuple(state.detach() for state in states)
        loss = torch.nn.functional.cross_entropy(model.head(h).flatten(0, 1), part[1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return steps, time.perf_counter() - began


def _one_cycle(passed: float) -> float:
    """Return the share of the learning rate after such a share of the training."""
    return (passed + 0.001) / 0.1 if passed < 0.1 else 0.5 * (1 + math.cos(math.pi * (passed - 0.1) / 0.9))


if __name__ == "__main__":
    main(sys.argv[1])
