"""Known vulnerabilities in the pinned dependencies, where a service can be asked.

pip-audit calls a package that its service does not know no problem, and a service it
cannot reach an error like a vulnerability. Only a vulnerability fails here; what could
not be audited is said.
"""

import json
import subprocess
import sys

COMMAND = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off"]
# The files pin everything: nothing is resolved or installed to find out.
COMMAND += ["--no-deps", "--disable-pip"]
TIME_LIMIT = 120  # seconds


def main(requirements: list[str]) -> int:
    command = [*COMMAND, *(f"--requirement={name}" for name in requirements)]
    try:
        audit = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
        )
        packages = json.loads(audit.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"pip-audit could not run: no answer within {TIME_LIMIT} seconds.")
        return 0
    except json.JSONDecodeError:
        last_words = audit.stderr.strip().splitlines()[-1:]
        print("pip-audit could not run:", *last_words)
        return 0
    audited = [package for package in packages if "skip_reason" not in package]
    if not audited:
        print("pip-audit could not run: its service knows none of the packages.")
        return 0
    vulnerable = 0
    for package in audited:
        for flaw in package["vulns"]:
            vulnerable += 1
            fixed = ", ".join(flaw["fix_versions"]) or "no release yet"
            print(f"{package['name']} {package['version']}: {flaw['id']}, fix: {fixed}")
    print(f"pip-audit: {len(audited)} of {len(packages)} packages audited,", end=" ")
    print(f"{vulnerable} known vulnerabilities.")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
