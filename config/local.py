"""`make run` on one's own machine: keys that are made once and kept with the data."""

import base64
import os
import secrets
from pathlib import Path


def write_environment() -> Path:
    """Write DATA_DIR/local.env if there is none; settings.py reads it."""
    default = Path(__file__).resolve().parent.parent / "var"
    folder = Path(os.environ.get("DATA_DIR") or default)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "local.env"
    if not path.exists():
        seal_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        lines = (
            f"SECRET_KEY={secrets.token_urlsafe(64)}",
            f"SEAL_KEYS={seal_key}",
            "ALLOWED_HOSTS=localhost,127.0.0.1,[::1]",
            "HTTPS=0",
            "LOG_FORMAT=text",
        )
        # Written aside and renamed, so that a stopped start leaves no half of it.
        part = path.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text("\n".join(lines) + "\n")
        part.rename(path)
    return path


if __name__ == "__main__":
    write_environment()
