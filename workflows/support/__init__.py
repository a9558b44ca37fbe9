"""A diagnostic report is taken from a Linux host and attached to a Jira issue."""
