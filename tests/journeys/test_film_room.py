"""What is made of a film after it arrived: a first look, another picture, a passage out, better captions, a blur."""

import io
import re
from dataclasses import dataclass

import pytest
from PIL import Image, ImageStat
from playwright.sync_api import expect

from config import Settings
from portal.storage import Bucket, Storage
from tests import footage
from tests.journeys.conftest import PASSWORD
from tests.journeys.steps import confirm_in, sign_in, until, until_gone, until_shown, until_state

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

TITLE = "Le tunnel du Fréjus, de nuit"
SECONDS, DARK = 9.0, (3.0, 6.0)
# As the film carries them, and as the moderator writes them: the second line is heard behind the dark passage.
HEARD = (
    "1\n00:00:00,500 --> 00:00:02,500\nBonjour du tunel.\n\n2\n00:00:06,500 --> 00:00:08,500\nOn ressort.\n"
)
SAID = "WEBVTT\n\n00:00.500 --> 00:02.500\nBonjour du tunnel.\n\n00:06.500 --> 00:08.500\nOn ressort en Italie.\n"


@dataclass
class People:
    """Three browsers: the owner's phone, the moderator's desk, a visitor."""

    owner: object
    staff: object
    visitor: object


@pytest.fixture(scope="module")
def tunnel(tmp_path_factory):
    """Nine seconds of H.264: blue, three seconds of black, then orange; a tone, and captions inside."""
    folder = tmp_path_factory.mktemp("film room")
    words = folder / "words.srt"
    words.write_text(HEARD, encoding="utf-8")
    start, end = DARK
    shown = (
        "testsrc2=size=320x180:rate=10,drawbox=x=0:w=240:color=0x2040c0:t=fill,"
        f"drawbox=x=0:w=240:color=0xe08020:t=fill:enable='gte(t,{end})',"
        f"drawbox=color=black:t=fill:enable='between(t,{start},{end - 0.05})'"
    )
    film = folder / "tunnel.mp4"
    footage.ffmpeg(
        "-f", "lavfi", "-i", shown, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-i", words,
        "-map", 0, "-map", 1, "-map", 2, "-t", SECONDS, *footage.QUICK, *footage.SOUND,
        "-c:s", "mov_text", "-metadata:s:s:0", "language=fra", film,
    )  # fmt: skip
    return film


def plays(page, box="main"):
    """Press play in the box until its picture moves."""
    until(
        page,
        """box => {
          const video = document.querySelector(`${box} video`);
          if (video?.paused) video.closest("clip-player").play?.();
          return video && video.currentTime > 0.3 && !video.error;
        }""",
        box,
    )


def send(owner, portal, film):
    page = owner.page
    page.goto(f"{portal.url}/fr/participate/quotidien")
    page.locator("[data-part=file]").set_input_files(film)
    page.get_by_label("Un titre, avec vos mots").fill(TITLE)
    page.get_by_label("Technologie").check()
    page.get_by_label("Votre prénom").fill("Nadia")
    page.get_by_label("Votre e-mail").fill("tunnel@mail.example")
    page.locator("#consents-site").check()
    page.locator("#consents-adult").check()
    expect(page.locator("[data-part=line]")).to_have_text(re.compile("Vidéo reçue"))
    page.get_by_role("button", name="Envoyer", exact=True).click()
    page.wait_for_url("**/fr/s/**")


def choose_the_orange_picture(owner):
    """Another picture than the one that was chosen for her; behind the dark passage the film is orange."""
    page = owner.page
    page.locator("#image > summary").click()
    shots = page.locator("#image .shot input")
    instants = [float(shots.nth(place).get_attribute("value")) for place in range(shots.count())]
    late = max(instants)
    assert late > DARK[1], instants
    owner.axe()
    shots.nth(instants.index(late)).check(force=True)
    page.get_by_role("button", name="Prendre cette image").click()
    page.wait_for_url(re.compile("/fr/s/"))
    until_shown(page, lambda page: page.get_by_text("en préparation").count() == 0)
    assert page.locator("#image .shot input:checked").get_attribute("value") == str(late)


def open_sheet(staff):
    page = staff.page
    page.get_by_role("link", name=re.compile("Fréjus")).first.click()
    page.wait_for_url(re.compile(r"/studio/review/[a-z0-9]{10}"))


def jump_to_the_signal(staff):
    """The dark passage is on the list with its time; a click leads there, and so do the keys."""
    page = staff.page
    until_shown(page, lambda page: page.get_by_text("L’image est noire").count())
    staff.axe()
    page.locator("a[data-signal]").first.click()
    until(page, f"() => Math.abs(document.querySelector('video').currentTime - {DARK[0]}) < 1.5")
    page.evaluate("() => { const v = document.querySelector('video'); v.pause(); v.currentTime = 0; }")
    page.keyboard.press("Shift+ArrowRight")
    until(page, f"() => document.querySelector('video').currentTime > {DARK[0] - 0.2}")


def ask_for(staff, row, kind, begin, end, **box):
    """One line of the form that shortens, silences and blurs."""
    page = staff.page
    page.locator(".edit-form > summary").click()
    page.locator(f"#kind-{row}").select_option(kind)
    page.locator(f"#from-{row}").fill(begin)
    page.locator(f"#to-{row}").fill(end)
    for side, percent in box.items():
        page.locator(f"#{side}-{row}").fill(percent)
    staff.axe()
    page.get_by_role("button", name="Préparer cette version").click()
    page.wait_for_url(re.compile("#versions"))


