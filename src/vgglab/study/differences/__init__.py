"""What differs between two runs, or between two studies, and whether it is more than noise.

Must not know torch, or how it is printed.
"""
