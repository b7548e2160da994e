"""Protocols and per-image predictions. Knows no training and no W&B."""
