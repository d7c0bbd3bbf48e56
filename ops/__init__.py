"""What sets a machine up and runs the product on it: servers from wheels, ports, keys, supervision.

Stands beside the product, not in it: nothing in `portal` or `media_jobs` imports this package.
"""
