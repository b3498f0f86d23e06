"""What a report says of its numbers; each sentence stands in one place of it or several."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

from forecaster.frequency import Frequency
from forecaster.reporting import words
from forecaster.reporting.content import Content, Method

__all__ = ["Told"]

_FEW = 100
"""Values that came, below which a verdict is no more than a hint."""


class Told:
    """Sentences about one content.

    Parameters
    ----------
    content
        The numbers.
    seen
        Whether the model may have learned from the values it was tested on.
    """

    def __init__(self, content: Content, *, seen: bool) -> None:
        self.content = content
        self.seen = seen

    @property
    def frequency(self) -> Frequency:
        """The step of the series."""
        return self.content.panel.frequency

    @property
    def ahead(self) -> str:
        """How far is forecast, such as ``14 days``."""
        return words.steps(self.frequency, self.content.plan.h)

    @property
    def simple_name(self) -> str:
        """The simple method that stands for what anyone would do."""
        return "SeasonalNaive" if self.content.season > 1 else "Naive"

    @property
    def simple(self) -> str:
        """What that method does."""
        return self.doing(self.simple_name)

    def doing(self, name: str) -> str:
        """Return what a simple method does."""
        return words.method_words(name, self.frequency, self.content.season)

    def method(self, name: str) -> Method:
        """Return how good a method was."""
        return next(method for method in self.content.methods if method.name == name)

    def errors(self, name: str) -> tuple[float, float]:
        """Return the errors of the model and of a simple method, in a measure in which all series count alike."""
        own, other = self.content.methods[0].measures, self.method(name).measures
        measure = "MASE" if math.isfinite(own["MASE"]) and math.isfinite(other["MASE"]) else "MAE"
        return own[measure], other[measure]

    # --- the summary

    def title(self) -> str:
        """Return what is forecast, in a line."""
        panel = self.content.panel
        first, last = map(words.moment, panel.span_labels())
        series = f"{words.counted(len(panel), 'series')} of {words.values_of(self.frequency)}"
        return f"{series}, {first} to {last}, forecast {self.ahead} ahead"

    def summary(self) -> Iterator[str]:
        """Yield the main points, a paragraph each."""
        content = self.content
        left = len(content.forecast.skipped) + len(content.audit.skipped)
        rest = f" {left:,} more could not be forecast." if left else ""
        made = f"{words.counted(len(content.forecast), 'series')} {'was' if len(content.forecast) == 1 else 'were'}"
        yield f"{made} forecast {self.ahead} ahead, {self._span()}.{rest}"
        if content.backtest is None:
            yield f"How good the forecasts are is not known: {content.no_backtest}"
        else:
            began = "To see how good such forecasts are, the end of each series was forecast from what came before it."
            yield " ".join((began, *self.verdict(), *([self.caution()] if self.content.came < _FEW else ())))
            yield self.held()
        yield self.found()

    def _span(self) -> str:
        labels = self.content.forecast.labels
        firsts, lasts = {own[0] for own in labels}, {own[-1] for own in labels}
        if len(firsts) > 1 or len(lasts) > 1:
            return "each from its own end"
        first, last = words.moment(firsts.pop()), words.moment(lasts.pop())
        return f"for {first}" if first == last else f"from {first} to {last}"

    # --- how good it is

    def verdict(self) -> Iterator[str]:
        """Yield how far forecasts were from what came, beside simple methods."""
        yield f"On average these forecasts were {words.compared(*self.errors(self.simple_name), self.simple)}."
        others = {method.name: self.errors(method.name)[1] for method in self.content.methods[1:]}
        best = min(others, key=lambda name: others[name] if math.isfinite(others[name]) else math.inf)
        if best != self.simple_name:
            told = words.compared(*self.errors(best), "this")
            yield f"The best of the simple methods was {self.doing(best)}; forecasts were {told}."
        pairs = zip(self.content.methods[0].errors, self.method(self.simple_name).errors, strict=True)
        known = [(own, other) for own, other in pairs if math.isfinite(own)]
        if len(known) > 1:
            closer = sum(own < other for own, other in known)
            yield f"For {closer:,} of {len(known):,} series they were closer than {self.simple}."

    def mood(self) -> str:
        """Return whether forecasts were closer than what anyone would do: ``good``, ``warn``, or neither."""
        own, other = self.errors(self.simple_name)
        if words.closeness(own, other) == words.ALIKE or self.content.came < _FEW:
            return ""
        return "good" if own < other else "warn"

    def tested(self) -> str:
        """Return how the backtest was made."""
        content = self.content
        cutoffs = words.counted(content.windows, "cutoff")
        fewer = ""
        if content.windows < content.plan.windows:
            fewer = f" ({content.plan.windows} were asked for; the series are too short for more)"
        return (
            f"The end of each series was forecast from what came before it, {self.ahead} ahead from {cutoffs}{fewer}, "
            "and held against what came. Simple methods, which need no model, were held against the same values."
        )

    def caution(self) -> str:
        """Return how much may be made of the backtest."""
        text = f"This rests on {words.counted(self.content.came, 'value')} that came"
        text += ": few, so take it for a hint." if self.content.came < _FEW else "."
        if self.seen:
            text += " The model may have learned from some of them: then it looks better here than on new ones."
        return text

    # --- intervals

    @cached_property
    def level(self) -> tuple[float, float]:
        """The level that is told first, 80 % where it was asked for, and which share of what came it held."""
        levels = self.content.plan.levels
        level = 80.0 if 80.0 in levels else levels[0]
        return level, next(one.share for one in self.content.held if one.level == level)

    def held(self) -> str:
        """Return how far the intervals held."""
        level, share = self.level
        text = f"The {level:g} % intervals held {words.per_cent(share)} of what came"
        kind = words.held(level, share)
        if self.content.came < _FEW:
            return f"{text}: too few values to judge them by ({self.content.came:,})."
        if kind == words.NARROW:
            return f"{text}: they were too narrow, so read them as intervals of about {100 * share:.0f} %."
        return f"{text}: {kind}."

    def mood_of_intervals(self) -> str:
        """Return whether intervals held what they promise: ``good``, ``warn``, or that nobody can tell."""
        if self.content.came < _FEW:
            return ""
        return "warn" if words.held(*self.level) == words.NARROW else "good"

    def doubts(self) -> str:
        """Return how much may be made of that."""
        content = self.content
        return (
            f"This rests on {words.counted(content.came, 'value')} that came, after "
            f"{words.counted(content.windows, 'cutoff')}. Values after one cutoff, and of series that move together, "
            "are no independent witnesses: the shares are less certain than their number suggests."
        )

    # --- the data

    def found(self) -> str:
        """Return what was found in the data, by number and kind."""
        audit = self.content.audit
        if not audit.findings_total:
            return "Nothing was found wrong with the data."
        if audit.findings_total > len(audit.findings):
            return (
                f"{audit.findings_total:,} things were found in the data; the {len(audit.findings)} gravest are listed."
            )
        kinds = {"error": "error", "warning": "warning", "info": "note"}
        counts = {kind: sum(one.severity == kind for one in audit.findings) for kind in kinds}
        told = words.listed([words.counted(count, kinds[kind]) for kind, count in counts.items() if count])
        verb = "was" if audit.findings_total == 1 else "were"
        rest = " What is at fault is left out." if counts["error"] else ""
        return f"In the data {told} {verb} found.{rest}"
