"""What several rooms' tests need: a small config and the real command line."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from running import ROOT, Command, completed

from vgglab.config import Config, store
from vgglab.config.parse import parse

pytest.register_assert_rewrite("wandb_server")  # so that a failed comparison shows both sides


@pytest.fixture
def command(tmp_path: Path, datasets: Path) -> Command:
    """Runs ``python run.py ...`` in an empty folder."""

    def run(*overrides: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return completed(tmp_path, f"paths.data={datasets}", *overrides, timeout=timeout)

    return run


@pytest.fixture
def inside_hydra(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where configs can be composed, as in a command."""
    monkeypatch.setenv("VGGLAB_ROOT", str(ROOT))
    store.register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        yield


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for generated data, made once a session."""
    return tmp_path_factory.mktemp("datasets")


@pytest.fixture
def small_config(tmp_path: Path, datasets: Path) -> Config:
    """A run of seconds, in ``tmp_path``."""
    return parse(
        {
            "model": {"name": "a", "width": 0.0625},
            "norm": {"name": "batch"},
            "data": {"name": "digits", "classes": 6, "test_fraction": 0.1},
            "recipe": {"epochs": 2, "batch_size": 128, "learning_rate": 0.02},
            "trainer": {
                "accelerator": "cpu",
                "precision": "fp32",
                "memory_format": "channels_last",
                "threads": 1,
                "log_every": 4,
            },
            "paths": {"runs": str(tmp_path / "runs"), "data": str(datasets)},
        }
    )


@pytest.fixture
def group_of_one() -> Iterator[None]:
    """A process group of this process alone."""
    import torch.distributed as dist  # not every test needs torch
    from torch.distributed import HashStore  # type: ignore[attr-defined]  # named nowhere as its own

    dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()
