"""The whole portal as `make run` starts it, for benchmarks that stand outside of it, and calls to its API."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config import ROOT


def called(address: str, method: str, path: str, body: dict[str, object], token: str = "") -> dict[str, Any]:
    """The JSON answer of one call."""
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    line.request(method, f"/api/v1{path}", json.dumps(body), headers)
    answer = line.getresponse()
    told: dict[str, Any] = json.loads(answer.read())
    line.close()
    if answer.status >= http.HTTPStatus.BAD_REQUEST:
        raise RuntimeError(f"{path}: {answer.status} {told}")
    return told


@contextmanager
def portal(folder: Path) -> Iterator[str]:
    """The whole portal as `make run` starts it, with one campaign."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ, "DATA_DIR": str(folder), "PORT": str(port), "DEMO": "0",
        "SITE_URL": f"http://127.0.0.1:{port}", "CHALLENGE_FROM": "100000", "SUBMISSIONS_AN_HOUR": "100000",
        "READS_A_MINUTE": "1000000",
    }  # fmt: skip
    command = [sys.executable, "-m", "ops.run"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        for line in process.stdout or ():
            if "Ctrl-C stops everything" in line:
                break
        threading.Thread(target=lambda: list(process.stdout or ()), daemon=True).start()
        known = json.loads((folder / "addresses.json").read_text(encoding="utf-8"))
        words = ["campaigns", "add", "bench", "--title", "Banc"]
        subprocess.run(
            [sys.executable, "-m", "portal", *words], cwd=ROOT, env={**environment, **known}, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        yield environment["SITE_URL"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(90)
