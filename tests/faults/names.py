"""What the tests and the processes they start both know."""

from datetime import timedelta

EFFECT = "faults.effect"
CAREFUL = "faults.careful"  # as EFFECT, but must not be repeated
STUBBORN = "faults.stubborn"
OVERLONG = "faults.overlong"  # as STUBBORN, with little time
STEPS = ("first", "second")
MINUTE = timedelta(minutes=1)
TIMEOUT = timedelta(seconds=4)
GRACE = timedelta(seconds=2)  # what the stubborn ones get
STUCK_GRACE = timedelta(seconds=8)  # what fetches get here, and a stuck piece
LATE = timedelta(seconds=20)  # what a Jira gets here that may be storing yet
LEASE_SECONDS = 6.0
