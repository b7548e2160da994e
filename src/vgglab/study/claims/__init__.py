"""From a claim to a verdict: which runs it compares, their difference, its noise and the word.

Must not know how a verdict is printed.
"""
