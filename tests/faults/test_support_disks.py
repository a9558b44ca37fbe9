"""Disks that are full: the host's, and our own in the two places that fill up."""

from __future__ import annotations

import subprocess

import pytest

from tests.faults.scene import FETCH, GENERATE, MIB, inside
from workflows.support.collecting.problems import DiskFull, NoRoomHere
from workflows.support.tests.conftest import BEGIN, FAKES

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis]


def enlarge(disk):
    """Have space made, as the words ask for."""
    command = ["/bin/mount", "-o", "remount,size=64m", str(disk)]
    subprocess.run(command, check=True)


def failed(scene, problem):
    scene.ground.wait_ended()
    assert scene.said() == ("failed", "sos_report", "disk_full")
    assert scene.words() == str(problem())
    assert scene.files() == []
    return not scene.incoming()


def test_the_disk_of_the_host_is_full(small_disk, scene, make_copy, record_property):
    copy = make_copy("filling", SPOOL=str(small_disk / "spool"))
    scene.ground.environment["SOS_SPOOL"] = copy.spool
    scene.copy = copy
    scene.ground.scheduler()
    scene.ground.worker("one", concurrency=1)
    scene.begin()
    scene.generate()
    assert failed(scene, DiskFull)
    assert scene.jobs() == [(GENERATE, "failed", 1)]
    assert scene.nothing_left()
    enlarge(small_disk)
    (scene.folder / "sos").write_text(BEGIN + FAKES["good"])
    scene.generate()
    scene.ground.wait_ended()
    assert scene.said() == ("sos_report", "", "")
    assert scene.has_one_archive()
    record_property("figure", "disk of the host full: disk_full, nothing left")


@pytest.mark.parametrize("full", ["DATA_DIR", "FILES_DIR"])
def test_our_own_disk_is_full(small_disk, scene, full, record_property):
    """Where archives arrive, or where they are kept."""
    environment = scene.ground.environment
    environment |= {"FILES_DIR": str(scene.folder / "files"), full: str(small_disk)}
    scene.program(size=3 * MIB)
    scene.ground.scheduler()
    scene.ground.worker("one", concurrency=1)
    scene.begin()
    scene.generate()
    assert failed(scene, NoRoomHere)
    assert "Handrail's own disk is full" in scene.words()
    assert scene.jobs() == [(GENERATE, "succeeded", 1), (FETCH, "failed", 1)]
    # It waits on the host.
    [run] = inside(scene.folder / "spool")
    assert run.name == scene.of_report("fetch_reference")
    assert scene.copy.working() == {}
    enlarge(small_disk)
    scene.ask("fetch")
    scene.ground.wait_ended()
    assert scene.said() == ("sos_report", "", "")
    assert scene.has_one_archive()
    place = {"DATA_DIR": "archives arrive", "FILES_DIR": "archives are kept"}[full]
    words = f"disk full where {place}: disk_full, nothing left, then fetched whole"
    record_property("figure", words)
