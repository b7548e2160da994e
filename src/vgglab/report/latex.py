"""A study's tables as a paper prints them: LaTeX with booktabs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from vgglab.config import arm_fields
from vgglab.report.results import Results
from vgglab.report.verdicts import statement, word
from vgglab.report.wording import (
    HARD_SPACE,
    INTERVAL,
    MINUS,
    NONE,
    best_of_claim,
    compared,
    number,
    p_number,
    plural,
    signed,
    signed_span,
    span,
)
from vgglab.study import Arm, ClaimRecord, ClaimsFile, Estimate, Summary
from vgglab.study.claims.record import SideRecord

_ESCAPED = {
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    MINUS: "$-$",
    HARD_SPACE: "~",
    NONE: "---",
    "\N{EN DASH}": "--",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\n": " ",
}


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return re.sub("|".join(map(re.escape, _ESCAPED)), lambda found: _ESCAPED[found[0]], text)


def errors_latex(results: Results, record: ClaimsFile) -> str:
    """A table for each setting: each net's mean error with its interval.

    The best net is bold where supported claims say that it is the best: lower than each other net
    of the table, or in the place where the least error is.
    """
    tables = []
    for number_of, (setting, summaries) in enumerate(results.by_setting().items(), start=1):
        best = supported_best(results, summaries, record["claims"])
        heading = results.setting_heading(setting)
        tables.append(_errors(results, summaries, best, heading, number_of))
    return "\n".join(tables)


def _errors(
    results: Results, summaries: Sequence[Summary], best: Arm | None, heading: str, place: int
) -> str:
    with_top5 = any(summary.top5_error for summary in summaries)
    rows = []
    for summary in summaries:
        top1 = _with_interval(summary.top1)
        row = [
            escaped(_net(results, summary.arm)),
            str(summary.weight_layers),
            f"{summary.trained}/{summary.asked}",
            rf"\textbf{{{top1}}}" if summary.arm == best else top1,
        ]
        rows.append(row + ([_with_interval(summary.top5)] if with_top5 else []))
    header = ["net", "layers", "seeds", r"top-1 error, \%"]
    header += [r"top-5 error, \%"] if with_top5 else []
    bold = (
        "Bold: better than every other net by claims that the study supports."
        if best
        else "No net is bold: no claim shows one to be better than all others."
    )
    of = f" of {heading}" if heading else ""
    caption = (
        f"Test error{of} on {results.view.name}: mean over the seeds that trained $\\pm$ half of "
        f"its {INTERVAL} over seeds. {bold}"
    )
    name = f"errors-{place}" if place > 1 else "errors"
    return _table("lrr" + "r" * (1 + with_top5), header, rows, caption, results.view.name, name)


def _net(results: Results, arm: Arm) -> str:
    """Its name without what the whole table shares, which the caption says."""
    return results.names(arm).removesuffix(f", {results.names.setting(arm)}")


def _with_interval(found: Estimate | None) -> str:
    """``$13.08 \\pm 1.03$``; with both ends where the interval is cut at 0 or 100%."""
    if found is None:
        return "---"
    if found.interval is None:
        return f"${found.mean:.2f}$"
    low, high = found.interval
    if abs((found.mean - low) - (high - found.mean)) > 1e-9:
        return escaped(f"{number(found.mean)} ({span(found.interval)})")
    return rf"${found.mean:.2f} \pm {high - found.mean:.2f}$"


def supported_best(
    results: Results, summaries: Sequence[Summary], claims: Sequence[ClaimRecord]
) -> Arm | None:
    """The arm of least mean error, where supported claims say that it is the best of its table.

    Args:
        results: of the study.
        summaries: the table's rows, under one protocol.
        claims: of the study.

    Returns:
        None where they do not.
    """
    means = {summary.arm: summary.top1.mean for summary in summaries if summary.top1}
    if len(means) < 2 or len(means) < len(summaries):
        return None
    best = min(means, key=lambda arm: means[arm])
    fields = {results.arm_of[point.id]: arm_fields(point.config) for point in results.view.points}
    protocol = summaries[0].protocol
    beaten: set[Arm] = set()
    for claim in claims:
        if claim["verdict"] != "supported" or claim["metric"] != "top1_error":
            continue
        sides = [
            {arm for arm in means if _is_on(side, claim, fields[arm], protocol)}
            for side in claim["sides"]
        ]
        if claim["direction"] == "lower" and best in sides[0]:
            beaten |= {arm for side in sides[1:] for arm in side if len(side) == 1}
        if claim["best"] and claim["best"]["at"] is not None:
            # Places within what is claimed are not compared with each other, nor nets of one.
            off = [abs(place - claim["best"]["at"]) > claim["margin"] for place in claim["places"]]
            at = zip(off, sides, strict=True)
            beyond = {arm for is_off, side in at if is_off for arm in side}
            beaten |= beyond if best in set().union(*sides) - beyond else set()
    return best if set(means) - {best} <= beaten else None


def _is_on(side: SideRecord, claim: ClaimRecord, fields: Mapping[str, Any], protocol: str) -> bool:
    """Whether a side of a claim is this one arm, and no mean of several."""
    wanted = {**claim["setting"], **side["fields"]}
    is_one = not claim["averaged_over"] and side["protocol"] == protocol
    return is_one and all(_plain(fields.get(name)) == _plain(v) for name, v in wanted.items())


def _plain(value: Any) -> Any:
    """Lists and tuples alike: one of the two comes from JSON."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def claims_latex(record: ClaimsFile) -> str:
    """A row a claim: its statement, difference, interval, p-value and word.

    Of a study whose claims ask nothing of its points a comment that says so, which prints nothing.
    """
    if not record["claims"]:
        unanswered = plural(len(record["not_asked"]), "claim")
        why = f"; {unanswered} could not be asked of its points" if record["not_asked"] else ""
        return f"% {record['study']}: no claim was judged{why}: there is no table of claims\n"
    rows = [_claim(claim) for claim in record["claims"]]
    header = ["claim", "compared", "difference", INTERVAL.replace("%", r"\%"), "$p$", "word"]
    caption = (
        "Claims. Differences are percentage points of test error, negative where the first named "
        f"has less; intervals are at 95% over seeds and test images, $p$ is corrected for "
        f"{plural(record['family'], 'claim')} (Holm)."
    )
    columns = "".join(rf"p{{{share}\linewidth}}" for share in (0.29, 0.19, 0.09, 0.12, 0.05, 0.11))
    return _table(columns, header, rows, caption, record["study"], "claims")


