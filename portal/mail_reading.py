"""What a mail says: who wrote it and how sure that is, whether a person did, its subject, words and films.

Reads bytes at hand and refuses what is made to harm before the parser sees it; never decides what becomes of a mail.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from enum import StrEnum
from html.parser import HTMLParser
from typing import Final

import authres

from portal.errors import Code, Unacceptable

MOST_HEADER_BYTES: Final = 64 * 1024
"""Of the whole header; real ones have some 10 KiB."""

MOST_PARTS: Final = 60
"""Beginnings and ends of parts: the parser's work is bounded by them and by the mail's size."""

MOST_NESTED: Final = 6
"""Parts that hold parts; a film in a formatted mail with a signature has three."""

MOST_DASHES: Final = 2000
MOST_NAMED: Final = 40
"""Lines that may begin a part, and words that may announce one, wherever they stand: what odd writing cannot hide."""

MOST_VALUE: Final = 4096
MOST_PART_HEADER: Final = 16 * 1024
MOST_WORDS: Final = 20_000
MOST_SUBJECT: Final = 200

# What the standard library raises for headers that nobody could have meant.
_BROKEN: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    MessageError,
)
_ANSWERING: Final = (
    "X-Autoreply",
    "X-Autorespond",
    "X-Auto-Reply-From",
    "X-Loop",
    "List-Id",
    "X-Mailer-Daemon",
)
_DAEMONS: Final = ("mailer-daemon", "postmaster", "no-reply", "noreply", "bounce", "bounces")
_BOUNDARY: Final = re.compile(
    rb"boundary\s*=\s*(?:\"([^\"\\\r\n]{1,200})\"|([0-9A-Za-z'+_,./:=?-]{1,200}))(?=[\s;]|$)", re.IGNORECASE
)
_NAMES_BOUNDARY: Final = re.compile(rb"boundary\s*[*=]", re.IGNORECASE)
_SOUND_AND_PICTURES: Final = frozenset({
    b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"crx ", b"jp2 ",
    b"M4A ", b"M4B ", b"M4P ",
})  # fmt: skip
_ROOTS: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})
_SMALL_WORDS: Final = {
    code: frozenset(told.split())
    for code, told in {
        "fr": "le la les un une et est je nous vous mon ma mes notre votre avec pour dans voici bonjour ci que",
        "en": "the a an and is i we you my our your with for in here hello this of to that it have",
        "de": "der die das ein eine und ist ich wir sie mein meine unser mit für hier hallo dieser von zu es im",
        "it": "il lo gli un una e è io noi mio nostra con per nel ecco ciao questo di che",
        "es": "el los las un una y es yo nosotros mi nuestro con para en aquí hola este de que",
        "nl": "de het een en is ik wij mijn onze met voor hier hallo dit van te dat",
    }.items()
}
"""The shipped languages, and neighbours that would be taken for them."""

# What mail programs put before the subject of an answer or of a mail that is passed on.
_PASSED_ON: Final = re.compile(r"^\s*(?:(?:re|fwd?|tr|aw|wg|vs|rv|réf|réponse)\s*:\s*)+", re.IGNORECASE)


class Verdict(StrEnum):
    """What our own mail server found out about the sender's address (DMARC, else SPF and DKIM)."""

    PASSED = "passed"
    FAILED = "failed"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Heading:
    """A mail's header as far as it matters; `robot` says why no person wrote it, empty when one may have."""

    sender: str
    verdict: Verdict
    subject: str
    robot: str
    languages: tuple[str, ...]
    # The same mail sent again has the same key; another sender's never has.
    key: str
    # Where it says it was sent to, for mailboxes that do not tell.
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attached:
    """A film in a mail."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a mail: its words, the first film, and how many further films and other things it brought."""

    words: str
    film: Attached | None
    more_films: int
    others: int


def read_heading(raw: bytes, *, trusts: str) -> Heading:
    """The header of a mail; `trusts` is whose Authentication-Results count, empty for nobody's.

    Raises Unacceptable: MAIL_TOO_COMPLEX for an endless header, MAIL_UNREADABLE without one plain sender.
    """
    head = _head(raw)
    try:
        message = BytesHeaderParser(policy=policy.default).parsebytes(head)
        sender = _sender(message)
        return Heading(
            sender=sender,
            verdict=_verdict(message, sender, trusts) if trusts else Verdict.UNPROVEN,
            subject=_subject(message),
            robot=_robot(message, sender),
            languages=tuple(_languages(message)),
            key=_key(message, sender, raw),
            addresses=tuple(_addresses(message)),
        )
    except _BROKEN as error:
        raise Unacceptable(Code.MAIL_UNREADABLE) from error


