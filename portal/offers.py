"""What one call offers owners, within what the portal offers: themes, length of a film, an example.

Never decides who may take part (campaigns.py does).
"""

from dataclasses import replace

from sqlalchemy.orm import Session

from config import UploadLimits
from portal import themes
from portal.errors import Missing
from portal.models import Campaign, Clip, Theme


def themes_of(session: Session, campaign: Campaign) -> list[Theme]:
    """The themes that owners may choose here, in the call's order; all visible ones when it names none."""
    visible = themes.visible(session)
    if not campaign.themes:
        return visible
    by_id = {theme.id: theme for theme in visible}
    named = dict.fromkeys(_id_of(session, slug) for slug in campaign.themes)
    offered = [by_id[theme_id] for theme_id in named if theme_id in by_id]
    # Every theme it named was retired since: a call with nothing to choose from would be a trap.
    return offered or visible


def not_offered(session: Session, clip: Clip, slugs: list[str]) -> list[str]:
    """Which of these themes an owner cannot choose for this clip; those that it carries already may stay."""
    campaign = session.get_one(Campaign, clip.campaign_id)
    if not campaign.themes:
        return []
    allowed: set[int | None] = {theme.id for theme in themes_of(session, campaign)}
    allowed |= {_id_of(session, slug) for slug in themes.slugs_of(session, clip)}
    # A slug that nobody knows has a fault of its own.
    return [slug for slug in slugs if (found := _id_of(session, slug)) is not None and found not in allowed]


def limits_of(campaign: Campaign, limits: UploadLimits) -> UploadLimits:
    """What is taken here: the portal's limits, or a shorter film where the call says so."""
    if campaign.max_seconds is None:
        return limits
    return replace(limits, max_seconds=min(limits.max_seconds, campaign.max_seconds))


def _id_of(session: Session, slug: str) -> int | None:
    try:
        return themes.by_slug(session, slug).id
    except Missing:
        return None