def correct_captions(staff):
    page = staff.page
    page.locator("#captions-fr summary").click()
    page.locator("#text-fr").fill(SAID)
    page.locator("#captions-fr input[name=checked]").check()
    page.get_by_role("button", name="Enregistrer les sous-titres").first.click()
    page.wait_for_url(re.compile("#captions"))
    expect(page.locator("#captions-fr")).to_contain_text("On ressort en Italie.")


def approve(staff):
    page = staff.page
    for name in ("whole", "people", "music", "driving"):
        page.locator(f"input[name=check][value={name}]").check()
    page.get_by_role("button", name=re.compile("Approuver et publier")).click()
    page.wait_for_url(re.compile("done="))


def sees_the_cut(visitor):
    """Six seconds are left, under the orange picture, with the moderator's words at the cut's own times."""
    page = visitor.page
    visitor.axe()
    visitor.fits()
    plays(page)
    assert page.evaluate("() => document.querySelector('video').duration") == pytest.approx(6, abs=0.3)
    answer = page.request.get(page.locator("video").get_attribute("poster"))
    red, _green, blue = ImageStat.Stat(Image.open(io.BytesIO(answer.body())).convert("RGB")).mean
    assert red > blue + 30, (red, blue)
    page.evaluate("() => { document.querySelector('video').textTracks[0].mode = 'showing'; }")
    lines = until(
        page,
        """() => [...document.querySelector('video').textTracks[0].cues ?? []]
          .map(cue => [cue.text, Math.round(cue.startTime * 10) / 10])""",
    )
    assert lines == [["Bonjour du tunnel.", 0.5], ["On ressort en Italie.", 3.5]]
    return page.evaluate("() => document.querySelector('video').currentSrc")


def blur_what_is_public(people, media, status):
    """The visitor's page goes on while the blurred version is made and takes the old one's place."""
    desk, public = people.staff.page, people.visitor.page
    ask_for(people.staff, 1, "blur", "0:01", "0:02", left="10", top="10", width="30", height="40")
    adopt = desk.get_by_role("button", name="Publier cette version")
    until_shown(desk, lambda _page: adopt.count())
    people.staff.axe()
    people.staff.fits()
    people.owner.page.goto(status)
    expect(people.owner.page.locator("#nouvelle-version")).to_be_visible()
    people.owner.axe()
    people.owner.fits()
    adopt.click()
    desk.wait_for_url(re.compile("#versions"))
    public.evaluate("() => { document.querySelector('video').currentTime = 0; }")
    plays(public)
    token = re.search(r"/v/([0-9a-f]{32})/", media)[1]
    until_shown(public, lambda page: token not in page.content())
    plays(public)
    assert public.evaluate("() => document.querySelector('video').duration") == pytest.approx(6, abs=0.3)
    until_shown(people.owner.page, lambda page: page.get_by_text("est floutée").count())
    return public.evaluate("() => document.querySelector('video').currentSrc")


def test_a_film_is_looked_at_cut_captioned_blurred_and_taken_back(portal, window, tunnel):
    people = People(window(360, scheme="dark"), window(1280), window(1280))
    page, desk, public = people.owner.page, people.staff.page, people.visitor.page

    # The owner watches her film, as a first preview or already whole, and chooses another picture.
    send(people.owner, portal, tunnel)
    plays(page, "#film")
    confirm_in(people.owner, portal, "tunnel@")
    until_state(page, "in_review")
    people.owner.axe()
    people.owner.fits()
    choose_the_orange_picture(people.owner)
    status = page.url.partition("#")[0]

    # The moderator is led to the dark passage, takes it out, corrects the captions and approves.
    sign_in(people.staff, portal, "ines@brand.example", PASSWORD)
    open_sheet(people.staff)
    jump_to_the_signal(people.staff)
    sheet = desk.url.partition("?")[0].partition("#")[0]
    ask_for(people.staff, 0, "cut", "0:03", "0:06")
    desk.goto(sheet)
    until_shown(
        desk, lambda page: page.locator("#player").get_attribute("data-seconds").startswith(("6", "5.9"))
    )
    correct_captions(people.staff)
    approve(people.staff)

    # The world sees the cut.
    page.goto(status)
    until_state(page, "published")
    page.get_by_role("link", name="Voir mon clip").click()
    page.wait_for_url("**/fr/c/**")
    clip = page.url
    public.goto(clip)
    first = sees_the_cut(people.visitor)

    # Somebody was recognised after all: a blur follows, and replaces what is public.
    desk.goto(sheet)
    second = blur_what_is_public(people, first, status)

    # The owner takes it back: no address answers any more, and nothing is left lying about.
    page.get_by_role("link", name="Retirer mon clip").click()
    page.locator("main form button[type=submit]").first.click()
    until_state(page, "withdrawn")
    assert public.goto(clip).status == 410
    storage = Storage(Settings.from_env(portal.environment).storage)
    for media in (first, second):
        until(public, "url => fetch(url, {cache: 'no-store'}).then(answer => answer.status === 404)", media)
        token = re.search(r"/v/([0-9a-f]{32})/", media)[1]
        until_gone(storage, Bucket.PUBLIC, f"v/{token}/")
    assert "The record and the buckets agree." in portal.cli("fsck", "--deep")
