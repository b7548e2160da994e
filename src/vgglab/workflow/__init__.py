"""What commands share: composing, checking, points of a study, one attempt at a run, reporting.

Knows no command.
"""
