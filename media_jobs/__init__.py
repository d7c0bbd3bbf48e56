"""The film room: everything that touches a film's bytes. Stands on `portal`, is never imported by it."""
