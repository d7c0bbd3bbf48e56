"""Captions on pages: tracks and transcript for everybody, plain forms for those who may change them."""

import io
import re
from html import unescape

import pytest
from sqlalchemy import event, select

from portal import captions, lifecycle
from portal.edits import EditList
from portal.jobs import JobKind
from portal.lifecycle import Actor, ActorKind
from portal.models import Caption, Clip, Cut, Film, State
from portal.webvtt import Cue

STAFF = Actor(ActorKind.MODERATOR)
CUES = [
    Cue(1.0, 3.0, "On part à l’aube & <b>sans</b> bruit".replace("&", "&amp;")),
    Cue(4.0, 6.5, "Tout va bien"),
]
VTT = "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\nOn part\n\n00:00:04.000 --> 00:00:06.500\nTout va bien\n"


def text_of(answer) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


@pytest.fixture
def speak(runtime):
    """Gives a clip captions, as the machine does; `checked` as a person has left them."""

    def give(clip, lang="fr", cues=CUES, checked=False):
        with runtime.work() as session:
            film = session.get_one(Film, clip.film_id)
            assert captions.from_machine(session, film, lang, captions.SPEECH, cues)
            if checked:
                captions.check(session, session.get_one(Clip, clip.id), lang, by=STAFF, seen_version=1)
        return clip

    return give


@pytest.fixture
def published(make, speak):
    return speak(make.clip(State.PUBLISHED, title="La côte"))


def page(client, clip, lang="fr", more=""):
    return client.get(f"/{lang}/c/{clip.id}-la-cote{more}")


# What visitors get -----------------------------------------------------------------------------------


def test_a_published_clips_captions_are_a_track_of_our_own_writing(client, published):
    answer = client.get(f"/fr/c/{published.id}/captions/fr.vtt")
    assert answer.content_type == "text/vtt; charset=utf-8"
    assert answer.text.startswith(
        "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\nOn part à l’aube &amp; <b>sans</b> bruit\n"
    )
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    again = client.get(
        f"/fr/c/{published.id}/captions/fr.vtt", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.data) == (304, b"")


