"""Becomes one of the servers: `python -m ops.serve storage|broker|door`, as the Procfile says."""

import os
import sys

from ops.machine import assemble


def main() -> None:
    """Prepare the named server and replace this process by it."""
    # Its port was chosen when all of them were: looking again would find those of its neighbours taken.
    server = assemble(os.environ, lambda _port: True).servers[sys.argv[1]]
    command = server.prepare()
    os.chdir(command.cwd or ".")
    os.execve(command.argv[0], list(command.argv), dict(command.env))  # noqa: S606 -- no shell is wanted


if __name__ == "__main__":
    main()
