"""Section: how the intervals were computed, and what they do not cover."""

from __future__ import annotations

from vgglab.report.blocks import Block, Bullets, Section
from vgglab.report.published import published
from vgglab.report.wording import INTERVAL


def method_section() -> Section:
    """The same words in every report: they say how the code computes."""
    items = [
        f"A mean has Student's {INTERVAL}: mean \N{PLUS-MINUS SIGN} t(n - 1) sd / "
        "\N{SQUARE ROOT}n over the n seeds that trained. One seed gives none.",
        f"A difference between two nets is taken for each seed that trained in both, and its "
        f"{INTERVAL} is the paired t-interval of these differences. A pair shares the seed's order "
        "of samples, its augmentation and the test images.",
        "The intervals cover the training seeds only: initial weights, order, augmentation and "
        "dropout. They do not cover which images happen to be in the test set, another data set, "
        "recipe, width or length of training.",
        "Each interval is for one comparison. Among many, some exclude zero by chance; nothing "
        "here is corrected for that.",
        "An interval that includes zero does not show that two nets are equal: with few seeds a "
        "real difference can stay within it. The t-interval also takes the seeds' errors to be "
        "about normally distributed, which so few cannot confirm.",
        'A seed that diverged, was untrainable or failed has no error: it is counted in "k of n" '
        "and is not in the mean, which then describes the seeds that trained.",
        "The epoch that is tested is chosen on the validation split; the test split is read once, "
        "at the end.",
        f"The paper's numbers are from {published().source}. {published().conditions}: they show "
        "the direction and size there and are not a target here.",
    ]
    blocks: list[Block] = [Bullets(items)]
    return Section("method", "How to read the intervals", blocks)
