"""Everything that W&B sees, made from plain values; the only room that imports wandb.

Imports config and runs. Must not know models, data, training or evaluation. Sinks are handed to the
training; none starts anything before its ``start`` is called.
"""
