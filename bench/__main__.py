"""`python -m bench [NAME]`: runs the benchmarks, prints a table each, writes var/bench/<name>.json."""

import json
import sys
from collections.abc import Callable

from bench import gallery, transcode, upload
from bench.figures import Row
from config import ROOT

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "gallery": gallery.run,
    "transcode": transcode.run,
    "upload": upload.run,
}


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all."""
    unknown = set(arguments) - set(BENCHMARKS)
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    folder = ROOT / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    for name in arguments or BENCHMARKS:
        print(f"\n{name}")
        rows = BENCHMARKS[name]()
        for row in rows:
            print(f"  {row}")
        (folder / f"{name}.json").write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
