"""Choosing the picture a clip is known by, on its owner's page and in the studio."""

import io

import pytest
from PIL import Image
from sqlalchemy import select, update

from portal import keys, posters, review
from portal.errors import Code, Conflict
from portal.jobs import JobKind
from portal.lifecycle import Actor, ActorKind
from portal.models import Clip, Cut, Job, JobState, Rendition, State
from portal.storage import Bucket


def a_photograph(kind="JPEG"):
    written = io.BytesIO()
    Image.effect_mandelbrot((640, 480), (-3, -2.5, 2, 2.5), 100).convert("RGB").save(written, kind)
    return written.getvalue()


@pytest.fixture
def chosen_from(runtime, make):
    """Makes a clip with two proposed pictures, and its owner's link."""

    def made(state=State.IN_REVIEW):
        clip = make.clip(state)
        with runtime.work() as session:
            session.execute(update(Cut).where(Cut.id == clip.cut_id).values(proposals=[2.0, 7.5]))
            for place in (1, 2):
                name = f"proposal-{place}.webp"
                session.add(
                    Rendition(
                        clip_id=clip.id, film_id=clip.film_id, cut_id=clip.cut_id, name=name, kind="proposal",
                        key=keys.made(clip.id, clip.film_id, name), content_type="image/webp", size_bytes=100,
                        sha256="b" * 64, width=640, height=360,
                    )
                )  # fmt: skip
        return clip, make.link(clip)

    return made


def as_it_is(runtime, clip):
    with runtime.read() as session:
        return session.get_one(Clip, clip.id)


def poster_jobs(runtime, clip):
    with runtime.read() as session:
        return session.scalars(select(Job).where(Job.clip_id == clip.id, Job.kind == JobKind.POSTER)).all()


def test_the_owner_sees_the_proposals_and_chooses_one(client, runtime, chosen_from):
    clip, token = chosen_from()
    page = client.get(f"/fr/s/{token}")
    assert page.text.count('class="shot"') == 2
    answer = client.post_form(f"/fr/s/{token}/poster", {"at": "7.5"})
    assert answer.status_code == 303
    assert as_it_is(runtime, clip).poster_at == 7.5
    assert [job.state for job in poster_jobs(runtime, clip)] == [JobState.QUEUED]
    page = client.get(f"/fr/s/{token}").text
    assert 'value="7.5" checked' in page
    assert "en préparation" in page


def test_choosing_twice_leaves_one_open_job(client, runtime, chosen_from):
    clip, token = chosen_from()
    for at in ("2.0", "7.5", "7.5"):
        client.post_form(f"/fr/s/{token}/poster", {"at": at})
    assert sum(job.state == JobState.QUEUED for job in poster_jobs(runtime, clip)) == 1


def test_a_moderator_chooses_any_instant_of_the_film(moderator_client, runtime, chosen_from):
    clip, _ = chosen_from(State.PUBLISHED)
    moderator_client.post_form(f"/studio/review/{clip.id}/poster", {"at": "own", "own_at": "0:05,5"})
    assert as_it_is(runtime, clip).poster_at == 5.5


@pytest.mark.parametrize("at", ["99", "-1", "nan", "half past", ""])
def test_an_instant_outside_the_film_is_refused_in_words(client, runtime, chosen_from, at):
    clip, token = chosen_from()
    page = client.post_form(f"/fr/s/{token}/poster", {"at": at}, follow_redirects=True)
    assert page.status_code == 200
    assert "flash error" in page.text
    assert as_it_is(runtime, clip).poster_at is None
    assert not poster_jobs(runtime, clip)


def test_a_photograph_is_stored_and_handed_to_the_worker(client, runtime, chosen_from):
    clip, token = chosen_from()
    data = a_photograph()
    client.post_form(
        f"/fr/s/{token}/poster", {"still": (io.BytesIO(data), "chat.jpg")}, content_type="multipart/form-data"
    )
    key = as_it_is(runtime, clip).still_key
    assert runtime.storage.size(Bucket.ORIGINALS, key) == len(data)
    assert len(poster_jobs(runtime, clip)) == 1


def test_what_is_no_photograph_is_refused_before_it_is_stored(client, runtime, chosen_from, empty_buckets):
    clip, token = chosen_from()
    page = client.post_form(
        f"/fr/s/{token}/poster", {"still": (io.BytesIO(b"<svg/>"), "x.jpg")},
        content_type="multipart/form-data", follow_redirects=True,
    )  # fmt: skip
    assert "flash error" in page.text
    assert as_it_is(runtime, clip).still_key is None
    assert not list(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id)))


def test_a_photograph_that_is_too_large_is_refused(client, runtime, chosen_from):
    clip, token = chosen_from()
    data = a_photograph() + bytes(posters.STILL_BYTES)
    page = client.post_form(
        f"/fr/s/{token}/poster", {"still": (io.BytesIO(data), "x.jpg")}, content_type="multipart/form-data",
        follow_redirects=True,
    )  # fmt: skip
    assert page.status_code == 200
    assert as_it_is(runtime, clip).still_key is None


def test_other_forms_take_no_larger_body_than_before(client, chosen_from):
    _, token = chosen_from()
    assert client.post(f"/fr/s/{token}/texts", data={"title": "x" * 300_000}).status_code == 413


def test_nothing_can_be_chosen_for_a_clip_that_was_taken_back(client, runtime, chosen_from):
    clip, token = chosen_from(State.WITHDRAWN)
    assert 'class="shot"' not in client.get(f"/fr/s/{token}").text
    client.post_form(f"/fr/s/{token}/poster", {"at": "2.0"})
    assert as_it_is(runtime, clip).poster_at is None


@pytest.mark.parametrize("state", [State.APPROVED, State.PUBLISHED])
def test_an_owner_cannot_put_a_photograph_before_the_world_that_no_moderator_has_seen(
    client, runtime, chosen_from, empty_buckets, state
):
    clip, token = chosen_from(state)
    assert 'name="still"' not in client.get(f"/fr/s/{token}").text
    client.post_form(
        f"/fr/s/{token}/poster", {"still": (io.BytesIO(a_photograph()), "chat.jpg")},
        content_type="multipart/form-data",
    )  # fmt: skip
    assert as_it_is(runtime, clip).still_key is None
    assert not poster_jobs(runtime, clip)
    assert not list(runtime.storage.keys(Bucket.ORIGINALS, keys.made_prefix(clip.id)))


def test_a_moderator_may_send_a_photograph_for_a_clip_that_is_published(
    moderator_client, runtime, chosen_from
):
    clip, _ = chosen_from(State.PUBLISHED)
    moderator_client.post_form(
        f"/studio/review/{clip.id}/poster", {"still": (io.BytesIO(a_photograph()), "chat.jpg")},
        content_type="multipart/form-data",
    )  # fmt: skip
    assert as_it_is(runtime, clip).still_key is not None


def test_nobody_approves_a_clip_whose_sent_photograph_is_still_being_made(client, runtime, chosen_from):
    clip, token = chosen_from()
    client.post_form(
        f"/fr/s/{token}/poster", {"still": (io.BytesIO(a_photograph()), "chat.jpg")},
        content_type="multipart/form-data",
    )  # fmt: skip
    with pytest.raises(Conflict) as waits, runtime.work() as session:
        held = session.get_one(Clip, clip.id)
        review.approve(session, held, by=Actor(ActorKind.PROGRAM, 1), seen_version=held.version)
    assert waits.value.code == Code.PICTURE_IN_THE_MAKING
