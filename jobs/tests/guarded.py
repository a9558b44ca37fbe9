"""A run under a guard whose rounds are made by hand, and a process that it may kill."""

from __future__ import annotations

import subprocess
import time
from datetime import timedelta

import psutil
import pytest
from django.db.models.functions import Now

from jobs.actions.guard import Guard
from jobs.actions.starting import start_job
from jobs.models import Job
from jobs.tests.engine import take_one

TIMEOUT, GRACE = timedelta(minutes=2), timedelta(seconds=10)


@pytest.fixture
def me():
    return Guard()


@pytest.fixture
def run(kind, alice, me):
    """A run that has been going on for some seconds."""
    start_job(kind(timeout=TIMEOUT, grace=GRACE), None, by=alice)
    found = take_one(me.worker)
    with me.holding([found]), me.watching(found):
        found.started -= 5
        yield found


def why(run):
    return run.told and run.told[0]


def lease_left(run):
    row = Job.objects.annotate(now=Now()).get(pk=run.job.pk)
    return row.lease_until - row.now


class Helper:
    """A process with children that do not end by themselves."""

    def __init__(self):
        self.process = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                "sleep 600 & sh -c 'sleep 600; true' & echo up; wait; read x",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = self.process.pid
        self.process.stdout.readline()
        while len(self.children()) < 3:
            time.sleep(0.01)
        self.first = self.children()

    def children(self):
        return psutil.Process(self.pid).children(recursive=True)

    def end(self):
        for process in (*self.first, psutil.Process(self.pid)):
            if process.is_running():
                process.kill()
        self.process.communicate()


@pytest.fixture
def helper():
    found = Helper()
    yield found
    if found.process.poll() is None:
        found.end()
    else:
        found.process.stdin.close()
        found.process.stdout.close()


def gone(processes):
    """Wait until none of them runs; one that nobody has waited for counts as gone."""
    deadline = time.monotonic() + 10
    while any(map(runs, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def runs(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
