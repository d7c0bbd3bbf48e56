"""The words of calls, invitations and owner levels, for the studio and for visitors."""

from collections.abc import Callable
from typing import Final

from portal.i18n import gettext as _
from portal.models import OwnerLevel

_FIGURES: Final[dict[str, Callable[[], str]]] = {
    "invited": lambda: _("Invitations envoyées"),
    "opened": lambda: _("Invitations ouvertes"),
    "begun": lambda: _("Participations commencées"),
    "uploaded": lambda: _("Films arrivés"),
    "sent": lambda: _("Clips à relire ou relus"),
    "published": lambda: _("Clips mis en ligne"),
}
_INVITATIONS: Final[dict[str, tuple[Callable[[], str], str]]] = {
    "kept": (lambda: _("à envoyer"), "idle"),
    "due": (lambda: _("part bientôt"), "warn"),
    "sent": (lambda: _("envoyée"), "warn"),
    "reminded": (lambda: _("rappelée"), "warn"),
    "opened": (lambda: _("ouverte"), "ok"),
    "begun": (lambda: _("clip commencé"), "ok"),
    "expired": (lambda: _("expirée"), "idle"),
    "ended": (lambda: _("annulée"), "idle"),
}
_COLUMNS: Final[dict[str, Callable[[], str]]] = {
    "email": lambda: _("adresse e-mail"),
    "first_name": lambda: _("prénom"),
    "product": lambda: _("produit"),
    "since": lambda: _("depuis quelle année"),
    "language": lambda: _("langue"),
    "number": lambda: _("numéro de commande ou de châssis"),
    "": lambda: _("trop de cases"),
}
_LEVELS: Final[dict[str, Callable[[], str]]] = {
    OwnerLevel.NOT_PROVEN: lambda: _("Propriétaire déclaré·e"),
    OwnerLevel.INVITED: lambda: _("Client·e invité·e"),
    OwnerLevel.PURCHASE_PROVEN: lambda: _("Achat prouvé"),
}
_PROOFS: Final[dict[str, Callable[[], str]]] = {
    "orders": lambda: _("Le numéro de commande ou de châssis est dans les commandes de la marque."),
    "staff": lambda: _("Une personne de l’équipe a vu la preuve."),
    "list": lambda: _("La marque l’a invité·e à partir de sa liste de clients."),
    "forwarded": lambda: _("La marque a invité quelqu’un, et l’invitation a été transmise à cette personne."),
}


def figure_word(name: str) -> str:
    """One step from asking to showing."""
    return _FIGURES[name]()


def invitation_word(state: str) -> tuple[str, str]:
    """How far an invitation got, and how that looks: ok, warn, bad or idle."""
    word, kind = _INVITATIONS[state]
    return word(), kind


def column_word(name: str) -> str:
    """One column of a list of customers."""
    return _COLUMNS[name]()


def level_word(level: str) -> str:
    """How sure we are that somebody owns the product."""
    return _LEVELS[OwnerLevel(level)]()


def proof_word(method: str, level: str) -> str:
    """How that was checked; a check of somebody's own is named as it names itself."""
    if method in _PROOFS:
        return _PROOFS[method]()
    if method:
        return _("Vérification : %(name)s.", name=method)
    if level == OwnerLevel.PURCHASE_PROVEN:
        return _("Une preuve d’achat a été vue.")
    return _("La personne dit posséder le produit ; nous n’avons pas vu de preuve.")
