"""Labels of sequences: joins the rooms, computes nothing itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from forecaster import __version__, plain
from forecaster.config import (
    SequenceConfig,
    TrainingConfig,
    as_settings,
    changed,
    check_cell,
    check_horizon,
    check_seed,
    sequence_config,
    sequence_settings,
    training_config,
)
from forecaster.description import named_weights, set_named_weights
from forecaster.encoders import Encoded, Given, NumberEncoder, SymbolEncoder, encoder_of, given, learn_encoder
from forecaster.errors import ConfigError, InputError, NotFittedError
from forecaster.executors import Threads
from forecaster.labels import (
    Label,
    answers_of,
    classes_of,
    held_out_of,
    known_classes,
    labels_of,
    targets_of,
    verdict,
)
from forecaster.network import Network
from forecaster.rounds import Integers
from forecaster.storage import FORMAT_VERSION, described_by, load_model, save_model

if TYPE_CHECKING:
    from forecaster.training import History, Progress

Floats = NDArray[np.float64]

_LEAST_STEPS = 600
_EPOCHS, _MOST_STEPS = 10, 20_000
"""Times through all sequences, as long as these are not more steps.

Twelve parts of the King James Bible, told by a verse: of 10,000 verses 5, 10, 20 and 40 times gave an accuracy of .375,
.361, .376 and .401 in 6, 7, 11 and 18 CPU seconds; of 25,000 2, 5 and 10 times .387, .480 and .483 in 8, 14 and 15.
"""
_NUMBERS_AT_ONCE = 2**21


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """All that training gave, or loading: set at once, so that a failed `fit` leaves the earlier model."""

    network: Network
    encoder: SymbolEncoder | NumberEncoder
    classes: tuple[Label, ...]
    info: dict[str, Any]
    history: History | None


class SequenceClassifier:
    """Gives sequences of symbols or of numbers, of any lengths, the labels it has learned from others.

    A recurrent network reads each sequence from its first step to its last; what it then knows becomes the probability
    of each class, by a sigmoid for two classes and by a softmax for more.

    Parameters
    ----------
    network : SequenceConfig or mapping, optional
        The shape of the network, or some of its settings by name: ``{"cell": "gru", "hidden": 32}``. Unless it says
        otherwise, the loss is "binary" cross-entropy for two classes and "categorical" for more.
    training : TrainingConfig or mapping, optional
        How it is trained, or some of its settings by name. Unless it says otherwise, ten times through the sequences,
        fewer times through hundreds of thousands, in 600 steps or more; a batch is a quarter of them, from 8 to 64.
    held_out : float
        Share of the sequences of each class that no gradient sees: they decide when to stop, and give the accuracy in
        `info`. Where that makes fewer than 8, none are held out and all steps are made.
    seed : int
        The same seed gives the same model.
    threads : int, optional
        Threads; by default one for each processor this process may use.

    Raises
    ------
    ConfigError
        A setting is wrong.

    Notes
    -----
    docs/lstm.md derives the network, (1) to (21), the head at the last step, (66), and the losses, (60) to (63). Losses
    are in nats, means over the sequences.

    Examples
    --------
    >>> from forecaster import SequenceClassifier
    >>> rows = [["cat", "mat", "rat"], ["cat", "rat", "rat"], ["mat", "mat", "cat"]]
    >>> model = SequenceClassifier(training={"steps": 100}).fit(rows, [0, 0, 1])
    >>> model.predict(rows).tolist()
    [0, 0, 1]
    """

    def __init__(
        self,
        *,
        network: SequenceConfig | Mapping[str, Any] | None = None,
        training: TrainingConfig | Mapping[str, Any] | None = None,
        held_out: float = 0.2,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self.network = sequence_settings(network)
        self.training = training
        training_config(training, TrainingConfig())  # what is wrong is said here, not after the sequences are read
        if isinstance(held_out, bool) or not isinstance(held_out, (int, float)) or not 0 <= held_out < 1:
            raise ConfigError(f"held_out must be a share from 0 to below 1, got {held_out!r}.", column="held_out")
        self.held_out, self.seed = float(held_out), check_seed(seed)
        self.threads = None if threads is None else check_horizon(threads, name="threads")
        self._fitted: _Fitted | None = None

    @property
    def classes(self) -> list[Label]:
        """The labels it knows, sorted; the columns of `predict_proba`."""
        return list(self._ready().classes)

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

    def fit(
        self, sequences: Iterable[Any], labels: Iterable[Label], *, progress: Callable[[Progress], None] | None = None
    ) -> Self:
        """Train on `sequences`, each with its label.

        Parameters
        ----------
        sequences : iterable
            N of them, of any lengths T. Of symbols: each a list of T texts. Of numbers: each an array (T,), or (T, I)
            with several at each step, or a data frame with a column for each, in any unit: they are scaled by the
            means and deviations of those learned from.
        labels : iterable
            N of them, one for each sequence, all of one type: text, whole numbers, or booleans.
        progress : callable, optional
            Gets a `Progress` every ``validate_every`` steps.

        Returns
        -------
        SequenceClassifier
            Itself.

        Raises
        ------
        InputError
            A sequence is empty or no sequence, there are not as many labels, or only one class.
        ConfigError
            The network's loss does not go with so many classes, or there are too many symbols for one-hot vectors.
        """
        from forecaster.tasks.labelled import LabelTask, Sequences  # a prediction needs neither it nor Numba
        from forecaster.training import train

        began = time.perf_counter()
        rows, known = given(sequences), labels_of(labels)
        if len(rows.rows) != len(known):
            raise InputError(f"there are {len(rows.rows)} sequences and {len(known)} labels; give each one its label.")
        classes, answers = classes_of(known)
        config = self._config(len(classes))
        rng = np.random.default_rng(self.seed)
        judges = held_out_of(answers, self.held_out, rng)
        encoder = learn_encoder(rows.select(np.setdiff1d(np.arange(len(known)), judges)))
        encoded = encoder.encode(rows)
        network = Network(encoder.shape(config, _outputs(config, len(classes))))
        network.initialise(rng)
        training = training_config(self.training, usual_training(len(known) - len(judges)))
        task = LabelTask(
            network,
            Sequences(*encoded),
            targets_of(answers, network.outputs),
            np.ones(len(known), np.float32),
            config=config,
            training=training,
            held_out=judges,
        )
        with Threads(self.threads) as executor:
            history = train(task, config=training, rng=rng, executor=executor, progress=progress)
        network.freeze()
        info = {
            "format_version": FORMAT_VERSION,
            "kind": "classifier",
            "library_version": __version__,
            "classes": list(classes),
            "inputs": encoder.as_settings(),
            "architecture": {
                "cell": config.cell,
                "networks": [as_settings(config)],
                "weights": network.n_weights,
            },
            "training": {
                "sequences": len(known),
                "values": int(encoded.offsets[-1]),
                "held_out": len(judges),
                "steps": history.steps,
                "best_step": history.best_step,
                "clipped_steps": history.clipped,
                "seconds": round(time.perf_counter() - began, 3),
                "seed": self.seed,
                "settings": as_settings(training),
            },
            "accuracy": None,
        }
        fitted = _Fitted(network, encoder, classes, info, history)
        if len(judges):
            info["accuracy"] = verdict(_probabilities(fitted, rows.select(judges)), answers[judges])
        self._fitted = fitted
        return self

    def predict_proba(self, sequences: Iterable[Any]) -> Floats:
        """Return the probability of each of `classes`, (N, C); rows sum to 1.

        Symbols that did not come in training stand for nothing: they come in as zeros, and the network makes what it
        can of the others.

        Raises
        ------
        NotFittedError
            There is no trained model yet.
        InputError
            A sequence is empty, or not of the kind trained on.
        """
        return _probabilities(self._ready(), given(sequences))

    def predict(self, sequences: Iterable[Any]) -> NDArray[Any]:
        """Return the most probable label of each sequence, (N,).

        Raises
        ------
        NotFittedError, InputError
            As `predict_proba`.
        """
        chosen: NDArray[Any] = np.array(self.classes)[self.predict_proba(sequences).argmax(1)]
        return chosen

    def score(self, sequences: Iterable[Any], labels: Iterable[Label]) -> dict[str, float]:
        """Return how well labels of other sequences are foretold: ``accuracy``, a share, and ``log_loss``, in nats.

        Raises
        ------
        NotFittedError, InputError
            As `predict_proba`; a label was not there in training.
        """
        fitted, rows, known = self._ready(), given(sequences), labels_of(labels)
        if len(rows.rows) != len(known):
            raise InputError(f"there are {len(rows.rows)} sequences and {len(known)} labels; give each one its label.")
        answers = answers_of(known, fitted.classes)
        return verdict(_probabilities(fitted, rows), answers)

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
            The folder is missing, incomplete, changed, of a newer format, or holds a model of another kind.
        """
        info, weights = load_model(path, kind="classifier")
        with described_by(path, "a classifier"):
            (settings,) = info["architecture"]["networks"]
            config = sequence_config(settings, check_cell(info["architecture"]["cell"]))
            classes, encoder = known_classes(info["classes"]), encoder_of(info["inputs"])
            outputs = _outputs(_checked_loss(config, len(classes)), len(classes))
            network = Network(encoder.shape(config, outputs))
            set_named_weights([network], weights)
            model = cls(network=config, threads=threads)
        model._fitted = _Fitted(network, encoder, classes, info, None)
        return model

    def _ready(self) -> _Fitted:
        if self._fitted is None:
            raise NotFittedError("the model is not trained yet; call fit() first, or load a saved one.")
        return self._fitted

    def _config(self, count: int) -> SequenceConfig:
        """Return the settings of a network for so many classes."""
        usual = SequenceConfig(loss="binary" if count == 2 else "categorical")
        return _checked_loss(changed(usual, self.network), count)


