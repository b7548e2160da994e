"""An arm's name: one for all its seeds, another for every other arm, in any study."""

from __future__ import annotations

from vgglab.config import Config
from vgglab.config.parse import parse
from vgglab.runs import arm_hash, arm_name

DATA = "sha256:1"
FP32 = {"trainer": {"precision": "fp32"}}
BASE = parse(FP32)


def name(config: Config, fingerprint: str = DATA) -> str:
    return arm_name(config, arm_hash(config, fingerprint))


def test_seeds_share_it() -> None:
    assert name(parse(FP32 | {"seed": 7})) == name(BASE)
    assert name(parse(FP32 | {"paths": {"runs": "elsewhere"}})) == name(BASE)


def test_data_and_parents_are_part_of_it() -> None:
    assert name(BASE, "sha256:2") != name(BASE)
    one, other = (arm_hash(BASE, DATA, parent) for parent in ("1", "2"))
    assert one != other


def test_it_says_where_it_leaves_the_usual() -> None:
    usual = FP32 | {"recipe": {"schedule": {"warmup_epochs": 0.5}}}
    assert name(parse(usual))[:-8] == "a-"
    tree = usual | {
        "model": {"name": "d", "width": 0.5},
        "norm": {"name": "batch"},
        "init": {"name": "glorot"},
        "data": {"name": "cluttered_digits", "image_size": 40},
    }
    assert name(parse(tree))[:-8] == "d-bn-w0.5-glorot-s40-cluttered_digits-"


def test_what_has_no_room_is_left_to_the_hash() -> None:
    tree = FP32 | {
        "model": {"width": 0.03125, "dropout": 0.25},
        "recipe": {"label_smoothing": 0.1, "learning_rate": 0.003, "scale_min": 40}
        | {"scale_max": 40, "optimizer": "adamw"},
    }
    long = name(parse(tree))
    assert len(long) <= 40 + 9
    assert long.startswith("a-w0.03125-dropout0.25-adamw-lr0.003-")
