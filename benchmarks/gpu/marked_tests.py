"""The tests marked gpu: a row of counts, and one for each that did not pass."""

from __future__ import annotations

import argparse
import collections
import importlib.util
import os
import re
import subprocess
import sys

from on_device import say

LINE = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (.*)$", re.MULTILINE)


def main() -> None:
    """Run them, several at a time where pytest-xdist is there, and exit as pytest does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    several = not options.small and importlib.util.find_spec("xdist") is not None
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-rA", "-m", "gpu", "-p", "no:cacheprovider"),
            # What inductor imports in torch 2.11 is deprecated in Python 3.12.
            *("-W", "ignore::DeprecationWarning"),
            *("--tb=short", "--show-capture=no"),
            *(("-p", "xdist.plugin", "-n", "4") if several else ()),
            *options.files,
        ],
        # Other plugins of the machine's may warn, and warnings are errors here.
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(ended.stdout + ended.stderr, file=sys.stderr)
    outcomes = LINE.findall(ended.stdout)
    counts = collections.Counter(word.lower() for word, _ in outcomes)
    say(**{word: counts[word] for word in ("passed", "failed", "error", "skipped")})
    for word, which in outcomes:
        if word not in ("PASSED", "SKIPPED"):
            say(outcome=word, test=which[:300])
    sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
