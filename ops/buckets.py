"""Makes the storage's buckets and their rules as the product wants them; harmless when they already are."""

import os

from config import Settings
from portal.storage import Storage


def main() -> None:
    """Prepare the storage that the environment names."""
    Storage(Settings.from_env(os.environ).storage).prepare()


if __name__ == "__main__":
    main()
