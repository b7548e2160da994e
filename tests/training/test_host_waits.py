"""On a GPU no step waits for the device, on fake CUDA tensors (``host_waits.py``)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from host_waits import CUDA, HostWaits, fake_cuda

from vgglab.config import Config
from vgglab.config.model import ModelConfig, NormConfig
from vgglab.config.parse import parse
from vgglab.data.device import to_device
from vgglab.data.loaders import Batch
from vgglab.data.module import ImageData
from vgglab.data.normalise import Normalisation
from vgglab.evaluation.predict import InferenceSettings, Predictor
from vgglab.evaluation.predictions import PredictionCollector
from vgglab.evaluation.views import views_of
from vgglab.models.vgg import VGG
from vgglab.training.module import Classifier


@pytest.fixture(params=[0, 34], ids=["shifted", "cropped"])
def config(request: pytest.FixtureRequest, datasets: Path) -> Config:
    largest = request.param and 48
    return parse(
        {
            "model": {"name": "a", "width": 0.0625},
            "data": {"name": "digits", "flip": True, "shift": 2},
            "recipe": {
                "scale_min": request.param,
                "scale_max": largest,
                "color_shift": 0.5,
                "batch_size": 16,
            },
            "trainer": {"accelerator": "gpu", "precision": "bf16"},
            "paths": {"data": str(datasets)},
        }
    )


def data_of(config: Config) -> ImageData:
    data = ImageData(config, torch.channels_last)
    progress = SimpleNamespace(current=SimpleNamespace(processed=2, ready=0))
    loop = SimpleNamespace(
        epoch_progress=progress, epoch_loop=SimpleNamespace(batch_progress=progress)
    )
    trainer: Any = SimpleNamespace(training=True, fit_loop=loop)
    data.trainer = trainer
    return data


def classifier_of(config: Config) -> Classifier:
    with torch.device(CUDA):
        net = VGG(config.model, config.norm, classes=10, image_size=32, in_channels=1)
        module = Classifier(net, config, steps_per_epoch=1)
        return module.train()


def step(data: ImageData, module: Classifier, batches: Iterator[Batch]) -> HostWaits:
    waits = HostWaits()
    with waits:
        batch = data.transfer_batch_to_device(next(batches), CUDA, 0)
        module.training_step(data.on_after_batch_transfer(batch, 0), 0)
    return waits


@pytest.mark.parametrize("is_small", [True, False])
def test_a_step_waits_for_nothing_and_copies_twice(
    is_small: bool, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_small:
        monkeypatch.setattr("vgglab.data.device.RESIDENT_BYTES", 0)
    data = data_of(config)
    with fake_cuda(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")
        module = classifier_of(config)
        batches = iter(data.train_dataloader())
        step(data, module, batches)  # moves what stays there
        waits = step(data, module, batches)
    assert not waits.found
    assert waits.copies == 2  # the images, or their places; and all that is drawn for them


def test_a_wait_is_found() -> None:
    with fake_cuda(), HostWaits() as waits:
        torch.ones(3).to(CUDA, non_blocking=True)
        torch.ones(3, device=CUDA).cpu()
        torch.ones(3, pin_memory=True).to(CUDA, non_blocking=True)
    assert len(waits.found) == 2
    assert waits.copies == 3


@pytest.mark.parametrize("kind", ["center", "dense"])
def test_a_batch_of_a_test_waits_for_nothing(
    kind: Literal["center", "dense"], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Weights are made on the device here: torch cannot move fake ones.
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *_, **__: module)
    settings = InferenceSettings(CUDA, "bf16", torch.channels_last)
    with fake_cuda(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "CUDA is not available")
        with torch.device(CUDA):
            model = ModelConfig(name="d", width=0.0625)
            net = VGG(model, NormConfig(), classes=10, image_size=32)
        predictor = Predictor(net, Normalisation((9.0,) * 3, (1.0,) * 3), settings)
        image_chw = torch.zeros(3, 40, 50, dtype=torch.uint8, device=CUDA)
        collector = PredictionCollector()
        for _ in range(2):
            with HostWaits() as waits:
                views = views_of(0, image_chw, (kind,), (32, 64), 32, 32).of_kind[kind]
                log_posteriors_nk = predictor(kind, [views, views], mirrored=True)
                labels_n = to_device({"labels": np.zeros(2, dtype=np.int64)}, CUDA)["labels"]
                collector.add(np.arange(2), labels_n, log_posteriors_nk)
    assert log_posteriors_nk.device == CUDA
    assert not waits.found
    assert waits.copies == 1
