"""The embedded storage: SeaweedFS from its wheel, locked down.

Its defaults are open (thirteen ports on every interface, a filer without credentials, telemetry, no fsync, memory
without limit); every flag here closes one of them. Deleted objects' bytes stay until a vacuum.
"""

import contextlib
import http.client
import os
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ops.keyring import kept_secret, private_folder, write_private
from ops.ports import is_free
from ops.processes import Command
from ops.servers import Server, ServerDidNotStartError, bare_environment

PORT_FLAGS = ("master", "volume", "filer", "s3", "admin")
PORT_NAMES = tuple(f"storage.{flag}{kind}" for flag in PORT_FLAGS for kind in ("", ".grpc"))
SIGNING_KEYS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
# The server makes its sockets there by port number, whatever TMPDIR says.
SOCKETS = Path("/tmp")  # noqa: S108
# A path longer than this does not fit into a socket's address.
SOCKET_PATH_LIMIT = 90
SHELL_SECONDS = 60
BUCKET_TRIES = 30
STOP_SECONDS = 40.0
FLAGS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-master.telemetry=false",
    "-webdav=false",
    "-admin.ui=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.autoCreateBucket=false",
    "-s3.allowDeleteBucketNotEmpty=false",
    # No limit: with one, a hundred slow uploads make every other wait.
    "-s3.concurrentUploadLimitMB=0",
    "-filer.disableDirListing",
    "-filer.exposeDirectoryData=false",
)


def sockets_of(port: int) -> list[Path]:
    """Sockets that a server on this port made, or left behind."""
    return list(SOCKETS.glob(f"seaweedfs-*-{port}.sock"))


def usable(port: int) -> bool:
    """Whether the storage could listen on the port: nobody does, and no other user's socket bears its number."""
    with contextlib.suppress(FileNotFoundError):
        return is_free(port) and all(path.stat().st_uid == os.geteuid() for path in sockets_of(port))
    return False


def program() -> str:
    """The wheel's server program."""
    return str(Path(sysconfig.get_path("scripts")) / "weed")


class SeaweedFS(Server):
    """One SeaweedFS with all its parts in one process, on loopback only."""

    name: ClassVar[str] = "storage"

    def __init__(
        self,
        folder: Path,
        ports: Mapping[str, int],
        *,
        access_key: str,
        secret_key: str,
        buckets: Sequence[str],
    ) -> None:
        super().__init__()
        self.folder, self.ports, self.buckets = folder, ports, buckets
        self.access_key, self.secret_key = access_key, secret_key
        self.data = folder / "data"
        # Inside the data, so that it goes when they go: the setting itself is kept in there.
        self.settled = self.data / "buckets-are-set-up"

    @property
    def endpoint(self) -> str:
        """Where the S3 interface answers."""
        return f"http://127.0.0.1:{self.ports['storage.s3']}"

    def prepare(self) -> Command:
        """Write the keys, forget the last start's command line, and say how the server is started."""
        private_folder(self.folder)
        private_folder(self.data)
        # It keeps its flags there and would prefer them to ours.
        (self.data / "mini.options").unlink(missing_ok=True)
        self._write_keys()
        self.tidy()
        scratch = self._socket_folder()
        listeners = [f"-{name.removeprefix('storage.')}={port}" for name, port in self._port_flags().items()]
        sockets = [f"-{part}.localSocket={scratch / part}.sock" for part in ("filer", "s3")]
        return Command(
            argv=[
                program(),
                f"-config_dir={self.folder}",
                "-logtostderr=true",
                "mini",
                f"-dir={self.data}",
                *FLAGS,
                *listeners,
                *sockets,
                f"-bucket={','.join(self.buckets)}",
            ],
            env=bare_environment(
                self.folder,
                TMPDIR=str(scratch),
                GOMEMLIMIT="400MiB",
                AWS_ACCESS_KEY_ID=self.access_key,
                AWS_SECRET_ACCESS_KEY=self.secret_key,
            ),
            cwd=self.folder,
            grace_seconds=STOP_SECONDS,
        )

    def ready(self) -> bool:
        """Whether the S3 interface answers a stranger with its refusal."""
        return self._status("s3", "/") == http.HTTPStatus.FORBIDDEN

    def settle(self) -> None:
        """Wait for the buckets, have both written through to the disk (off by default); kept, so done once."""
        if self.settled.exists():
            return
        lines = [
            f"fs.configure -locationPrefix=/buckets/{bucket}/ -fsync=true -apply" for bucket in self.buckets
        ]
        for _ in range(BUCKET_TRIES):
            said = self.shell([*lines, "fs.configure", "s3.bucket.list"])
            synced = said.count('"fsync":  true') >= len(self.buckets)
            # The server makes them by itself, a moment after it began to answer.
            made = {line.split()[0] for line in said.splitlines() if line.startswith("  ") and line.split()}
            if synced and made.issuperset(self.buckets):
                self.settled.touch()
                return
        raise ServerDidNotStartError(f"storage: its buckets could not be set up:\n{said}")

    def vacuum(self) -> None:
        """Give deleted objects' bytes back to the disk now instead of some time; raises as `shell` does."""
        self.shell(["lock", "volume.vacuum -garbageThreshold=0.0001", "unlock"])

    def shell(self, lines: Sequence[str]) -> str:
        """What the server's own shell answers to the lines; raises CalledProcessError or TimeoutExpired."""
        ports = self.ports
        done = subprocess.run(
            [
                program(),
                f"-config_dir={self.folder}",
                "shell",
                f"-master=127.0.0.1:{ports['storage.master']}.{ports['storage.master.grpc']}",
                f"-filer=127.0.0.1:{ports['storage.filer']}.{ports['storage.filer.grpc']}",
            ],
            input="\n".join([*lines, "exit", ""]),
            env=bare_environment(self.folder),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=SHELL_SECONDS,
        )
        return done.stdout + done.stderr

    def stop(self) -> None:
        """Stop the server and take its sockets away."""
        super().stop()
        self.tidy()

    def _port_flags(self) -> dict[str, int]:
        # storage.s3.grpc is the flag -s3.port.grpc.
        return {
            f"{flag}.port{kind}": self.ports[f"storage.{flag}{kind}"]
            for flag in PORT_FLAGS
            for kind in ("", ".grpc")
        }

    def _write_keys(self) -> None:
        sections = [
            f'[{name}]\nkey = "{kept_secret(self.folder / f"{name}.key", 64)}"\n' for name in SIGNING_KEYS
        ]
        write_private(self.folder / "security.toml", "\n".join([*sections, "[access]\nui = false\n"]))

    def _socket_folder(self) -> Path:
        inside = private_folder(self.folder / "run")
        if len(str(inside)) <= SOCKET_PATH_LIMIT:
            return inside
        return Path(tempfile.mkdtemp(prefix="portal-"))

    def tidy(self) -> None:
        """Delete the sockets that bear our ports' numbers."""
        for port in self.ports.values():
            for path in sockets_of(port):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _status(self, part: str, path: str) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[f"storage.{part}"], timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
