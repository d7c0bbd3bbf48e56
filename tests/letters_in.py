"""Mails as owners, robots and forgers write them."""

from email.message import EmailMessage

# A beginning by which a film is known, and a body that only this mail has.
FILM = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 4 + bytes(range(256)) * 8
TRUSTED = "mx.brand.example"


def said(verdict: str, domain: str = "mail.example", *, by: str = TRUSTED, method: str = "dmarc") -> str:
    """What a mail server writes about a sender."""
    return f"{by}; spf=none smtp.mailfrom={domain}; {method}={verdict} header.from={domain}"


def mail(
    *,
    sender: str = "Nadia <nadia@mail.example>",
    to: str = "films@brand.example",
    subject: str = "Six heures, le Galibier pour nous seuls",
    words: str = "Bonjour, voici notre film de ce matin dans les Alpes avec la voiture.",
    films: tuple[bytes, ...] = (),
    message_id: str = "<1@mail.example>",
    results: str = "",
    headers: dict[str, str] | None = None,
) -> bytes:
    """One mail, as bytes from the wire."""
    message = EmailMessage()
    if results:
        message["Authentication-Results"] = results
    message["From"], message["To"], message["Subject"] = sender, to, subject
    if message_id:
        message["Message-ID"] = message_id
    message.set_content(words)
    for name, value in (headers or {}).items():
        message[name] = value
    for number, film in enumerate(films, 1):
        message.add_attachment(film, maintype="video", subtype="mp4", filename=f"film{number}.mp4")
    return bytes(message)