def _claim(claim: ClaimRecord) -> list[str]:
    effect = claim["effect"]
    shown = [signed(effect["mean"] if effect else None)]
    shown += [signed_span(effect["interval"] if effect else None)]
    if claim["best"]:
        shown = [best_of_claim(claim).partition(" (")[0], claim["best"]["text"] or NONE]
    p = p_number(claim["p_holm"])
    cells = [statement(claim), compared(claim), *shown, p, word(claim)]
    return [escaped(cell) for cell in cells]


def _table(
    columns: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    study: str,
    name: str,
) -> str:
    """A float over both columns; ``header`` and ``rows`` are LaTeX, ``caption`` is text but for its
    mathematics."""
    mathematics = re.split(r"(\$[^$]*\$)", caption)
    told = "".join(p if i % 2 else escaped(p) for i, p in enumerate(mathematics))
    # A bracket or a star after the end of the row before would be taken for its option.
    lines = ["{}" + " & ".join(row) + r" \\" for row in rows]
    table = "\n".join(
        [
            r"\begin{table*}",
            r"  \centering\small",
            rf"  \caption{{{told}}}",
            rf"  \label{{tab:{study}-{name}}}",
            rf"  \begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            f"    {' & '.join(header)} \\\\",
            r"    \midrule",
            *(f"    {line}" for line in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table*}",
            "",
        ]
    )
    needs = ["% needs \\usepackage{booktabs}"]
    needs += [] if table.isascii() else ["% has text beyond ASCII: needs lualatex or xelatex"]
    return "\n".join([*needs, table])
