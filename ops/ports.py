"""The loopback ports of one data folder: chosen once, remembered in ports.json, chosen anew when taken."""

import json
import os
import random
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

# Below the range from which Linux takes the ports of outgoing connections (32768 and up): a remembered port
# there would now and then be in use by one of our own clients.
LOWEST, HIGHEST = 20000, 32000


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: what is left of closed connections does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def remembered(file: Path) -> dict[str, int]:
    """The ports in the file; none when it is missing or unreadable as JSON."""
    try:
        found = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(name): int(port) for name, port in found.items()}


def reserve(file: Path, names: Sequence[str], usable: Callable[[int], bool] = is_free) -> dict[str, int]:
    """One usable port per name, kept from the last time where possible; the file is written when one changed."""
    before = remembered(file)
    ports = {name: port for name, port in before.items() if name not in names or usable(port)}
    # A block from one random start: two runs that choose at the same moment hardly ever meet.
    candidate = random.randrange(LOWEST, HIGHEST)  # noqa: S311 -- nothing secret
    for name in names:
        while name not in ports:
            if candidate not in ports.values() and usable(candidate):
                ports[name] = candidate
            candidate = candidate + 1 if candidate < HIGHEST else LOWEST
    if ports != before:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        fresh.write_text(json.dumps(ports, indent=2, sort_keys=True) + "\n")
        fresh.replace(file)
    return {name: ports[name] for name in names}
