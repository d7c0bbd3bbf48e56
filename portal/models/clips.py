"""Calls, themes, and the clip with its owner's words."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import Base, UTCDateTime
from portal.models.persons import Person


class Campaign(Base):
    """A call for clips."""

    __tablename__ = "campaign"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    opens_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    closes_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # What owners may do here, where it differs from what the portal allows everywhere.
    example_clip_id: Mapped[str | None] = mapped_column(String(10))
    max_clips: Mapped[int | None]
    max_seconds: Mapped[int | None]
    # Slugs of the themes offered, in their order; empty: all of them.
    themes: Mapped[list[str]] = mapped_column(JSON, default=list)
    # What is promised: an answer within so many working days, a consent that ends after so many months.
    answer_days: Mapped[int] = mapped_column(default=2)
    term_months: Mapped[int] = mapped_column(default=24)
    # So many days after an invitation that was not opened, one reminder; 0 for none.
    reminder_days: Mapped[int] = mapped_column(default=7)
    # Taking part needs an invitation.
    invited_only: Mapped[bool] = mapped_column(default=False)
    texts: Mapped[list["CampaignText"]] = relationship(lazy="selectin", order_by="CampaignText.lang")


class CampaignText(Base):
    """A campaign's words in one language: title, the question put to owners, help, shot list, what is given in return.

    `shots` holds one line for each thing worth showing.
    """

    __tablename__ = "campaign_text"
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), primary_key=True)
    lang: Mapped[str] = mapped_column(String(8), primary_key=True)
    title: Mapped[str] = mapped_column(String(120))
    question: Mapped[str] = mapped_column(String(200), default="")
    in_return: Mapped[str] = mapped_column(String(200), default="")
    help: Mapped[str] = mapped_column(Text, default="")
    shots: Mapped[str] = mapped_column(Text, default="")


class Theme(Base):
    """A word that visitors tick; `slug` is the stable key, names are per language."""

    __tablename__ = "theme"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    position: Mapped[int] = mapped_column(default=0)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    names: Mapped[list["ThemeName"]] = relationship(lazy="selectin", order_by="ThemeName.lang")


class ThemeName(Base):
    """A theme's name in one language."""

    __tablename__ = "theme_name"
    theme_id: Mapped[int] = mapped_column(ForeignKey("theme.id"), primary_key=True)
    lang: Mapped[str] = mapped_column(String(8), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))


class ThemeAlias(Base):
    """The slug of a theme that was merged into another; old addresses lead to the new one."""

    __tablename__ = "theme_alias"
    slug: Mapped[str] = mapped_column(String(60), primary_key=True)
    theme_id: Mapped[int] = mapped_column(ForeignKey("theme.id"))


class ClipTheme(Base):
    """A clip carries a theme."""

    __tablename__ = "clip_theme"
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), primary_key=True)
    theme_id: Mapped[int] = mapped_column(ForeignKey("theme.id"), primary_key=True)
    __table_args__ = (Index("ix_clip_theme_theme_clip", "theme_id", "clip_id"),)


class Clip(Base):
    """One owner's film and what goes with it; `state` is written by `lifecycle.move` alone."""

    __tablename__ = "clip"
    id: Mapped[str] = mapped_column(String(10), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    state: Mapped[str] = mapped_column(String(20))
    state_since: Mapped[datetime] = mapped_column(UTCDateTime)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # The owner's words. `lang` is the language we write to the owner in.
    title: Mapped[str] = mapped_column(String(80), default="")
    first_name: Mapped[str] = mapped_column(String(40), default="")
    city: Mapped[str] = mapped_column(String(60), default="")
    product: Mapped[str] = mapped_column(String(60), default="")
    owned_since: Mapped[int | None]
    filmed_on: Mapped[date | None]
    speech_lang: Mapped[str] = mapped_column(String(8), default="")
    lang: Mapped[str] = mapped_column(String(8))
    incentive: Mapped[str] = mapped_column(String(200), default="")
    # The owner says that pictures or sounds of the film are made or altered by a machine; said under the clip.
    altered: Mapped[bool] = mapped_column(default=False)
    music: Mapped[str] = mapped_column(String(10), default="")
    music_words: Mapped[str] = mapped_column(String(200), default="")
    # What the owner is to the brand beside a customer: none, staff, family or partner; said under the clip.
    relation: Mapped[str] = mapped_column(String(10), default="")
    owner_level: Mapped[str] = mapped_column(String(16), default="not_proven")
    # Somebody answers for the owner's address: who opened a letter that went there about this very clip, who was
    # signed in or invited there, a mail that proved itself, a program, staff. Before, no moderator looks.
    is_vouched: Mapped[bool] = mapped_column(default=False)
    channel: Mapped[str] = mapped_column(String(16), default="site")
    search_text: Mapped[str] = mapped_column(String(200), default="")
    # The film that counts now (set when its renditions are ready).
    film_id: Mapped[str | None] = mapped_column(String(32))
    cut_id: Mapped[str | None] = mapped_column(String(32))
    seconds: Mapped[float | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    fail_code: Mapped[str | None] = mapped_column(String(30))
    # Figures for the sentence that tells why: seconds, limits, sizes; never a person's words.
    fail_facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # What somebody chose to be seen first: an instant of the film, or an uploaded still; else the best proposal.
    poster_at: Mapped[float | None]
    still_key: Mapped[str | None] = mapped_column(String(200))
    # The invitation that it answers.
    invitation_id: Mapped[str | None] = mapped_column(String(32), index=True)
    # Until when it may be shown; the owner is asked again before.
    consent_until: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    # How often it was watched for three seconds or more, each visitor's browser once a day.
    views: Mapped[int] = mapped_column(default=0)
    # Publication.
    publish_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # A moderator's soft claim; lapses by itself.
    claimed_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    claimed_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    campaign: Mapped[Campaign] = relationship(lazy="raise")
    owner: Mapped[Person | None] = relationship(lazy="raise", foreign_keys=[owner_id])
    themes: Mapped[list[Theme]] = relationship(
        secondary="clip_theme", lazy="raise", order_by="Theme.position", viewonly=True
    )
    __table_args__ = (
        Index("ix_clip_state_published", "state", "published_at", "id"),
        Index("ix_clip_state_since", "state", "state_since"),
        Index("ix_clip_state_seconds", "state", "seconds", "id"),
        Index("ix_clip_state_views", "state", "views", "id"),
        # Counting by words and languages reads this alone: 17 ms, not 170, at 100 000 clips.
        Index("ix_clip_state_search", "state", "speech_lang", "search_text", "id"),
    )
