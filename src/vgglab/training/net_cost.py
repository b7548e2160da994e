"""The cost of a config's net, with the state of its optimiser."""

from __future__ import annotations

from vgglab.config import Config
from vgglab.data.sources.registry import channels
from vgglab.models.cost import NetCost, describe
from vgglab.training.optimisation import state_values


def net_cost(config: Config) -> NetCost:
    """Layers, parameters, MACs and memory, by arithmetic alone."""
    return describe(
        config.model,
        config.norm,
        classes=config.data.classes,
        image_size=config.data.image_size,
        in_channels=channels(config.data),
        state_values=state_values(config.recipe),
    )
