"""Under which names the points of a sweep are shown the GPUs that its launcher sees."""

from __future__ import annotations

import pytest

from vgglab.machine import gpu_names


@pytest.mark.parametrize(
    ("variable", "count", "names"),
    [
        (None, 4, ("0", "1", "2", "3")),
        (None, 0, ()),
        ("2,3", 2, ("2", "3")),
        (" 3 , 0", 2, ("3", "0")),
        ("", 0, ()),
        ("-1", 0, ()),
        ("1,-1,2", 1, ("1",)),  # CUDA reads up to the first that is no GPU
        ("GPU-8932f937,GPU-12", 2, ("GPU-8932f937", "GPU-12")),
        ("MIG-7b5", 1, ("MIG-7b5",)),
    ],
)
def test_names_are_those_that_the_user_wrote(
    variable: str | None, count: int, names: tuple[str, ...]
) -> None:
    assert gpu_names(variable, count) == names
