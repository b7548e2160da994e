"""Makes each compiled step once, from an empty cache, and says how long that took.

Four processes share the work, for compiling is done by the processor. What they compile is in
``TORCHINDUCTOR_CACHE_DIR`` then, and the timed parts find it there: their own set-up times are
those of a second process. Largest batches are not at the same place in the four lists, because
all of them are in one GPU's memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import warnings

LISTS = (
    "ours:128:d ours:256:d",
    "compiled:256:d compiled:128:d",
    "graphs:128:d ours_graphs:128:d",
    "fit:128:d ours:128:a ours:128:a_lrn",
)
SMALL = ("ours:4:a",)


def make(listed: str, device_name: str, *, small: bool) -> None:
    """Make the steps of one list, each for the first time.

    Args:
        listed: ``way:batch:net`` of each, with blanks between.
        device_name: ``cpu`` or ``cuda``.
        small: narrow nets of 32 px.
    """
    import torch
    from on_device import about, free_memory, say, wait_for

    from gpu.fit import bare_step, config_of
    from gpu.step_table import Row, candidate, case_of

    warnings.simplefilter("ignore")
    device = torch.device(device_name)
    torch.backends.cudnn.benchmark = True
    for item in listed.split():
        how, batch, net = item.split(":")
        free_memory(device)
        begun = time.perf_counter()
        try:
            if how == "fit":
                step = bare_step(config_of(device_name, int(batch), small=small), device)
            else:
                row = Row(how, int(batch), net)
                step, _ = candidate(row, case_of(row, device_name, small=small))
            step()
            wait_for(device)
        except Exception as error:
            say(row=how, net=net, batch=int(batch), error=about(error))
        else:
            seconds = round(time.perf_counter() - begun, 1)
            say(row=how, net=net, batch=int(batch), first_step_s=seconds)
        del step
        torch.compiler.reset()


def main() -> None:
    """Make all lists, each in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if options.only:
        make(options.only, options.device, small=options.small)
        return
    form = ["--device", options.device, *(["--small"] if options.small else [])]
    lists = SMALL if options.small else LISTS
    command = [sys.executable, "-m", "gpu.compile_first", *form, "--only"]
    running = [subprocess.Popen([*command, listed], env=os.environ) for listed in lists]
    sys.exit(max(process.wait() for process in running))


if __name__ == "__main__":
    main()
