"""Section: how the verdicts came about, and what they do not cover."""

from __future__ import annotations

from vgglab.report.blocks import Block, Bullets, Section
from vgglab.report.paper_numbers import published
from vgglab.report.wording import INTERVAL
from vgglab.study.claims.directions import DIRECTIONS


def method_section() -> Section:
    """The same words in every report: they say how the code computes."""
    items = [
        "A claim compares runs that are equal in every field of their configs that it does not "
        "name. Their errors are paired by seed and by test image; a difference is the mean over "
        "seeds, in percentage points.",
        f"Its {INTERVAL} covers two kinds of noise: other seeds (initial weights, order of "
        "samples, augmentation, dropout) and other test images. The first is estimated from the "
        "spread over seeds, the second, which all seeds share, from the pairs of images by an "
        "analysis of variance with both crossed; their sum is treated as by Behrens and Fisher. "
        "Without the second it is the paired t-interval.",
        " ".join(direction.rule for direction in DIRECTIONS.values()),
        "All claims of a study are corrected together (Holm), so that the chance of any false "
        "verdict in the table is 5%. Each interval is its claim's own and uncorrected.",
        "One seed is inconclusive by definition, and so is a claim of which a run has no outcome "
        "yet. The number of seeds that would settle an inconclusive claim takes the noise and the "
        "difference to be as they now look: a guide, not a promise.",
        "A net that diverged or was untrainable counts as guessing among all classes, so that it "
        "is never dropped; the errors in the tables are of the nets that trained, k of n.",
        "Not covered: another data set, recipe, width or length of training.",
        "The epoch that is tested is chosen on the validation split; the test split is read once, "
        "at the end. docs/statistics.md has the measured error rates of these verdicts.",
        f"The paper's numbers are from {published().source}. {published().conditions}: they show "
        "the direction and size there and are not a target here.",
    ]
    blocks: list[Block] = [Bullets(items)]
    return Section("method", "How the statistics were done", blocks)
