"""One data folder's machine: which servers it runs itself, where they listen, and what the programs are told.

Reads the environment once, through `config`. Starts nothing.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from config import Settings
from ops import broker, door, storage
from ops.keyring import kept_secret, private_folder, write_private
from ops.ports import reserve
from ops.servers import Server

ROOT = Path(__file__).resolve().parent.parent
# The addresses of what runs here, for commands typed in another terminal.
ADDRESSES = "addresses.json"


@dataclass(frozen=True)
class Machine:
    """Everything that `make run` starts, ready to be started."""

    settings: Settings
    # What the operator said, for the servers; they get no secret of the product's.
    given: Mapping[str, str]
    # The addresses and keys of what runs here, which the product's programs are told on top of that.
    told: Mapping[str, str]
    web_port: int
    servers: Mapping[str, Server]

    @property
    def data_dir(self) -> Path:
        """Where everything lies."""
        return self.settings.site.data_dir

    def environment(self, process: str) -> dict[str, str]:
        """The environment of one of the Procfile's processes."""
        told = {"DATA_DIR": str(self.data_dir)} if process in self.servers else self.told
        environment = {**self.given, **told, "WEB_PORT": str(self.web_port), "PYTHONUNBUFFERED": "1"}
        programs = str(Path(sys.executable).parent)
        environment["PATH"] = os.pathsep.join([programs, self.given.get("PATH", os.defpath)])
        if Path("/dev/shm").is_dir():  # noqa: S108 -- gunicorn's heartbeat files belong into memory
            environment.setdefault("GUNICORN_CMD_ARGS", "--worker-tmp-dir /dev/shm")
        if os.geteuid() == 0:
            # Celery warns at length on every start; that it is root's machine was decided elsewhere.
            environment.setdefault("PYTHONWARNINGS", "ignore:You're running the worker with superuser")
        return environment


def is_given(given: Mapping[str, str], name: str) -> bool:
    """Whether the operator set the value himself, directly or by a file."""
    return bool(given.get(name, "").strip() or given.get(f"{name}_FILE", "").strip())


def assemble(given: Mapping[str, str], usable: Callable[[int], bool]) -> Machine:
    """Choose the ports, keep the secrets, and work out what everybody is told.

    A remembered port is kept when it is `usable`. Raises config.SettingsError with every mistake in the environment.
    """
    asked = Settings.from_env(given)
    data_dir = private_folder(asked.site.data_dir)
    own_storage, own_broker = not is_given(given, "S3_ENDPOINT_URL"), not is_given(given, "BROKER_URL")
    names = ["web", *(broker.PORT_NAMES if own_broker else ()), *(storage.PORT_NAMES if own_storage else ())]
    ports = reserve(data_dir / "ports.json", names, usable)
    servers: dict[str, Server] = {}
    told = {"DATA_DIR": str(data_dir), "SITE_URL": asked.site.url, "S3_PUBLIC_URL": asked.storage.public_url}
    if own_storage:
        weed = own_storage_server(asked, ports)
        servers["storage"] = weed
        told |= {"S3_ENDPOINT_URL": weed.endpoint, "S3_ACCESS_KEY_ID": weed.access_key}
        told |= {"S3_SECRET_ACCESS_KEY": weed.secret_key}
    if own_broker:
        password = kept_secret(private_folder(data_dir / "secrets") / "broker-password")
        valkey = broker.Valkey(data_dir / "broker", ports, password=password)
        servers["broker"] = valkey
        told["BROKER_URL"] = valkey.url
    servers["door"] = front_door(asked, ports, own_storage=own_storage)
    settings = Settings.from_env({**given, **told})
    return Machine(settings, given, {**told, "DATABASE_URL": settings.database_url}, ports["web"], servers)


def own_storage_server(asked: Settings, ports: Mapping[str, int]) -> storage.SeaweedFS:
    """The embedded storage of this data folder, with its own keys."""
    secrets = private_folder(asked.site.data_dir / "secrets")
    return storage.SeaweedFS(
        asked.site.data_dir / "storage",
        ports,
        access_key=kept_secret(secrets / "storage-access-key", 20),
        secret_key=kept_secret(secrets / "storage-secret-key"),
        buckets=(asked.storage.originals_bucket, asked.storage.public_bucket),
    )


def front_door(asked: Settings, ports: Mapping[str, int], *, own_storage: bool) -> door.Caddy:
    """The door in front of the site and, if it is ours, the storage."""
    routes = door.Routes(
        site_url=asked.site.url,
        port=asked.site.port,
        web_port=ports["web"],
        storage_port=ports["storage.s3"] if own_storage else None,
        originals_bucket=asked.storage.originals_bucket,
        public_bucket=asked.storage.public_bucket,
        max_upload_bytes=asked.uploads.max_bytes,
    )
    return door.Caddy(asked.site.data_dir / "door", routes)


def leave_addresses(machine: Machine) -> None:
    """Write down what the programs are told, so that commands typed in another terminal find the same servers."""
    write_private(
        machine.data_dir / ADDRESSES, json.dumps(dict(machine.told), indent=2, sort_keys=True) + "\n"
    )
