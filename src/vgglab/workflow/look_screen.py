"""What the screen says of a study's looks: seeds, words, nets that were dropped, runs saved."""

from __future__ import annotations

from collections.abc import Callable, Collection

from vgglab.report.wording import ArmNames, plural
from vgglab.study import StudyView, arms
from vgglab.study.claims.looks import seeds_of_look
from vgglab.study.claims.verdict import Verdict
from vgglab.study.claims.wanted import wanted
from vgglab.study.looking import minutes_by_look, runs_used


class LookScreen:
    """Says of each look once what it is about to train and what it gave."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told = 0
        self._settled: set[str] = set()
        self._dropped: set[str] = set()

    def show(self, view: StudyView, chosen: Collection[str]) -> None:
        """Say what is new: looks that are complete, the next one, or the study's end.

        Args:
            view: the study, with its ledger.
            chosen: ids of the points that are trained next; empty: none.
        """
        if not view.looks:
            return
        for look in range(self._told + 1, view.complete + 1):
            self._say(self._words(view, look))
        self._told = view.complete
        if chosen:
            self._say_dropped(view)
            look = min(view.complete + 1, len(view.looks))
            seeds = plural(len(seeds_of_look(view, look)), "seed")
            todo = plural(len(chosen), "point")
            self._say(f"look {look} of {len(view.looks)}: {seeds}, {todo} to train")
        else:
            self._say(self._end(view))

    def _words(self, view: StudyView, look: int) -> str:
        line = next(line for line in reversed(view.ledger) if line.look == look)
        new = {
            name: claim.word
            for name, claim in line.claims.items()
            if claim.word != Verdict.INCONCLUSIVE and name not in self._settled
        }
        self._settled |= set(new)
        words = "; ".join(f"{name} {word}" for name, word in new.items()) or "no claim got its word"
        still = len(line.claims) - len(self._settled & set(line.claims))
        return (
            f"look {look} of {len(view.looks)}: {plural(line.runs, 'run')} so far: {words}; "
            f"{still} open"
        )

    def _say_dropped(self, view: StudyView) -> None:
        arm_of = arms(view)
        name = ArmNames(arm_of.values())
        found = {name(arm_of[point.id]) for point in view.missing if not point.is_needed}
        if new := sorted(found - self._dropped):
            self._say(f"dropped, for no open claim needs them: {', '.join(new)}")
        self._dropped |= found

    def _end(self, view: StudyView) -> str:
        used, of = runs_used(view)
        line = next(line for line in reversed(view.ledger) if line.look == view.complete)
        still = ", ".join(name for name in line.claims if name not in self._settled)
        if wanted(view):
            why = f"its minutes are over ({sum(minutes_by_look(view)):.1f} used), open: {still}"
        elif still and view.complete == len(view.looks):
            why = f"the looks are over, open: {still}"
        else:
            why = "every claim has its word" if line.claims else "it has no claim to settle"
        return f"{used} of {of} runs used: {why}"
