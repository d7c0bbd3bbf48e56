"""What the demo portal is filled with: the fictional brand's campaign, themes and owners. Nobody here exists."""

from dataclasses import dataclass, field

from ops import demo_films as films
from ops.demo_films import LANDSCAPE, PORTRAIT, SQUARE, Scene, Size

CAMPAIGN = "quotidien"
# By language: title, question, what is given in return.
CAMPAIGN_TEXTS = {
    "fr": (
        "Votre quotidien en Solène",
        "Quel trajet ne feriez-vous plus autrement ?",
        "Une recharge offerte.",
    ),
    "en": (
        "Your everyday in a Solène",
        "Which journey would you never make differently again?",
        "One free charge.",
    ),
    "de": (
        "Ihr Alltag im Solène",
        "Welche Fahrt würden Sie nie mehr anders machen?",
        "Eine Ladung geschenkt.",
    ),
}
THEMES = {
    "performances": {"fr": "Performances", "en": "Performance", "de": "Fahrleistung"},
    "pilotage-automatique": {"fr": "Pilotage automatique", "en": "Self-driving", "de": "Autopilot"},
    "technologie": {"fr": "Technologie", "en": "Technology", "de": "Technik"},
    "week-end": {"fr": "Week-end", "en": "Weekends", "de": "Wochenende"},
    "conception": {"fr": "Conception", "en": "Design", "de": "Design"},
    "famille": {"fr": "Famille", "en": "Family", "de": "Familie"},
    "recharge": {"fr": "Recharge", "en": "Charging", "de": "Laden"},
    "hiver": {"fr": "Hiver", "en": "Winter", "de": "Winter"},
}
PUBLISH, LEAVE, ASK = "publish", "leave", "ask"
PLATE_SECONDS = 4.0
PLATE_WORDS = "La plaque de la voiture d’à côté se lit à ce moment. Pouvez-vous couper ce passage ?"
_CALM, _BRIGHT, _LOW = (
    (220.0, 277.18, 329.63, 440.0),
    (261.63, 329.63, 392.0, 493.88),
    (146.83, 220.0, 174.61, 261.63),
)


@dataclass(frozen=True, slots=True)
class DemoClip:
    """One owner's clip: its words, its film, and what the demo's moderator does with it."""

    name: str
    title: str
    city: str
    lang: str
    themes: tuple[str, ...]
    product: str
    owned_since: int
    scene: Scene
    size: Size
    seconds: float
    notes: tuple[float, ...] = field(default=_CALM)
    end: str = PUBLISH

    @property
    def email(self) -> str:
        """An address at a host that can never exist."""
        plain = self.name.lower().translate(str.maketrans("éèëïü", "eeeiu"))
        return f"{plain}@solene.example"


CLIPS = (
    DemoClip("Nadia", "Six heures, la route pour nous seuls", "Grenoble", "fr", ("performances", "week-end"),
             "Solène Alta", 2024, films.road(films.ROSE, inside=True), LANDSCAPE, 8),
    DemoClip("Emma", "Three kids, one boot, no arguments", "Bristol", "en", ("famille", "conception"),
             "Solène Brise", 2023, films.portrait(films.town(films.WARM, ("#1b100a", "#2a1b12")), "#1a1310", "#c98a52", children=2),
             PORTRAIT, 9, _BRIGHT),
    DemoClip("Jonas", "Bis ans Meer, ohne Eile", "Hamburg", "de", ("week-end", "recharge"),
             "Solène 5", 2025, films.coast(films.SEA), LANDSCAPE, 10, _LOW),
    DemoClip("Claire", "Premier hiver, premier col", "Annecy", "fr", ("hiver", "performances"),
             "Solène Alta", 2024, films.road(films.SNOWY, flakes=True), PORTRAIT, 10),
    DemoClip("Mehdi", "Vingt minutes, un café, on repart", "Nantes", "fr", ("recharge",),
             "Solène 5", 2025, films.charging(), LANDSCAPE, 11, _LOW),
    DemoClip("Grace", "My left hand finally rests", "Leeds", "en", ("pilotage-automatique",),
             "Solène Brise", 2024, films.road(films.GREEN), PORTRAIT, 8, _BRIGHT),
    DemoClip("Karim", "Le soir où elle s’est garée toute seule", "Lyon", "fr", ("pilotage-automatique", "technologie"),
             "Solène 5", 2023, films.town(films.CITY, ("#070910", "#0c1018"), inside=True), LANDSCAPE, 11),
    DemoClip("Lena", "Warum ich jede Kante mag", "Köln", "de", ("conception",),
             "Solène Alta", 2025, films.portrait(films.road(films.DAWN), "#26302f", "#fff0d0"), SQUARE, 7, _BRIGHT),
    DemoClip("Hugo", "Le silence, surtout", "Bordeaux", "fr", ("technologie", "conception"),
             "Solène Brise", 2022, films.road(films.DAWN, inside=True), LANDSCAPE, 9, _LOW),
    DemoClip("Tobias", "Nachts durch den Schwarzwald", "Freiburg", "de", ("performances", "pilotage-automatique"),
             "Solène 5", 2024, films.road(films.NIGHT), LANDSCAPE, 16),
    DemoClip("Inès", "Rentrée, quatre cartables, zéro cris", "Lille", "fr", ("famille",),
             "Solène Brise", 2023, films.portrait(films.coast(films.EVENING_SEA), "#181020", "#ffc89a", children=1),
             PORTRAIT, 8, _BRIGHT, LEAVE),
    DemoClip("Freya", "Minus twelve and it just starts", "Inverness", "en", ("hiver", "recharge"),
             "Solène Alta", 2025, films.road(films.SNOWY, inside=True, flakes=True), LANDSCAPE, 9, _LOW, LEAVE),
    DemoClip("Paul", "Mon créneau, les mains sur les genoux", "Rouen", "fr", ("technologie",),
             "Solène 5", 2024, films.town(films.CITY, ("#0c1018", "#161b26")), LANDSCAPE, 6, _CALM, ASK),
)  # fmt: skip
