"""A terminal that a program draws its screen on: tmux, so that questions to it are answered."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH, HEIGHT = 170, 48


def screen(
    arguments: Sequence[str],
    steps: Sequence[tuple[str, str]],
    wanted: Sequence[str],
    folder: Path,
) -> str:
    """The screen of ``wandb <arguments>``, with its colours, once it shows all that is wanted.

    ``steps``: text that is waited for, and the key that is then pressed.
    """
    tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
    program = [sys.executable, "-m", "wandb", *arguments]
    size = ["-x", str(WIDTH), "-y", str(HEIGHT)]
    colours = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    environment = os.environ | colours | {"WANDB_CONFIG_DIR": str(folder)}
    subprocess.run([*tmux, "new-session", "-d", *size, *program], check=True, env=environment)
    try:
        for text, key in steps:
            _shown(tmux, [text])
            subprocess.run([*tmux, "send-keys", key], check=True)
        return _shown(tmux, wanted)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def _shown(tmux: Sequence[str], wanted: Sequence[str]) -> str:
    """The screen once it shows all that is wanted."""
    deadline = time.monotonic() + 90
    while True:
        shown = subprocess.run(
            [*tmux, "capture-pane", "-e", "-p"], check=True, capture_output=True, text=True
        ).stdout
        bare = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        missing = [word for word in wanted if word not in bare]
        if not missing:
            return shown
        assert time.monotonic() < deadline, f"not shown: {missing}\n{bare}"
        time.sleep(0.3)


PAGE = """<style>
/* Braille comes from a proportional font: made as wide as the others. */
@font-face {{ font-family: braille; src: local("DejaVu Sans"); unicode-range: U+2800-28FF;
  size-adjust: 82.2%; }}
body {{ background: {background}; color: {foreground}; margin: 12px; }}
pre {{ font: 14px/1.3 braille, "DejaVu Sans Mono", monospace; }}
</style><pre>{code}</pre>"""


def html_of(shown: str) -> str:
    """A screen as a page."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(shown), soft_wrap=True)
    return console.export_html(theme=MONOKAI, code_format=PAGE, inline_styles=True)