def read_content(raw: bytes) -> Content:
    """The parts of a whole mail; raises Unacceptable: MAIL_TOO_COMPLEX, MAIL_UNREADABLE."""
    raw = raw.replace(b"\r\n", b"\n")
    _must_be_simple(raw)
    try:
        # bytes in, and the default policy: the message is of the newer kind.
        message = message_from_bytes(raw, policy=policy.default)
        films, others = [], 0
        for part in message.walk():
            if part.is_multipart():
                continue
            found = _film(part)
            if found is not None:
                films.append(found)
            elif part.get_content_disposition() == "attachment":
                others += 1
        return Content(_words(message), films[0] if films else None, max(0, len(films) - 1), others)
    except _BROKEN as error:
        raise Unacceptable(Code.MAIL_UNREADABLE) from error


def film_type(head: bytes) -> str:
    """The type of the film that begins with these bytes, empty for anything else; the worker looks closer later."""
    if head[:4] == b"\x1a\x45\xdf\xa3" and (b"webm" in head[:64] or b"matroska" in head[:64]):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _SOUND_AND_PICTURES:
            return ""
        return "video/quicktime" if brand == b"qt  " else "video/mp4"
    return "video/quicktime" if head[4:8] in _ROOTS and not head[:4].isalnum() else ""


def language_of(words: str) -> str:
    """The language of some words by their smallest ones, as two letters; empty when it is not plain."""
    small = Counter(re.findall(r"[^\W\d_]+", words[:MOST_WORDS].casefold()))
    found = {code: sum(small[word] for word in told) for code, told in _SMALL_WORDS.items()}
    first, second, *_rest = sorted(found.values(), reverse=True)
    return max(found, key=lambda code: found[code]) if first >= 3 and first >= 2 * second else ""


# The header ---------------------------------------------------------------------------------------------


def _head(raw: bytes) -> bytes:
    begin = raw[:MOST_HEADER_BYTES].replace(b"\r\n", b"\n")
    head, ended, _rest = begin.partition(b"\n\n")
    if not ended and len(raw) > MOST_HEADER_BYTES:
        raise Unacceptable(Code.MAIL_TOO_COMPLEX)
    return head + b"\n\n"


def _raw_values(message: EmailMessage, name: str) -> list[str]:
    """The values of a header as they were sent, unfolded; what is longer than any real one is left out."""
    wanted = name.casefold()
    return [
        " ".join(value.split())
        for key, value in message.raw_items()
        if key.casefold() == wanted and len(value) <= MOST_VALUE
    ]


def _value(message: EmailMessage, name: str) -> str:
    return next(iter(_raw_values(message, name)), "")


def _sender(message: EmailMessage) -> str:
    """The one address in From; DMARC speaks of no other."""
    values = [value for key, value in message.raw_items() if key.casefold() == "from"]
    if len(values) != 1 or len(values[0]) > MOST_VALUE:
        raise Unacceptable(Code.MAIL_UNREADABLE)
    found = message["From"].addresses
    if len(found) != 1 or not found[0].username or not found[0].domain:
        raise Unacceptable(Code.MAIL_UNREADABLE)
    return str(found[0].addr_spec).casefold()


def _subject(message: EmailMessage) -> str:
    if not _value(message, "Subject"):
        return ""
    said = _PASSED_ON.sub("", str(message["Subject"]))
    # Control characters and those that turn the reading direction have no place in a title.
    return " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())[:MOST_SUBJECT]


def _robot(message: EmailMessage, sender: str) -> str:
    """Why this mail was written by a program: then nobody waits for an answer, and answering could go on for ever."""
    answers = _value(message, "Auto-Submitted").casefold()
    if answers and not answers.startswith("no"):
        return "auto_submitted"
    if _value(message, "Precedence").casefold() in ("bulk", "junk", "list", "auto_reply"):
        return "precedence"
    if "<>" in _raw_values(message, "Return-Path"):
        return "bounce"
    kind = _value(message, "Content-Type").casefold()
    if kind.startswith(("multipart/report", "message/delivery-status", "message/disposition")):
        return "report"
    if sender.partition("@")[0].partition("+")[0] in _DAEMONS:
        return "daemon"
    if _value(message, "Message-ID").endswith(".notice>"):
        return "ours"
    return next(
        ("list" if name == "List-Id" else "answering" for name in _ANSWERING if message.get(name)), ""
    )


def _languages(message: EmailMessage) -> Iterator[str]:
    """The languages that the header names, as two letters, the likeliest first."""
    for name in ("Content-Language", "Accept-Language"):
        for one in _value(message, name).split(","):
            code = one.split(";")[0].strip().casefold()[:2]
            if code.isalpha():
                yield code


def _key(message: EmailMessage, sender: str, raw: bytes) -> str:
    message_id = _value(message, "Message-ID")
    told = message_id.encode(errors="replace") or hashlib.sha256(raw).digest()
    return hashlib.sha256(b"mail:" + sender.encode() + b"\0" + told).hexdigest()


def _addresses(message: EmailMessage) -> Iterator[str]:
    for name in ("Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc"):
        for value in _raw_values(message, name):
            yield from re.findall(r"[^\s<>,;:\"()]+@[^\s<>,;:\"()]+", value)


# Who says that it is true ---------------------------------------------------------------------------------


