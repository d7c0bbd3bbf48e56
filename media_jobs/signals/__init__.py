"""What a moderator should look at in a film: one file for each signal, found by lying here (docs/signals.md)."""
