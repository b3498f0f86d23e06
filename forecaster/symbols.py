"""What comes next: words of a text, characters, or states of a machine, one after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from forecaster import __version__
from forecaster.config import (
    SequenceConfig,
    TrainingConfig,
    as_settings,
    changed,
    check_cell,
    check_horizon,
    check_seed,
    check_whole,
    sequence_config,
    sequence_settings,
    training_config,
)
from forecaster.description import named_weights, set_named_weights
from forecaster.errors import ConfigError, NotFittedError, TooShortError
from forecaster.generation import check_temperature, draw, run_symbols, softmax
from forecaster.network import Network
from forecaster.plain import head
from forecaster.rounds import Integers
from forecaster.shape import Cell, Units
from forecaster.storage import FORMAT_VERSION, described_by, load_model, save_model
from forecaster.symbol_learning import held_out_places, learn_symbols, perplexity_of, usual_network, usual_training
from forecaster.vocabulary import (
    BOUNDARY,
    MOST_SYMBOLS,
    UNKNOWN,
    Suggestion,
    Vocabulary,
    check_units,
    joined,
    without,
)

if TYPE_CHECKING:
    from forecaster.training import History, Progress

Floats = NDArray[np.float64]

CONTEXT = 256
"""Newest symbols of a context that are looked at."""
MOST_GENERATED = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """All that training gave, or loading: set at once, so that a failed `fit` leaves the earlier model."""

    network: Network
    vocabulary: Vocabulary
    several: bool
    info: dict[str, Any]
    history: History | None = None


class SymbolForecaster:
    """A recurrent network that learns from a text, or from sequences of symbols, which symbol follows.

    Parameters
    ----------
    units : str
        What a symbol is: one of the ``"words"`` of a text (punctuation marks are words too), one of its
        ``"characters"``, or one of the ``"symbols"`` of sequences that are not text, such as states of a machine.
    network : SequenceConfig or mapping of str, optional
        The shape of the network; by default one that fits how much there is to learn from. ``{"hidden": 128}`` changes
        that one setting.
    cell : str, optional
        What the recurrent layers are made of: ``"lstm"``, ``"gru"`` or ``"rnn"``. By default the LSTM.
    training : TrainingConfig or mapping of str, optional
        How it is trained; by default six times through all symbols, fewer times through millions. ``{"steps": 50}``
        changes that one setting.
    most : int
        Symbols in the vocabulary at the most; rarer ones are learned as one "unknown" symbol.
    least : int, optional
        How often a symbol has to come to be in it: by default twice where a part is held out (see `fit`), else once.
        Those that come once are then what the "unknown" symbol is learned from.
    lowercase : bool, optional
        Whether text is made lower case: by default that of words.
    seed : int
        The same seed, symbols and settings give the same weights, bit for bit.
    threads : int, optional
        Threads to train with; by default one for each processor this process may use.

    Raises
    ------
    ConfigError
        A setting is wrong, or `network` and `cell` both give a cell.

    Notes
    -----
    docs/lstm.md derives it, (60) to (67); perplexities are e to the mean of (62) in nats.

    Examples
    --------
    >>> from forecaster import SymbolForecaster
    >>> model = SymbolForecaster(units="symbols").fit(["idle", "busy", "idle", "error", "reset"] * 40)
    >>> [suggestion.symbol for suggestion in model.next(["idle", "error"], k=1)]
    ['reset']
    """

    def __init__(
        self,
        *,
        units: Units = "words",
        network: SequenceConfig | Mapping[str, Any] | None = None,
        cell: Cell | None = None,
        training: TrainingConfig | Mapping[str, Any] | None = None,
        most: int = 20_000,
        least: int | None = None,
        lowercase: bool | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self.units = check_units(units)
        self.network = sequence_settings(network)
        config = changed(SequenceConfig(), self.network)
        if cell is not None and (isinstance(self.network, SequenceConfig) or "cell" in self.network):
            raise ConfigError("the network has a cell of its own: leave cell out, or network.", column="cell")
        if config.loss != "categorical":
            raise ConfigError(
                f"symbols are learned by the categorical loss, got the network's loss {config.loss!r}.", column="loss"
            )
        self.cell = config.cell if cell is None else check_cell(cell)
        self.training = training
        training_config(training, TrainingConfig())  # what is wrong is said here, not after the text is read
        self.most = check_whole("most", most, 1, MOST_SYMBOLS)
        self.least = None if least is None else check_whole("least", least, 1, 1_000_000)
        if lowercase is not None and not isinstance(lowercase, bool):
            raise ConfigError(f"lowercase must be true or false, got {lowercase!r}.", column="lowercase")
        self.lowercase = units == "words" if lowercase is None else lowercase
        self.seed = check_seed(seed)
        self.threads = None if threads is None else check_horizon(threads, name="threads")
        self._fitted: _Fitted | None = None

    @property
    def info(self) -> dict[str, Any]:
        """What the model is and how well it did on what was held out: the content of ``model.json``."""
        return self._ready().info

    @property
    def history(self) -> History:
        """The training, look by look, and how many steps' gradients were clipped; a loaded model has none."""
        history = self._ready().history
        if history is None:
            raise NotFittedError("the model was loaded, not trained here; info['training'] says what is kept.")
        return history

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols it knows."""
        return self._ready().vocabulary

    def fit(self, text: Any, *, progress: Callable[[Progress], None] | None = None) -> Self:
        """Learn from a text, from a sequence of symbols, or from a list of such.

        Of several, the network also learns where they begin and end. A twentieth, from up to twenty places, is held
        out: it decides when to stop and which weights stay, and gives the perplexity in `info`, beside that of counted
        pairs and triples. Since the best weights are chosen by it, it is a little lower than on other text: that is
        what `perplexity` tells. The vocabulary is that of what is learned from; what else is held out counts as the
        "unknown" symbol. Of fewer than 1,000 symbols nothing is held out, and the perplexity is not known.

        Raises
        ------
        InputError
            What is given is neither a text nor symbols; the message names the place.
        TooShortError
            There are fewer than two symbols.
        ConfigError
            There are too many symbols for one-hot vectors.
        """
        sequences = Vocabulary(self.units, (), self.lowercase).split_all(text)
        count = sum(map(len, sequences))
        if count < 2:
            raise TooShortError(f"expected two {self.units} or more to learn from, got {count}.")
        # One end in all, held out, would be the one number that nobody can foretell: a single sequence has none.
        held_out = held_out_places(count + len(sequences) + (len(sequences) > 1))
        least = self.least or (2 if held_out.any() else 1)
        vocabulary = Vocabulary.of(
            without(sequences, held_out), self.units, lowercase=self.lowercase, most=self.most, least=least
        )
        symbols = joined([vocabulary.numbers(sequence) for sequence in sequences])[: len(held_out)]
        config = self._config(len(vocabulary), len(symbols))
        training = training_config(self.training, usual_training(len(symbols)))
        learned = learn_symbols(
            symbols[~held_out], symbols[held_out], len(vocabulary), config, training,
            seed=self.seed, threads=self.threads, progress=progress,
        )  # fmt: skip
        network, history = learned.network, learned.history
        info = {
            **_described(network, vocabulary, config),
            "training": {
                "sequences": len(sequences),
                "values": int((symbols != BOUNDARY).sum()),
                "unknown": int((symbols == UNKNOWN).sum()),
                "steps": history.steps,
                "best_step": history.best_step,
                "clipped_steps": history.clipped,
                "seconds": round(learned.seconds, 3),
                "seed": self.seed,
                "settings": as_settings(training),
            },
            "accuracy": learned.accuracy,
        }
        self._fitted = _Fitted(network, vocabulary, len(sequences) > 1, info, history)
        return self

    def next(self, context: str | Sequence[str] = "", *, k: int = 5) -> list[Suggestion]:
        """Return the `k` symbols that are most likely to follow `context`, the likeliest first.

        What is unknown in the context is taken for the "unknown" symbol, and that is never suggested, nor is the end:
        the probabilities of all symbols add up to one only together with these two. Only the newest 256 symbols of the
        context are looked at.

        Raises
        ------
        NotFittedError
            There is no trained model yet.
        InputError, ConfigError
            The context is no text or sequence; `k` is no whole number from 1.
        """
        count = check_whole("k", k, 1, MOST_SYMBOLS)
        chances, vocabulary = self.probabilities(context), self._ready().vocabulary
        chances[[UNKNOWN, BOUNDARY]] = -1
        count = min(count, len(vocabulary.symbols))
        best = np.argpartition(-chances, count - 1)[:count]
        best = best[np.lexsort((best, -chances[best]))]
        return [Suggestion(vocabulary.symbol(int(number)), float(chances[number])) for number in best]

    def probabilities(self, context: str | Sequence[str] = "") -> Floats:
        """Return the chance of each number of the vocabulary to follow `context`: 0 unknown, 1 the end, then symbols.

        Raises
        ------
        NotFittedError, InputError
            As `next`.
        """
        fitted = self._ready()
        y, _ = run_symbols(fitted.network, self._begin(context))
        return softmax(head(fitted.network, y))

    def generate(
        self, steps: int, context: str | Sequence[str] = "", *, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """Return up to `steps` symbols that go on from `context`, each drawn from what is likely after those before.

        A model of several sequences may end one earlier. ``model.vocabulary.join`` makes text of them.

        Parameters
        ----------
        steps : int
            Symbols at the most.
        context : str or sequence of str
            What they follow; by default nothing.
        temperature : float
            Below 1 the likely becomes likelier; at 0 always the likeliest is taken.
        seed : int
            The same seed gives the same symbols.

        Raises
        ------
        NotFittedError, InputError, ConfigError
            As `next`; an argument is out of range.
        """
        fitted, steps = self._ready(), check_whole("steps", steps, 1, MOST_GENERATED)
        cold, rng = check_temperature(temperature), np.random.default_rng(check_seed(seed))
        y, states = run_symbols(fitted.network, self._begin(context))
        symbols: list[str] = []
        while len(symbols) < steps:
            number = draw(head(fitted.network, y), cold, rng, ends=fitted.several)
            if number == BOUNDARY:
                break
            symbols.append(fitted.vocabulary.symbol(number))
            y, states = run_symbols(fitted.network, np.array([number]), states)
        return symbols

    def perplexity(self, text: Any) -> float:
        """Return how many symbols it wavers between, on the mean, at each of `text`: e to the mean surprise.

        Unknown symbols count as the one that stands for them, so perplexities compare for the same vocabulary only.

        Raises
        ------
        NotFittedError, InputError
            As `next`.
        TooShortError
            There are fewer than two symbols.
        """
        from forecaster.tasks.streams import stream_loss  # Numba: a suggestion needs none
        from forecaster.trunk import Packed

        fitted = self._ready()
        symbols = self.numbers(text)
        if not fitted.several:  # its network has no notion of where texts begin and end
            symbols = symbols[symbols != BOUNDARY]
        if len(symbols) < 2:
            raise TooShortError(f"expected two {self.units} or more, got {len(symbols)}.")
        loss, count = stream_loss(Packed(fitted.network), symbols[:, None], 512)
        return perplexity_of(loss / count)

    def numbers(self, text: Any) -> Integers:
        """Return a text, a sequence of symbols, or a list of such, as the one sequence of numbers that is learned from.

        Raises
        ------
        NotFittedError, InputError, TooShortError
            As `perplexity`.
        """
        fitted = self._ready()
        return joined([fitted.vocabulary.numbers(sequence) for sequence in fitted.vocabulary.split_all(text)])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to the folder `path`, whole or not at all.

        Raises
        ------
        NotFittedError, OutputError
            There is nothing to save yet; it cannot be written.
        """
        fitted = self._ready()
        save_model(path, fitted.info, named_weights([fitted.network]))

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, threads: int | None = None) -> Self:
        """Return the model saved in the folder `path`, its files checked; no code in them is run.

        Raises
        ------
        ModelFormatError
            The folder is missing, incomplete, changed, of a newer format, or a model of another kind.
        """
        info, weights = load_model(path, kind="symbols")
        with described_by(path):
            held, architecture = info["vocabulary"], info["architecture"]
            vocabulary = Vocabulary(held["units"], tuple(held["symbols"]), held["lowercase"] is True)
            (settings,) = architecture["networks"]
            config = sequence_config(settings, check_cell(architecture["cell"]))
            network = Network(config.shape(outputs=len(vocabulary), symbols=len(vocabulary), softmax=True))
            set_named_weights([network], weights)
            model = cls(units=vocabulary.units, network=config, lowercase=vocabulary.lowercase, threads=threads)
        model._fitted = _Fitted(network, vocabulary, info["training"]["sequences"] > 1, info)
        return model

    def _ready(self) -> _Fitted:
        if self._fitted is None:
            raise NotFittedError("the model is not trained yet; call fit() first, or load a saved one.")
        return self._fitted

    def _begin(self, context: str | Sequence[str]) -> Integers:
        """Return the newest numbers of a context, after the boundary where sequences begin with one."""
        fitted = self._ready()
        numbers = fitted.vocabulary.encode(context)
        if len(numbers) < CONTEXT and (fitted.several or not len(numbers)):
            return np.concatenate([[BOUNDARY], numbers])
        return numbers[-CONTEXT:]

    def _config(self, size: int, count: int) -> SequenceConfig:
        """Return the shape for so many symbols to learn from, of `size` different ones."""
        usual, asked = usual_network(self.units, size, count, self.cell), self.network
        if usual.tied and not isinstance(asked, SequenceConfig) and "tied" not in asked:
            # Symbols go out by the numbers they come in by: as many as units, unless other ones are asked for.
            own = "embedding" in asked or "dense" in asked
            asked = {"tied": False} | asked if own else {"embedding": asked.get("hidden", usual.hidden)} | asked
        return changed(usual, asked)


def _described(network: Network, vocabulary: Vocabulary, config: SequenceConfig) -> dict[str, Any]:
    """Return what a model is, whatever it learned from."""
    return {
        "format_version": FORMAT_VERSION,
        "kind": "symbols",
        "library_version": __version__,
        "architecture": {"cell": config.cell, "networks": [as_settings(config)], "weights": network.n_weights},
        "vocabulary": {
            "units": vocabulary.units,
            "lowercase": vocabulary.lowercase,
            "symbols": list(vocabulary.symbols),
        },
    }