def usual_training(count: int) -> TrainingConfig:
    """Return how long to train on so many sequences: several times through all of them, through very many once."""
    batch_size = min(max(count // 4 // 8 * 8, 8), 64)
    through = count // batch_size
    steps = max(_LEAST_STEPS, min(_EPOCHS * through, _MOST_STEPS), through)
    return TrainingConfig(
        steps=steps,
        batch_size=batch_size,
        learning_rate=0.01,
        validate_every=steps // 30,
        patience=10,
        averaged=0.1,
    )


def _checked_loss(config: SequenceConfig, count: int) -> SequenceConfig:
    if config.loss not in ("binary", "categorical") or (config.loss == "binary" and count > 2):
        right = "categorical" if count > 2 else "binary or categorical"
        raise ConfigError(f"the loss of {count} classes must be {right}, got {config.loss}.", column="loss")
    return config


def _outputs(config: SequenceConfig, count: int) -> int:
    return 1 if config.loss == "binary" else count


def _probabilities(fitted: _Fitted, asked: Given) -> Floats:
    """Return the probabilities of the classes (N, C), in NumPy alone."""
    encoded = fitted.encoder.encode(asked)
    results = np.empty((len(asked.rows), fitted.network.outputs))
    with np.errstate(over="ignore", invalid="ignore"):
        for which in _pieces(fitted.network, encoded):
            results[which] = _logits(fitted.network, encoded, which)
        if fitted.network.outputs == 1:
            yes = 0.5 * (1.0 + np.tanh(0.5 * results))
            return np.concatenate([1.0 - yes, yes], axis=1)
        raised = np.exp(results - results.max(1, keepdims=True))
    shares: Floats = raised / raised.sum(1, keepdims=True)
    return shares


def _pieces(network: Network, encoded: Encoded) -> list[Integers]:
    """Cut the sequences, by length, into pieces of few rows, whose numbers do not take much memory."""
    lengths = np.diff(encoded.offsets)
    order = np.argsort(lengths, kind="stable")
    width, most = network.inputs + 8 * network.shape.hidden, plain.rows_at_once(network)
    pieces, begin = [], 0
    for at, steps in enumerate(lengths[order].tolist()):
        rows = at + 1 - begin
        if rows > most or (rows > 1 and rows * steps * width > _NUMBERS_AT_ONCE):
            pieces.append(order[begin:at])
            begin = at
    return [*pieces, order[begin:]]


def _logits(network: Network, encoded: Encoded, which: Integers) -> NDArray[np.float32]:
    values, offsets = encoded
    lengths = offsets[which + 1] - offsets[which]
    shape = (int(lengths.max()), len(which), *values.shape[1:])
    filled = np.full(shape, -1, np.int64) if network.shape.symbols else np.zeros(shape, np.float32)
    for b, one in enumerate(which.tolist()):
        filled[: lengths[b], b] = values[offsets[one] : offsets[one + 1]]
    x = plain.enter(network, filled) if network.shape.symbols else filled
    y, _ = plain.trunk(network, x)
    return plain.head(network, y[lengths - 1, np.arange(len(which))])  # (66)
