"""Persons: owners found by e-mail, staff who sign in with a password, programs with a token.

Never speaks HTTP, never sends a link: whoever asks for one gets it once and hands it on.
"""

import hashlib
import logging
import re
import secrets
from datetime import timedelta
from functools import cache
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.database import db_now
from portal.errors import Code, Conflict, Missing, NotAllowed, Unacceptable
from portal.lifecycle import Actor, ActorKind
from portal.models import AccessToken, Clip, Notice, NoticeState, Person, Role, SignInLink

log = logging.getLogger(__name__)

SCOPES: Final = ("read", "submit", "review", "admin")
PASSWORD_LEAST: Final = 12
WELCOME_DAYS: Final = 7
ENTER_LIFE: Final = timedelta(minutes=15)
ERASE_LIFE: Final = timedelta(minutes=30)
SESSION_LIFE: Final = timedelta(hours=12)
"""An owner's sign-in; the cookie lives as long (portal/web/__init__.py)."""

# What a link is good for: nothing else opens with it.
WELCOME, ENTER, ERASE, SESSION = "welcome", "enter", "erase", "session"
STAFF: Final = (Role.MODERATOR, Role.ADMIN)

# One name, one @, a host: what is right beyond that, only a mail that arrives can tell.
_EMAIL = re.compile(
    r"[^\s@\"(),:;<>\[\]\\]+@(?:localhost|[^\s@\"(),:;<>\[\]\\.]+(?:\.[^\s@\"(),:;<>\[\]\\.]+)+)"
)
# The floor of OWASP's advice for argon2id; the library's own default takes seven times as long.
_HASHER = PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)
# Each hash takes 19 MiB: a crowd of sign-ins must not fill the memory.
_AT_ONCE = BoundedSemaphore(4)


