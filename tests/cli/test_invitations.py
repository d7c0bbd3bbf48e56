"""Calls and invitations by the command line."""

import json

from portal import campaigns


def test_a_call_is_opened_with_its_terms_and_listed_with_its_figures(portal, session):
    made = portal(
        *("campaigns", "add", "hiver", "--title", "L’hiver", "--shot", "La route", "--shot", "Le coffre"),
        *("--max-clips", "5", "--closes", "2090-01-31", "--invited-only"),
    )
    assert made.returncode == 0, made.stderr
    found = campaigns.by_slug(session, "hiver")
    assert (found.max_clips, found.invited_only) == (5, True)
    assert campaigns.shot_list(found.texts[0]) == ["La route", "Le coffre"]
    (row,) = json.loads(portal("campaigns", "list", "--json").stdout)
    assert (row["state"], row["invited"], row["published"]) == ("invited_only", 0, 0)


def test_a_list_is_tried_kept_and_sent(portal, make):
    make.campaign()
    asked = ("invitations", "import", "-", "--campaign", "quotidien")
    bad = portal(*asked, given="email\nnobody\n")
    assert bad.returncode == 1
    assert "1 wrong" in bad.stdout
    good = "email,first_name\nada@mail.example,Ada\n"
    assert "1 good, 0 wrong, 0 kept" in portal(*asked, "--dry-run", given=good).stdout
    assert "1 kept" in portal(*asked, given=good).stdout
    (row,) = json.loads(portal("invitations", "send", "--campaign", "quotidien", "--json").stdout)
    assert row == {"sent": 1}
    (one,) = json.loads(portal("invitations", "list", "--campaign", "quotidien", "--json").stdout)
    assert (one["email"], one["state"]) == ("ada@mail.example", "due")
