"""What only its reader may see is kept by no cache and told to no other site; the pages are read from the site itself."""

from flask import Flask

from tests.pages.test_doors import url_of


def private_rules(app: Flask) -> list[str]:
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or set())]
    return [
        rule
        for rule in rules
        if rule.rule.startswith(("/studio", "/<lang>/me", "/i/")) or "token" in rule.arguments
    ]


def test_no_page_of_the_studio_of_owners_or_of_a_link_is_kept_by_a_cache(app, admin_client, make):
    clip = make.clip()
    kept = {}
    for rule in private_rules(app):
        answer = admin_client.get(url_of(app, rule, clip))
        headers = {
            name: answer.headers.get(name) for name in ("Cache-Control", "X-Robots-Tag", "Referrer-Policy")
        }
        if headers != {
            "Cache-Control": "no-store",
            "X-Robots-Tag": "noindex",
            "Referrer-Policy": "no-referrer",
        }:
            kept[rule.rule] = headers
        answer.close()
    assert kept == {}


def test_a_clip_that_is_not_public_is_watched_on_a_page_that_nobody_keeps(moderator_client, make):
    clip = make.clip()
    assert moderator_client.get(f"/studio/review/{clip.id}/cuts").headers["Cache-Control"] == "no-store"


def test_visitors_pages_may_be_kept_by_the_browser_alone(client):
    assert client.get("/fr/").headers["Cache-Control"] == "private, no-cache"
