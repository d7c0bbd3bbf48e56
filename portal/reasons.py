"""The sentences for people: one for every refusal, and the names and rules of a moderator's reasons.

Pure functions of the current language; pages, mails, the API and the command line say the same words.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from portal import film_faults
from portal.errors import Code
from portal.i18n import format_bytes, format_number, ngettext
from portal.i18n import gettext as _

_Facts = Mapping[str, Any]


def sentence(code: Code, **facts: Any) -> str:
    """What happened and what to do next, in the current language; `facts` are those of the PortalError."""
    return _SENTENCES[code](facts)


def name_of(reason_code: str) -> str:
    """A moderator's reason in a few words; an unknown code is shown as it is."""
    known = _NAMES.get(reason_code)
    return known() if known is not None else reason_code


def rule_of(reason_code: str) -> str:
    """The published rule behind a moderator's reason; empty for an unknown code."""
    known = _RULES.get(reason_code)
    return known() if known is not None else ""


def _too_large(facts: _Facts) -> str:
    limit = facts.get("limit")
    if limit is None:
        return _("Ce fichier est trop lourd. Filmez plus court ou en 1080p, puis réessayez.")
    return _(
        "Ce fichier dépasse %(limit)s, le poids que nous pouvons prendre. Filmez plus court ou en 1080p, puis réessayez.",
        limit=format_bytes(limit),
    )


def _too_short(facts: _Facts) -> str:
    least = facts.get("least")
    if least is None:
        return _("C’est trop court. Ajoutez quelques caractères.")
    return ngettext(
        "C’est trop court : il faut au moins %(num)s caractère.",
        "C’est trop court : il faut au moins %(num)s caractères.",
        int(least),
    )


def _too_long_text(facts: _Facts) -> str:
    most = facts.get("most")
    if most is None:
        return _("Ce texte est trop long. Raccourcissez-le un peu.")
    return ngettext(
        "Ce texte est trop long : %(num)s caractère au plus.",
        "Ce texte est trop long : %(num)s caractères au plus.",
        int(most),
    )


def _too_many(facts: _Facts) -> str:
    most = facts.get("most")
    if most is None:
        return _("Il y en a trop. Gardez les plus importants.")
    return ngettext("Choisissez-en %(num)s au plus.", "Choisissez-en %(num)s au plus.", int(most))


