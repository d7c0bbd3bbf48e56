"""What Lighthouse says of the pages that an owner meets on a phone: entry, submission form, status."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, Row
from bench.portal import called, portal
from ops.assets import install, node
from ops.browser import downloaded, installed

HERE = Path(__file__).resolve().parent
TURNS = 3
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
# Whoever has the link of a clip's status page may act for its owner: search engines are kept from it on purpose.
PRIVATE = ("is-crawlable",)


def run() -> Iterator[Row | Figure]:
    """Four scores for each page, of Lighthouse's own phone on its own slow line."""
    install(HERE, quiet=True)
    with tempfile.TemporaryDirectory() as folder, portal(Path(folder)) as address:
        told = called(address, "POST", "/submissions", {"campaign": "bench"})
        pages = {
            "entry": (f"{address}/fr/participate", ()),
            "submission": (f"{address}/fr/participate/bench", ()),
            "status": (told["status_url"], PRIVATE),
        }
        for name, (url, left_out) in pages.items():
            turns = [scores(url, left_out) for _ in range(TURNS)]
            for category in CATEGORIES:
                yield Figure(f"{name}: {category}", "of 100", tuple(turn[category] for turn in turns))


def scores(url: str, left_out: tuple[str, ...]) -> dict[str, float]:
    """Category -> 0 to 100, of one look; what costs points is printed."""
    browser = installed() or downloaded()
    if browser is None:
        raise RuntimeError("no browser: make browser")
    words = [
        node(), HERE / "node_modules" / "lighthouse" / "cli" / "index.js", url, "--quiet", "--output=json",
        f"--only-categories={','.join(CATEGORIES)}", f"--chrome-flags={FLAGS}",
        *([f"--skip-audits={','.join(left_out)}"] if left_out else []),
    ]  # fmt: skip
    environment = {**os.environ, "CHROME_PATH": str(browser)}
    done = subprocess.run(
        [str(word) for word in words], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"Lighthouse could not look at {url}:\n{done.stderr[-2000:]}")
    told = json.loads(done.stdout)
    for category in told["categories"].values():
        for one in category["auditRefs"]:
            audit = told["audits"][one["id"]]
            if one["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                print(f"    {category['id']}: {audit['title']} ({audit.get('displayValue', '')})")
    return {name: 100 * told["categories"][name]["score"] for name in CATEGORIES}