def hash_token(token: str) -> str:
    """What is kept of a token: sha256 in hex; the token itself is random enough to need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """32 random bytes in words that an address can carry."""
    return secrets.token_urlsafe(32)


def person_for_email(session: Session, email: str, *, lang: str, name: str = "") -> Person:
    """Find the person with this address, or make an owner; raises Unacceptable(WRONG_EMAIL)."""
    address = checked_email(email)
    found = _by_email(session, address)
    if found is not None:
        return found
    person = Person(
        email=address,
        name=name.strip()[:80],
        role=Role.OWNER,
        lang=lang,
        session_token=new_token(),
        created_at=db_now(session),
    )
    try:
        with session.begin_nested():
            session.add(person)
    except IntegrityError:
        # Somebody else made the same person between our look and our insert.
        return session.execute(select(Person).where(Person.email == address)).scalar_one()
    return person


def forget_if_clipless(session: Session, person_id: int) -> None:
    """Blank an owner to whom no clip belongs any more; staff keep their sign-in, for as long as they are staff."""
    person = session.get(Person, person_id)
    is_needed = session.scalar(select(Clip.id).where(Clip.owner_id == person_id).limit(1)) is not None
    if person is None or is_staff(person) or is_needed:
        return
    forget(session, person)


def forget(session: Session, person: Person) -> None:
    """Blank a person: address, name, every link and sign-in, letters on their way and what stood in them."""
    person.email, person.name, person.confirmed_at = None, "", None
    person.session_token, person.disabled_at = new_token(), db_now(session)
    session.execute(delete(SignInLink).where(SignInLink.person_id == person.id))
    of_person = Notice.person_id == person.id
    on_their_way = Notice.state.in_([NoticeState.WAITING, NoticeState.SENDING])
    session.execute(update(Notice).where(of_person, on_their_way).values(state=NoticeState.CANCELLED))
    session.execute(update(Notice).where(of_person).values(facts={}, error_detail=None))
    session.flush()


def add_staff(
    session: Session,
    email: str,
    *,
    role: Role,
    name: str = "",
    password: str | None,
    lang: str,
    by: Actor,
) -> Person:
    """Let somebody into the studio; without a password, a `welcome_link` lets them choose one.

    Raises Unacceptable (address, role or password), Conflict(ALREADY_THERE) when they are in already.
    """
    if role not in STAFF:
        raise Unacceptable(Code.INVALID, fields={"role": Code.INVALID})
    if password is not None:
        _check_password(password)
    person = person_for_email(session, email, lang=lang, name=name)
    if is_staff(person):
        raise Conflict(Code.ALREADY_THERE, email=person.email)
    person.role, person.lang, person.disabled_at = role, lang, None
    person.name = name.strip()[:80] or person.name
    person.password_hash = None
    person.session_token = new_token()
    if password is not None:
        set_password(session, person, password, by=by)
    session.flush()
    log.info("staff added person=%s role=%s by=%s:%s", person.id, role, by.kind, by.id)
    return person


def remove_staff(session: Session, person_id: int, *, by: Actor) -> None:
    """Shut the studio to this person at once, sessions and links included.

    Raises Missing, or Conflict(LAST_ADMINISTRATOR): somebody must be able to let others in.
    """
    # Locked, so that two administrators cannot remove one another in the same moment.
    everybody = session.scalars(select(Person).where(Person.role.in_(STAFF)).with_for_update()).all()
    person = next((one for one in everybody if one.id == person_id and is_staff(one)), None)
    if person is None:
        raise Missing(Code.MISSING)
    if may_administer(person) and not any(may_administer(one) for one in everybody if one.id != person_id):
        raise Conflict(Code.LAST_ADMINISTRATOR)
    now = db_now(session)
    person.disabled_at, person.password_hash, person.session_token = now, None, new_token()
    _use_up_links(session, person)
    log.info("staff removed person=%s by=%s:%s", person.id, by.kind, by.id)


def set_password(session: Session, person: Person, password: str, *, by: Actor) -> None:
    """Change the password and end every session; raises Unacceptable(TOO_SHORT) under 12 characters."""
    _check_password(password)
    with _AT_ONCE:
        person.password_hash = _HASHER.hash(password)
    person.session_token = new_token()
    session.flush()
    log.info("password set person=%s by=%s:%s", person.id, by.kind, by.id)


def authenticate(session: Session, email: str, password: str) -> Person:
    """The member of staff with this address and password; only reads.

    Raises NotAllowed(WRONG_SIGN_IN) for an unknown address, an owner, a removed person and a wrong password
    alike, after the same work.
    """
    person = _by_email(session, email.strip().casefold())
    known = person.password_hash if person is not None and is_staff(person) else None
    nobody = _nobody()
    try:
        with _AT_ONCE:
            _HASHER.verify(known or nobody, password)
    except (VerificationError, InvalidHashError) as error:
        raise NotAllowed(Code.WRONG_SIGN_IN) from error
    if known is None or person is None:
        raise NotAllowed(Code.WRONG_SIGN_IN)
    return person


def is_hash_old(person: Person) -> bool:
    """Whether the stored hash was made with other figures than today's."""
    return person.password_hash is not None and _HASHER.check_needs_rehash(person.password_hash)


def rehash(session: Session, person: Person, password: str) -> None:
    """Keep the password just checked under today's figures; sessions go on."""
    with _AT_ONCE:
        person.password_hash = _HASHER.hash(password)
    session.flush()


def by_session_token(session: Session, token: str) -> Person | None:
    """Whose session this is; None when it ended or the person left."""
    person = session.scalars(select(Person).where(Person.session_token == token)).one_or_none()
    return person if person is not None and is_staff(person) else None


def end_sessions(session: Session, person: Person) -> None:
    """Make every cookie that this person holds worthless."""
    person.session_token = new_token()
    session.flush()


def set_lang(session: Session, person: Person, lang: str) -> None:
    """Remember the language this person reads the studio in; the door knows which there are."""
    person.lang = lang
    session.flush()


def welcome_link(session: Session, person: Person, *, days: int = WELCOME_DAYS) -> str:
    """A new token that lets this person choose a password, once, within `days`; older ones end."""
    _use_up_links(session, person)
    return _new_link(session, person, WELCOME, timedelta(days=days))


def by_welcome_link(session: Session, token: str) -> Person:
    """Whom this link welcomes; raises Missing(GONE) when it is used, too old or never was."""
    return _welcomed(session, token)[1]


