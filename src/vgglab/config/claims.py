"""Claims as data: what a study is asked, which runs answer, and what would count as an answer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, Role, mark_of
from vgglab.config.names import listed
from vgglab.config.nets import nets_on_disk
from vgglab.config.parse import ConfigError, field_owners, unknown_field
from vgglab.config.protocol import PROTOCOLS, ProtocolName

Metric = Literal["top1_error", "top5_error"]
Topic = Literal["depth", "lrn", "filters", "scale", "testing", "norm", "other"]

PROTOCOL = "protocol"
"""Key of a selector that names the protocol a net was tested under."""
RELATIONS = ("above", "below", "equals")
GROUPS = ("model", "norm", "init", "data", "recipe")
"""Whose fields a selector may name: they decide what a run computes."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """Requirements on a claim of one direction."""

    least: int = 2
    """Fewest sides; ``most``: None for any number above."""
    most: int | None = None
    margin: bool = False
    """Whether the margin must be above 0."""
    best: bool = False
    """Whether ``best`` must say where the least error is; else it must not be given."""


DIRECTIONS = {
    "lower": Needs(),
    "no_better": Needs(most=2),
    "equal": Needs(most=2, margin=True),
    "falls": Needs(least=3),
    "trains": Needs(),
    "best_at": Needs(least=3, best=True),
}
"""``study/claims/directions.py`` has an instance of each, whose class says how it is tested."""
_SPELT = {2: "two", 3: "three"}

PLACES = ("at", "at_or_below", "at_or_beyond")
"""What ``best`` may say of the least error."""

Selector = dict[str, Any]
"""Field -> value, list of values, or ``{above|below|equals: number or other field}``."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class PaperFigures:
    """The paper's own numbers; errors are percentages."""

    section: str = ""
    errors: tuple[float, ...] = ()
    """One error a side, in the order of the sides."""
    note: str = ""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class BestPlace:
    """Where along an order the error is said to be least; exactly one of them is set.

    In units of the order: weight layers, or the values of the field that tells the sides apart.
    """

    at: float | None = None
    at_or_below: float | None = None
    at_or_beyond: float | None = None

    def __post_init__(self) -> None:
        if sum(getattr(self, name) is not None for name in PLACES) != 1:
            raise ValueError(f"must have one of {', '.join(PLACES)}")


