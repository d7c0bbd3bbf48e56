"""The benchmarks: ratios of two things measured side by side in one run, never bare seconds.

`make bench` runs all, `make bench ONLY=transcode` one; tables on the terminal, figures in var/bench/*.json.
"""
