"""Work in forks: in order, as if there were none, also where one fails."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vgglab import forks, machine

ON_TWO_CORES = "import os; from vgglab import forks; forks.cores = lambda: 2\n"


def said(script: str) -> list[str]:
    """The lines that a process of its own prints: this one has threads, and does not fork."""
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_CORES + script],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,  # Ctrl-C goes to a group
    )
    assert not done.stderr
    return done.stdout.splitlines()


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")


def test_found_in_order_by_other_processes() -> None:
    script = """
import time
def slow(number):
    time.sleep(0.05)
    return number, os.getpid()
found = forks.in_forks(slow, range(5), lambda: print("meanwhile"))
numbers = [number for number, _ in found]
owners = [process for _, process in found]
print(numbers, len(set(owners)), os.getpid() in owners)
"""
    assert said(script) == ["meanwhile", "[0, 1, 2, 3, 4] 2 False"]


def test_a_fork_takes_its_next_item_when_it_has_done_the_last() -> None:
    script = """
import time
def owner(number):
    time.sleep(0.5 if number == 0 else 0.01)
    return os.getpid()
first, *others = forks.in_forks(owner, range(6))
print(first not in others, len(set(others)))
"""
    assert said(script) == ["True 1"]


def test_what_was_printed_before_is_printed_once() -> None:
    assert said("print('before')\nprint(forks.in_forks(abs, [-1, -2]))") == ["before", "[1, 2]"]


def test_an_error_is_that_of_the_first_item_that_has_it() -> None:
    script = """
def halved(number):
    if number % 2:
        raise KeyError(number)
    return number / 2
try:
    forks.in_forks(halved, [2, 4, 5, 7])
except KeyError as error:
    print("error", error, os.getpid() == home)
"""
    assert said("home = os.getpid()\n" + script) == ["error 5 True"]


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(1)", "lambda: 0"])
def test_a_fork_that_ends_or_finds_what_cannot_be_sent(end: str) -> None:
    script = f"""
def number(item):
    return ({end}) if os.getpid() != home and item == 1 else item
print(forks.in_forks(number, [0, 1, 2, 3]))
"""
    assert said("home = os.getpid()\n" + script) == ["[0, 1, 2, 3]"]


@pytest.mark.parametrize("begun", [0, 1])
def test_where_no_further_process_can_begin_fewer_or_this_one_do_it(begun: int) -> None:
    script = f"""
made, begin = [], os.fork
def fork():
    if len(made) == {begun}:
        raise BlockingIOError("too many processes")
    made.append(begin())
    return made[-1]
os.fork, before = fork, len(os.listdir("/proc/self/fd"))
owners = set(forks.in_forks(lambda _: os.getpid(), range(5)))
print(owners == (set(made) or {{os.getpid()}}), len(os.listdir("/proc/self/fd")) - before)
"""
    assert said(script) == ["True 0"]


@pytest.mark.parametrize("whom", ["0", "os.getpid()"], ids=["the group", "the command alone"])
def test_interrupted_meanwhile_it_leaves_no_process(whom: str) -> None:
    script = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # behind nohup it would be ignored
def interrupt():
    os.kill(WHOM, signal.SIGINT)
    time.sleep(30)
try:
    forks.in_forks(lambda _: time.sleep(30), [1, 2], interrupt)
except KeyboardInterrupt:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("alone")
"""
    assert said(script.replace("WHOM", whom)) == ["alone"]


def test_a_process_with_threads_computes_itself() -> None:
    script = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
print({os.getpid()} == set(forks.in_forks(lambda _: os.getpid(), [1, 2, 3])))
"""
    assert said(script) == ["True"]


def test_one_item_or_one_core_needs_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "cores", lambda: 1)
    assert forks.in_forks(lambda _: os.getpid(), [1, 2]) == [os.getpid()] * 2
    monkeypatch.setattr(forks, "cores", machine.cores)
    assert forks.in_forks(lambda _: os.getpid(), [1]) == [os.getpid()]
    assert forks.in_forks(abs, []) == []
