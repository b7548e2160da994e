"""A file that would run code when it is loaded is refused, wherever weights are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from training_runs import directory

from vgglab.data.errors import DataError
from vgglab.models.torchvision_weights import load_weights
from vgglab.models.weight_files import WeightsError
from vgglab.training.checkpoints import damage, net_state
from vgglab.training.resuming import checkpoint_to_resume


class Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._folder),)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A whole, undamaged file in torch's format; loaded as pickles are, it makes a folder."""
    path = tmp_path / "planted.pth"
    harmless, folder = tmp_path / "harmless.pth", tmp_path / "ran"
    torch.save({"state_dict": Planted(tmp_path / "proof")}, harmless)
    torch.load(harmless, weights_only=False)
    assert (tmp_path / "proof").is_dir()
    torch.save({"state_dict": Planted(folder), "global_step": 3}, path)
    assert damage(path) == ""
    return path


def test_as_published_weights(planted: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not a file of tensors alone"):
        load_weights(str(planted))
    assert not (tmp_path / "ran").exists()


def test_as_a_checkpoint_to_go_on_from(
    planted: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = directory(tmp_path)
    run.checkpoints.mkdir()
    planted.rename(run.last_checkpoint)
    assert checkpoint_to_resume(run) is None
    assert "last.ckpt: holds more than tensors" in caplog.text
    assert "begins anew" in caplog.text
    assert not (tmp_path / "ran").exists()


def test_as_weights_to_be_tested_or_started_from(planted: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"planted\.pth: holds more than tensors"):
        net_state(planted)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("cut", [0, 1, 100, -500])
def test_a_file_of_weights_that_is_cut_short(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "vgg.pth"
    torch.save({"features.0.weight": torch.randn(64, 64)}, path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(str(path))