def _too_often(facts: _Facts) -> str:
    seconds = facts.get("retry_after")
    if seconds is None:
        return _("C’est un peu trop rapide pour nous. Attendez une minute, puis réessayez.")
    if seconds >= 7200:
        return ngettext(
            "C’est un peu trop rapide pour nous. Réessayez dans %(num)s heure.",
            "C’est un peu trop rapide pour nous. Réessayez dans %(num)s heures.",
            -(-int(seconds) // 3600),
        )
    if seconds >= 120:
        return ngettext(
            "C’est un peu trop rapide pour nous. Réessayez dans %(num)s minute.",
            "C’est un peu trop rapide pour nous. Réessayez dans %(num)s minutes.",
            -(-int(seconds) // 60),
        )
    return ngettext(
        "C’est un peu trop rapide pour nous. Réessayez dans %(num)s seconde.",
        "C’est un peu trop rapide pour nous. Réessayez dans %(num)s secondes.",
        max(1, int(seconds)),
    )


def _parts_missing(facts: _Facts) -> str:
    missing = facts.get("missing")
    if not isinstance(missing, (list, tuple)) or not missing:
        return _(
            "Une partie de la vidéo n’est pas encore arrivée. Reprenez l’envoi, il continue où il en était."
        )
    return ngettext(
        "Il manque encore %(num)s morceau de la vidéo. Reprenez l’envoi, il continue où il en était.",
        "Il manque encore %(num)s morceaux de la vidéo. Reprenez l’envoi, il continue où il en était.",
        len(missing),
    )


def _incomplete(facts: _Facts) -> str:
    if facts.get("state") == "in_review":
        return _(
            "L’envoi n’est plus complet : son auteur a encore quelque chose à faire, que la fiche nomme."
        )
    return _("Il manque encore quelque chose. Complétez les champs signalés.")


def _signatures_waiting(facts: _Facts) -> str:
    names = facts.get("names") or []
    return ngettext(
        "Une personne du film n’a pas encore répondu : %(names)s. Le clip attend son accord.",
        "%(num)s personnes du film n’ont pas encore répondu : %(names)s. Le clip attend leur accord.",
        max(1, len(names)),
        names=", ".join(names),
    )


def _signature_refused(facts: _Facts) -> str:
    names = facts.get("names") or []
    return ngettext(
        "Une personne du film ne souhaite pas y paraître : %(names)s. Le clip ne peut pas être publié ainsi.",
        "%(num)s personnes du film ne souhaitent pas y paraître : %(names)s. Le clip ne peut pas être publié ainsi.",
        max(1, len(names)),
        names=", ".join(names),
    )


def _unknown_theme(facts: _Facts) -> str:
    if not facts.get("slug"):
        return _("Ce thème n’existe pas. Choisissez parmi les thèmes proposés.")
    return _("Le thème « %(slug)s » n’existe pas. Choisissez parmi les thèmes proposés.", slug=facts["slug"])


def _too_many_uploads(facts: _Facts) -> str:
    limit = facts.get("limit")
    if limit is None:
        return _(
            "Plusieurs envois sont déjà en cours. Terminez-en un, ou annulez-le, avant d’en commencer un autre."
        )
    return _(
        "Vous avez déjà %(most)s envois en cours. Terminez-en un, ou annulez-le, avant d’en commencer un autre.",
        most=format_number(limit),
    )


_SENTENCES: Final[dict[Code, Callable[[_Facts], str]]] = {
    Code.NOT_ALLOWED: lambda _f: _(
        "Vous n’avez pas accès à cette page. Si vous devriez l’avoir, parlez-en à l’équipe."
    ),
    Code.SIGN_IN_NEEDED: lambda _f: _("Connectez-vous d’abord, puis revenez ici."),
    Code.WRONG_SIGN_IN: lambda _f: _(
        "L’adresse ou le mot de passe ne convient pas. Vérifiez les deux et réessayez."
    ),
    Code.WRONG_TOKEN: lambda _f: _("Cette clé n’est pas, ou n’est plus, valable. Demandez-en une nouvelle."),
    Code.CROSS_SITE: lambda _f: _(
        "Cette demande venait d’une autre page. Rechargez celle-ci et recommencez."
    ),
    Code.PAGE_TOO_OLD: lambda _f: _(
        "Cette page est restée ouverte trop longtemps. Revenez en arrière, copiez ce que vous avez écrit, rechargez la "
        "page et envoyez de nouveau."
    ),
    Code.OWN_DECISION: lambda _f: _(
        "Un autre regard est nécessaire : demandez à un ou une collègue de rouvrir ce clip."
    ),
    Code.MISSING: lambda _f: _("Il n’y a rien à cette adresse. Vérifiez le lien, ou repartez de l’accueil."),
    Code.GONE: lambda _f: _(
        "Ce que vous cherchez n’est plus là. Repartez de l’accueil pour en voir d’autres."
    ),
    Code.CONFLICT: lambda _f: _(
        "Quelque chose a changé entre-temps. Rechargez la page pour voir où nous en sommes."
    ),
    Code.ALREADY_THERE: lambda _f: _("Cela existe déjà. Choisissez un autre nom, ou modifiez ce qui existe."),
    Code.IN_USE: lambda _f: _("C’est encore utilisé et ne peut pas partir. Libérez-le d’abord."),
    Code.LAST_ADMINISTRATOR: lambda _f: _(
        "C’est la dernière personne qui administre le portail. Nommez-en une autre d’abord."
    ),
    Code.UNDO_TOO_LATE: lambda _f: _(
        "Il est trop tard pour revenir en arrière. Écrivez-nous si vous avez changé d’avis."
    ),
    Code.CUT_IN_THE_MAKING: lambda _f: _(
        "Une nouvelle version du film est en préparation. Attendez qu’elle soit prête et regardez-la, puis décidez."
    ),
    Code.PICTURE_IN_THE_MAKING: lambda _f: _(
        "Une photo envoyée pour ce clip est en préparation. Attendez qu’elle soit prête et regardez-la, puis décidez."
    ),
    Code.CAPTIONS_UNCHECKED: lambda _f: _(
        "Le film est parlé, et personne n’a encore relu ses sous-titres. Relisez-les, ou écrivez-les, puis décidez."
    ),
    Code.CUT_UNCHANGED: lambda _f: _(
        "Le film est déjà montré ainsi. Changez au moins un passage, ou gardez cette version."
    ),
    Code.CAMPAIGN_CLOSED: lambda _f: _("Cet appel est terminé. Voyez sur l’accueil s’il y en a un autre."),
    Code.CAMPAIGN_FULL: lambda _f: _(
        "Cet appel a reçu autant de clips qu’il pouvait en prendre. Voyez sur l’accueil s’il y en a un autre."
    ),
    Code.INVITATION_NEEDED: lambda _f: _(
        "Cet appel est sur invitation. Ouvrez le lien que vous avez reçu par e-mail."
    ),
    Code.INVITATION_OVER: lambda _f: _(
        "Ce lien d’invitation a déjà servi ou n’est plus valable. Ouvrez-le pour en demander un nouveau."
    ),
    Code.UPLOAD_CLOSED: lambda _f: _("Cet envoi est terminé ou annulé. Commencez-en un nouveau."),
    Code.PARTS_MISSING: _parts_missing,
    Code.ORIGINAL_GONE: lambda _f: _("Ce clip n’a pas, ou n’a plus, de vidéo d’origine à télécharger."),
    Code.FILM_MISSING: lambda _f: _("Il n’y a pas encore de vidéo. Choisissez-en une et envoyez-la."),
    Code.INCOMPLETE: _incomplete,
    Code.SIGNATURES_WAITING: _signatures_waiting,
    Code.SIGNATURE_REFUSED: _signature_refused,
    Code.TEXT_CHANGED: lambda _f: _(
        "Le texte a changé depuis que cette page est ouverte. Relisez-le, puis répondez de nouveau."
    ),
    Code.FILM_CHANGED: lambda _f: _(
        "Le film a changé depuis que cette page est ouverte. Regardez-le, puis répondez de nouveau."
    ),
    Code.TERM_OVER: lambda _f: _(
        "Un accord donné pour ce clip est arrivé à son terme. Le clip attend qu’il soit renouvelé, par son lien."
    ),
    Code.INVALID: lambda _f: _(
        "Nous n’avons pas compris cette demande. Corrigez ce qui est signalé et réessayez."
    ),
    Code.UNKNOWN_FIELD: lambda _f: _("Ce champ n’existe pas. Retirez-le et réessayez."),
    Code.REQUIRED: lambda _f: _("Ce champ est nécessaire. Remplissez-le, s’il vous plaît."),
    Code.NOT_ONLINE: lambda _f: _("Ce clip n’est pas en ligne : les visiteurs ne le verraient pas."),
    Code.MUSIC_UNNAMED: lambda _f: _("Dites de quelle musique il s’agit, et d’où vous en vient le droit."),
    Code.TOO_SHORT: _too_short,
    Code.TOO_LONG_TEXT: _too_long_text,
    Code.TOO_MANY: _too_many,
    Code.WRONG_EMAIL: lambda _f: _(
        "Cette adresse e-mail ne semble pas juste. Vérifiez-la, par exemple nadia@exemple.fr."
    ),
    Code.EMAIL_SETTLED: lambda _f: _(
        "Cette adresse est confirmée pour ce clip. Pour en donner une autre, entrez d’abord dans votre espace."
    ),
    Code.WRONG_PHONE: lambda _f: _(
        "Ce numéro ne semble pas juste. Écrivez-le comme vous le diriez, par exemple +33 6 12 34 56 78."
    ),
    Code.WRONG_DATE: lambda _f: _(
        "Cette date ne convient pas. Choisissez un jour passé, ou laissez le champ vide."
    ),
    Code.ALREADY_ASKED: lambda _f: _(
        "Cette personne a déjà été interrogée à une adresse e-mail. Gardez cette adresse, ou corrigez-la."
    ),
    Code.DATE_TOO_FAR: lambda _f: _("Cette date est trop loin : 366 jours à l’avance au plus."),
    Code.UNKNOWN_THEME: _unknown_theme,
    Code.THEME_NOT_OFFERED: lambda _f: _(
        "Ce thème n’est pas proposé pour cet appel. Choisissez parmi ceux de la liste."
    ),
    Code.NOT_A_LIST: lambda _f: _(
        "Ce fichier n’est pas une liste que nous savons lire. Enregistrez-la au format « CSV UTF-8 (délimité par des "
        "virgules) », avec une première ligne qui nomme les colonnes."
    ),
    Code.TWICE: lambda _f: _("Cette adresse est déjà plus haut dans la liste."),
    Code.UNKNOWN_NUMBER: lambda _f: _(
        "Ce numéro n’est pas dans les commandes, ou il y est avec une autre adresse."
    ),
    Code.PROOF_NEEDED: lambda _f: _("Dites ce qui a été vérifié, et comment."),
    Code.UNKNOWN_LANGUAGE: lambda _f: _(
        "Nous ne connaissons pas cette langue. Choisissez-en une dans la liste."
    ),
    Code.UNKNOWN_PLACE: lambda _f: _(
        "Seuls {brand} et {months} sont remplacés dans ce texte. Retirez les autres accolades."
    ),
    Code.UNKNOWN_REASON: lambda _f: _("Ce motif n’existe pas. Choisissez-en un dans la liste."),
    Code.NOT_CAPTIONS: lambda _f: _(
        "Nous n’y trouvons pas de sous-titres. Donnez du WebVTT ou du SRT : une ligne de temps, puis les paroles."
    ),
    Code.TOO_LARGE_TEXT: lambda _f: _("Ce texte est trop long : 512 ko au plus."),
    Code.WRONG_TIMES: lambda _f: _(
        "Ces temps ne se lisent pas, ou la fin vient avant le début. Écrivez par exemple 00:12.500 --> 00:15.000."
    ),
    Code.OUT_OF_ORDER: lambda _f: _(
        "Ce passage commence avant celui d’au-dessus. Remettez-les dans l’ordre."
    ),
    Code.BEYOND_THE_FILM: lambda _f: _("Ce passage commence après la fin du film. Vérifiez le temps."),
    Code.KEY_REUSED: lambda _f: _(
        "Cette clé d’idempotence a déjà servi pour une autre demande. Prenez-en une nouvelle."
    ),
    Code.NOT_JSON: lambda _f: _(
        "Cette adresse attend du JSON bien formé. Vérifiez le corps et le type de la demande."
    ),
    Code.TOO_LARGE: _too_large,
    **film_faults.SENTENCES,
    Code.TOO_OFTEN: _too_often,
    Code.CHALLENGE: lambda _f: _(
        "Beaucoup de clips partent de votre réseau en ce moment. Attendez une minute, puis envoyez de nouveau : "
        "tout ce que vous avez écrit reste là."
    ),
    Code.QUOTA_REACHED: lambda _f: _(
        "Vos films prennent déjà toute la place que nous gardons pour vous. Retirez-en un, ou écrivez-nous."
    ),
    Code.TOO_MANY_UPLOADS: _too_many_uploads,
    Code.TOO_MANY_DRAFTS: lambda _f: _(
        "Plusieurs clips que vous avez commencés attendent encore quelque chose. Terminez-en un d’abord."
    ),
    Code.TOO_MANY_WAIT: lambda _f: _(
        "Beaucoup de films attendent d’être préparés en ce moment. Revenez un peu plus tard : tout ce que vous avez "
        "écrit est gardé."
    ),
    Code.NO_SUCH_MAILBOX: lambda _f: _("Personne ne lit cette adresse. Vérifiez-la."),
    Code.MAIL_SPOOFED: lambda _f: _(
        "Ce mail ne vient pas de l’adresse qu’il porte. Écrivez-nous depuis votre propre messagerie."
    ),
    Code.MAIL_UNREADABLE: lambda _f: _(
        "Ce mail n’a pas pu être lu. Envoyez-le de nouveau depuis une messagerie ordinaire."
    ),
    Code.MAIL_TOO_COMPLEX: lambda _f: _(
        "Ce mail contient trop de choses. Envoyez-nous un mail simple avec un seul film."
    ),
    Code.OTHER_ADDRESS: lambda _f: _(
        "Cette réponse vient d’une autre adresse que celle du clip. Répondez depuis l’adresse où vous avez reçu "
        "notre mail."
    ),
    Code.OURS_STORAGE: lambda _f: _(
        "Notre espace de stockage ne répond pas, vous n’y êtes pour rien. Réessayez dans un moment."
    ),
    Code.OURS_TRANSCODE: lambda _f: _(
        "Nous n’avons pas réussi à préparer cette vidéo, vous n’y êtes pour rien. L’équipe est prévenue et s’en occupe."
    ),
    Code.OURS_TIMEOUT: lambda _f: _(
        "La préparation a pris trop de temps, vous n’y êtes pour rien. L’équipe est prévenue et s’en occupe."
    ),
    Code.OURS_DATABASE: lambda _f: _(
        "Le portail est très occupé, vous n’y êtes pour rien. Réessayez dans un moment."
    ),
    Code.OURS_BROKER: lambda _f: _(
        "C’est noté, mais le travail commencera un peu plus tard. Vous n’avez rien à faire."
    ),
    Code.OURS_MAIL: lambda _f: _(
        "Notre message n’a pas pu partir. Nous réessaierons, vous n’avez rien à faire."
    ),
    Code.OURS_SPEECH: lambda _f: _(
        "Les sous-titres n’ont pas pu être écrits, vous n’y êtes pour rien. L’équipe est prévenue et s’en occupe."
    ),
    Code.OURS_DISK: lambda _f: _(
        "La place manque chez nous, vous n’y êtes pour rien. L’équipe est prévenue et s’en occupe."
    ),
    Code.OURS_UNKNOWN: lambda _f: _(
        "Quelque chose n’a pas marché chez nous, vous n’y êtes pour rien. Réessayez dans un moment."
    ),
}

_NAMES: Final[dict[str, Callable[[], str]]] = {
    "plate": lambda: _("Une plaque d’immatriculation se lit"),
    "person": lambda: _("On reconnaît quelqu’un qui n’a pas donné son accord"),
    "minor": lambda: _("On voit un enfant sans l’accord de ses parents"),
    "driving": lambda: _("Filmé au volant"),
    "music": lambda: _("De la musique sans les droits"),
    "sound": lambda: _("Le son ne s’entend pas bien"),
    "picture": lambda: _("L’image ne se voit pas bien"),
    "too_long": lambda: _("Un peu trop long"),
    "secret": lambda: _("Quelque chose de confidentiel se voit"),
    "off_topic": lambda: _("Sans rapport avec l’appel"),
    "not_owner": lambda: _("Pas filmé par son auteur"),
    "illegal": lambda: _("Des propos que la loi interdit"),
    "personal_data": lambda: _("Des données personnelles se voient ou s’entendent"),
    "hidden_ad": lambda: _("Une publicité ou une contrepartie cachée"),
    "unusable": lambda: _("Illisible ou inaudible"),
}

_RULES: Final[dict[str, Callable[[], str]]] = {
    "plate": lambda: _("Les plaques d’immatriculation ne doivent pas pouvoir se lire."),
    "person": lambda: _("Toute personne que l’on reconnaît doit avoir donné son accord."),
    "minor": lambda: _("Un enfant n’apparaît pas sans l’accord de ses parents."),
    "driving": lambda: _("On ne filme pas en conduisant : un passager peut filmer, ou vous, à l’arrêt."),
    "music": lambda: _("La musique doit être la vôtre, ou libre de droits."),
    "sound": lambda: _("Votre voix doit se comprendre sans effort."),
    "picture": lambda: _("On doit voir ce dont vous parlez."),
    "too_long": lambda: _("Un clip va à l’essentiel."),
    "secret": lambda: _("Rien de confidentiel ne doit se voir ni s’entendre."),
    "off_topic": lambda: _("Le clip doit parler de votre vie avec le produit, en bien ou en mal."),
    "not_owner": lambda: _("Le clip doit être filmé par la personne qui l’envoie."),
    "illegal": lambda: _("Les propos haineux, injurieux ou interdits par la loi ne sont pas publiés."),
    "personal_data": lambda: _("Adresses, numéros et documents ne doivent ni se voir ni s’entendre."),
    "hidden_ad": lambda: _("Ce que vous avez reçu en échange doit être dit."),
    "unusable": lambda: _("On doit pouvoir voir et comprendre le clip."),
}
