"""Secrets made once and kept in files that only their owner can read."""

import os
import secrets
from pathlib import Path


def private_folder(folder: Path) -> Path:
    """The folder, there and closed to everybody else (0700)."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def write_private(file: Path, text: str) -> None:
    """Put the text into the file at once or not at all, readable by its owner alone (0600)."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as sink:
        sink.write(text)
        sink.flush()
        os.fsync(sink.fileno())
    fresh.replace(file)


def kept_secret(file: Path, length: int = 40) -> str:
    """The secret in the file, made on first use: hexadecimal, so safe in every URL and configuration."""
    if not file.exists():
        write_private(file, secrets.token_hex(length // 2) + "\n")
    return file.read_text(encoding="utf-8").strip()
