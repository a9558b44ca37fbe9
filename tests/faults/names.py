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
STUCK_GRACE = timedelta(seconds=8)  # what fetches and uploads get here
LEASE_SECONDS = 6.0
