"""One measured ratio: what was compared with what, and the spread over the run's pairs."""

import statistics
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """`pairs` holds (ours, theirs) of each turn, in seconds, taken alternately in one run."""

    name: str
    unit: str
    pairs: tuple[tuple[float, float], ...]

    @property
    def ratios(self) -> list[float]:
        """Ours over theirs, pair by pair, smallest first."""
        return sorted(ours / theirs for ours, theirs in self.pairs)

    def __str__(self) -> str:
        ours = statistics.median(pair[0] for pair in self.pairs)
        theirs = statistics.median(pair[1] for pair in self.pairs)
        low, high = self.ratios[0], self.ratios[-1]
        middle = statistics.median(self.ratios)
        return (
            f"{self.name:<58} {low:6.2f} / {middle:6.2f} / {high:6.2f}   "
            f"({ours:.4g} against {theirs:.4g} {self.unit}, n={len(self.pairs)})"
        )

    def as_json(self) -> dict[str, Any]:
        """The row for var/bench."""
        return {
            "name": self.name,
            "unit": self.unit,
            "ratio_low": self.ratios[0],
            "ratio_median": statistics.median(self.ratios),
            "ratio_high": self.ratios[-1],
            "pairs": self.pairs,
        }


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity that is no ratio: its values of each turn."""

    name: str
    unit: str
    values: tuple[float, ...]

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        middle = statistics.median(self.values)
        return f"{self.name:<58} {low:6.4g} / {middle:6.4g} / {high:6.4g} {self.unit}, n={len(self.values)}"

    def as_json(self) -> dict[str, Any]:
        """The figure for var/bench."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": statistics.median(self.values),
            "values": self.values,
        }
