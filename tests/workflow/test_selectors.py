"""A field that says what to work on is read, or refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest

from vgglab.config.experiment import TaskName
from vgglab.config.parse import ConfigError
from vgglab.workflow.selectors import READ_BY, refuse_unread


@pytest.mark.parametrize("field", READ_BY)
@pytest.mark.parametrize("task", get_args(TaskName))
def test_a_task_reads_it_or_says_that_it_does_not(field: str, task: TaskName) -> None:
    fields = dict.fromkeys(READ_BY, ()) | {field: ("a",)}
    config = SimpleNamespace(task=SimpleNamespace(name=task), **fields)
    if task in READ_BY[field]:
        refuse_unread(config)
        return
    with pytest.raises(ConfigError, match=f"{field}: task={task} does not read it; leave it out"):
        refuse_unread(config)
