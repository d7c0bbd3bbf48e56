"""`python -m bench [NAME]`: runs the benchmarks, prints a table each, writes var/bench/<name>.json."""

import json
import sys
from collections.abc import Callable, Iterable

from bench import chunks, crowd, duplicates, fsck, gallery, pages, queue, transcode, upload
from bench.figures import Figure, Row
from config import ROOT

BENCHMARKS: dict[str, Callable[[], Iterable[Row | Figure]]] = {
    "chunks": chunks.run,
    "crowd": crowd.run,
    "duplicates": duplicates.run,
    "crowd-hostile": crowd.beside_hostile,
    "fsck": fsck.run,
    "gallery": gallery.run,
    "pages": pages.run,
    "transcode-cost": transcode.against_bare,
    "transcode-peers": transcode.against_peers,
    "transcode-first": queue.first_playable,
    "transcode-memory": transcode.by_memory,
    "transcode-length": transcode.by_length,
    "transcode-queue": queue.throughput,
    "upload": upload.run,
}


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all."""
    # "transcode" is all that begins with it.
    chosen = {
        asked: [name for name in BENCHMARKS if asked in (name, name.split("-")[0])] for asked in arguments
    }
    unknown = [asked for asked, names in chosen.items() if not names]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    folder = ROOT / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    for name in [name for names in chosen.values() for name in names] or BENCHMARKS:
        print(f"\n{name}")
        rows: list[Row | Figure] = []
        for row in BENCHMARKS[name]():
            print(f"  {row}", flush=True)
            rows.append(row)
        (folder / f"{name}.json").write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
