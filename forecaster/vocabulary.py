"""Text to symbols and back: words, characters, or names of states, each with a number.

Numbers 0 and 1 are no symbols: 0 is whatever the vocabulary does not hold, 1 is the boundary that stands before,
between and after sequences.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress
from typing import Any, NamedTuple, Self
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import ConfigError, InputError, TooShortError
from forecaster.gate import shown
from forecaster.rounds import Integers
from forecaster.shape import UNITS, Units

UNKNOWN, BOUNDARY = 0, 1
RESERVED = 2
"""The number of the first symbol."""

MOST_SYMBOLS = 50_000

_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*|[^\w\s]")
"""A word, with what an apostrophe or a hyphen holds together; else one mark."""
_CLOSING = re.compile(r"[^\w\s(\[{\u201c\u2018$£€#@&/-]")
"""A mark that stands at the end of the word before it."""


class Suggestion(NamedTuple):
    """A symbol that may come next, and how likely it is."""

    symbol: str
    probability: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The symbols there are, and how text is cut into them.

    Attributes
    ----------
    units
        What a symbol is: one of the "words" of a text, punctuation marks being words too, one of its "characters", or
        one of the "symbols" of a sequence that is not text, such as the states of a machine.
    symbols
        All of them; the first has the number 2.
    lowercase
        Whether text is made lower case before.

    Raises
    ------
    ConfigError
        `units` is none of the three; symbols are empty, no text, or come twice.

    Examples
    --------
    >>> from forecaster import Vocabulary
    >>> words = Vocabulary.of(["The cat sat.", "The mat."], "words", lowercase=True)
    >>> words.split("The rat sat.")
    ['the', 'rat', 'sat', '.']
    >>> words.encode("The rat sat.").tolist()  # 0: unknown
    [3, 0, 6, 2]
    """

    units: Units
    symbols: tuple[str, ...]
    lowercase: bool = False
    _numbers: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check that every symbol is text and stands there once."""
        check_units(self.units)
        numbers = {symbol: number for number, symbol in enumerate(self.symbols, RESERVED)}
        if len(numbers) != len(self.symbols) or not all(isinstance(symbol, str) and symbol for symbol in numbers):
            raise ConfigError("the symbols of a vocabulary must be different texts, none of them empty.")
        object.__setattr__(self, "_numbers", numbers)

    @classmethod
    def of(
        cls,
        sequences: Sequence[Any],
        units: Units = "words",
        *,
        lowercase: bool = False,
        most: int = MOST_SYMBOLS,
        least: int = 1,
    ) -> Self:
        """Return the vocabulary of sequences: the `most` frequent symbols of those that come `least` times or more.

        The most frequent has the number 2; of equally frequent ones the first in the order of letters comes first.

        Raises
        ------
        InputError
            A sequence is not as `split` wants it, or no symbol comes often enough.
        """
        empty = cls(units, (), lowercase)
        counts = Counter(chain.from_iterable(empty.split(sequence) for sequence in sequences))
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = tuple(symbol for symbol, count in ranked[:most] if count >= least)
        if not kept:
            raise InputError(
                f"expected {units} that come {least} times or more to learn from, got {len(counts)} different ones "
                "that do not. Give more of them."
            )
        return cls(units, kept, lowercase)

    def __len__(self) -> int:
        """Return how many numbers there are."""
        return len(self.symbols) + RESERVED

    def __contains__(self, symbol: object) -> bool:
        """Whether a symbol, as `split` gives it, is known."""
        return symbol in self._numbers

    def split(self, sequence: str | Sequence[str]) -> Sequence[str]:
        """Return a text, or a sequence of symbols, as symbols.

        Of words and characters a text is wanted; symbols in a text are parted by white space.

        Raises
        ------
        InputError
            It is neither.
        """
        if isinstance(sequence, str):
            text = sequence.lower() if self.lowercase else sequence
            if self.units != "symbols" and not text.isascii():
                text = normalize("NFC", text)  # an accent may stand by itself, which looks the same
            if self.units == "characters":
                return text
            return _WORD.findall(text) if self.units == "words" else text.split()
        if not isinstance(sequence, Iterable) or isinstance(sequence, (bytes, Mapping)):
            raise InputError(f"expected a text or a sequence of {self.units}, got {shown(sequence)}.")
        symbols = list(sequence)
        for number, symbol in enumerate(symbols, 1):
            if not isinstance(symbol, str) or not symbol:
                raise InputError(
                    f"expected {self.units} that are text, got {shown(symbol)} at place {number}. Turn others into "
                    "text before, such as with str()."
                )
        # Those of an array are of NumPy's own kind of text.
        return [str(symbol.lower() if self.lowercase else symbol) for symbol in symbols]

    def split_all(self, given: Any) -> list[Sequence[str]]:
        """Return the sequences of what was given to learn from, empty ones left out, as symbols.

        Raises
        ------
        InputError
            It is neither a text nor symbols, nor a list of such.
        """
        pieces = [self.split(sequence) for sequence in as_sequences(given, self.units)]
        return [piece for piece in pieces if len(piece)]

    def encode(self, sequence: str | Sequence[str]) -> Integers:
        """Return the numbers of a text or a sequence of symbols, (T,) int64; 0 for each that is unknown.

        Raises
        ------
        InputError
            It is neither.
        """
        return self.numbers(self.split(sequence))

    def numbers(self, symbols: Sequence[str]) -> Integers:
        """Return the numbers of symbols, as `split` gives them, (T,) int64."""
        known = self._numbers
        return np.fromiter((known.get(symbol, UNKNOWN) for symbol in symbols), np.int64, len(symbols))

    def symbol(self, number: int) -> str:
        """Return the symbol of a number from 2 on."""
        return self.symbols[number - RESERVED]

    def join(self, symbols: Sequence[str]) -> str:
        """Return symbols as text: characters as they are, words with spaces, and with none before a mark."""
        if self.units == "characters":
            return "".join(symbols)
        if self.units == "symbols":
            return " ".join(symbols)
        parts = (word if _CLOSING.fullmatch(word) else f" {word}" for word in symbols)
        return "".join(parts).strip()


def check_units(units: object) -> Units:
    """Return `units` if it says what a symbol is.

    Raises
    ------
    ConfigError
        It does not.
    """
    if units not in UNITS:
        raise ConfigError(f"units must be one of {', '.join(UNITS)}, got {units!r}.", column="units")
    return units


def as_sequences(given: Any, units: Units) -> list[Any]:
    """Return what was given to learn from as a list of sequences: one, or several.

    A text is one. So are symbols in a list, where units are "symbols"; of words and characters a list holds texts.

    Raises
    ------
    InputError
        It is none of these.
    """
    if isinstance(given, str):
        return [given]
    if hasattr(given, "columns"):  # of which only the names would be read
        raise InputError("expected a text, or a list of such, got a data frame; give the column that holds them.")
    if not isinstance(given, Iterable) or isinstance(given, (bytes, Mapping)):
        raise InputError(f"expected a text, a sequence of symbols, or a list of such, got {shown(given)}.")
    several = list(given)
    if units == "symbols" and several and all(isinstance(one, str) for one in several):
        return [several]
    return several


def joined(sequences: Sequence[Integers]) -> Integers:
    """Return sequences as one, a boundary before, between and after them.

    Raises
    ------
    TooShortError
        There are none.
    """
    boundary = np.array([BOUNDARY])
    pieces = [piece for sequence in sequences for piece in (boundary, sequence)]
    if not pieces:
        raise TooShortError("expected symbols, got none.")
    return np.concatenate([*pieces, boundary])


def without(sequences: Sequence[Sequence[str]], held_out: NDArray[np.bool_]) -> list[list[str]]:
    """Return what is left of sequences without what is held out, (N,) as `joined` puts them: a boundary before each."""
    kept, at = [], 0
    for sequence in sequences:
        at += 1
        kept.append(list(compress(sequence, (~held_out[at : at + len(sequence)]).tolist())))
        at += len(sequence)
    return kept
