"""The postman dies in the middle of a mail: it was not answered, comes again, and is one clip with all its bytes."""

import pytest
from sqlalchemy import select

from portal import postman, uploads
from portal.models import Clip, Film, IncomingMail, Notice, Upload
from portal.storage import Bucket
from tests.letters_in import FILM, TRUSTED, mail, said
from tests.mail import victim
from tests.mail.conftest import INBOX

# Before and after each commit, while the film is on its way, when it lies there, when the clip has it.
DEATHS = [
    ("unit.commit", 1),
    ("unit.committed", 1),
    ("upload.begun", 1),
    ("unit.committed", 3),
    ("upload.join", 1),
    ("upload.join.done", 1),
    ("unit.commit", 7),
    ("unit.committed", 7),
    ("unit.commit", 8),
    ("unit.committed", 8),
]


@pytest.fixture
def env(read, runtime, prepared_storage, database_url, tmp_path):
    """What leads another process to the same machines."""
    read()
    return {
        **prepared_storage,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "SITE_URL": "http://portal.test",
        "SECRET_KEY": runtime.settings.site.secret_key,
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "INBOX_ADDRESS": INBOX,
        "INBOX_TRUSTS": TRUSTED,
    }


@pytest.mark.parametrize(("point", "times"), DEATHS)
def test_a_mail_whose_taker_was_killed_is_taken_whole_the_next_time(
    read, runtime, env, tmp_path, count, point, times
):
    raw = mail(films=(FILM * 3000,), results=said("pass"))
    path = tmp_path / "mail.eml"
    path.write_bytes(raw)
    assert victim.run(env, point, times, path, INBOX) == -9
    assert not path.with_suffix(".answer").exists()
    answer = postman.Postman(read()).take(raw, INBOX)
    assert answer.line.startswith("250")
    assert (count(Clip), count(Film), count(Notice), count(IncomingMail)) == (1, 1, 1, 1)
    with runtime.read() as session:
        film = session.scalars(select(Film)).one()
        row = session.scalars(select(IncomingMail)).one()
        sent = session.scalars(select(Upload).where(Upload.key == film.key)).one()
    assert row.outcome == "draft"
    assert runtime.storage.size(Bucket.ORIGINALS, film.key) == len(FILM) * 3000
    assert sent.idempotency_key == f"{uploads.BY_MAIL}{row.message_hash}"


def test_without_a_death_the_same_child_says_so(env, tmp_path, count):
    path = tmp_path / "mail.eml"
    path.write_bytes(mail(films=(FILM * 3000,), results=said("pass")))
    assert victim.run(env, "nowhere", 1, path, INBOX) == 0
    assert path.with_suffix(".answer").read_text().startswith("250")
    assert count(Film) == 1
