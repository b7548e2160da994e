"""Which errors a run reports follows from how many classes it has, unless a command says it."""

from __future__ import annotations

import pytest

from vgglab.workflow.compose import compose_point


@pytest.mark.usefixtures("inside_hydra")
@pytest.mark.parametrize(
    ("overrides", "top_k"),
    [
        (["data.classes=2"], (1,)),
        (["data.classes=5"], (1,)),
        (["data.classes=6"], (1, 5)),
        ([], (1, 5)),
        (["data.classes=4", "protocol=dense"], (1,)),
        (["data.classes=4", "protocol.top_k=[1,3]"], (1, 3)),
        (["data=folder", "data.root=images", "data.classes=3"], (1,)),
    ],
    ids=str,
)
def test_top_k_follows_from_the_classes(overrides: list[str], top_k: tuple[int, ...]) -> None:
    assert compose_point(["trainer.accelerator=cpu", *overrides]).protocol.top_k == top_k