def accept_welcome(session: Session, token: str, password: str) -> Person:
    """Choose the password and use the link up; raises as `by_welcome_link` and `set_password`."""
    link, person = _welcomed(session, token)
    set_password(session, person, password, by=actor_of(person))
    link.used_at = db_now(session)
    session.flush()
    return person


# Owners ------------------------------------------------------------------------------------------------


def by_email(session: Session, email: str) -> Person | None:
    """Whose address this is, as it is written by people; only reads."""
    return _by_email(session, email.strip().casefold())


def enter_link(session: Session, person: Person) -> str:
    """A new token that lets this person into the owner's space, once, within 15 minutes.

    Older ones stay good for their own time: two letters may cross, and nobody is shut out by somebody's asking.
    """
    return _new_link(session, person, ENTER, ENTER_LIFE)


def erase_link(session: Session, person: Person) -> str:
    """A new token by which this person confirms that everything is to be erased, once, within 30 minutes."""
    return _new_link(session, person, ERASE, ERASE_LIFE)


def by_link(session: Session, token: str, purpose: str) -> Person:
    """Whose living link of this purpose it is; changes nothing. Raises Missing(GONE)."""
    return _linked(session, token, purpose)[1]


def use_link(session: Session, token: str, purpose: str) -> Person:
    """Use a link up, and all others of its purpose; whoever has it reads that mailbox. Raises Missing(GONE)."""
    link, person = _linked(session, token, purpose)
    now = db_now(session)
    alike = (SignInLink.person_id == person.id, SignInLink.purpose == purpose, SignInLink.used_at.is_(None))
    session.execute(update(SignInLink).where(*alike).values(used_at=now))
    session.expire(link)
    person.confirmed_at = person.confirmed_at or now
    session.flush()
    return person


def begin_owner_session(session: Session, person: Person) -> str:
    """What the cookie of one browser carries for 12 hours: a token whose row can be ended here."""
    return _new_link(session, person, SESSION, SESSION_LIFE)


def by_owner_session(session: Session, token: str) -> tuple[Person, SignInLink] | None:
    """Who is signed in as an owner by this token, and the row behind it; None when it ended."""
    try:
        link, person = _linked(session, token, SESSION, is_locking=False)
    except Missing:
        return None
    return person, link


def end_owner_sessions(session: Session, person: Person, *, token: str | None = None) -> None:
    """End the sign-in behind this token, or without one every sign-in of this person as an owner."""
    mine = [SignInLink.person_id == person.id, SignInLink.purpose == SESSION, SignInLink.used_at.is_(None)]
    if token is not None:
        mine.append(SignInLink.token_hash == hash_token(token))
    session.execute(update(SignInLink).where(*mine).values(used_at=db_now(session)))
    session.flush()


def add_token(session: Session, name: str, scopes: set[str]) -> tuple[AccessToken, str]:
    """A program's key and its plain text, which is nowhere kept; raises Unacceptable for unknown scopes."""
    if not scopes or not scopes <= set(SCOPES):
        raise Unacceptable(Code.INVALID, fields={"scopes": Code.INVALID})
    # The prefix lets scanners for leaked secrets know what they found.
    plain = f"vecu_{new_token()}"
    token = AccessToken(
        name=name.strip()[:80],
        token_hash=hash_token(plain),
        scopes=" ".join(scope for scope in SCOPES if scope in scopes),
        created_at=db_now(session),
    )
    session.add(token)
    session.flush()
    return token, plain


def revoke_token(session: Session, token_id: int) -> None:
    """End a program's key; raises Missing."""
    token = session.get(AccessToken, token_id)
    if token is None:
        raise Missing(Code.MISSING)
    token.revoked_at = token.revoked_at or db_now(session)
    session.flush()


def tokens(session: Session) -> list[AccessToken]:
    """Every program's key, revoked ones too, oldest first."""
    return list(session.scalars(select(AccessToken).order_by(AccessToken.id)))


def by_token(session: Session, plain: str) -> AccessToken | None:
    """The living key with this plain text; only reads."""
    return session.scalars(
        select(AccessToken).where(
            AccessToken.token_hash == hash_token(plain), AccessToken.revoked_at.is_(None)
        )
    ).one_or_none()


