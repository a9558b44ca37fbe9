"""The wrapper as a program: what it takes, and what it makes of what sos does."""

# ruff: noqa: S603 - programs of our own

from __future__ import annotations

import ast
import hashlib
import os
import stat
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from workflows.support.collecting.collector import VERSION
from workflows.support.tests.conftest import SHIPPED

HEX = "0123456789abcdef" * 2
NOBODY = {"SUDO_UID": "65534", "SUDO_GID": "65534"}


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_it_is_one_program_for_old_pythons_too():
    source = (SHIPPED / "handrail-sos").read_text()
    tree = ast.parse(source, feature_version=(3, 6))
    assert source.startswith("#!/usr/bin/python3 -I\n")
    assert os.access(SHIPPED / "handrail-sos", os.X_OK)
    assert f"\nVERSION = {VERSION}\n" in source
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert imported
    assert not any("." in name for name in imported)


# --- what it takes --------------------------------------------------------------------
@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["report"],
        ["check", "more"],
        ["run"],
        ["run", "../" + HEX[3:]],
        ["run", HEX[:31]],
        ["run", HEX.upper()],
        ["run", HEX + "\n"],
        ["run", HEX, "more"],
        ["run", HEX, "--tmp-dir=/etc"],
        ["run", HEX, "--onl", "host"],
        ["run", HEX, "--only", "../../x"],
        ["run", HEX, "--only", "/etc/passwd"],
        ["run", HEX, "--only", ""],
        ["run", HEX, "--only", "host,"],
        ["run", HEX, "--only", "host\n"],
        ["run", HEX, "--only", "host", "--enable", "login"],
        ["run", HEX, "--only", "host", "--disable", "login"],
        ["run", HEX, "--only", "host,login", "--clean"],
        ["run", HEX, "--enable", ",".join(["x"] * 501)],
        ["run", HEX, "--log-size", "0"],
        ["run", HEX, "--log-size", "1025"],
        ["run", HEX, "--log-size", "1e2"],
        ["run", HEX, "--label", "a\nb"],
        ["run", HEX, "--label", "a" * 41],
        ["run", HEX, "--label", "a_b"],
        ["run", HEX, "--case-id", "a/b"],
        ["run", HEX, "--timeout", "59"],
        ["run", HEX, "--timeout", "7201"],
        ["stop", HEX, "more"],
        ["stop", "x"],
        ["remove", "/" + HEX[1:]],
        ["remove", ".."],
    ],
)
def test_changed_arguments_are_refused(make_copy, argv):
    copy = make_copy()
    ended = copy.call(*argv)
    assert ended.code == 1
    assert (ended.last["phase"], ended.last["code"]) == ("failed", "validation_error")
    assert not Path(copy.spool).exists()


@pytest.mark.parametrize(
    "caller",
    [
        {"SUDO_UID": "0x0", "SUDO_GID": "0"},
        {"SUDO_UID": "0", "SUDO_GID": "-1"},
        {"SUDO_UID": "4000000000", "SUDO_GID": "0"},
        {"SUDO_UID": "", "SUDO_GID": "0"},
    ],
)
def test_a_caller_who_cannot_be_is_refused(make_copy, run_id, caller):
    copy = make_copy()
    assert copy.call("run", run_id, **caller).last["code"] == "validation_error"
    assert not Path(copy.spool).exists()


def test_it_does_nothing_without_root(make_copy):
    copy = make_copy()
    # Given as text, since the folder is closed to others.
    command = ["/usr/bin/python3", "-I", "-", "check"]
    text = Path(copy.wrapper).read_text()
    ended = subprocess.run(
        command, input=text, capture_output=True, text=True, user=65534, cwd="/"
    )
    assert ended.returncode == 1
    assert '"privilege_required"' in ended.stdout
    assert not Path(copy.spool).exists()


def test_what_it_finds_is_told(make_copy):
    copy = make_copy()
    [found] = copy.call("check").answers
    assert found["wrapper"] == VERSION
    assert found["sos"] is True
    assert found["free_bytes"] > 0
    assert found["distribution"]
    assert mode(copy.spool) == 0o711
    assert make_copy(SOS=("/nowhere/sos",)).call("check").last["sos"] is False


# --- what sos does --------------------------------------------------------------------
def test_the_archive_alone_is_handed_over(make_copy, run_id):
    copy = make_copy()
    ended = copy.call(
        "run",
        run_id,
        "--enable=-x,b",
        "--label=-l",
        "--log-size=7",
        "--case-id=-1",
        "--clean",
        **NOBODY,
    )
    assert ended.code == 0
    phases = [
        (answer["phase"], answer.get("done"), answer.get("total"))
        for answer in ended.answers
    ]
    assert phases == [
        ("preparing", 0, None),
        ("collecting", 0, 2),
        ("collecting", 1, 2),
        ("collecting", 2, 2),
        ("masking", 0, None),
        ("packing", 0, None),
        ("checking", 0, None),
        ("done", None, None),
    ]
    lent = copy.folder(run_id) / "archive"
    [archive] = lent.iterdir()
    assert archive.name == ended.last["archive"] == "sosreport-x-obfuscated.tar.xz"
    assert archive.stat().st_size == ended.last["size"]
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == ended.last["sha256"]
    assert (
        archive.stat().st_uid,
        lent.stat().st_uid,
        copy.folder(run_id).stat().st_uid,
    ) == (65534, 65534, 0)
    assert (mode(archive), mode(lent), mode(copy.folder(run_id))) == (
        0o600,
        0o500,
        0o711,
    )
    assert {path.name for path in copy.folder(run_id).iterdir()} == {"note", "archive"}
    assert mode(copy.folder(run_id) / "note") == 0o600
    with tarfile.open(archive) as tar:
        arguments = tar.extractfile("in/arguments").read().decode().split()
        environment = tar.extractfile("in/environment").read().decode()
    work = copy.folder(run_id) / "work"
    assert arguments == [
        *("report", "--batch", f"--tmp-dir={work}", "--enable-plugins=-x,b"),
        *("--log-size=7", "--label=-l", "--case-id=-1", "--clean"),
    ]
    names = {line.split("=")[0] for line in environment.splitlines()}
    assert names <= {
        "PATH",
        "HOME",
        "LC_ALL",
        "TERM",
        "TMPDIR",
        "PYTHONUNBUFFERED",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    }


