"""The worker's door: `python -m celery -A media_jobs.worker:app worker …`, the same with `beat` for the clock."""

import os

from config import Settings
from media_jobs.process import make_app

app = make_app(Settings.from_env(os.environ))
