"""Checks of a purchase: one file each beside this one, with a `CHECK`; adding a file is all it takes.

Never raises a level (owner_levels.py does).
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Final

from config import ProofSettings
from portal.proofs.claims import Check, Claim, Proof


def _found() -> dict[str, Check]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {module.CHECK.name: module.CHECK for module in modules if hasattr(module, "CHECK")}


CHECKS: Final[Mapping[str, Check]] = _found()
"""Every check by its name, which is also the proof's `method`."""


def switched_on(settings: ProofSettings) -> list[str]:
    """The names of the checks that have something to hold a number against."""
    return [name for name, check in CHECKS.items() if check.is_on(settings)]


def prove(claim: Claim, settings: ProofSettings) -> Proof | None:
    """The first proof that any check finds for this claim; None when none does."""
    found = (CHECKS[name].find(claim, settings) for name in switched_on(settings))
    return next((proof for proof in found if proof is not None), None)


__all__ = ["CHECKS", "Check", "Claim", "Proof", "prove", "switched_on"]
