"""Where images come from: one module a data set, whose row its config dataclass names.

``registry`` answers for all of them; ``source`` says what a row holds. The modules know no loader
and no augmentation, and none knows another data set but the one that it is made from.
"""
