"""From a claim to a verdict: which runs it compares, their contrast, its noise and the word."""
