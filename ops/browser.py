"""Finds the browser for the journeys, or gets one: Debian's package as root, else Playwright's download."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def installed() -> Path | None:
    """The machine's own Chromium or Chrome."""
    return next((Path(found) for name in NAMES if (found := shutil.which(name))), None)


def downloaded() -> Path | None:
    """The browser that Playwright downloaded earlier, the newest first."""
    given = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    cache = Path(given) if given else Path.home() / ".cache" / "ms-playwright"
    found = sorted(cache.glob("chromium-*/chrome-linux*/chrome"), reverse=True)
    return found[0] if found else None


def get() -> None:
    """Try to install a browser; says on the terminal what happens, raises nothing."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        quietly = ["apt-get", "-y", "-qq"]
        subprocess.run([*quietly, "update"], check=False, env=environment)
        package = [*quietly, "install", "--no-install-recommends", "chromium"]
        if subprocess.run(package, check=False, env=environment, stdout=subprocess.DEVNULL).returncode == 0:
            return
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> int:
    """Have a browser; 1 and one line when there is none to be had."""
    if not (installed() or downloaded()):
        print("» getting a browser for the journeys")
        get()
    if installed() or downloaded():
        return 0
    print(
        "✗ The journeys need a browser: install Chromium or Chrome (Debian: apt-get install chromium).",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
