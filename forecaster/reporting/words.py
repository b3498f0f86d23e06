"""What the numbers of a report say, in sentences for somebody who has never seen this project."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from forecaster.frequency import Frequency

__all__ = [
    "ALIKE",
    "NARROW",
    "closeness",
    "compared",
    "counted",
    "decimals",
    "held",
    "least_decimals",
    "listed",
    "method_words",
    "moment",
    "number",
    "per_cent",
    "steps",
    "values_of",
]

ALIKE = "as close"
"""What forecasts are that are about as far from what came as others."""

NARROW = "too narrow"
"""What intervals are of which more comes to lie outside than they promise."""

_UNITS = {
    "D": "day",
    "B": "business day",
    "W": "week",
    "MS": "month",
    "ME": "month",
    "QS": "quarter",
    "QE": "quarter",
    "YS": "year",
    "YE": "year",
    "h": "hour",
    "min": "minute",
    "s": "second",
    "ms": "millisecond",
    "us": "microsecond",
    "int": "step",
}
_ADJECTIVES = {
    "D": "daily",
    "W": "weekly",
    "MS": "monthly",
    "ME": "monthly",
    "QS": "quarterly",
    "QE": "quarterly",
    "YS": "yearly",
    "YE": "yearly",
    "h": "hourly",
}
_CYCLES = {
    ("D", 7): "week",
    ("B", 5): "week",
    ("W", 52): "year",
    ("MS", 12): "year",
    ("ME", 12): "year",
    ("QS", 4): "year",
    ("QE", 4): "year",
    ("h", 24): "day",
    ("h", 168): "week",
    ("min", 60): "hour",
    ("min", 1440): "day",
    ("min", 10080): "week",
    ("s", 60): "minute",
    ("s", 3600): "hour",
}
"""What so many units are called."""
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::00)?(?:[+-]\d\d:\d\d)?(?!.)")
_ALIKE = 0.02
"""Difference of two errors, as a share, up to which they are about the same."""
_NEAR = 2.5
"""Points that the share of values within an interval may be off its level and still be about right."""
_DIGITS, _MOST_DIGITS, _MOST_DECIMALS = 3, 9, 8
"""Digits that matter of numbers that are compared, those that any of them has, and decimals of a plain number."""


def steps(frequency: Frequency, count: int) -> str:
    """Return such as ``14 days``, ``1 month`` or ``8 steps of 15 minutes``."""
    unit = _UNITS[frequency.unit]
    if frequency.multiple == 1 or frequency.is_integer:
        return counted(count, unit)
    return f"{counted(count, 'step')} of {frequency.multiple} {unit}s"


def values_of(frequency: Frequency) -> str:
    """Return such as ``daily values``, or ``values every 15 minutes``."""
    if frequency.is_integer:
        return "numbered values" if frequency.multiple == 1 else f"values every {frequency.multiple} steps"
    adjective = _ADJECTIVES.get(frequency.unit)
    if frequency.multiple == 1:
        return f"{adjective} values" if adjective else f"values every {_UNITS[frequency.unit]}"
    return f"values every {frequency.multiple} {_UNITS[frequency.unit]}s"


def method_words(name: str, frequency: Frequency, season: int) -> str:
    """Return what a simple method does, such as ``repeating the last week``."""
    if name == "SeasonalNaive" and season > 1:
        cycle = _CYCLES.get((frequency.unit, season * frequency.multiple))
        return f"repeating the last {cycle or steps(frequency, season)}"
    if name == "Drift":
        return "going on along the line from the first value to the last"
    return "repeating the last value"


def compared(own: float, other: float, what: str) -> str:
    """Return how far forecasts are from what came, beside those of `what`, as ``23 % closer than …``."""
    if not (math.isfinite(own) and math.isfinite(other)):
        return f"not to be compared with {what}: nothing came"
    if own != other and not other:
        return f"farther away than {what}, which was exact"
    how = closeness(own, other)
    return f"about {how} as {what}" if how == ALIKE else f"{how} than {what}"


def closeness(own: float, other: float) -> str:
    """Return the same in a word or two: ``23 % closer``, ``as close``, ``8 % farther``."""
    if not (math.isfinite(own) and math.isfinite(other)):
        return "n/a"
    if own == other or (other and abs(own / other - 1) < _ALIKE):
        return ALIKE
    share = f"{abs(100 * (own / other - 1)):.0f} % " if other else ""
    return f"{share}{'closer' if own < other else 'farther away'}"


def moment(label: str) -> str:
    """Return a timestamp as a sentence has it: without the seconds and the offset of its zone."""
    return _MOMENT.sub(r"\1 \2", label)


def held(level: float, share: float) -> str:
    """Return what it means that an interval of `level` per cent held this `share` of what came."""
    if not math.isfinite(share):
        return "not known"
    off = 100 * share - level
    if abs(off) <= _NEAR:
        return "about right"
    return NARROW if off < 0 else "wide, on the safe side"


def per_cent(share: float) -> str:
    """Return a share of one as per cent."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else "n/a"


def decimals(values: Iterable[float]) -> int:
    """Return with how many decimals numbers that lie so far apart are told apart; one alone by its size."""
    known = [value for value in values if math.isfinite(value)] or [0.0]
    largest, spread = max(map(abs, known)), max(known) - min(known)
    if not largest:
        return 0
    wanted = _DIGITS - 1 - _exponent(min(spread or largest, largest))
    return max(0, min(wanted, _MOST_DIGITS - 1 - _exponent(largest)))


def _exponent(size: float) -> int:
    return math.floor(math.log10(size))


def least_decimals(value: float, most: int) -> int:
    """Return how many decimals, up to `most`, a number needs: whole ones none."""
    return next((places for places in range(most) if round(value, places) == value), most)


def number(value: float, places: int) -> str:
    """Return a number with so many decimals; with a power of ten where zeros would be all that is seen."""
    if not math.isfinite(value):
        return "n/a"
    is_plain = abs(value) < 1e15 and places <= _MOST_DECIMALS
    return f"{value:,.{places}f}" if is_plain else f"{value:.4g}"


def counted(count: int, noun: str) -> str:
    """Return such as ``1,204 days`` or ``1 day``; ``series`` stays as it is."""
    return f"{count:,} {noun}" if count == 1 or noun.endswith("s") else f"{count:,} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
