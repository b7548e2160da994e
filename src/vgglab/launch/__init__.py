"""Starts and watches processes: points of a study, processes of a run, jobs of SLURM.

Imports runs and config. Must not know models, data, W&B or the commands.
"""
