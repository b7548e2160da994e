"""What is written down: ``~`` for the home folder as a whole, addresses without secrets."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from image_folder import write_image_folder
from running import SMALL, another_home, completed

from vgglab.privacy import without_home, without_home_in, without_secrets
from vgglab.workflow.logs import log_to

FILES = tuple(o for o in SMALL if not o.startswith("data."))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("/root", "~"),
        ("/root/", "~/"),
        ("/root/data", "~/data"),
        ("no file /root/a.png, nor '/root/b'", "no file ~/a.png, nor '~/b'"),
        ("data.root=/root/photos", "data.root=~/photos"),
        ("file:///root/photos", "file://~/photos"),
        ("a:/root:/root/b", "a:~:~/b"),
        ("/x/root/photos", "/x/root/photos"),
        ("/rooted/photos", "/rooted/photos"),
        ("/root-2/photos", "/root-2/photos"),
        ("/root.old/photos", "/root.old/photos"),
        ("../root/photos", "../root/photos"),
        ("It is in /root.", "It is in ~."),
        ("ä/root/photos", "ä/root/photos"),
    ],
)
def test_the_home_folder_is_replaced_where_it_is_whole_components(
    text: str, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/root")
    assert without_home(text) == written
    assert without_home_in({"a": [text]}) == {"a": [written]}


@pytest.mark.parametrize("home", ["/root/", "/root//", "/"])
def test_a_home_folder_of_another_spelling(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    expected = "/root/a" if home == "/" else "~/a"
    assert without_home("/root/a") == expected


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("http://jane:secret@host:80/a does not answer", "http://***@host:80/a does not answer"),
        ("HTTPS://jane@host", "HTTPS://***@host"),
        ("s3://key:p@ss:word@host/a", "s3://***@host/a"),
        ("two: http://a:b@x, http://c:d@y", "two: http://***@x, http://***@y"),
        ("http://host/a?api_key=secret&x=1", "http://host/a?api_key=***&x=1"),
        ("http://host/@jane", "http://host/@jane"),
        ("http://host and jane@host", "http://host and jane@host"),
    ],
)
def test_credentials_in_addresses_are_masked(text: str, written: str) -> None:
    assert without_secrets(text) == written


def test_a_traceback_in_a_log_has_no_credentials(tmp_path: Path) -> None:
    with log_to(tmp_path / "train.log"):
        try:
            raise OSError("http://jane:secret@host refused")
        except OSError:
            logging.getLogger("vgglab").exception("no http://jane:secret@host")
    text = (tmp_path / "train.log").read_text(encoding="utf-8")
    assert "secret" not in text
    assert "http://***@host refused" in text


@pytest.mark.slow
def test_no_file_and_no_screen_has_the_password_of_a_server(tmp_path: Path) -> None:
    variables = {
        "WANDB_BASE_URL": "http://jane:secretword@127.0.0.1:9",
        "WANDB_API_KEY": "0" * 40,
    } | another_home(tmp_path / "home")
    write_image_folder(tmp_path / "photos", 60, classes=4)
    ended = completed(
        tmp_path,
        *FILES, "data=folder", "data.root=photos", "data.image_size=32", "data.classes=4",
        "protocol.top_k=[1]",         "recipe.epochs=1", "recipe.batch_size=16", "tracking=online",
        variables=variables,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "http://***@127.0.0.1:9" in ended.stderr
    for args in (("task=sync",), ("task=dashboard", "sweeps=depth")):
        more = completed(tmp_path, *args, variables=variables)
        assert more.returncode != 0
        assert "secretword" not in more.stdout + more.stderr
    assert "secretword" not in ended.stdout + ended.stderr
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"secretword" not in path.read_bytes(), path


@pytest.mark.slow
def test_a_folder_whose_path_has_the_home_folder_within_is_found_again(tmp_path: Path) -> None:
    home = tmp_path / "root"
    home.mkdir()
    # As HOME=/root and /x/root: the home folder's path within another one.
    within = Path(f"{tmp_path}/x{home}/photos")
    write_image_folder(within, 60, classes=4)
    variables = another_home(home)
    ended = completed(
        tmp_path,
        *FILES, "data=folder", f"data.root={within}", "data.image_size=32", "data.classes=4",
        "protocol.top_k=[1]",        "recipe.epochs=1", "recipe.batch_size=16", variables=variables,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert f"root: {within}" in (run / "config.yaml").read_text(encoding="utf-8")
    again = ("task=evaluate", f"run={run.name}", "protocol=dense")
    tested = completed(tmp_path, *again, variables=variables)
    assert tested.returncode == 0, tested.stderr
