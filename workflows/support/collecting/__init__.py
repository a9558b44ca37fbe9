"""Gets a diagnostic report off a Linux host. It knows no job and no model.

``ssh`` loads asyncssh: import it where a host is spoken to, since most processes never
do.
"""
