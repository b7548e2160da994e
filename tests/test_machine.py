"""What CUDA's environment variable says of the GPUs that a process may use."""

from __future__ import annotations

import pytest

from vgglab.machine import visible_of


@pytest.mark.parametrize(
    ("variable", "usable"),
    [
        (None, ("0", "1", "2", "3")),
        ("2,3", ("2", "3")),
        (" 3 , 0", ("3", "0")),
        ("", ()),
        ("-1", ()),
        ("1,-1,2", ("1",)),
        ("1,4,2", ("1",)),
        ("0,0", ()),
        ("GPU-8932f937,GPU-12", ("GPU-8932f937", "GPU-12")),
        ("MIG-7b5", ("MIG-7b5",)),
        ("none", ()),
    ],
)
def test_the_variable_is_read_as_cuda_reads_it(
    variable: str | None, usable: tuple[str, ...]
) -> None:
    assert visible_of(variable, ["0", "1", "2", "3"]) == usable


def test_no_name_makes_a_gpu_where_there_is_none() -> None:
    assert visible_of("0,GPU-1", []) == ()
