"""Why a film could not be used, in its owner's language: one sentence for every cause, with what to do about it.

The causes are the codes of `portal/errors.py` and the facts `reason`, `kind`, `codec` and figures beside them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from portal.errors import Code
from portal.i18n import format_duration
from portal.i18n import gettext as _

Facts = Mapping[str, Any]

# What is kept of a refusal, for the sentence; the rest (logs of tools) is for staff and lies with the job.
_KEPT: Final = (
    *("reason", "kind", "codec", "seconds", "promised", "limit"),
    *("width", "height", "max_width", "max_height", "found"),
)
_LONGEST_WORD: Final = 40


def kept(facts: Facts) -> dict[str, Any]:
    """Of a refusal's facts those that its sentence may need, as plain values for the record."""
    told = {name: facts[name] for name in _KEPT if isinstance(facts.get(name), (str, int, float))}
    return {name: value[:_LONGEST_WORD] if isinstance(value, str) else value for name, value in told.items()}


def _too_long(facts: Facts) -> str:
    limit, seconds = facts.get("limit"), facts.get("seconds")
    if limit is None:
        return _(
            "Votre vidéo est trop longue. Raccourcissez-la dans l’application photo, puis envoyez-la de nouveau."
        )
    if seconds is None:
        return _(
            "Votre vidéo dépasse %(limit)s, la durée que nous pouvons prendre. "
            "Raccourcissez-la dans l’application photo, puis envoyez-la de nouveau.",
            limit=format_duration(limit),
        )
    return _(
        "Votre vidéo dure %(length)s et nous pouvons en prendre %(limit)s. "
        "Raccourcissez-la dans l’application photo, puis envoyez-la de nouveau.",
        length=format_duration(seconds),
        limit=format_duration(limit),
    )


def _too_large_picture(facts: Facts) -> str:
    if "width" not in facts or "height" not in facts:
        return _(
            "L’image de votre vidéo est plus grande que la 4K. Filmez en 4K ou moins, puis envoyez-la de nouveau."
        )
    if "max_width" not in facts or "max_height" not in facts:
        return _(
            "L’image de votre vidéo mesure %(width)s × %(height)s points, plus que la 4K. "
            "Filmez en 4K ou moins, puis envoyez-la de nouveau.",
            width=facts["width"],
            height=facts["height"],
        )
    return _(
        "L’image de votre vidéo mesure %(width)s × %(height)s points, et nous pouvons prendre "
        "%(max_width)s × %(max_height)s au plus. Filmez en 4K ou moins, puis envoyez-la de nouveau.",
        width=facts["width"],
        height=facts["height"],
        max_width=facts["max_width"],
        max_height=facts["max_height"],
    )


def _not_a_video(facts: Facts) -> str:
    known = _KINDS.get(str(facts.get("kind")))
    if known is not None:
        return known()
    return _("Ce fichier n’est pas une vidéo. Envoyez la vidéo elle-même, par exemple un fichier MP4 ou MOV.")


def _empty() -> str:
    return _("Ce fichier est vide. Choisissez la vidéo de nouveau, puis renvoyez-la.")


