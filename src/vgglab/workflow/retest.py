"""Tests of a trained net from its stored weights. Loads torch."""

from __future__ import annotations

from collections.abc import Sequence

from vgglab.config import Config, Procedure
from vgglab.data.module import ImageData
from vgglab.evaluation.predict import MEMORY_FORMATS
from vgglab.runs import RunDirectory
from vgglab.runs.records import Result
from vgglab.training.distributed import ProcessGroup
from vgglab.training.net import stored_net
from vgglab.training.process import prepare_process
from vgglab.training.testing import (
    HeldOut,
    evaluate,
    selected_weights,
)
from vgglab.world import ALONE


def retest(config: Config, directory: RunDirectory, procedures: Sequence[Procedure]) -> Result:
    """Test the selected weights of a run and write its predictions.

    Args:
        config: of the run, resolved for this machine.
        directory: of the run.
        procedures: the tests to make.

    Returns:
        The parts of ``result.json`` that the tests add to.

    Raises:
        DataError: its images or its weights are gone.
        Diverged: a loss is not finite.
    """
    prepare_process(config.trainer)
    net = stored_net(config, selected_weights(config, directory))
    data = ImageData(config, MEMORY_FORMATS[config.trainer.memory_format])
    images = HeldOut(data.splits.test, data.normalise)
    return evaluate(config, directory, net, images, ProcessGroup(ALONE), procedures)
