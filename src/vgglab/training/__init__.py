"""Optimisers, callbacks, checkpoints and the course of a run. Knows no study and no W&B."""
