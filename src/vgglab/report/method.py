"""Section: how the verdicts came about, and what they do not cover."""

from __future__ import annotations

from vgglab.report.blocks import Block, Bullets, Section
from vgglab.report.paper_numbers import published
from vgglab.report.wording import HARDLY_BETTER, INTERVAL
from vgglab.study.claims.directions import DIRECTIONS
from vgglab.study.claims.evidence import CLAIMED, OTHER


def method_section() -> Section:
    """The same words in every report: they say how the code computes."""
    items = [
        "A claim compares runs that are equal in every field of their configs that it does not "
        "name. It is about the error of runs that trained: one that diverged, was untrainable or "
        f"guesses ({HARDLY_BETTER}) has no error to compare. How many did not train stands beside "
        "it with an exact interval, and in the word.",
        f"A difference of errors is in percentage points. Its {INTERVAL} covers two kinds of "
        "noise: other seeds (initial weights, order of samples, augmentation, dropout) and other "
        "test images. The first is estimated from the spread over seeds, never below what luck on "
        "so many images gives; seeds are paired between nets with the same layers, which start "
        "from the same weights, and independent between others (Welch). The second, which all "
        "seeds share, is estimated from the images by an analysis of variance; images that were "
        "made from one original count as one. Their sum is treated as by Behrens and Fisher.",
        " ".join(direction.rule for direction in DIRECTIONS.values()),
        f"Of a claim's 5%, {CLAIMED * 5:g} are spent on the claimed side and {OTHER * 5:g} on the "
        'other ("do not differ": 5 on either). All claims are corrected together (Holm).',
        "Judging again after more seeds is another look, and all looks share the 5%: with declared "
        "looks in proportion to their seeds, without them four fifths at the first judgement and "
        "half of the rest at each later one. The intervals hold at 95% over the looks so far, each "
        "its claim's own; where the one that counts for the word says otherwise it is shown too.",
        "One seed is inconclusive by definition, but for a claim on which nets train, which counts "
        "nets as well; so is a claim of which a run has no outcome yet.",
        "Not covered: another data set, recipe, width or length of training.",
        "The epoch that is tested is chosen on the validation split; the test split is read once, "
        "at the end. docs/statistics.md has the measured error rates of these verdicts.",
        f"The paper's numbers are from {published().source}. {published().conditions}: they show "
        "the direction and size there and are not a target here.",
    ]
    blocks: list[Block] = [Bullets(items)]
    return Section("method", "How the statistics were done", blocks)
