"""The honest little films that hostile ones are made from: half a second, 96 x 64, made by one ffmpeg at test time."""

from tests import footage

SECONDS = 0.5
PICTURE = ("-f", "lavfi", "-i", f"testsrc2=size=96x64:rate=20:duration={SECONDS}")
SOUND = ("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={SECONDS}")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "5")
AAC = ("-c:a", "aac", "-b:a", "32k")
BOTH = ("-map", "0:v", "-map", "1:a")
SPOKEN = "Vécu au bord du lac"
CHAPTERS = """;FFMETADATA1
title=Vue du lac
[CHAPTER]
TIMEBASE=1/1000
START=0
END=250
title=Un
[CHAPTER]
TIMEBASE=1/1000
START=250
END=500
title=Deux
"""

# Name of each film and how it is made; everything in one run of ffmpeg.
FILMS = {
    "plain.mp4": (*BOTH, *X264, *AAC, "-movflags", "+faststart"),
    "tail.mp4": (*BOTH, *X264, *AAC),
    "silent.mp4": ("-map", "0:v", *X264, "-movflags", "+faststart"),
    "quicktime.mov": (*BOTH, *X264, *AAC),
    "pcm.mov": (*BOTH, *X264, "-c:a", "pcm_s16le"),
    "prores.mov": ("-map", "0:v", "-c:v", "prores_ks", "-profile:v", 0),
    "hevc.mp4": (
        "-map",
        "0:v",
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=none",
        "-tag:v",
        "hvc1",
    ),
    "fragments.mp4": (
        *BOTH,
        *X264,
        *AAC,
        "-movflags",
        "+frag_keyframe+empty_moov+default_base_moof",
        "-g",
        2,
    ),
    "delayed.mp4": (*BOTH, *X264, *AAC, "-movflags", "+frag_keyframe+delay_moov+separate_moof"),
    "chapters.mp4": (*BOTH, "-map_metadata", 2, *X264, *AAC),
    "captions.mp4": (*BOTH, "-map", "3:s", *X264, *AAC, "-c:s", "mov_text"),
    "cover.mp4": (*BOTH, "-map", "4:v", *X264, *AAC, "-c:v:1", "mjpeg", "-disposition:v:1", "attached_pic"),
    "phone.3gp": (*BOTH, "-c:v", "h263", "-s", "128x96", "-c:a", "aac", "-ar", 8000),
    "mjpeg.mov": ("-map", "0:v", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "vp9.mp4": ("-map", "0:v", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", 8),
    "av1.mp4": ("-map", "0:v", "-c:v", "libsvtav1", "-preset", 12),
    "plain.webm": (*BOTH, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", 8, "-c:a", "libopus"),
    "plain.mkv": (*BOTH, *X264, *AAC),
    "chapters.mkv": (*BOTH, "-map_metadata", 2, *X264, "-c:a", "flac"),
    "live.webm": (
        *BOTH,
        "-c:v",
        "libvpx",
        "-deadline",
        "realtime",
        "-cpu-used",
        8,
        "-c:a",
        "libopus",
        "-live",
        1,
        "-f",
        "webm",
    ),
}


def films(folder):
    """All of them, as bytes by name."""
    words = [*PICTURE, *SOUND]
    text = folder / "chapters.txt"
    text.write_text(CHAPTERS, encoding="utf-8")
    spoken = folder / "spoken.vtt"
    spoken.write_text(f"WEBVTT\n\n00:00.000 --> 00:00.400\n{SPOKEN}\n", encoding="utf-8")
    cover = ("-f", "lavfi", "-i", "color=red:size=32x32:duration=0.04:rate=25")
    words += ["-i", text, "-i", spoken, *cover]
    for name, how in FILMS.items():
        words += [*how, *(() if "chapters" in name else ("-map_chapters", -1)), folder / name]
    footage.ffmpeg(*words)
    # A recorder cannot go back to write a length.
    live = ("-i", folder / "live.webm", "-c", "copy", "-f", "webm", "-live", 1, "-")
    (folder / "live.webm").write_bytes(footage.ffmpeg(*live))
    return {name: (folder / name).read_bytes() for name in FILMS}