@dataclass(config=STRICT, kw_only=True, frozen=True)
class Claim:
    """A statement about errors that runs can support or contradict."""

    statement: str
    direction: str
    """One of ``DIRECTIONS``. ``lower``: the first side's error is lower than each other side's.
    ``no_better``: the first side's error is not lower than the second's by more than the margin.
    ``equal``: two sides differ by less than the margin. ``falls``: the error falls along three or
    more sides. ``trains``: more of the first side's runs train than of each other side's.
    ``best_at``: of three or more sides along an order the least error is where ``best`` says."""
    compare: tuple[Selector, ...]
    """The sides; each selects runs. Runs are compared that are equal in every field that no side
    names."""
    metric: Metric = "top1_error"
    protocol: tuple[ProtocolName, ...] = ("dense", "center")
    """The first of these that every run in question was tested under; a side may name its own."""
    margin: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Percentage points. ``lower``: by more than this. ``no_better``: not by more than this.
    ``equal``: by less. ``falls``: no step may rise by more. ``best_at``: not points, but units of
    the order, such as weight layers: so far from the place the best may lie."""
    best: BestPlace | None = None
    """``best_at`` alone has it: ``{at: 16}``, ``{at_or_beyond: 19}`` or ``{at_or_below: 11}``."""
    margin_share: Annotated[float, Field(ge=0, le=100)] = 0.0
    """The same as a share of the reference's error, percent, so that it fits any data. The
    reference is the last side; with ``falls`` the first."""
    margin_reason: str = ""
    average_over: tuple[str, ...] = ()
    """Fields whose values are not compared but averaged over, seed by seed."""
    ignore: tuple[str, ...] = ()
    """Fields, or whole groups such as ``init``, in which the sides may differ along with those
    that they name; what the study declares as nuisance is added."""
    about: Topic = "other"
    """The topic under which the report's first screen tells of the claim. It changes nothing of
    what is asked, so that no declaration holds it."""
    origin: Literal["paper", "ours"] = "ours"
    """Who made the claim."""
    paper: PaperFigures = Field(default_factory=PaperFigures)

    def __post_init__(self) -> None:
        sides = len(self.compare)
        if self.direction not in DIRECTIONS:
            allowed = ", ".join(DIRECTIONS)
            raise ValueError(f"direction = {self.direction!r}: must be one of {allowed}")
        needs = DIRECTIONS[self.direction]
        if sides < needs.least or (needs.most is not None and sides > needs.most):
            needed = _sides_needed(needs)
            raise ValueError(f"compare: {self.direction} needs {needed} sides, not {sides}")
        if self.margin and self.margin_share:
            raise ValueError(
                f"margin = {self.margin}, margin_share = {self.margin_share}: set one of them"
            )
        margin = self.margin or self.margin_share
        if needs.margin and not margin:
            raise ValueError(
                f"margin = 0.0: {self.direction} needs a margin above 0, in percentage points, or "
                "a margin_share, in percent of the reference's error"
            )
        self._check_best(needs)
        if margin and not self.margin_reason:
            raise ValueError(f"margin_reason: missing; a margin of {margin} needs one")
        if self.paper.errors and len(self.paper.errors) != sides:
            raise ValueError(f"paper.errors: must be {sides}, one a side")
        if not self.protocol:
            raise ValueError("protocol: must name at least one")
        for side in self.compare:
            _check_side(side)
        for path in (*self.average_over, *(p for p in self.ignore if p not in GROUPS)):
            _field_types(path)

    def _check_best(self, needs: Needs) -> None:
        if needs.best and self.best is None:
            raise ValueError(f"best: missing; {self.direction} needs one of {', '.join(PLACES)}")
        if self.best is not None and not needs.best:
            raise ValueError(f"best: {self.direction} has none; only best_at says where it is")
        if needs.best and self.margin_share:
            raise ValueError(
                f"margin_share = {self.margin_share}: {self.direction} has a margin in units of "
                "the order, such as weight layers: set margin"
            )


def _sides_needed(needs: Needs) -> str:
    least = _SPELT.get(needs.least, str(needs.least))
    if needs.most is None:
        return f"{least} or more"
    return least if needs.most == needs.least else f"{least} to {needs.most}"


Claims = Mapping[str, Claim]
_ADAPTER = TypeAdapter(dict[str, Claim])


def parse_claims(tree: Mapping[str, Any] | None) -> dict[str, Claim]:
    """Typed claims of what ``claims=`` composed; one that is null is not asked.

    Raises:
        ConfigError: names the claim, what is wrong in it and what is allowed.
    """
    try:
        # As JSON, YAML's lists may become tuples while strings stay strings, as in ``parse``.
        asked = {name: claim for name, claim in (tree or {}).items() if claim is not None}
        return _ADAPTER.validate_json(json.dumps(asked))
    except ValidationError as error:
        found = [_explain(detail) for detail in error.errors()]
        raise ConfigError("; ".join(dict.fromkeys(found))) from error


def _explain(detail: Any) -> str:
    where = ".".join(["claims", *map(str, detail["loc"])])
    if detail["type"] == "value_error":
        return f"{where}: {detail['ctx']['error']}"
    if detail["type"] == "unexpected_keyword_argument":
        allowed = ", ".join(field.name for field in dataclasses.fields(Claim))
        return f"{where}: no such field of a claim; allowed: {allowed}"
    if detail["type"] in ("missing", "missing_argument"):
        return f"{where}: missing"
    return f"{where} = {detail['input']!r}: {detail['msg'].replace('Input should', 'must')}"


def _check_side(side: Selector) -> None:
    if not side:
        raise ValueError("compare: a side must name a field, such as {model.name: d}")
    for path, wanted in side.items():
        if path == PROTOCOL:
            if wanted not in PROTOCOLS:
                allowed = ", ".join(PROTOCOLS)
                raise ValueError(f"{PROTOCOL} = {wanted}: must be one of {allowed}")
        elif isinstance(wanted, Mapping):
            _check_relation(path, wanted)
        else:
            for value in wanted if isinstance(wanted, list) else (wanted,):
                _check_value(path, value)


def _check_relation(path: str, wanted: Mapping[str, Any]) -> None:
    _field_types(path)
    if len(wanted) != 1 or next(iter(wanted)) not in RELATIONS:
        raise ValueError(f"{path} = {dict(wanted)}: must be one of {', '.join(RELATIONS)}: value")
    (other,) = wanted.values()
    if isinstance(other, str):
        _field_types(other)


def _check_value(path: str, value: Any) -> None:
    """Refuse a value that no config could have."""
    if path == "model.name" and value not in (known := nets_on_disk()):
        raise ValueError(f"{path} = {value}: must be {listed(known)}")
    messages = []
    for hint in _field_types(path):
        try:
            TypeAdapter(hint).validate_python(value, strict=True)
        except ValidationError as error:
            messages.append(error.errors()[0]["msg"].removeprefix("Input should be "))
        else:
            return
    raise ValueError(f"{path} = {value}: must be {messages[0]}")


def _field_types(path: str) -> list[Any]:
    """Types of the config field of that dotted name, one for each kind of group that has it."""
    *parents, name = path.split(".")
    owners = field_owners(parents)
    hints = [get_type_hints(o, include_extras=True) for o in owners]
    found = [hint[name] for hint in hints if name in hint]
    if not found:
        raise ValueError(f"{path}: {unknown_field(path)}")
    if (parents[:1] and parents[0] not in GROUPS) or not parents:
        raise ValueError(f"{path}: must be a field of {', '.join(GROUPS)}, or {PROTOCOL}")
    if any(_is_group(hint) for hint in found):
        raise ValueError(f"{path}: is a group of fields; name one of them")
    return [hint for hint in found if mark_of(hint, Role) is not Role.INFRASTRUCTURE]


def _is_group(hint: Any) -> bool:
    kinds: Iterable[Any] = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    return any(isinstance(kind, type) and dataclasses.is_dataclass(kind) for kind in kinds)
