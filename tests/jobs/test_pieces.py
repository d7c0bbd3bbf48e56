"""A film's rungs made in pieces and joined: the same as made in one, whatever the film is like."""

import dataclasses
import re

import pytest

from media_jobs import film, pieces, tracks
from tests import chain, footage


def in_pieces(path, tmp_path):
    """Every piece made here, one after the other; joined where the ladder is wanted."""
    facts = chain.facts_of(path)

    def elsewhere(made, folder, _told):
        whole, parts = pieces.Whole(footage.tools(), path.resolve(), facts, made), []
        for piece in pieces.cut(made):
            room = tmp_path / f"room-{piece.part}"
            room.mkdir()
            pieces.make(
                whole, piece, room, wall_seconds=60.0, on_progress=lambda _: None, cancelled=lambda: False
            )
            parts.append((piece, room))
        pieces.join(folder, made, parts)
        return True

    return chain.made(path, tmp_path / "joined", facts=facts, elsewhere=elsewhere)


def lengths(playlist):
    return re.findall(r"#EXTINF:([\d.]+)", playlist.path.read_text())


def differences(one, other):
    """What a film made in one shares with the same film made in pieces, and does not."""
    whole, joined = ({file.name: file for file in made.files} for made in (one, other))
    found = sorted(set(whole) ^ set(joined))
    untouched = [name for name in whole if not re.fullmatch(r"master.m3u8|\d+\.(m3u8|cmfv|mp4)", name)]
    found += [name for name in untouched if whole[name].sha256 != joined[name].sha256]
    for name in [name for name in whole if name.endswith(".cmfv")]:
        ours, theirs = (tracks.read(made[name].path)["vide"] for made in (joined, whole))
        for what in ("durations", "offsets", "keys", "begins", "scale", "shift"):
            if getattr(ours, what) != getattr(theirs, what):
                found.append(f"{name}: {what}")
        listed = name.replace(".cmfv", ".m3u8")
        if lengths(joined[listed]) != lengths(whole[listed]):
            found.append(listed)
        if abs(joined[name].size_bytes / whole[name].size_bytes - 1) >= 0.05:
            found.append(f"{name}: size")
        small = [footage.brightness(made[name].path) for made in (joined, whole)]
        if max(abs(a - b) for a, b in zip(*small, strict=True)) > 3:
            found.append(f"{name}: pictures")
    return found


@pytest.mark.parametrize("seconds", [11.9, 12.0, 13.0, 119.5, 180.0, 14400.0])
def test_pieces_are_whole_segments_that_cover_the_film_without_a_gap(seconds):
    facts = chain.imagined(duration_seconds=seconds, picture_seconds=seconds)
    made = pieces.picture.plan(facts, film.rungs_for(1920, 1080))
    cut = pieces.cut(made)
    if seconds < 12:
        assert cut == ()
        return
    assert all(piece.begin % 4 == 0 for piece in cut)
    for rung in made.rungs:
        numbers = [number for piece in cut for number in piece.frames(made, rung)]
        assert numbers == list(range(made.frames(rung)))
    assert 3 <= len(cut) <= 24


def odd(kind, folder):
    """Films on which a seek could go wrong."""
    plain = footage.small(folder, seconds=12.4, size="64x36", rate=25, name="plain.mp4")
    if kind == "late":
        words = ("-itsoffset", 0.4, "-i", plain, "-i", plain, "-map", "0:v", "-map", "1:a", "-c", "copy")
        return footage.made(folder / "late.mov", *words)
    if kind == "uneven":
        steps = "select='lt(mod(n,90),30)+not(mod(n,7))'"
        words = ("-i", plain, "-vf", steps, "-fps_mode", "vfr", "-bf", 3, "-c:a", "copy")
        return footage.made(folder / "uneven.mkv", *words)
    if kind == "open groups":
        coder = ("-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-c:a", "copy")
        words = ("-x265-params", "log-level=none:keyint=120:open-gop=1:bframes=4")
        return footage.made(folder / "open.mov", "-i", plain, *coder, *words)
    words = ("-i", plain, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", 8, "-an")
    path = folder / "recorder.webm"
    path.write_bytes(footage.ffmpeg(*words, "-f", "webm", "-live", 1, "-"))
    return path


@pytest.mark.parametrize("kind", ["late", "uneven", "open groups", "recorder"])
def test_an_odd_film_made_in_pieces_is_the_same_as_made_in_one(kind, tmp_path):
    path = odd(kind, tmp_path)
    assert differences(chain.made(path, tmp_path / "one"), in_pieces(path, tmp_path)) == []


def test_pieces_of_another_coding_do_not_fit(tmp_path):
    path = footage.small(tmp_path, seconds=12.4, size="64x36", rate=25)
    facts = chain.facts_of(path)
    made = pieces.picture.plan(facts, film.rungs_for(64, 36))
    parts = []
    for piece, change in zip(pieces.cut(made), ({}, {"height": 32}, {}), strict=True):
        plan = dataclasses.replace(made, **change)
        room = tmp_path / str(piece.part)
        room.mkdir()
        whole = pieces.Whole(footage.tools(), path, facts, plan)
        pieces.make(whole, piece, room, wall_seconds=60, on_progress=lambda _: None, cancelled=lambda: False)
        parts.append((piece, room))
    with pytest.raises(pieces.Unavailable, match="header"):
        pieces.join(tmp_path, made, parts)
