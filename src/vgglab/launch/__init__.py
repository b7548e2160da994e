"""Runs the points of a sweep, each in a process of its own. Knows no model and no W&B."""
