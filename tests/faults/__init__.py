"""What breaks in production, broken on purpose: real processes, real servers.

Each test is a scenario: jobs are started, something is killed, cut or stopped, and then
the database is asked what was lost, what was done twice and how long it took until
work went on. `python -m tests.faults` runs them all and prints the figures.
"""
