"""Where the pages say that a film may come by mail."""

import dataclasses

import pytest
from sqlalchemy import update

from portal.models import Campaign
from portal.web import create_app
from tests.conftest import with_settings

ADDRESS = "films+quotidien@brand.example"


@pytest.fixture
def reads_mail(runtime, make):
    """A client of a portal that reads a mailbox; `quotidien` is open."""
    make.campaign("quotidien")
    mail = dataclasses.replace(runtime.settings.mail, inbox="films@brand.example")
    return create_app(with_settings(runtime, mail=mail)).test_client()


@pytest.mark.parametrize("path", ["/fr/participate", "/fr/participate/quotidien"])
def test_the_call_names_its_mail_address_where_mails_are_read(reads_mail, client, path):
    page = reads_mail.get(path).text
    assert f'href="mailto:{ADDRESS}"' in page
    assert "25\u00a0Mo" in page
    assert "mailto:films" not in client.get(path).text


def test_a_call_for_guests_alone_names_no_address(reads_mail, runtime):
    with runtime.work() as session:
        session.execute(update(Campaign).values(invited_only=True))
    assert ADDRESS not in reads_mail.get("/fr/participate/quotidien").text