def _verdict(message: EmailMessage, sender: str, trusts: str) -> Verdict:
    """What the header that our own server wrote says; of several, the topmost one that speaks of DMARC.

    A mail server that is trusted removes those that came with the mail under its own name (RFC 8601, 5).
    """
    domain = sender.rpartition("@")[2]
    results = list(_results(message, trusts))
    dmarc = next((one for one in results if one.method == "dmarc" and one.result != "none"), None)
    if any(one.method == "dmarc" and one.result == "fail" for one in results):
        return Verdict.FAILED
    if dmarc is not None:
        is_same = _property(dmarc, "header", "from") == domain
        return Verdict.PASSED if dmarc.result == "pass" and is_same else Verdict.UNPROVEN
    is_signed = any(one.method == "dkim" and one.result == "pass" for one in results)
    is_denied = any(one.method == "spf" and one.result in ("fail", "hardfail") for one in results)
    return Verdict.FAILED if is_denied and not is_signed else Verdict.UNPROVEN


def _results(message: EmailMessage, trusts: str) -> Iterator[authres.AuthenticationResult]:
    for value in _raw_values(message, "Authentication-Results"):
        name = value.partition(";")[0].split()
        if not name or name[0].casefold() != trusts:
            continue
        try:
            yield from authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}").results
        except (authres.AuthResError, *_BROKEN):
            continue


def _property(result: authres.AuthenticationResult, kind: str, name: str) -> str:
    found = (str(one.value) for one in result.properties if (one.type, one.name) == (kind, name))
    return next(found, "").casefold().rpartition("@")[2]


# The parts ----------------------------------------------------------------------------------------------


def _must_be_simple(raw: bytes) -> None:
    """Refuse nesting, crowds of parts and endless headers by looks at the bytes, before anything is parsed."""
    small = raw.lower()
    if (
        raw.count(b"\n--") > MOST_DASHES
        or small.count(b"boundary") > MOST_NAMED
        or small.count(b"message/") > MOST_NAMED
    ):
        raise Unacceptable(Code.MAIL_TOO_COMPLEX)
    del small
    known = _boundaries(_head(raw))
    position, parts = 0, 0
    while (position := raw.find(b"\n--", position)) >= 0:
        position += 3
        if not any(raw.startswith(boundary, position) for boundary in known):
            continue
        parts += 1
        part_head, ended, _rest = raw[position : position + MOST_PART_HEADER].partition(b"\n\n")
        if not ended and position + MOST_PART_HEADER < len(raw):
            raise Unacceptable(Code.MAIL_TOO_COMPLEX)
        known |= _boundaries(part_head)
        if parts > MOST_PARTS or len(known) > MOST_NESTED:
            raise Unacceptable(Code.MAIL_TOO_COMPLEX)


def _boundaries(head: bytes) -> set[bytes]:
    """The boundaries that a header names; refuses mails in mails and boundaries in odd writing."""
    found = [(quoted or plain).rstrip() for quoted, plain in _BOUNDARY.findall(head)]
    small = head.lower()
    is_nested = re.search(rb"content-type:\s*message/", small) is not None or b"multipart/digest" in small
    if is_nested or len(found) != len(_NAMES_BOUNDARY.findall(head)):
        raise Unacceptable(Code.MAIL_TOO_COMPLEX)
    return set(found)


def _film(part: EmailMessage) -> Attached | None:
    """The film that this part is, judged by its first bytes: what it calls itself is not asked."""
    if part.get_content_maintype() == "text":
        return None
    data = part.get_payload(decode=True)
    kind = film_type(data[:64]) if isinstance(data, bytes) else ""
    if not isinstance(data, bytes) or not kind:
        return None
    name = part.get_filename() or ""
    return Attached("".join(sign for sign in name if sign.isprintable())[-120:], kind, data)


def _words(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    data = part.get_payload(decode=True)
    raw = data[: MOST_WORDS * 8] if isinstance(data, bytes) else b""
    try:
        text = raw.decode(part.get_content_charset("utf-8"), errors="replace")
    except LookupError:
        text = raw.decode("utf-8", errors="replace")
    if part.get_content_subtype() == "html":
        text = _plain(text)
    return "".join(sign for sign in text if sign.isprintable() or sign == "\n")[:MOST_WORDS].strip()


class _Strip(HTMLParser):
    """Keeps the text of a page, a line for each block."""

    _SILENT: Final = ("style", "script", "head", "title")
    _BLOCKS: Final = ("p", "div", "br", "li", "tr", "blockquote", "h1", "h2", "h3")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.kept: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        """Open."""
        self._silent += tag in self._SILENT
        if tag in self._BLOCKS:
            self.kept.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """Close."""
        self._silent = max(0, self._silent - (tag in self._SILENT))

    def handle_data(self, data: str) -> None:
        """Keep what is meant to be read."""
        if not self._silent:
            self.kept.append(" ".join(data.split()) + " " if data.strip() else "")


def _plain(page: str) -> str:
    strip = _Strip()
    strip.feed(page)
    strip.close()
    return re.sub(r"\n{3,}", "\n\n", "".join(strip.kept))