_KINDS: Final[dict[str, Callable[[], str]]] = {
    "empty": _empty,
    "picture": lambda: _(
        "Ce fichier est une photo. Envoyez la vidéo elle-même, par exemple un fichier MP4 ou MOV."
    ),
    "sound": lambda: _(
        "Ce fichier ne contient que du son. Envoyez la vidéo elle-même, par exemple un fichier MP4 ou MOV."
    ),
    "playlist": lambda: _(
        "Ce fichier est une liste de liens, pas une vidéo. Envoyez le fichier de la vidéo lui-même."
    ),
    "page": lambda: _(
        "Ce fichier est une page web, pas une vidéo. Enregistrez d’abord la vidéo, puis envoyez ce fichier-là."
    ),
    "text": lambda: _(
        "Ce fichier ne contient que du texte. Envoyez la vidéo elle-même, par exemple un fichier MP4 ou MOV."
    ),
    "archive": lambda: _("Ce fichier est une archive. Ouvrez-la, puis envoyez la vidéo qu’elle contient."),
    "document": lambda: _(
        "Ce fichier est un document. Envoyez la vidéo elle-même, par exemple un fichier MP4 ou MOV."
    ),
    "program": lambda: _(
        "Ce fichier est un programme. Envoyez la vidéo elle-même, par exemple un fichier MP4 ou MOV."
    ),
    "shadow": lambda: _(
        "C’est le petit fichier que votre Mac pose à côté de la vidéo, pas la vidéo elle-même. "
        "Choisissez le fichier dont le nom ne commence pas par « ._ »."
    ),
    "blank": lambda: _(
        "Ce fichier ne contient que du vide : sa copie n’a pas abouti. "
        "Copiez la vidéo de nouveau depuis votre téléphone, puis envoyez-la."
    ),
}

_WRAPPINGS: Final = {
    "avi": "AVI",
    "flv": "FLV",
    "wmv": "WMV",
    "mpeg": "MPEG",
    "mpeg-ts": "MPEG-TS",
    "ogg": "Ogg",
    "mxf": "MXF",
    "realmedia": "RealMedia",
}


def _wrong_type(facts: Facts) -> str:
    name = _WRAPPINGS.get(str(facts.get("kind")))
    if name is None:
        return _("Ce type de fichier ne convient pas. Envoyez une vidéo MP4, MOV ou WebM.")
    return _(
        "C’est bien une vidéo, mais au format %(format)s, que nous ne prenons pas. "
        "Convertissez-la en MP4, par exemple en l’exportant depuis l’application photo, puis envoyez-la.",
        format=name,
    )


def _broken(facts: Facts) -> str:
    if facts.get("reason") == "two films":
        return _(
            "Ce fichier contient deux enregistrements bout à bout, dont seul le premier se lirait. "
            "Réunissez-les dans l’application photo, ou envoyez celui qui compte."
        )
    if facts.get("reason") in ("no media", "no frames"):
        return _(
            "Il n’y a aucune image dans ce fichier, seulement son en-tête. "
            "Vérifiez que la vidéo se lit sur votre téléphone, puis envoyez-la de nouveau."
        )
    return _(
        "Votre vidéo est abîmée et ne se lit pas jusqu’au bout. "
        "Vérifiez qu’elle se lit sur votre téléphone, puis envoyez-la de nouveau."
    )


def _cut_off(facts: Facts) -> str:
    seconds, promised = facts.get("seconds"), facts.get("promised")
    if not seconds or not promised or promised <= seconds:
        return _(
            "La fin de votre vidéo manque : le fichier s’est arrêté en chemin. "
            "Vérifiez qu’elle se lit en entier sur votre téléphone, puis envoyez-la de nouveau."
        )
    return _(
        "La fin de votre vidéo manque : sur %(promised)s, il nous en est parvenu %(seconds)s. "
        "Vérifiez qu’elle se lit en entier sur votre téléphone et envoyez-la de nouveau, "
        "ou gardez seulement ce début.",
        promised=format_duration(promised),
        seconds=format_duration(seconds),
    )


def _unfinished(facts: Facts) -> str:
    if facts.get("reason") == "cut index":
        return _(
            "Seul le tout début de votre vidéo nous est parvenu, trop peu pour la lire. "
            "Vérifiez qu’elle se lit sur votre téléphone, puis envoyez-la de nouveau."
        )
    return _(
        "Votre téléphone n’avait pas fini d’enregistrer cette vidéo : il manque la fin du fichier, sans "
        "laquelle rien ne se lit. Si elle se lit sur votre téléphone, envoyez-la de nouveau ; sinon, refilmez-la."
    )