def test_the_words_can_be_taken_as_plain_text(client, published):
    answer = client.get(f"/fr/c/{published.id}/captions/fr.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.text == "On part à l’aube & sans bruit\nTout va bien\n"


def test_captions_are_seen_by_those_who_may_see_the_clip(client, make, speak):
    hidden, gone = speak(make.clip(State.IN_REVIEW)), make.clip(State.WITHDRAWN)
    assert client.get(f"/fr/c/{hidden.id}/captions/fr.vtt").status_code == 404
    assert client.get(f"/fr/c/{gone.id}/captions/fr.vtt").status_code == 410
    assert client.get("/fr/c/aaaaaaaaaa/captions/fr.vtt").status_code == 404


def test_a_language_without_captions_is_missing(client, published):
    for name in ("de.vtt", "xx.vtt", "fr.html"):
        assert client.get(f"/fr/c/{published.id}/captions/{name}").status_code == 404


def test_the_player_has_a_track_for_each_language_and_says_which_nobody_has_read(client, published, speak):
    speak(published, "de", [Cue(0, 1, "Los")], checked=True)
    text = unescape(page(client, published).text)
    tracks = re.findall(
        r'<track kind="captions" srclang="(\w+)" label="([^"]+)" src="([^"]+)"( default)?>', text
    )
    assert [track[:2] for track in tracks] == [("fr", "Français (automatique)"), ("de", "Deutsch")]
    assert [bool(track[3]) for track in tracks] == [False, False]
    assert client.get(tracks[1][2]).text.endswith("Los\n")


def test_wherever_they_are_offered_captions_that_no_person_has_seen_to_are_named_automatic(
    client, moderator_client, make, speak, published
):
    clip = speak(make.clip(State.IN_REVIEW))
    studio = f"/studio/review/{clip.id}"
    decisions = [f"{studio}/request-changes", f"{studio}/reject"]
    pages = [moderator_client.get(path) for path in (studio, f"{studio}/cuts", *decisions)]
    pages += [client.get(f"/fr/s/{make.link(clip)}"), page(client, published)]
    for answer in pages:
        label = re.search(r'<track [^>]*srclang="fr" label="([^"]+)"', unescape(answer.text))
        assert (answer.status_code, label and label[1]) == (200, "Français (automatique)"), (
            answer.request.path
        )


def test_what_a_person_has_written_is_not_named_automatic_before_somebody_reads_it_again(
    client, moderator_client, make, speak
):
    clip = speak(make.clip(State.IN_REVIEW))
    client.post_form(f"/fr/s/{make.link(clip)}/captions", {"tr": "fr", "version": "1", "text": VTT})
    sheet = unescape(moderator_client.get(f"/studio/review/{clip.id}").text)
    assert 'srclang="fr" label="Français"' in sheet
    assert "Automatiques, à relire" not in sheet
    assert "À relire" in sheet


def test_a_clip_is_found_in_the_studio_by_what_is_said_in_it_and_the_list_says_where(
    moderator_client, make, speak
):
    clip, other = (
        make.clip(title="La côte"),
        make.clip(title="Un tunnel de nuit", search_text="un tunnel de nuit"),
    )
    make.clip(title="Rien de tel", search_text="rien de tel")
    speak(clip, cues=[Cue(1.0, 2.0, "Bonjour"), Cue(72.0, 75.0, "On sort du <b>Tunnel</b>")])
    for path in ("/studio/review", "/studio/clips"):
        found = moderator_client.get(f"{path}?q=TUNNEL").text
        assert f'href="/studio/review/{clip.id}?t=72#player"><q lang="fr">On sort du Tunnel</q>' in found
        assert f'href="/studio/review/{other.id}"' in found
        assert "Dit à 1:12" in found
        # Found by its own title: nothing more is to be said.
        assert found.count("<q lang") == 1
        assert "Rien de tel" not in found
        assert "2 clips" in found


def test_captions_are_on_for_readers_of_another_language(client, published, speak):
    assert re.search(r'srclang="fr"[^>]* default>', page(client, published, "en").text)
    speak(published, "en", [Cue(0, 1, "Off we go")])
    text = page(client, published, "en").text
    assert re.findall(r'srclang="(\w+)"', text) == ["en", "fr"]
    assert re.search(r'srclang="en"[^>]* default>', text)


def test_the_page_has_the_transcript_with_its_times(client, published):
    answer = page(client, published)
    assert "Les paroles" in text_of(answer)
    assert "Transcription automatique, que personne n’a encore relue." in text_of(answer)
    assert '<a class="num" href="?t=4#player" data-at="4.0">0:04</a><span>Tout va bien</span>' in answer.text
    assert "On part à l’aube &amp; sans bruit" in answer.text
    assert f"/fr/c/{published.id}/captions/fr.txt" in answer.text
    assert '"transcript": "On part' in answer.text


def test_the_transcript_is_read_in_another_language_by_a_link(client, published, speak):
    speak(published, "de", [Cue(0, 1, "Los geht es")])
    assert '<a href="?tr=de#words"' in page(client, published).text
    assert "Los geht es" in text_of(page(client, published, more="?tr=de"))
    assert "On part" in text_of(page(client, published, more="?tr=xx"))


def test_without_script_a_line_leads_to_its_place_in_the_film(client, published):
    assert re.search(r'<source src="[^"]+#t=4"', page(client, published, more="?t=4").text)
    assert "#t=" not in page(client, published, more="?t=soon").text.replace("?t=", "")


def test_a_clip_whose_captions_are_being_made_says_so(client, make, runtime):
    clip = make.clip(State.PUBLISHED, title="La côte")
    assert "Sous-titres en préparation" not in text_of(page(client, clip))
    with runtime.work() as session:
        lifecycle.enqueue(session, session.get_one(Clip, clip.id), JobKind.CAPTIONS)
    assert "Sous-titres en préparation" in text_of(page(client, clip))


def test_the_gallery_marks_clips_whose_words_can_be_read_in_one_statement(client, make, speak, runtime):
    for _ in range(3):
        speak(make.clip(State.PUBLISHED))
    make.clip(State.PUBLISHED)
    said = []
    event.listen(runtime.engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    assert client.get("/fr/clips").text.count(">CC</abbr>") == 3
    assert len([line for line in said if "caption" in line]) == 1


def test_the_api_names_the_captions_of_a_clip(client, published):
    told = client.get(f"/api/v1/clips/{published.id}").json["playback"]["captions"]
    url = f"http://portal.test/fr/c/{published.id}/captions/fr.vtt"
    assert told == [{"lang": "fr", "url": url, "checked": False, "automatic": True}]


# What staff do ---------------------------------------------------------------------------------------


def row_of(runtime, clip, lang="fr"):
    with runtime.read() as session:
        return captions.one(session, session.get_one(Clip, clip.id), lang)


def test_a_moderator_sees_the_words_and_mends_them(moderator_client, make, speak, runtime):
    clip = speak(make.clip(State.IN_REVIEW))
    sheet = moderator_client.get(f"/studio/review/{clip.id}")
    assert "Automatiques, à relire" in text_of(sheet)
    assert f"/studio/review/{clip.id}/captions/fr.vtt" in sheet.text
    assert moderator_client.get(f"/studio/review/{clip.id}/captions/fr.vtt").text.startswith("WEBVTT")
    sent = {"tr": "fr", "version": "1", "text": VTT.replace("\n", "\r\n"), "checked": "1"}
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/captions", sent)
    assert (answer.status_code, answer.location) == (303, f"/studio/review/{clip.id}#captions")
    row = row_of(runtime, clip)
    assert ([cue.text for cue in captions.cues_of(row)], row.checked_at is not None) == (
        ["On part", "Tout va bien"],
        True,
    )
    sheet = text_of(moderator_client.get(f"/studio/review/{clip.id}"))
    assert "Relus" in sheet
    assert "Sous-titres modifiés, par Inès M." in sheet


def test_only_ticking_the_box_does_not_touch_the_words(moderator_client, make, speak, runtime):
    clip = speak(make.clip(State.IN_REVIEW))
    shown = re.search(
        r"<textarea[^>]*>(.*?)</textarea>", moderator_client.get(f"/studio/review/{clip.id}").text, re.DOTALL
    )
    sent = {"tr": "fr", "version": "1", "text": unescape(shown[1]), "checked": "1"}
    assert moderator_client.post_form(f"/studio/review/{clip.id}/captions", sent).status_code == 303
    row = row_of(runtime, clip)
    assert (row.touched_at, row.checked_at is not None, row.version) == (None, True, 2)


def test_faults_are_shown_by_line_and_nothing_typed_is_lost(moderator_client, make, runtime):
    clip = make.clip(State.IN_REVIEW)
    sent = {"tr": "fr", "version": "0", "text": "00:02.000 --> 00:01.000\n<script>Moi</script>"}
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/captions", sent)
    assert answer.status_code == 422
    assert "Ligne 1 : Ces temps ne se lisent pas" in text_of(answer)
    assert "&lt;script&gt;Moi" in answer.text


def test_whoever_comes_second_is_told_and_keeps_the_text(moderator_client, make, speak):
    clip = speak(make.clip(State.IN_REVIEW))
    sent = {"tr": "fr", "version": "7", "text": VTT}
    answer = moderator_client.post_form(f"/studio/review/{clip.id}/captions", sent)
    assert answer.status_code == 409
    assert "Tout va bien" in answer.text


def test_captions_that_a_colleague_changed_are_shown_and_replaced_only_once_seen(
    moderator_client, make, speak, runtime
):
    clip = speak(make.clip(State.IN_REVIEW))
    path = f"/studio/review/{clip.id}/captions"
    theirs = "00:01.000 --> 00:02.000\nCelles de la collègue\n"
    mine = {"tr": "fr", "version": "1", "text": "00:01.000 --> 00:02.000\nLes miennes\n"}
    assert moderator_client.post_form(path, {**mine, "text": theirs}).status_code == 303
    for _again in range(2):
        answer = moderator_client.post_form(path, mine)
        assert answer.status_code == 409
        assert "Celles de la collègue" in answer.text
        assert "Les miennes" in answer.text
        assert 'name="version" value="1"' in answer.text
        assert 'name="seen" value="2"' in answer.text
    # One more comes in between: what was seen is old again.
    again = {"tr": "fr", "version": "2", "text": theirs.replace("collègue", "cheffe")}
    assert moderator_client.post_form(path, again).status_code == 303
    answer = moderator_client.post_form(path, {**mine, "seen": "2"})
    assert (answer.status_code, "Celles de la cheffe" in answer.text) == (409, True)
    assert moderator_client.post_form(path, {**mine, "seen": "3"}).status_code == 303
    assert row_of(runtime, clip).cues == [[1.0, 2.0, "Les miennes"]]


def test_captions_deleted_meanwhile_come_back_only_by_who_has_seen_it(moderator_client, make, speak, runtime):
    clip = speak(make.clip(State.IN_REVIEW))
    path, mine = f"/studio/review/{clip.id}/captions", {"tr": "fr", "version": "1", "text": VTT}
    moderator_client.post_form(path, {"tr": "fr", "version": "1", "do": "delete"})
    answer = moderator_client.post_form(path, mine)
    assert (answer.status_code, "a supprimé ces sous-titres" in answer.text) == (409, True)
    assert moderator_client.post_form(path, {**mine, "seen": "0"}).status_code == 303
    assert row_of(runtime, clip) is not None


def test_a_subtitle_file_of_old_is_taken_too(moderator_client, make, runtime):
    clip = make.clip(State.IN_REVIEW)
    old = "1\r\n00:00:01,000 --> 00:00:02,000\r\nÉté à l’œuvre\r\n".encode("cp1252")
    sent = {"tr": "fr", "version": "0", "text": "", "file": (io.BytesIO(old), "film.srt")}
    answer = moderator_client.post_form(
        f"/studio/review/{clip.id}/captions", sent, content_type="multipart/form-data"
    )
    assert answer.status_code == 303
    assert row_of(runtime, clip).cues == [[1.0, 2.0, "Été à l’œuvre"]]


def test_captions_of_the_longest_kind_fit_into_the_form(moderator_client, make, runtime):
    clip = make.clip(State.IN_REVIEW)
    text = "\n\n".join(f"00:01.000 --> 00:02.000\n{'é' * 70}" for _ in range(3000))
    sent = {"tr": "fr", "version": "0", "text": text}
    assert moderator_client.post_form(f"/studio/review/{clip.id}/captions", sent).status_code == 303
    assert len(row_of(runtime, clip).cues) == 3000


def test_a_moderator_deletes_captions(moderator_client, make, speak, runtime):
    clip = speak(make.clip(State.IN_REVIEW))
    sent = {"tr": "fr", "version": "1", "do": "delete"}
    assert moderator_client.post_form(f"/studio/review/{clip.id}/captions", sent).status_code == 303
    with runtime.read() as session:
        assert session.query(Caption).count() == 0


def test_strangers_reach_no_private_captions(client, make, speak):
    clip = speak(make.clip(State.IN_REVIEW))
    assert client.get(f"/studio/review/{clip.id}/captions/fr.vtt").status_code in (302, 303, 401, 403)
    assert client.post_form(f"/studio/review/{clip.id}/captions", {"tr": "fr"}).status_code in (
        302,
        303,
        401,
        403,
    )
    assert client.get(f"/fr/s/{'x' * 43}/captions/fr.vtt").status_code == 404


# What owners do --------------------------------------------------------------------------------------


def test_an_owner_proof_reads_on_the_status_page(client, make, speak, runtime):
    clip = speak(make.clip(State.IN_REVIEW))
    link = f"/fr/s/{make.link(clip)}"
    assert "Vos sous-titres" in text_of(client.get(link))
    assert client.get(f"{link}/captions/fr.vtt").headers["Cache-Control"] == "no-store"
    answer = client.post_form(f"{link}/captions", {"tr": "fr", "version": "1", "text": VTT, "checked": "1"})
    assert (answer.status_code, answer.location) == (303, f"{link}#captions")
    assert row_of(runtime, clip).checked_by_id == clip.owner_id
    wrong = client.post_form(f"{link}/captions", {"tr": "fr", "version": "3", "text": "rien"})
    assert wrong.status_code == 422
    assert "Nous n’y trouvons pas de sous-titres." in text_of(wrong)


def test_an_owner_no_longer_writes_what_is_public(client, make, published):
    link = f"/fr/s/{make.link(published)}"
    assert "Vos sous-titres" not in text_of(client.get(link))
    assert client.post_form(f"{link}/captions", {"tr": "fr", "version": "1", "text": VTT}).status_code == 409


# What programs do ------------------------------------------------------------------------------------


@pytest.fixture
def api(client, make):
    """Calls with a token of these scopes, or with the plain token given."""

    def give(*scopes, plain=None):
        bearer = {"Authorization": f"Bearer {plain}"} if plain is not None else make.bearer(*scopes)

        def call(method, path, **more):
            headers = {**bearer, **more.pop("headers", {})}
            return client.open(f"/api/v1{path}", method=method, headers=headers, **more)

        return call

    return give


def test_a_program_reads_replaces_checks_and_deletes_captions(api, make, speak):
    clip, call = speak(make.clip(State.IN_REVIEW)), api("review")
    path = f"/review/{clip.id}/captions/fr"
    told = call("GET", path).json
    assert (told["version"], told["origin"], told["touched"], told["checked"]) == (1, "speech", False, False)
    assert told["vtt"].startswith("WEBVTT\n")
    told = call("PUT", path, json={"version": 1, "vtt": VTT}).json
    assert ([cue["text"] for cue in told["cues"]], told["version"], told["touched"]) == (
        ["On part", "Tout va bien"],
        2,
        True,
    )
    told = call(
        "PUT", path, json={"version": 2, "cues": [{"start": 0, "end": 1.5, "text": "<u>Un</u>"}]}
    ).json
    assert told["cues"] == [{"start": 0.0, "end": 1.5, "text": "Un"}]
    assert call("POST", f"{path}/check", json={"version": 3}).json["checked"] is True
    sheet = call("GET", f"/review/{clip.id}").json
    assert sheet["playback"]["captions"] == [
        {"lang": "fr", "url": f"http://portal.test/api/v1{path}", "checked": True, "automatic": False}
    ]
    assert call("DELETE", f"{path}?version=4").status_code == 204
    assert call("GET", path).status_code == 404


def test_a_program_that_comes_second_learns_the_version(api, make, speak):
    clip, call = speak(make.clip(State.IN_REVIEW)), api("review")
    answer = call("PUT", f"/review/{clip.id}/captions/fr", json={"version": 0, "vtt": VTT})
    assert (answer.status_code, answer.json["code"], answer.json["version"]) == (409, "conflict", 1)


def test_a_programs_faults_have_places(api, make):
    clip, call = make.clip(State.IN_REVIEW), api("review")
    path = f"/review/{clip.id}/captions/fr"

    def fields(**said):
        answer = call("PUT", path, json={"version": 0, **said})
        assert answer.status_code == 422
        return [(fault["field"], fault["code"]) for fault in answer.json["errors"]]

    assert fields(vtt="00:02.000 --> 00:01.000\na") == [("line.1", "wrong_times")]
    assert fields(vtt="") == [("text", "not_captions")]
    assert fields(cues=[{"start": 2, "end": 1, "text": "a"}]) == [("cues.0", "wrong_times")]
    assert fields() == [("vtt", "required")]
    assert fields(vtt=VTT, cues=[]) == [("vtt", "invalid")]
    assert fields(vtt="\x00") == [("vtt", "invalid")]


def test_the_same_call_twice_writes_once(api, make, runtime):
    clip, call = make.clip(State.IN_REVIEW), api("review")
    path, again = f"/review/{clip.id}/captions/fr", {"Idempotency-Key": "k1"}
    first = call("PUT", path, json={"version": 0, "vtt": VTT}, headers=again)
    second = call("PUT", path, json={"version": 0, "vtt": VTT}, headers=again)
    assert (first.json, second.headers["Idempotency-Replayed"]) == (second.json, "true")
    assert row_of(runtime, clip).version == 1


def test_an_owners_token_opens_the_owners_captions_alone(api, make, speak, client):
    clip, other = speak(make.clip(State.IN_REVIEW)), speak(make.clip(State.IN_REVIEW))
    call = api(plain=make.link(clip))
    path = f"/submissions/{clip.id}/captions/fr"
    assert call("PUT", path, json={"version": 1, "vtt": VTT}).json["version"] == 2
    assert call("GET", path).json["origin"] == "speech"
    assert call("GET", f"/submissions/{other.id}/captions/fr").status_code == 404
    assert call("GET", f"/review/{clip.id}/captions/fr").status_code == 403
    assert client.get(f"/api/v1/review/{clip.id}/captions/fr").status_code == 401


def test_an_owner_mends_captions_line_by_line(client, make, session):
    clip = make.clip(State.IN_REVIEW)
    token = make.link(clip)
    told = {
        "tr": "fr", "version": "0", "start": ["4", "1,5", "", "9"], "end": ["6.25", "3", "", "12"],
        "words": ["Deuxième", "Première", "", "  \n "], "checked": "1",
    }  # fmt: skip
    assert client.post_form(f"/fr/s/{token}/captions", told).status_code == 303
    row = session.scalars(select(Caption)).one()
    assert row.cues == [[1.5, 3.0, "Première"], [4.0, 6.25, "Deuxième"]]
    assert row.checked_at is not None
    page = client.get(f"/fr/s/{token}").text
    assert page.count('id="said-fr-') == 3
    assert 'value="6.25"' in page


def test_a_line_with_a_wrong_time_comes_back_in_its_own_fields_and_the_fault_leads_there(
    client, make, session
):
    clip = make.clip(State.IN_REVIEW)
    token = make.link(clip)
    told = {
        "tr": "fr", "version": "0", "start": ["7", "1"], "end": ["5", "3"], "words": ["Deuxième", "Première\nligne"],
        "checked": "1",
    }  # fmt: skip
    answer = client.post_form(f"/fr/s/{token}/captions", told)
    assert answer.status_code == 422
    assert re.findall(r'<li><a href="#said-fr-(\d)">Ligne (\d)', answer.text) == [("2", "2")]
    assert re.findall(r'name="start"[^>]*value="([^"]*)"', answer.text) == ["1", "7", ""]
    assert re.search(r'id="said-fr-2"[^>]*aria-invalid="true">Deuxième<', answer.text)
    assert "-->" not in text_of(answer)
    assert session.scalars(select(Caption)).all() == []


def test_lines_that_a_colleague_changed_meanwhile_stay_lines(client, make, speak, runtime):
    clip = speak(make.clip(State.IN_REVIEW))
    path = f"/fr/s/{make.link(clip)}/captions"
    told = {"tr": "fr", "version": "7", "start": ["1"], "end": ["3"], "words": ["La mienne"]}
    answer = client.post_form(path, told)
    assert answer.status_code == 409
    assert re.search(r'id="said-fr-1"[^>]*>La mienne<', answer.text)
    seen = re.search(r'name="seen" value="(\d+)"', answer.text)[1]
    assert client.post_form(path, {**told, "seen": seen}).status_code == 303
    assert row_of(runtime, clip).cues == [[1.0, 3.0, "La mienne"]]


def test_a_language_of_which_the_cut_lets_nobody_hear_a_word_is_no_track(client, make, speak, runtime):
    clip = speak(speak(make.clip(State.PUBLISHED, title="La côte")), "en", [Cue(1.0, 3.0, "Off we go")])
    with runtime.work() as session:
        row = session.get_one(Clip, clip.id)
        session.get_one(Cut, row.cut_id).edits = EditList(start=3.5).as_json()
        captions.follow(session, row)
    text = page(client, clip).text
    assert f"/c/{clip.id}/captions/fr.vtt" in text
    assert f"/c/{clip.id}/captions/en.vtt" not in text
