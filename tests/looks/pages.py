"""Every page there is, by who looks at it: its name, its address on the stage, and the status it answers with."""

from tests.looks.stage import Stage

Page = tuple[str, str, int]

# Addresses that answer a GET with something else than a page of ours, and what that is.
NOT_PAGES = {
    **dict.fromkeys(("assets.static", "guests.figures", "recorder.code", "review.preview"), "a file"),
    **dict.fromkeys(("submission.status_preview", "captions.published", "captions.owners"), "a file"),
    **dict.fromkeys(
        ("captions.owners_cut", "captions_studio.reviewers", "captions_studio.reviewers_cut"), "a file"
    ),
    **dict.fromkeys(("site.healthz", "site.readyz", "metrics.metrics", "gallery.robots"), "for machines"),
    **dict.fromkeys(
        ("site.language", "gallery.root", "gallery.clip", "people.studio", "owner.clip"), "leads on"
    ),
    **dict.fromkeys(("owner.agreement", "submission.status_received", "review.next_one"), "leads on"),
    **dict.fromkeys(
        ("review.back_to_sheet", "outbox.back_to_list", "studio_support.back_to_case"), "leads on"
    ),
    **dict.fromkeys(("editing.back_to_panel", "uses.back_to_list"), "leads on"),
}


def public(stage: Stage) -> list[Page]:
    """What visitors see."""
    clip, paths = stage.clips, stage.paths
    return [
        ("gallery", "/fr/", 200),
        ("two themes", "/fr/clips?theme=week-end&theme=recharge", 200),
        ("nothing found", "/fr/clips?q=introuvable", 200),
        ("theme", "/fr/themes/week-end", 200),
        ("clip", f"/fr/c/{clip['published']}", 200),
        ("clip in German", f"/de/c/{clip['published']}", 200),
        ("clip taken back", f"/fr/c/{clip['withdrawn']}", 410),
        ("clip that is not", "/fr/c/aaaaaaaaaa", 404),
        ("no such page", "/en/nowhere", 404),
        *((name, f"/fr/pages/{name}", 200) for name in ("legal", "personal-data", "rules", "image-rights")),
        *((name, f"/fr/pages/{name}", 200) for name in ("verification", "accessibility")),
        ("API", "/api/", 200),
        ("calls", "/fr/participate", 200),
        ("call", "/fr/participate/quotidien", 200),
        ("call to come", "/fr/participate/plus-tard", 200),
        ("call that is over", "/fr/participate/fini", 200),
        ("call that is full", "/fr/participate/plein", 200),
        ("call by invitation", "/fr/participate/sur-invitation", 200),
        ("recorder", "/fr/participate/quotidien/film", 200),
        ("showroom", paths["q"], 200),
        ("invitation", paths["Ada"], 200),
        ("invitation that ended", paths["Cy"], 200),
        ("no more letters", paths["Bo leaves"], 200),
        ("agree", f"/fr{paths['Malik']}", 200),
        ("agreed", f"/fr{paths['Zoé']}", 200),
        ("refused to appear", f"/fr{paths['Tom']}", 200),
        ("guardian", f"/fr{paths['Léo']}", 200),
        ("receipt", f"/fr{paths['receipt']}", 200),
    ]  # fmt: skip


def owners(stage: Stage) -> list[Page]:
    """What an owner sees: the clip's page in every state, and the space."""
    links = stage.links
    statuses = [
        (f"status {name}", f"/fr{link}", 200)
        for name, link in links.items()
        if name not in ("erased", "too old")
    ]
    shown, live = f"/fr{links['in_review']}", f"/fr{links['published']}"
    return [
        *statuses,
        ("status too old", f"/fr{links['too old']}", 410),
        ("withdraw", f"{live}/withdraw", 200),
        ("renew", f"{live}/renew", 200),
        ("messages", f"{shown}/messages", 200),
        ("ask to be called", f"{live}/call", 200),
        ("film without script", stage.paths["film"], 200),
        ("space", "/fr/me", 200),
        ("space in English", "/en/me", 200),
        ("erase everything", f"/fr{stage.paths['erase']}", 200),
    ]


def strangers(stage: Stage) -> list[Page]:
    """Doors, for somebody who is not signed in."""
    return [
        ("owner's door", "/fr/me/login", 200),
        ("letter sent", "/fr/me/login?sent=1", 200),
        ("one button", f"/fr{stage.paths['enter']}", 200),
        ("link that has served", "/fr/me/enter/nothing", 410),
        ("studio's door", "/studio/login", 200),
        ("welcome", stage.paths["welcome"], 200),
    ]


def staff(stage: Stage) -> list[Page]:
    """The studio, as an administrator sees it."""
    clip = stage.clips
    sheet = f"/studio/review/{clip['in_review']}"
    sheets = [
        (f"sheet {name}", f"/studio/review/{which}", 200) for name, which in clip.items() if name != "erased"
    ]
    call = "/studio/campaigns/quotidien"
    return [
        *sheets,
        ("queue", "/studio/review", 200),
        ("ask for changes", f"{sheet}/request-changes", 200),
        ("refuse", f"{sheet}/reject", 200),
        ("take down", f"/studio/review/{clip['published']}/unpublish", 200),
        ("staff's captions", f"{sheet}/captions", 200),
        ("cuts", f"{sheet}/cuts", 200),
        ("thread", f"{sheet}/messages", 200),
        ("call somebody", f"{sheet}/call", 200),
        ("proof", f"/studio/clips/{clip['others']}/proof", 200),
        *((name, f"/studio/{name}", 200) for name in ("clips", "themes", "people", "settings", "campaigns")),
        *((name, f"/studio/{name}", 200) for name in ("consents", "support", "outbox", "uses")),
        ("case", "/studio/support/1", 200),
        ("campaign", call, 200),
        ("invitations", f"{call}/invitations", 200),
        ("links", f"{call}/links", 200),
        ("sheet with a code", stage.paths["sheet"], 200),
    ]
