"""Trains a run with interruptions at each kind of moment and compares the results bit by bit.

Imports training and launch. Must not know W&B, studies, reports or the commands.
"""
