"""Runs of others, of which a table says arm, seed and error: judged by the claims' own tests.

What is not known makes the words weaker: no two runs are paired by seed, for that equal seeds mean
equal first weights is not known; and luck on the test images is bounded by their number, where that
is known, or found image by image, where the table has predictions. Must not know torch and W&B.
"""
