"""Every setting: typed, explained, read once from the environment, all mistakes reported at once.

Standard library only. `<NAME>_FILE` reads a value from a file, for secrets.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from settings_table import SETTINGS

ROOT = Path(__file__).resolve().parent
INBOX_LISTEN, INBOX_MAX_BYTES = "lmtp://127.0.0.1:8024", 36 * 1024**2
USUAL_ZONE = "Europe/Paris"
# S3 joins at most 10 000 parts, and ours have 5 MiB.
_MOST_UPLOAD_BYTES = 10_000 * 5 * 1024**2
# A tallest rung at its cap reaches the largest file that a tool may write (media_jobs/ffmpeg.py) after an hour.
_MOST_CLIP_SECONDS = 2700


def _is_zone(name: str) -> bool:
    """Whether this machine knows the time there; few lack the tables, and everybody knows UTC."""
    try:
        return name == "UTC" or bool(ZoneInfo(name).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


class SettingsError(Exception):
    """One or more settings are wrong; `faults` has a line for each: name, fault, example."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Site:
    """Address, name, languages and secrets of the site itself."""

    url: str
    name: str
    brand: str
    languages: tuple[str, ...]
    default_language: str
    secret_key: str
    port: int
    data_dir: Path
    demo: bool
    metrics_token: str = ""
    # Whether an owner must open a letter of ours before a moderator looks.
    confirms_email: bool = True
    # Whether what is said in a film must be there to be read, checked by a person, before it is published.
    requires_captions: bool = False
    # After so many minutes without a request a member of staff signs in anew.
    idle_minutes: int = 120
    # Whose time of day is shown to people; everything that is kept is in UTC.
    timezone: str = "UTC"

    @property
    def host(self) -> str:
        """Host and port as they stand in a browser's address."""
        return urlsplit(self.url).netloc

    @property
    def is_https(self) -> bool:
        """Whether cookies may demand TLS."""
        return self.url.startswith("https://")


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """The S3-compatible storage and its two buckets."""

    endpoint_url: str
    public_url: str
    region: str
    access_key_id: str
    secret_access_key: str
    originals_bucket: str
    public_bucket: str
    cdn_url: str
    site_url: str
    cdn_purge_url: str = ""

    @property
    def has_deaf_edge(self) -> bool:
        """Whether there is a CDN that cannot be told to forget a film that was taken back."""
        return bool(self.cdn_url) and not self.cdn_purge_url

    @property
    def is_ours(self) -> bool:
        """Whether it runs on this machine, on the portal's own disk."""
        return urlsplit(self.endpoint_url).hostname in ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """How much may be asked for before somebody must wait, work, or be known by his mailbox."""

    challenge_from: int = 240
    submissions_an_hour: int = 1200
    campaign_a_day: int = 2000
    reads_a_minute: int = 120
    bytes_a_day: int = 20 * 1024**3
    free_percent: int = 5
    waiting_films: int = 1000


@dataclass(frozen=True, slots=True)
class MailSettings:
    """How mails leave: an SMTP address, or a folder of .eml files when `url` is empty."""

    url: str
    sender: str
    folder: Path
    # The mailbox that we read, empty when there is none.
    inbox: str = ""
    # How mails come in: where we listen, which mailbox we empty; whose word on senders counts; the largest mail.
    listen: str = ""
    imap_url: str = ""
    trusts: str = ""
    max_bytes: int = INBOX_MAX_BYTES
    # Who is told when an owner asks to be called (empty: the administrators); whom the pages say to write to.
    support: str = ""
    contact: str = ""
    # Whether moderators and administrators are written to by the clock.
    tells_team: bool = True
    # After so many views an owner is thanked; 0 for never.
    thanks_after: int = 100


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What is taken: bytes of a file, seconds of a film."""

    max_bytes: int
    max_seconds: int
    # Films and uploads under way of one owner together.
    owner_bytes: int = 20 * 1024**3


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """The film tools; empty paths mean the wheels' own."""

    ffmpeg: str
    ffprobe: str
    threads: int
    profile: str
    scratch: Path
    # Whether an ffmpeg with known holes is refused, and whether one may run without a jail.
    has_floor: bool = True
    is_jailed: bool = True
    # From this length on, in seconds, idle workers make parts of a film; 0 for never.
    parallel_from: int = 0


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """How the worker writes captions; an empty model means that it does not."""

    model: str
    threads: int
    device: str


