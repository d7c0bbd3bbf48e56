"""The worker as it is, at a pace that a test can wait for."""

import os

from config import Settings
from media_jobs.process import make_app
from media_jobs.workshop import Pace

LEASE = float(os.environ.get("LEASE", "10"))
app = make_app(
    Settings.from_env(os.environ),
    Pace(lease=LEASE, heartbeat=1.0, progress=0.2, sweep=0.5, seen=0.5, retry_pauses=(0.2, 0.2), look=3600.0),
)
