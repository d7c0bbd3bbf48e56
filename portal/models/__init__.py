"""The whole schema: columns, relations, constraints; no conduct. One file for each thing it is about."""

from portal.models.clips import Campaign, CampaignText, Clip, ClipTheme, Theme, ThemeAlias, ThemeName
from portal.models.decisions import AuditEvent, Consent, ConsentText, Decision, Note, Reason
from portal.models.films import (
    Caption,
    Cut,
    Film,
    Fingerprint,
    FingerprintKey,
    Publication,
    Rendition,
    Signal,
    Upload,
)
from portal.models.persons import AccessToken, ClipLink, Person, SignInLink
from portal.models.states import CutOrigin, CutState, JobState, NoticeState, Role, State, UploadState
from portal.models.work import IdempotencyKey, Job, Notice, WorkerSeen

__all__ = [
    "AccessToken",
    "AuditEvent",
    "Campaign",
    "CampaignText",
    "Caption",
    "Clip",
    "ClipLink",
    "ClipTheme",
    "Consent",
    "ConsentText",
    "Cut",
    "CutOrigin",
    "CutState",
    "Decision",
    "Film",
    "Fingerprint",
    "FingerprintKey",
    "IdempotencyKey",
    "Job",
    "JobState",
    "Note",
    "Notice",
    "NoticeState",
    "Person",
    "Publication",
    "Reason",
    "Rendition",
    "Role",
    "SignInLink",
    "Signal",
    "State",
    "Theme",
    "ThemeAlias",
    "ThemeName",
    "Upload",
    "UploadState",
    "WorkerSeen",
]
