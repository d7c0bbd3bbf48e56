"""Send one message: by SMTP, or into a folder of .eml files.

Never decides who is told what (`notices.py` does).
"""

import smtplib
import ssl
from collections.abc import Iterable
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

from config import MailSettings
from portal.errors import Code, Unavailable


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

        `refuse_url` is where such letters are called off, by one POST too (RFC 8058).
        """
        message = EmailMessage()
        message["From"] = formataddr((self._sender_name, self._settings.sender))
        message["To"] = to
        message["Subject"] = " ".join(subject.split())
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
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(Code.OURS_MAIL, detail=str(error)) from error

    def forget(self, message_ids: Iterable[str]) -> int:
        """Delete the messages that lie in our folder, and say how many; those that left by SMTP are their readers'."""
        lying = [path for one in message_ids if (path := self._settings.folder / f"{one}.eml").exists()]
        for path in lying:
            path.unlink(missing_ok=True)
        return len(lying)

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
        if parts.scheme == "smtps":
            smtp = smtplib.SMTP_SSL(host, parts.port or 465, timeout=20, context=context)
        else:
            smtp = smtplib.SMTP(host, parts.port or 587, timeout=20)
            smtp.ehlo()
            if smtp.has_extn("starttls"):
                smtp.starttls(context=context)
        if parts.username:
            smtp.login(unquote(parts.username), unquote(parts.password or ""))
        return smtp