def is_staff(person: Person) -> bool:
    """Whether this person may enter the studio at all."""
    return person.role in STAFF and person.disabled_at is None


def may_review(person: Person) -> bool:
    """Whether this person decides on clips."""
    return is_staff(person)


def may_administer(person: Person) -> bool:
    """Whether this person keeps themes, staff and settings."""
    return is_staff(person) and person.role == Role.ADMIN


def actor_of(person: Person) -> Actor:
    """This person as the one who acts."""
    return Actor(ActorKind(person.role), person.id)


def staff(session: Session) -> list[Person]:
    """Everybody who may enter the studio, by name."""
    rows = session.scalars(select(Person).where(Person.role.in_(STAFF), Person.disabled_at.is_(None))).all()
    return sorted(rows, key=lambda person: (person.name or person.email or "").casefold())


def names(session: Session, ids: set[int]) -> dict[int, str]:
    """What to call these persons: name, else address; erased ones have neither and are left out."""
    rows = session.execute(select(Person.id, Person.name, Person.email).where(Person.id.in_(ids)))
    return {key: called for key, name, email in rows if (called := name or email or "")}


def confirm(session: Session, person: Person) -> None:
    """Somebody who reads this person's address has shown it; the first time counts."""
    person.confirmed_at = person.confirmed_at or db_now(session)
    session.flush()


def vouch(session: Session, clip: Clip) -> None:
    """Somebody who reads the owner's address has shown that this clip is theirs; of other clips it says nothing."""
    clip.is_vouched = True
    if clip.owner_id is not None:
        confirm(session, session.get_one(Person, clip.owner_id))
    session.flush()


def _by_email(session: Session, address: str) -> Person | None:
    return session.scalars(select(Person).where(Person.email == address)).one_or_none()


def checked_email(email: str) -> str:
    """The address as it is kept; raises Unacceptable(WRONG_EMAIL)."""
    address = email.strip().casefold()
    if len(address) > 254 or not _EMAIL.fullmatch(address):
        raise Unacceptable(Code.WRONG_EMAIL, fields={"email": Code.WRONG_EMAIL})
    return address


def _check_password(password: str) -> None:
    if len(password) < PASSWORD_LEAST:
        raise Unacceptable(Code.TOO_SHORT, fields={"password": Code.TOO_SHORT}, least=PASSWORD_LEAST)
    # argon2 reads it all; nobody types a kilobyte.
    if len(password) > 1000:
        raise Unacceptable(Code.TOO_LONG_TEXT, fields={"password": Code.TOO_LONG_TEXT}, most=1000)


def _use_up_links(session: Session, person: Person) -> None:
    now = db_now(session)
    for link in session.scalars(
        select(SignInLink).where(
            SignInLink.person_id == person.id, SignInLink.purpose == WELCOME, SignInLink.used_at.is_(None)
        )
    ):
        link.used_at = now


def _new_link(session: Session, person: Person, purpose: str, life: timedelta) -> str:
    token = new_token()
    session.add(
        SignInLink(
            person_id=person.id,
            token_hash=hash_token(token),
            purpose=purpose,
            expires_at=db_now(session) + life,
        )
    )
    session.flush()
    return token


def _linked(
    session: Session, token: str, purpose: str, *, is_locking: bool = True
) -> tuple[SignInLink, Person]:
    asked = select(SignInLink).where(
        SignInLink.token_hash == hash_token(token),
        SignInLink.purpose == purpose,
        SignInLink.used_at.is_(None),
        SignInLink.expires_at > db_now(session),
    )
    link = session.scalars(asked.with_for_update() if is_locking else asked).one_or_none()
    person = session.get(Person, link.person_id) if link is not None else None
    if link is None or person is None or not person.email:
        raise Missing(Code.GONE)
    return link, person


def _welcomed(session: Session, token: str) -> tuple[SignInLink, Person]:
    link, person = _linked(session, token, WELCOME)
    if not is_staff(person):
        raise Missing(Code.GONE)
    return link, person


@cache
def _nobody() -> str:
    # The hash that an unknown address is measured against: the answer must not come sooner.
    return _HASHER.hash(new_token())