def _unknown_codec(facts: Facts) -> str:
    if facts.get("kind") == "sound":
        return _(
            "Le son de votre vidéo est enregistré dans un format que nous ne savons pas lire (%(codec)s). "
            "Exportez-la en MP4 avec un son AAC, puis envoyez-la de nouveau.",
            codec=facts.get("codec") or "?",
        )
    return _(
        "L’image de votre vidéo est enregistrée dans un format que nous ne savons pas lire (%(codec)s). "
        "Exportez-la en MP4 (H.264), puis envoyez-la de nouveau.",
        codec=facts.get("codec") or "?",
    )


def _too_complex(facts: Facts) -> str:
    if facts.get("reason") == "too much work":
        return _(
            "Nos machines ont travaillé longtemps sur votre vidéo sans en venir à bout, bien au-delà de ce que demande "
            "une vidéo ordinaire de cette durée. Exportez-la en MP4 (H.264) depuis l’application photo, puis "
            "envoyez-la de nouveau."
        )
    if facts.get("reason") == "too much memory":
        return _(
            "L’image de votre vidéo demande plus de mémoire que nos machines n’en donnent à une vidéo. Exportez-la en "
            "1080p ou moins depuis l’application photo, puis envoyez-la de nouveau."
        )
    if facts.get("reason") == "too many tracks":
        return _(
            "Ce fichier contient plus de pistes que nous ne pouvons en prendre. "
            "Exportez la vidéo avec une seule image et un seul son, puis envoyez-la de nouveau."
        )
    if facts.get("reason") == "too many samples":
        return _(
            "Votre vidéo compte plus d’images par seconde que nous ne pouvons en prendre. "
            "Filmez à 240 images par seconde ou moins, puis envoyez-la de nouveau."
        )
    if facts.get("reason") == "too many edits":
        return _(
            "Votre vidéo compte plus de coupes que nous ne pouvons en prendre. "
            "Exportez-la d’un seul tenant, puis envoyez-la de nouveau."
        )
    return _(
        "Le fichier de cette vidéo est construit de façon trop inhabituelle pour nous. "
        "Exportez-la en MP4 depuis l’application photo, puis envoyez-la de nouveau."
    )


SENTENCES: Final[dict[Code, Callable[[Facts], str]]] = {
    Code.WRONG_TYPE: _wrong_type,
    Code.EMPTY_FILE: lambda _f: _empty(),
    Code.NOT_A_VIDEO: _not_a_video,
    Code.NOT_A_PICTURE: lambda _f: _(
        "Nous n’avons pas pu utiliser cette image. Envoyez une photo en JPEG, PNG ou WebP, "
        "d’au moins 160 points de côté et de 40 millions de points au plus."
    ),
    Code.NO_PICTURE: lambda _f: _(
        "Votre fichier n’a pas d’image. Choisissez une vidéo avec une image et envoyez-la."
    ),
    Code.TOO_LONG: _too_long,
    Code.TOO_LARGE_PICTURE: _too_large_picture,
    Code.BROKEN_FILM: _broken,
    Code.CUT_OFF: _cut_off,
    Code.NOTHING_LEFT: lambda _f: _(
        "Votre vidéo est plus courte que ce que vous vouliez en couper : il n’en resterait rien. "
        "Envoyez-la de nouveau, sans la couper ou en coupant moins."
    ),
    Code.UNFINISHED: _unfinished,
    Code.ENCRYPTED: lambda _f: _(
        "Cette vidéo est protégée contre la copie et ne se lit pas chez nous. "
        "Envoyez une vidéo que vous avez filmée vous-même."
    ),
    Code.FILM_ELSEWHERE: lambda _f: _(
        "Ce fichier renvoie à une vidéo qui se trouve ailleurs, sur votre appareil ou en ligne. "
        "Exportez-la en entier dans un seul fichier, puis envoyez-le."
    ),
    Code.UNKNOWN_CODEC: _unknown_codec,
    Code.TOO_COMPLEX: _too_complex,
}
