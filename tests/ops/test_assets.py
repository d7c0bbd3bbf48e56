"""The build of static/dist, with the real Node, npm tree and compressors."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops import assets

HERE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    assets.build(HERE, quiet=True)
    shutil.copytree(HERE / "static" / "src", root / "static" / "src")
    shutil.copytree(HERE / "static" / "img", root / "static" / "img")
    shutil.copyfile(HERE / "package-lock.json", root / "package-lock.json")
    (root / "node_modules").symlink_to(HERE / "node_modules", target_is_directory=True)
    assets.build(root, quiet=True)
    return root


def manifest(root: Path) -> dict[str, str]:
    told: dict[str, str] = json.loads((root / "static/dist/manifest.json").read_text(encoding="utf-8"))
    return told


def test_every_name_of_the_manifest_is_a_file_whose_name_carries_its_hash(built: Path) -> None:
    for address in manifest(built).values():
        assert (built / address.removeprefix("/")).is_file()
        assert len(address.rsplit("-", 1)[1].split(".")[0]) == 8


def test_pages_find_what_they_ask_for(built: Path) -> None:
    asked = {
        "site.css",
        "brand.css",
        "site.js",
        "gallery.js",
        "player.js",
        "review.js",
        "icons.svg",
        "favicon.svg",
    }
    assert asked | {"archivo-latin.woff2"} <= manifest(built).keys()


def test_scripts_and_sheets_have_compressed_twins_and_fonts_have_none(built: Path) -> None:
    names = manifest(built)
    sheet = built / names["site.css"].removeprefix("/")
    assert (sheet.parent / f"{sheet.name}.br").is_file()
    assert (sheet.parent / f"{sheet.name}.gz").is_file()
    assert not list((built / "static/dist").rglob("*.woff2.*"))


def test_hls_is_no_part_of_the_player_that_every_page_loads(built: Path) -> None:
    player = built / manifest(built)["player.js"].removeprefix("/")
    assert player.stat().st_size < 12_000


def test_a_second_build_has_nothing_to_do(built: Path) -> None:
    stamp = built / "static/dist/manifest.json"
    before = stamp.stat().st_mtime_ns
    assets.build(built, quiet=True)
    assert stamp.stat().st_mtime_ns == before


def test_a_changed_source_asks_for_another_build(built: Path) -> None:
    brand = built / "static/src/brand.css"
    words = brand.read_text(encoding="utf-8")
    brand.write_text(words.replace("--tint: 240", "--tint: 30"), encoding="utf-8")
    assert not assets.is_current(built)
    brand.write_text(words, encoding="utf-8")
    assert assets.is_current(built)


def test_a_build_leaves_the_files_that_running_pages_name(built: Path) -> None:
    before = built / manifest(built)["site.css"].removeprefix("/")
    sheet = built / "static" / "src" / "site.css"
    sheet.write_text(
        sheet.read_text(encoding="utf-8") + "\n@layer base { .new-rule { color: red; } }\n", encoding="utf-8"
    )
    assets.build(built, quiet=True)
    assert manifest(built)["site.css"] != f"/{before.relative_to(built)}"
    assert before.is_file()


def test_of_two_builds_at_once_one_waits_for_the_other(built: Path) -> None:
    sheet = built / "static" / "src" / "site.css"
    sheet.write_text(sheet.read_text(encoding="utf-8") + "\n/* for two */\n", encoding="utf-8")
    with ThreadPoolExecutor() as two:
        begun = [two.submit(assets.build, built, quiet=True) for _ in range(2)]
        assert [one.result() for one in begun] == [None, None]
    assert assets.is_current(built)
    assert (built / manifest(built)["site.css"].removeprefix("/")).is_file()


def weighed(root: Path, name: str) -> dict[Path, int]:
    """A script and everything that the browser loads with it at once, with what each weighs on its way (gzip)."""
    found: dict[Path, int] = {}
    waiting = [root / manifest(root)[name].removeprefix("/")]
    while waiting:
        path = waiting.pop()
        # What is a few words long has no twin.
        twin = path.with_name(f"{path.name}.gz")
        found[path] = (twin if twin.is_file() else path).stat().st_size
        said = re.findall(r'(?:from|import)\s*"(\.[^"]+)"', path.read_text(encoding="utf-8"))
        waiting += {(path.parent / one).resolve() for one in said} - found.keys()
    return found


@pytest.mark.parametrize(
    ("name", "most"), [("player.js", 3_000), ("submit.js", 12_000), ("status.js", 8_000), ("site.js", 2_000)]
)
def test_a_script_weighs_no_more_than_it_may(built: Path, name: str, most: int) -> None:
    assert sum(weighed(built, name).values()) <= most


def test_the_uploader_is_six_thousand_bytes_of_our_own(built: Path) -> None:
    # What a call's page and a clip's page both load: the upload, its card, the people of a film.
    both = weighed(built, "submit.js").keys() & weighed(built, "status.js").keys()
    assert both
    assert sum(weighed(built, "submit.js")[path] for path in both) <= 6_000


def test_the_one_sheet_of_all_pages_fits_into_the_first_answers(built: Path) -> None:
    sheet = built / manifest(built)["site.css"].removeprefix("/")
    assert sheet.with_name(f"{sheet.name}.gz").stat().st_size <= 12_000
