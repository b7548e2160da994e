"""A study as one file that others can check, and its words judged anew from nothing else.

Must not know torch, W&B, or how a report looks.
"""

from vgglab.evidence.archive import BrokenBundle, digest_of, unpack, write_bundle
from vgglab.evidence.members import members_of
from vgglab.evidence.words import Recomputed, Word, recompute

__all__ = [
    "BrokenBundle",
    "Recomputed",
    "Word",
    "digest_of",
    "members_of",
    "recompute",
    "unpack",
    "write_bundle",
]
