"""The words that stand in state and role columns."""

from enum import StrEnum


class State(StrEnum):
    """A clip's states; their meaning: docs/lifecycle.md."""

    DRAFT = "draft"
    UPLOADING = "uploading"
    PROCESSING = "processing"
    IN_REVIEW = "in_review"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    PUBLISHED = "published"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    REMOVED = "removed"
    EXPIRED = "expired"
    FAILED = "failed"
    ERASED = "erased"


class Role(StrEnum):
    """What a person is to the portal."""

    OWNER = "owner"
    MODERATOR = "moderator"
    ADMIN = "admin"


class UploadState(StrEnum):
    """How far one file's journey to the storage is."""

    OPEN = "open"
    COMPLETING = "completing"
    VERIFYING = "verifying"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ABORTED = "aborted"
    EXPIRED = "expired"


class JobState(StrEnum):
    """Where a job is; a `running` one has a lease."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CutState(StrEnum):
    """How far a cut is; the one that counts is named by its clip."""

    MAKING = "making"
    MADE = "made"  # waits for a moderator's word
    ADOPTED = "adopted"
    SUPERSEDED = "superseded"
    DROPPED = "dropped"  # its files are deleted
    FAILED = "failed"


class CutOrigin(StrEnum):
    """Why a cut was made."""

    FIRST = "first"
    EDIT = "edit"
    REPLAN = "replan"


class NoticeState(StrEnum):
    """Whether somebody has been told."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SignatureState(StrEnum):
    """Whether somebody in a film agrees to be shown."""

    WAITING = "waiting"
    AGREED = "agreed"
    REFUSED = "refused"


class OwnerLevel(StrEnum):
    """How sure we are that an owner owns the product; only ever raised, with a named proof."""

    NOT_PROVEN = "not_proven"
    INVITED = "invited"
    PURCHASE_PROVEN = "purchase_proven"


class CaseState(StrEnum):
    """How far a call that an owner asked for is."""

    OPEN = "open"
    TAKEN = "taken"
    SOLVED = "solved"
