"""Send one message: by SMTP, or into a folder of .eml files.

Never decides who is told what (`notices.py` does).
"""

import re
import smtplib
import ssl
from collections.abc import Iterable
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from config import MailSettings
from portal.errors import Code, Unavailable
from portal.typography import on_one_line

_ENHANCED: Final = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
_NO_TLS: Final = "the server offers no TLS, and the password is not sent in the clear"


class Mailer:
    """Sends messages from one sender."""

    def __init__(self, settings: MailSettings, *, sender_name: str) -> None:
        self._settings = settings
        self._sender_name = sender_name

    def send(
        self, *, to: str, subject: str, text: str, html: str, message_id: str, lang: str, reply_to: str = "",
        refuse_url: str = "",
    ) -> None:  # fmt: skip
        """Send one message with a text and an HTML part; raises Unavailable when it did not leave.

        `refuse_url` is where such letters are called off, by one POST too (RFC 8058). The error's `detail` quotes no
        address; with `is_final` the server has said that it will never take the message.
        """
        message = EmailMessage()
        message["From"] = formataddr((self._sender_name, self._settings.sender))
        message["To"] = to
        message["Subject"] = on_one_line(subject)
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = f"<{message_id}>"
        message["Auto-Submitted"] = "auto-generated"
        if reply_to:
            message["Reply-To"] = reply_to
        if refuse_url:
            message["List-Unsubscribe"] = f"<{refuse_url}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(text)
        message.add_alternative(html, subtype="html")
        # Last: setting the content throws every Content-* header away.
        message["Content-Language"] = lang
        try:
            if self._settings.url:
                self._by_smtp(message)
            else:
                self._to_folder(message, message_id)
        except smtplib.SMTPRecipientsRefused as error:
            raise _refused(*next(iter(error.recipients.values()), (450, b"")), may_be_final=True) from error
        except smtplib.SMTPResponseException as error:
            # A wrong password or sender is ours to put right: only what was said of the message itself is final.
            is_data = isinstance(error, smtplib.SMTPDataError)
            raise _refused(error.smtp_code, error.smtp_error, may_be_final=is_data) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(Code.OURS_MAIL, detail=str(error)) from error

    def forget(self, message_ids: Iterable[str]) -> int:
        """Delete the messages that lie in our folder, and say how many; those that left by SMTP are their readers'."""
        lying = [path for one in message_ids if (path := self._settings.folder / f"{one}.eml").exists()]
        for path in lying:
            path.unlink(missing_ok=True)
        return len(lying)

    def lying(self) -> list[str]:
        """The ids of the messages that lie in our folder."""
        if not self._settings.folder.is_dir():
            return []
        return [path.stem for path in self._settings.folder.glob("*.eml")]

    def fault(self) -> str | None:
        """Why mails would not leave now, or None; connects but sends nothing."""
        try:
            if not self._settings.url:
                self._settings.folder.mkdir(parents=True, exist_ok=True)
                return None
            with self._connection() as smtp:
                smtp.noop()
        except (OSError, smtplib.SMTPException) as error:
            return str(error)
        return None

    def _to_folder(self, message: EmailMessage, message_id: str) -> None:
        # Named after the message: sent twice is written once.
        folder: Path = self._settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{message_id}.part"
        part.write_bytes(bytes(message))
        part.replace(folder / f"{message_id}.eml")

    def _by_smtp(self, message: EmailMessage) -> None:
        with self._connection() as smtp:
            smtp.send_message(message)

    def _connection(self) -> smtplib.SMTP:
        parts = urlsplit(self._settings.url)
        host = parts.hostname or "localhost"
        context = ssl.create_default_context()
        smtp: smtplib.SMTP
        is_tls = parts.scheme == "smtps"
        if is_tls:
            smtp = smtplib.SMTP_SSL(host, parts.port or 465, timeout=20, context=context)
        else:
            smtp = smtplib.SMTP(host, parts.port or 587, timeout=20)
        try:
            smtp.ehlo()
            if not is_tls and smtp.has_extn("starttls"):
                smtp.starttls(context=context)
                is_tls = True
            if parts.username:
                _must_be_private(host, is_tls=is_tls)
                smtp.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            smtp.close()
            raise
        return smtp


def _must_be_private(host: str, *, is_tls: bool) -> None:
    if not is_tls and not is_loopback(host):
        raise smtplib.SMTPNotSupportedError(_NO_TLS)


def is_loopback(host: str) -> bool:
    """Whether a server is this machine: what is said to it crosses no network."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def _refused(code: int, said: bytes | str, *, may_be_final: bool) -> Unavailable:
    """The answer by its figures alone: servers quote the address in their words."""
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    enhanced = _ENHANCED.search(words)
    detail = f"{code} {enhanced[0]}" if enhanced else str(code)
    if may_be_final and 500 <= code < 600:
        return Unavailable(Code.OURS_MAIL, detail=detail, is_final=True)
    return Unavailable(Code.OURS_MAIL, detail=detail)
