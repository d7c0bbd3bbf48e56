"""Every refusal the product can utter, as codes; the sentences for people live with the doors.

Rules raise these; only doors (web, command line, worker) translate them.
"""

from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """A stable word for one cause; `portal/web/errors.py` holds a sentence for each."""

    # Who may do what.
    NOT_ALLOWED = "not_allowed"
    SIGN_IN_NEEDED = "sign_in_needed"
    WRONG_SIGN_IN = "wrong_sign_in"
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - a code, no secret
    CROSS_SITE = "cross_site"
    PAGE_TOO_OLD = "page_too_old"
    OWN_DECISION = "own_decision"
    # What is not there (any more).
    MISSING = "missing"
    GONE = "gone"
    ORIGINAL_GONE = "original_gone"
    # Somebody was faster, or the thing is elsewhere by now.
    CONFLICT = "conflict"
    ALREADY_THERE = "already_there"
    IN_USE = "in_use"
    LAST_ADMINISTRATOR = "last_administrator"
    UNDO_TOO_LATE = "undo_too_late"
    CUT_IN_THE_MAKING = "cut_in_the_making"
    CUT_UNCHANGED = "cut_unchanged"
    PICTURE_IN_THE_MAKING = "picture_in_the_making"
    CAPTIONS_UNCHECKED = "captions_unchecked"
    CAMPAIGN_CLOSED = "campaign_closed"
    CAMPAIGN_FULL = "campaign_full"
    INVITATION_NEEDED = "invitation_needed"
    INVITATION_OVER = "invitation_over"
    UPLOAD_CLOSED = "upload_closed"
    PARTS_MISSING = "parts_missing"
    FILM_MISSING = "film_missing"
    INCOMPLETE = "incomplete"
    SIGNATURES_WAITING = "signatures_waiting"
    SIGNATURE_REFUSED = "signature_refused"
    TEXT_CHANGED = "text_changed"
    FILM_CHANGED = "film_changed"
    TERM_OVER = "term_over"
    # What was sent cannot be taken as it is.
    INVALID = "invalid"
    UNKNOWN_FIELD = "unknown_field"
    REQUIRED = "required"
    TOO_SHORT = "too_short"
    TOO_LONG_TEXT = "too_long_text"
    TOO_MANY = "too_many"
    WRONG_EMAIL = "wrong_email"
    EMAIL_SETTLED = "email_settled"
    WRONG_PHONE = "wrong_phone"
    WRONG_DATE = "wrong_date"
    DATE_TOO_FAR = "date_too_far"
    ALREADY_ASKED = "already_asked"
    UNKNOWN_THEME = "unknown_theme"
    THEME_NOT_OFFERED = "theme_not_offered"
    # A list of customers.
    NOT_A_LIST = "not_a_list"
    TWICE = "twice"
    UNKNOWN_NUMBER = "unknown_number"
    PROOF_NEEDED = "proof_needed"
    NOT_ONLINE = "not_online"
    MUSIC_UNNAMED = "music_unnamed"
    UNKNOWN_LANGUAGE = "unknown_language"
    UNKNOWN_REASON = "unknown_reason"
    UNKNOWN_PLACE = "unknown_place"
    # Captions.
    NOT_CAPTIONS = "not_captions"
    TOO_LARGE_TEXT = "too_large_text"
    WRONG_TIMES = "wrong_times"
    OUT_OF_ORDER = "out_of_order"
    BEYOND_THE_FILM = "beyond_the_film"
    KEY_REUSED = "key_reused"
    NOT_JSON = "not_json"
    # The film is at fault.
    WRONG_TYPE = "wrong_type"
    TOO_LARGE = "too_large"
    EMPTY_FILE = "empty_file"
    NOT_A_VIDEO = "not_a_video"
    NO_PICTURE = "no_picture"
    NOT_A_PICTURE = "not_a_picture"
    TOO_LONG = "too_long"
    TOO_LARGE_PICTURE = "too_large_picture"
    BROKEN_FILM = "broken_film"
    CUT_OFF = "cut_off"
    UNFINISHED = "unfinished"
    NOTHING_LEFT = "nothing_left"
    ENCRYPTED = "encrypted"
    FILM_ELSEWHERE = "film_elsewhere"
    UNKNOWN_CODEC = "unknown_codec"
    TOO_COMPLEX = "too_complex"
    # Too much at once.
    TOO_OFTEN = "too_often"
    CHALLENGE = "challenge"
    QUOTA_REACHED = "quota_reached"
    TOO_MANY_UPLOADS = "too_many_uploads"
    TOO_MANY_DRAFTS = "too_many_drafts"
    TOO_MANY_WAIT = "too_many_wait"
    # A mail to the drop box.
    NO_SUCH_MAILBOX = "no_such_mailbox"
    MAIL_SPOOFED = "mail_spoofed"
    MAIL_UNREADABLE = "mail_unreadable"
    MAIL_TOO_COMPLEX = "mail_too_complex"
    OTHER_ADDRESS = "other_address"
    # We are at fault.
    OURS_STORAGE = "ours_storage"
    OURS_TRANSCODE = "ours_transcode"
    OURS_TIMEOUT = "ours_timeout"
    OURS_DATABASE = "ours_database"
    OURS_BROKER = "ours_broker"
    OURS_MAIL = "ours_mail"
    OURS_SPEECH = "ours_speech"
    OURS_DISK = "ours_disk"
    OURS_UNKNOWN = "ours_unknown"

    @property
    def is_ours(self) -> bool:
        """Whether the fault lies with the portal and not with the person or the film."""
        return self.value.startswith("ours_")


class PortalError(Exception):
    """A refusal: a code for machines and catalogues, facts for the sentence, faults by field."""

    status = 500

    def __init__(self, code: Code, *, fields: dict[str, Code] | None = None, **facts: Any) -> None:
        super().__init__(code.value, facts or fields or {})
        self.code = code
        self.facts = facts
        self.fields = fields or {}


class NotAllowed(PortalError):
    """This person may not do this."""

    status = 403


class Missing(PortalError):
    """There is no such thing, or not for this person."""

    status = 404


class Conflict(PortalError):
    """Somebody was faster, or the thing is in another state by now."""

    status = 409


class Unacceptable(PortalError):
    """What was sent, texts or film, cannot be taken as it is."""

    status = 422


class TooMuch(PortalError):
    """Too large or too often; facts may hold `retry_after` in seconds."""

    status = 429


class Unavailable(PortalError):
    """We cannot do it now; asking again later may help."""

    status = 503


class Away(Unavailable):
    """Something that we stand on does not answer or has no room: nobody's work is at fault, waiting helps."""
