"""Private attributes of Lightning: the first test to look at when a new release breaks a run."""

from __future__ import annotations

import signal
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytorch_lightning as pl
from pytorch_lightning.trainer import call

from vgglab.config import Config
from vgglab.signals import StopRequest
from vgglab.training.lightning_internals import STEP_HOOKS, leave_signals_alone
from vgglab.training.trainer import trainer_of
from vgglab.world import ALONE


def test_this_release_leaves_signals_alone(small_config: Config) -> None:
    try:
        trainer = trainer_of(small_config, ALONE, [], [])
    except RuntimeError as error:
        pytest.fail(f"pytorch-lightning {version('pytorch-lightning')} broke it: {error}")
    connector = trainer._signal_connector
    with StopRequest() as request:
        connector.register_signal_handlers()
        assert signal.getsignal(signal.SIGTERM) == request._record


def test_a_release_without_the_method_is_named() -> None:
    other = cast("Any", SimpleNamespace())
    with pytest.raises(RuntimeError, match=version("pytorch-lightning")):
        leave_signals_alone(other)


def test_no_context_is_made_for_a_profiler_that_does_nothing(small_config: Config) -> None:
    """Of a small net's step, Lightning's generators around each hook took several percent."""
    trainer: Any = trainer_of(small_config, ALONE, [], [])  # declares no profiler
    profiler = trainer.profiler
    assert profiler.profile("one hook") is profiler.profile("another")
    with profiler.profile("outer"), profiler.profile("inner"):
        pass


def test_hooks_that_a_callback_has_are_called_and_the_others_are_not(small_config: Config) -> None:
    called = []

    class Counts(pl.Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            called.append("start")

    class Inherits(Counts):
        def on_train_batch_end(self, *_: Any) -> None:
            called.append("end")

    trainer: Any = trainer_of(small_config, ALONE, [Counts(), Inherits()], [])
    trainer.callbacks = made = [c for c in trainer.callbacks if isinstance(c, Counts)]
    for hook in STEP_HOOKS:
        call._call_callback_hooks(trainer, hook)
    assert called == ["start", "start", "end"]
    assert [c.on_before_backward for c in made] == [None, None]
