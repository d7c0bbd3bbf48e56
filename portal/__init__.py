"""Vécu: a portal for video testimonials by owners.

The floors, from the street up; a module imports only from the floors below it:

    errors                                              every refusal, as a code
    jobs                                                what can be asked of the worker
    storage mailer i18n database keys                   the machines we stand on
    models ladder                                       the record; what a rendition is
    lifecycle                                           the only writer of a clip's state
    reasons                                             the sentence for every code
    people consent themes campaigns search notices …    catalogues, persons, letters
    desk cards                                          what moderators and visitors are shown
    submission uploads processing review withdrawal …   the rules: one function, one act
    runtime migrations                                  builds the machines from the settings
    carrier doctor                                      a file from this disk; whether all is well
    web                                                 pages and API: parse, call one rule, answer
    cli                                                 the operator's door

The worker (`media_jobs`) is another door to the same rules. Read next: `lifecycle.py`, `models.py`,
`review.py`, `web/review.py`.
"""

__version__ = "0.1.0"
