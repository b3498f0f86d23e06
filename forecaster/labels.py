"""Labels of sequences: the classes there are, which of their sequences are held out, and how well they were told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import ConfigError, InputError
from forecaster.gate import shown
from forecaster.rounds import Integers

Label = str | int | bool
Floats = NDArray[np.float64]

_FEWEST_HELD_OUT = 8


def labels_of(labels: object) -> list[Label]:
    """Return labels as a list, checked.

    Raises
    ------
    InputError
        They are no list, or one is neither text, whole number nor boolean, or of another type than the first.
    """
    if isinstance(labels, (str, bytes, Mapping)) or not isinstance(labels, Iterable):
        raise InputError(f"labels must be a list with a label for each sequence, got {shown(labels)}.")
    known: list[Label] = []
    for row, one in enumerate(labels):
        label = one.item() if isinstance(one, np.generic) else one
        if type(label) not in (str, int, bool):
            raise InputError(f"label {row} must be text, a whole number or a boolean, got {shown(label)}.", row=row)
        if known and type(label) is not type(known[0]):
            raise InputError(
                f"label {row} is {shown(label)} where label 0 is {shown(known[0])}; give all of one type.", row=row
            )
        if type(label) is int and not -(2**63) <= label < 2**63:
            raise InputError(f"label {row} is too large a number; write it as text.", row=row)
        known.append(label)
    return known


def classes_of(labels: list[Label]) -> tuple[tuple[Label, ...], Integers]:
    """Return the classes there are, sorted, and the place of each label among them, (N,).

    Raises
    ------
    InputError
        There are fewer than two.
    """
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        there = f"all labels are {shown(classes[0])}" if classes else "there are no labels"
        raise InputError(f"{there}; a classifier needs sequences of two classes or more to tell apart.")
    return classes, answers_of(labels, classes)


def answers_of(labels: list[Label], classes: tuple[Label, ...]) -> Integers:
    """Return the place of each label among the classes, (N,).

    Raises
    ------
    InputError
        It is none of them; the message names it.
    """
    place = {label: k for k, label in enumerate(classes)}
    for row, label in enumerate(labels):
        if label not in place:
            raise InputError(
                f"label {row} is {shown(label)}, which was not there in training; the model knows {_listed(classes)}.",
                row=row,
            )
    return np.array([place[label] for label in labels], np.int64)


def known_classes(classes: list[Any]) -> tuple[Label, ...]:
    """Return the classes that a description names.

    Raises
    ------
    ConfigError
        They cannot be classes.
    """
    if len({type(one) for one in classes}) != 1 or type(classes[0]) not in (str, int, bool):
        raise ConfigError("classes must be all texts, all whole numbers, or all booleans.")
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ConfigError("classes must be two or more, and different.")
    return tuple(classes)


def _listed(classes: tuple[Label, ...], most: int = 10) -> str:
    more = f" and {len(classes) - most} more" if len(classes) > most else ""
    return ", ".join(map(shown, classes[:most])) + more


def held_out_of(answers: Integers, share: float, rng: np.random.Generator) -> Integers:
    """Return the sequences to judge by, (V,): that share of each class, rounded down, so that none is held out whole.

    None where that makes fewer than 8.
    """
    chosen = [rng.permutation(of)[: int(share * len(of))] for of in _by_class(answers)]
    which = np.sort(np.concatenate(chosen))
    return which if len(which) >= _FEWEST_HELD_OUT else np.empty(0, np.int64)


def _by_class(answers: Integers) -> list[Integers]:
    order = np.argsort(answers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(answers[order])) + 1)


def targets_of(answers: Integers, outputs: int) -> NDArray[np.float32]:
    """Return what a network with so many outputs should give, (N, outputs): the class's place is 1."""
    if outputs == 1:
        return answers.astype(np.float32)[:, None]
    targets = np.zeros((len(answers), outputs), np.float32)
    targets[np.arange(len(answers)), answers] = 1
    return targets


def verdict(probabilities: Floats, answers: Integers) -> dict[str, float]:
    """Return the accuracy, a share, and the log loss, in nats, of probabilities (N, C) of the classes."""
    given_to = probabilities[np.arange(len(answers)), answers]
    return {
        "accuracy": float((probabilities.argmax(1) == answers).mean()),
        "log_loss": float(-np.log(np.maximum(given_to, 1e-15)).mean()),
    }
