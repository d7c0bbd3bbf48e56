"""Vécu: a portal for video testimonials by owners.

From the street up: what every floor knows (`errors`, `jobs`, `models/`, `lifecycle`), the rules (one function, one
act), the machines (`runtime`), the doors (`web/`, `cli`, `postman`; the worker, `media_jobs`, is another). A module
imports only from the floors below it; all of them stand in pyproject.toml under `[tool.importlinter]`.
Read next: `lifecycle.py`, `models/`, `review.py`, `web/review.py`.
"""

__version__ = "0.1.0"