@pytest.mark.parametrize(
    ("fake", "code"),
    [
        ("nothing", "archive_not_found"),
        ("two", "archive_not_found"),
        ("no tar", "archive_not_found"),
        ("breaks off", "archive_not_found"),
        ("packed breaks off", "archive_not_found"),
        ("other sum", "archive_not_found"),
        ("link", "archive_not_found"),
        ("failing", "unexpected_error"),
        ("full", "disk_full"),
    ],
)
def test_only_a_whole_archive_counts(make_copy, run_id, fake, code):
    copy = make_copy(fake)
    ended = copy.call("run", run_id)
    assert (ended.code, ended.last["phase"], ended.last["code"]) == (1, "failed", code)
    assert copy.clean()


def test_what_was_to_be_masked_and_is_not_is_never_handed_over(make_copy, run_id):
    copy = make_copy("unmasked")
    ended = copy.call("run", run_id, "--clean")
    assert (ended.last["code"], ended.last["detail"]) == (
        "unexpected_error",
        "sos did not mask the archive",
    )
    assert copy.clean()
    assert copy.call("run", run_id).code == 0


def test_a_full_disk_is_named(make_copy, run_id, small_disk):
    copy = make_copy("filling", SPOOL=str(small_disk / "spool"))
    assert copy.call("run", run_id).last["code"] == "disk_full"
    assert copy.clean()


def test_a_disk_that_is_full_from_the_start_keeps_no_folder(
    make_copy, run_id, small_disk
):
    copy = make_copy(SPOOL=str(small_disk / "spool"))
    copy.call("check")
    filling = small_disk / "filling"
    with pytest.raises(OSError, match="No space left"):
        filling.write_bytes(bytes(700_000))
    assert copy.call("run", run_id).last["code"] == "disk_full"
    assert copy.clean()
    filling.unlink()
    assert copy.call("run", run_id).code == 0  # the id is still free


def test_without_sos_nothing_is_begun(make_copy, run_id):
    copy = make_copy(SOS=("/nowhere/sos",))
    assert copy.call("run", run_id).last["code"] == "dependency_missing"
    assert copy.clean()


# --- folders --------------------------------------------------------------------------
def test_a_run_id_counts_once(make_copy, run_id):
    copy = make_copy()
    first = copy.call("run", run_id).last
    again = copy.call("run", run_id)
    assert again.last["code"] == "validation_error"
    assert (copy.folder(run_id) / "archive" / first["archive"]).exists()


@pytest.mark.parametrize("target", ["spool", "run"])
def test_links_in_the_place_of_folders_are_refused(make_copy, run_id, tmp_path, target):
    copy = make_copy()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    if target == "spool":
        Path(copy.spool).symlink_to(elsewhere)
    else:
        Path(copy.spool).mkdir(mode=0o711)
        copy.folder(run_id).symlink_to(elsewhere)
    for verb in ("run", "stop", "remove"):
        assert copy.call(verb, run_id).code == 1
    assert [path.name for path in elsewhere.iterdir()] == ["mine"]


def test_a_spool_that_others_write_to_is_refused(make_copy, run_id):
    copy = make_copy()
    Path(copy.spool).mkdir()
    Path(copy.spool).chmod(0o777)
    assert copy.call("run", run_id).last["code"] == "path_unsafe"


def test_a_run_is_removed_by_its_own_caller_alone(make_copy, run_id):
    copy = make_copy()
    assert copy.call("run", run_id, **NOBODY).code == 0
    for verb in ("remove", "stop"):
        assert copy.call(verb, run_id).last["code"] == "validation_error"
        assert copy.call(verb, run_id, SUDO_UID="1", SUDO_GID="1").code == 1
    assert (copy.folder(run_id) / "archive").exists()
    assert copy.call("stop", run_id, **NOBODY).code == 0  # it is over, and kept
    assert (copy.folder(run_id) / "archive").exists()
    assert copy.call("remove", run_id, **NOBODY).last == {"phase": "removed"}
    assert copy.clean()
    assert copy.call("remove", run_id, **NOBODY).code == 0


def test_what_nobody_fetched_is_removed_after_a_day(make_copy, run_id):
    copy = make_copy()
    copy.call("run", run_id)
    copy.call("check")
    assert copy.folder(run_id).exists()
    yesterday = time.time() - 25 * 3600
    os.utime(copy.folder(run_id), (yesterday, yesterday))
    copy.call("check")
    assert copy.clean()
