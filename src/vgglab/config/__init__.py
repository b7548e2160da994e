"""Typed schemas of every config group, their checks, and the identity rule. Knows no torch."""

from vgglab.config.data import (
    CifarConfig,
    ClutteredDigitsConfig,
    DataConfig,
    DigitsConfig,
    FashionMnistConfig,
    FilesConfig,
    FolderConfig,
    ImagenetConfig,
    ImagenetteConfig,
    MemoryConfig,
)
from vgglab.config.experiment import Config
from vgglab.config.identity import (
    SCHEMA_VERSION,
    SEED,
    arm_fields,
    division,
    flatten,
    plain,
    role_of,
    semantic,
    semantic_fields,
    with_infrastructure_of,
)
from vgglab.config.infrastructure import (
    TrackingConfig,
    TrainerConfig,
)
from vgglab.config.model import InitConfig, LrnConfig, ModelConfig, NormConfig
from vgglab.config.protocol import PROTOCOLS, Procedure, ProtocolConfig, ProtocolName
from vgglab.config.recipe import OPTIMIZERS, RecipeConfig, ScheduleConfig

__all__ = [
    "OPTIMIZERS",
    "PROTOCOLS",
    "SCHEMA_VERSION",
    "SEED",
    "CifarConfig",
    "ClutteredDigitsConfig",
    "Config",
    "DataConfig",
    "DigitsConfig",
    "FashionMnistConfig",
    "FilesConfig",
    "FolderConfig",
    "ImagenetConfig",
    "ImagenetteConfig",
    "InitConfig",
    "LrnConfig",
    "MemoryConfig",
    "ModelConfig",
    "NormConfig",
    "Procedure",
    "ProtocolConfig",
    "ProtocolName",
    "RecipeConfig",
    "ScheduleConfig",
    "TrackingConfig",
    "TrainerConfig",
    "arm_fields",
    "division",
    "flatten",
    "plain",
    "role_of",
    "semantic",
    "semantic_fields",
    "with_infrastructure_of",
]