@dataclass(frozen=True, slots=True)
class ProofSettings:
    """What owners' numbers are held against; empty where there is nothing."""

    orders_csv: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the portal is told from outside, checked."""

    site: Site
    database_url: str
    broker_url: str
    storage: StorageSettings
    mail: MailSettings
    uploads: UploadLimits
    media: MediaSettings
    speech: SpeechSettings
    origins: Mapping[str, str]
    guard: GuardSettings = GuardSettings()
    proofs: ProofSettings = ProofSettings()
    # What counts, by the setting's name, as it was read or as the default is; secrets too.
    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read and check every setting; raises SettingsError with all faults at once."""
        return _Reader(env).settings()


class _Reader:
    """Collects values, their origins and every fault on the way."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.faults: list[str] = []
        self.origins: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.by_name = {setting.name: setting for setting in SETTINGS}

    def fault(self, name: str, what: str) -> None:
        self.faults.append(f"{name}: {what}, for example {name}={self.by_name[name].example}")

    def raw(self, name: str) -> str:
        """The value as given, from the environment or the file that `<NAME>_FILE` names; empty if absent."""
        if value := self.env.get(name, "").strip():
            self.origins[name] = "environment"
            return value
        if path := self.env.get(f"{name}_FILE", "").strip():
            self.origins[name] = f"file {path}"
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                self.fault(name, f"the file {path} cannot be read ({error.strerror})")
        self.origins.setdefault(name, "default")
        return ""

    def text(
        self, name: str, default: str, *, valid: Callable[[str], bool] | None = None, what: str = ""
    ) -> str:
        value = self.values[name] = self.raw(name) or default
        if valid is not None and not valid(value):
            shown = "(hidden)" if self.by_name[name].secret else repr(value)
            self.fault(name, f"{shown} {what}")
            return default
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.values[name] = self.raw(name) or str(default)
        if not value.isdecimal() or not low <= int(value) <= high:
            self.fault(name, f"{value!r} is not a whole number from {low} to {high}")
            return default
        return int(value)

    def choice(self, name: str, default: str, *others: str) -> str:
        words = (default, *others)
        return self.text(name, default, valid=lambda v: v in words, what=f"is none of {', '.join(words)}")

    def url(self, name: str, default: str, *schemes: str, bare: bool = False) -> str:
        def valid(value: str) -> bool:
            try:
                parts = urlsplit(value)
                # Read, so that one that is no number is a fault now and not in the worker.
                _port = parts.port
            except ValueError:
                return False
            is_whole = parts.scheme in schemes and bool(parts.netloc)
            return is_whole and not (bare and parts.path not in ("", "/"))

        what = f"is not an address that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        return self.text(name, default, valid=valid, what=what + (" and has no path" if bare else "")).rstrip(
            "/"
        )

    def settings(self) -> Settings:
        site = self._site()
        made = Settings(
            site=site,
            database_url=self._database(site.data_dir),
            broker_url=self._broker(),
            storage=self._storage(site),
            mail=self._mail(site),
            uploads=UploadLimits(
                max_bytes=self.number("MAX_UPLOAD_BYTES", 2 * 1024**3, 1, _MOST_UPLOAD_BYTES),
                max_seconds=self.number("MAX_CLIP_SECONDS", 180, 1, _MOST_CLIP_SECONDS),
                owner_bytes=self.number("OWNER_BYTES", 20 * 1024**3, 1, 1024**5),
            ),
            guard=self._guard(),
            media=self._media(site.data_dir),
            speech=self._speech(),
            origins=self.origins,
            values=self.values,
            proofs=ProofSettings(
                orders_csv=self.text(
                    "ORDERS_CSV", "", valid=lambda v: not v or v.startswith("/"), what="is no whole path"
                )
            ),
        )
        if self.faults:
            raise SettingsError(self.faults)
        return made

    def _guard(self) -> GuardSettings:
        return GuardSettings(
            challenge_from=self.number("CHALLENGE_FROM", 240, 1, 10**6),
            submissions_an_hour=self.number("SUBMISSIONS_AN_HOUR", 1200, 1, 10**6),
            campaign_a_day=self.number("CAMPAIGN_A_DAY", 2000, 1, 10**6),
            reads_a_minute=self.number("READS_A_MINUTE", 120, 1, 10**6),
            bytes_a_day=self.number("BYTES_A_DAY", 20 * 1024**3, 1, 1024**5),
            free_percent=self.number("FREE_PERCENT", 5, 0, 90),
            waiting_films=self.number("WAITING_FILMS", 1000, 0, 10**6),
        )

    def _site(self) -> Site:
        data_dir = Path(self.raw("DATA_DIR") or ROOT / "var").absolute()
        self.values["DATA_DIR"] = str(data_dir)
        port = self.number("PORT", 8000, 1, 65535)
        languages = self._languages()
        default = self.text(
            "DEFAULT_LANGUAGE", languages[0], valid=lambda v: v in languages, what="is not one of LANGUAGES"
        )
        return Site(
            url=self.url("SITE_URL", f"http://127.0.0.1:{port}", "http", "https", bare=True),
            name=self.text(
                "SITE_NAME", "La vie en Solène", valid=lambda v: len(v) <= 60, what="is longer than 60"
            ),
            brand=self.text("BRAND_NAME", "Solène", valid=lambda v: len(v) <= 60, what="is longer than 60"),
            languages=languages,
            default_language=default,
            timezone=self.text(
                "SITE_TIMEZONE",
                USUAL_ZONE if _is_zone(USUAL_ZONE) else "UTC",
                valid=_is_zone,
                what="is no time zone that this machine knows, such as Europe/Paris",
            ),
            secret_key=self._secret_key(data_dir),
            port=port,
            data_dir=data_dir,
            demo=self.text("DEMO", "1", valid=lambda v: v in "01", what="is neither 0 nor 1") == "1",
            confirms_email=self.choice("CONFIRM_EMAIL", "on", "off") == "on",
            requires_captions=self.choice("REQUIRE_CAPTIONS", "off", "on") == "on",
            idle_minutes=self.number("STUDIO_IDLE_MINUTES", 120, 5, 720),
            metrics_token=self.text(
                "METRICS_TOKEN", "", valid=lambda v: not 0 < len(v) < 32, what="is shorter than 32 characters"
            ),
        )

    def _languages(self) -> tuple[str, ...]:
        given = tuple(part.strip() for part in self.text("LANGUAGES", "fr,en,de").split(",") if part.strip())
        known = sorted(path.name for path in (ROOT / "portal" / "translations").iterdir() if path.is_dir())
        if not given or not set(given) <= set(known):
            what = f"{','.join(given)!r} names a language without a catalogue ({', '.join(known)})"
            self.fault("LANGUAGES", what)
            given = ("fr",)
        return given

    def _secret_key(self, data_dir: Path) -> str:
        given = self.text(
            "SECRET_KEY", "", valid=lambda v: not v or len(v) >= 32, what="is shorter than 32 characters"
        )
        if given:
            return given
        path = data_dir / "secret-key"
        self.origins["SECRET_KEY"] = f"file {path}"
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
        except FileExistsError:
            pass
        except OSError as error:
            self.fault("DATA_DIR", f"{str(data_dir)!r} cannot be written ({error.strerror})")
            return ""
        return path.read_text(encoding="ascii")

    def _database(self, data_dir: Path) -> str:
        def valid(value: str) -> bool:
            return value.startswith(("sqlite:///", "postgresql+psycopg://"))

        default = f"sqlite:///{data_dir / 'portal.sqlite'}"
        return self.text(
            "DATABASE_URL", default, valid=valid, what="is neither sqlite:/// nor postgresql+psycopg://"
        )

    def _broker(self) -> str:
        return self.url("BROKER_URL", "redis://127.0.0.1:6379/0", "redis", "rediss", "amqp", "amqps")

    def _storage(self, site: Site) -> StorageSettings:
        cdn, purge = self.raw("CDN_URL"), self.raw("CDN_PURGE_URL")
        originals = self._bucket("S3_ORIGINALS_BUCKET", "vecu-originals")
        public = self._bucket("S3_PUBLIC_BUCKET", "vecu-public")
        if originals == public:
            self.fault("S3_ORIGINALS_BUCKET", f"{originals!r} is public too; originals are private")
        return StorageSettings(
            endpoint_url=self.url("S3_ENDPOINT_URL", "http://127.0.0.1:8333", "http", "https"),
            # Only what was given is judged: a wrong SITE_URL is one mistake, not two.
            public_url=self.url("S3_PUBLIC_URL", "", "http", "https")
            if self.raw("S3_PUBLIC_URL")
            else site.url,
            region=self.text("S3_REGION", "us-east-1"),
            access_key_id=self.text("S3_ACCESS_KEY_ID", "vecu"),
            secret_access_key=self.text("S3_SECRET_ACCESS_KEY", ""),
            originals_bucket=originals,
            public_bucket=public,
            cdn_url=self.url("CDN_URL", cdn, "http", "https") if cdn else "",
            site_url=site.url,
            cdn_purge_url=self.url("CDN_PURGE_URL", purge, "http", "https") if purge else "",
        )

    def _bucket(self, name: str, default: str) -> str:
        # S3's own rule for bucket names, less the dots, which break TLS host names.
        def valid(value: str) -> bool:
            return re.fullmatch("[a-z0-9-]{3,63}", value) is not None

        return self.text(name, default, valid=valid, what="is no bucket name (3 to 63 of a-z, 0-9, -)")

    def _mail(self, site: Site) -> MailSettings:
        host = urlsplit(site.url).hostname or "localhost"
        sender = f"portal@{host}" if not host.replace(".", "").isdecimal() else "portal@localhost"
        return MailSettings(
            url=self.url("MAIL_URL", "", "smtp", "smtps") if self.raw("MAIL_URL") else "",
            sender=self.text(
                "MAIL_FROM", sender, valid=lambda v: "@" in v and "\n" not in v, what="is no mail address"
            ),
            folder=site.data_dir / "mail",
            inbox=self._address("INBOX_ADDRESS", without="+"),
            listen=self._inbox_listen(),
            imap_url=self._inbox_way("INBOX_IMAP_URL", "imap", "imaps"),
            trusts=self.text(
                "INBOX_TRUSTS", "", valid=lambda v: not set(v) & set(" ;,@"), what="is no name of a server"
            ).casefold(),
            max_bytes=self.number("INBOX_MAX_BYTES", INBOX_MAX_BYTES, 65536, 512 * 1024**2),
            support=self._address("SUPPORT_EMAIL"),
            contact=self._address("CONTACT_EMAIL"),
            tells_team=self.choice("TEAM_LETTERS", "on", "off") == "on",
            thanks_after=self.number("THANKS_AFTER_VIEWS", 100, 0, 1_000_000_000),
        )

    def _address(self, name: str, without: str = "\n") -> str:
        def valid(value: str) -> bool:
            return not value or ("@" in value[1:] and without not in value)

        return self.text(name, "", valid=valid, what="is no mail address")

    def _inbox_listen(self) -> str:
        given = self._inbox_way("INBOX_LISTEN", "lmtp", "smtp")
        if given and not _has_port(given):
            self.fault("INBOX_LISTEN", f"{given!r} names no port")
        is_read = bool(self.raw("INBOX_ADDRESS"))
        return given or (INBOX_LISTEN if is_read and not self.raw("INBOX_IMAP_URL") else "")

    def _inbox_way(self, name: str, *schemes: str) -> str:
        """One of the two ways by which mails come in; of no use without the address that they are for."""
        if not self.raw(name):
            return ""
        if not self.raw("INBOX_ADDRESS"):
            self.fault(name, "is of no use without INBOX_ADDRESS")
        return self.url(name, "", *schemes)

    def _media(self, data_dir: Path) -> MediaSettings:
        def tool(name: str) -> str:
            # Whether it is there is the worker's to say, which waits for it; the site needs no film tool.
            return self.text(name, "", valid=lambda v: not v or v.startswith("/"), what="is no whole path")

        return MediaSettings(
            ffmpeg=tool("FFMPEG"),
            ffprobe=tool("FFPROBE"),
            threads=self.number("TRANSCODE_THREADS", 2, 1, 64),
            profile=self.choice("TRANSCODE_PROFILE", "standard", "economy"),
            scratch=data_dir / "scratch",
            has_floor=self.choice("FFMPEG_FLOOR", "on", "off") == "on",
            is_jailed=self.choice("SANDBOX", "auto", "off") == "auto",
            parallel_from=self.number("TRANSCODE_PARALLEL_FROM", 0, 0, 4 * 3600),
        )

    def _speech(self) -> SpeechSettings:
        return SpeechSettings(
            model=self.text("SPEECH_MODEL", ""),
            threads=self.number("SPEECH_THREADS", 2, 1, 64),
            device=self.choice("SPEECH_DEVICE", "cpu", "cuda", "auto"),
        )


def _has_port(url: str) -> bool:
    try:
        return urlsplit(url).port is not None
    except ValueError:
        return False


def shown(settings: Settings) -> list[dict[str, Any]]:
    """Every setting with the value that counts and where it is from, secrets hidden: for the studio and the command line."""
    rows: list[dict[str, Any]] = []
    for setting in SETTINGS:
        origin = settings.origins.get(setting.name, "default")
        is_words = setting.secret or not settings.values.get(setting.name)
        value = setting.default if is_words else settings.values[setting.name]
        rows.append({
            "name": setting.name,
            "value": "(hidden)" if setting.secret and origin != "default" else value,
            "origin": origin,
            "help": setting.help,
        })  # fmt: skip
    return rows
