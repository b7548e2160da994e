"""A study with its claims and figures."""

from __future__ import annotations

from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure as Canvas

from vgglab.notebook.runs import Runs
from vgglab.report import Figure, claims_table, figures_of
from vgglab.study import ClaimsFile, StudyView, claims_record


class Study(Runs):
    """A study: its runs as tables, its claims with their words, its figures. See ``vgglab.load``.

    Attributes:
        name: of the study.
        asks: its question, in a sentence; may be empty.
    """

    def __init__(self, view: StudyView) -> None:
        super().__init__(view)
        self.name, self.asks = view.name, view.asks

    @cached_property
    def claims(self) -> pd.DataFrame:
        """One row a claim and setting: its word, difference, interval, ... as the report has them.

        They are judged now, from the runs as they are now, by the report's own code.
        """
        return claims_table(self._record)

    def figure(self, name: str) -> Canvas:
        """Draw a figure of the report in the style that matplotlib has now.

        Args:
            name: such as ``error_vs_depth``; ``study.figures`` has those that there are.

        Returns:
            The figure, to change further, show or save.

        Raises:
            ValueError: the study has no such figure; the message names those that it has.
        """
        if name not in self._drawings:
            there = ", ".join(self._drawings) or "none yet, for no two nets of it have trained"
            raise ValueError(f"study {self.name} has no figure {name!r}; it has: {there}")
        return self._drawings[name].draw()

    @property
    def figures(self) -> dict[str, str]:
        """Name -> caption of every figure that the study has."""
        return {name: figure.caption for name, figure in self._drawings.items()}

    @cached_property
    def _record(self) -> ClaimsFile:
        return claims_record(self._view)

    @cached_property
    def _drawings(self) -> dict[str, Figure]:
        return {figure.name: figure for figure in figures_of(self._view, self._record)}

    def __repr__(self) -> str:
        return (
            f"<study {self.name}: {len(self._view.runs)} of {len(self._view.points)} runs; "
            ".runs, .curves, .predictions, .claims, .figure(name)>"
        )
