"""Every setting in a table: its environment name, section, meaning, example and default; docs/settings.md is made of it.

Reads nothing: `config.py` does.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting's reference entry: environment name, section, meaning, example, default as shown."""

    name: str
    section: str
    help: str
    example: str
    default: str
    secret: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "SITE_URL",
        "site",
        "The portal's public address, without a path.",
        "https://portal.example",
        "http://127.0.0.1:8000",
    ),
    Setting(
        "SITE_NAME", "site", "The portal's name, as visitors read it.", "La vie en Solène", "La vie en Solène"
    ),
    Setting("BRAND_NAME", "site", "The brand that runs the portal; consents name it.", "Solène", "Solène"),
    Setting(
        "LANGUAGES",
        "site",
        "Languages of the site, comma separated; each has a catalogue.",
        "fr,en,de",
        "fr,en,de",
    ),
    Setting(
        "DEFAULT_LANGUAGE",
        "site",
        "Where a visitor goes whose languages we do not speak.",
        "fr",
        "the first of LANGUAGES",
    ),
    Setting(
        "SITE_TIMEZONE",
        "site",
        "Whose time of day is shown on pages and in letters; what is kept, and the API, is in UTC.",
        "Europe/Paris",
        "Europe/Paris",
    ),
    Setting(
        "SECRET_KEY",
        "site",
        "Signs sessions and forms; at least 32 characters.",
        "(64 random characters)",
        "made and kept under DATA_DIR",
        secret=True,
    ),
    Setting(
        "METRICS_TOKEN",
        "site",
        "Opens /metrics to a monitoring program on another machine; at least 32 characters.",
        "(64 random characters)",
        "none: this machine only",
        secret=True,
    ),
    Setting("PORT", "site", "The door's port on this machine.", "8000", "8000"),
    Setting(
        "DATA_DIR",
        "site",
        "Where everything lies that the portal keeps on this machine.",
        "/srv/portal",
        "var",
    ),
    Setting(
        "DEMO",
        "site",
        "1 fills an empty portal with the fictional brand's clips; 0 leaves it empty.",
        "0",
        "1",
    ),
    Setting(
        "DATABASE_URL",
        "database",
        "SQLite or PostgreSQL.",
        "postgresql+psycopg://portal@127.0.0.1/portal",
        "SQLite under DATA_DIR",
        secret=True,
    ),
    Setting(
        "BROKER_URL",
        "broker",
        "The doorbell between site and worker: redis:// or amqp://.",
        "redis://127.0.0.1:6379/0",
        "the embedded Valkey",
        secret=True,
    ),
    Setting(
        "S3_ENDPOINT_URL",
        "storage",
        "The storage, as this machine reaches it.",
        "http://127.0.0.1:8333",
        "the embedded SeaweedFS",
    ),
    Setting(
        "S3_PUBLIC_URL", "storage", "The storage, as browsers reach it.", "https://media.example", "SITE_URL"
    ),
    Setting("S3_REGION", "storage", "The storage's region.", "eu-west-3", "us-east-1"),
    Setting(
        "S3_ACCESS_KEY_ID", "storage", "The storage key's name.", "portal", "made for the embedded storage"
    ),
    Setting(
        "S3_SECRET_ACCESS_KEY",
        "storage",
        "The storage key's secret.",
        "(a long secret)",
        "made for the embedded storage",
        secret=True,
    ),
    Setting(
        "S3_ORIGINALS_BUCKET",
        "storage",
        "The private bucket: originals and previews.",
        "brand-originals",
        "vecu-originals",
    ),
    Setting(
        "S3_PUBLIC_BUCKET",
        "storage",
        "The public bucket: exactly what is published.",
        "brand-public",
        "vecu-public",
    ),
    Setting(
        "CDN_URL",
        "storage",
        "A CDN's address in front of the public bucket.",
        "https://cdn.example",
        "none: S3_PUBLIC_URL/<bucket>",
    ),
    Setting(
        "CDN_PURGE_URL",
        "storage",
        "Is told by POST what the CDN must forget, as JSON {prefix, urls}, when a film leaves the site.",
        "https://purge.example/hook?key=…",
        "none: the CDN keeps a file for a minute",
        secret=True,
    ),
    Setting(
        "MAIL_URL",
        "mail",
        "smtp://user:password@host:587 (smtps:// for TLS from the start).",
        "smtp://mail.example:587",
        "messages as .eml under DATA_DIR/mail",
        secret=True,
    ),
    Setting(
        "MAIL_FROM", "mail", "The sender of our mails.", "portal@brand.example", "portal@<SITE_URL's host>"
    ),
    Setting(
        "INBOX_ADDRESS",
        "mail",
        "The mailbox that `receive-mail` reads: films sent there become drafts, answers reach their clip.",
        "films@brand.example",
        "",
    ),
    Setting(
        "INBOX_LISTEN",
        "mail",
        "Where `receive-mail` takes mails from the mail server: lmtp://host:port, or smtp://host:port.",
        "lmtp://127.0.0.1:8024",
        "lmtp://127.0.0.1:8024 with INBOX_ADDRESS and without INBOX_IMAP_URL",
    ),
    Setting(
        "INBOX_IMAP_URL",
        "mail",
        "A mailbox that `receive-mail` empties every minute: imaps://user:password@host/FOLDER (imap:// without TLS).",
        "imaps://films%40brand.example:password@mail.example/INBOX",
        "none",
        secret=True,
    ),
    Setting(
        "INBOX_TRUSTS",
        "mail",
        "The name under which your mail server writes Authentication-Results; others' are not believed.",
        "mx.brand.example",
        "none: no sender counts as proven",
    ),
    Setting(
        "INBOX_MAX_BYTES",
        "mail",
        "The largest mail taken, in bytes: a film of 25 MB, as mail writes it, needs 34 MB.",
        "37748736",
        "37748736",
    ),
    Setting("MAX_UPLOAD_BYTES", "uploads", "The largest film taken, in bytes.", "2147483648", "2147483648"),
    Setting("MAX_CLIP_SECONDS", "uploads", "The longest film taken, in seconds, 2700 at most.", "180", "180"),
    Setting(
        "SUPPORT_EMAIL",
        "mail",
        "Who is told when an owner asks to be called.",
        "support@brand.example",
        "every administrator of the portal",
    ),
    Setting(
        "CONTACT_EMAIL",
        "mail",
        "Whom the pages tell people to write to, and who must read it: a report, a right to one's image, one's data.",
        "bonjour@brand.example",
        "SUPPORT_EMAIL, else MAIL_FROM",
    ),
    Setting(
        "TEAM_LETTERS",
        "mail",
        "Whether moderators are told by mail of owners who wrote and of answers that are due, administrators of failed work.",
        "off",
        "on",
    ),
    Setting(
        "THANKS_AFTER_VIEWS",
        "mail",
        "After so many views an owner is thanked by mail, once for each clip; 0 for never.",
        "250",
        "100",
    ),
    Setting(
        "ORDERS_CSV",
        "owners",
        "A CSV of orders that proves purchases: columns number (order or chassis) and, better, email.",
        "/srv/portal/orders.csv",
        "none: no number is checked",
    ),
    Setting(
        "OWNER_BYTES",
        "uploads",
        "How much one owner's films, and uploads under way, may weigh together, in bytes.",
        "21474836480",
        "21474836480",
    ),
    Setting(
        "CONFIRM_EMAIL",
        "guard",
        "Whether an owner must open a link of ours before a moderator looks: on or off.",
        "off",
        "on",
    ),
    Setting(
        "REQUIRE_CAPTIONS",
        "guard",
        "Whether a film in which somebody speaks is published only with captions that a person has checked: on or off.",
        "on",
        "off",
    ),
    Setting(
        "STUDIO_IDLE_MINUTES",
        "guard",
        "After so many minutes without a click a member of staff signs in anew; after twelve hours in any case.",
        "30",
        "120",
    ),
    Setting(
        "CHALLENGE_FROM",
        "guard",
        "So many submissions an hour from one network begin at once; more must let the browser work, or wait a minute.",
        "60",
        "240",
    ),
    Setting(
        "SUBMISSIONS_AN_HOUR", "guard", "How many one network may begin in an hour at all.", "300", "1200"
    ),
    Setting("CAMPAIGN_A_DAY", "guard", "How many submissions a campaign takes in a day.", "2000", "2000"),
    Setting(
        "READS_A_MINUTE",
        "guard",
        "How often one network may read the API or search the clips in a minute; programs count by their token.",
        "600",
        "120",
    ),
    Setting(
        "BYTES_A_DAY",
        "guard",
        "Bytes of film that one network may announce in a day.",
        "21474836480",
        "21474836480",
    ),
    Setting(
        "FREE_PERCENT",
        "guard",
        "No new upload while less of the disk is free, where storage and portal share it; 0 never looks.",
        "15",
        "5",
    ),
    Setting(
        "WAITING_FILMS",
        "guard",
        "No new upload while so many films wait to be made; uploads that have begun go on; 0 never looks.",
        "200",
        "1000",
    ),
    Setting("TRANSCODE_THREADS", "media", "Encoder threads of the top rung.", "2", "2"),
    Setting(
        "TRANSCODE_PROFILE",
        "media",
        "What a clip's encoding may cost: standard, or economy (0.62 of the CPU, a fifth more bytes).",
        "economy",
        "standard",
    ),
    Setting(
        "TRANSCODE_PARALLEL_FROM",
        "media",
        "Films of at least so many seconds are shared out among workers that are idle; 0 for never.",
        "120",
        "0",
    ),
    Setting("FFMPEG", "media", "Path of ffmpeg.", "/usr/bin/ffmpeg", "the wheel's ffmpeg"),
    Setting("FFPROBE", "media", "Path of ffprobe.", "/usr/bin/ffprobe", "the wheel's ffprobe"),
    Setting(
        "FFMPEG_FLOOR",
        "media",
        "off takes films with an ffmpeg that has known holes (below 8.1.2, 8.0.3, 7.1.5).",
        "off",
        "on",
    ),
    Setting(
        "SANDBOX",
        "media",
        "off lets ffmpeg run without walls around it, where this machine can build none.",
        "off",
        "auto",
    ),
    Setting(
        "SPEECH_MODEL",
        "speech",
        "Writes captions: a folder with a faster-whisper model, or the name of one that lies in the cache; "
        "needs requirements-speech.txt. Nothing is ever downloaded.",
        "/srv/models/whisper-small",
        "none: no captions by machine",
    ),
    Setting("SPEECH_THREADS", "speech", "Processor threads that listen.", "4", "2"),
    Setting("SPEECH_DEVICE", "speech", "Where the model runs: cpu, cuda or auto.", "cuda", "cpu"),
)
