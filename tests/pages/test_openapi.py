"""What the description says is what happens: routes, structs, and generated calls against the running site."""

import re

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from portal import people
from portal.models import State
from portal.web import openapi

SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much)


@pytest.fixture
def everything(make, runtime):
    """A portal with something in every place, and a token that may do all."""
    theme = make.theme("famille")
    for state in State:
        make.clip(state, themes=[theme])
    with runtime.work() as session:
        _, plain = people.add_token(session, "schemathesis", set(people.SCOPES))
    return {"Authorization": f"Bearer {plain}"}


@pytest.mark.parametrize("call", openapi.CALLS, ids=lambda call: call.name)
def test_generated_calls_are_answered_as_described(app, everything, call):
    described = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    operation = described[call.path][call.method]

    @given(case=operation.as_strategy())
    @settings(max_examples=8, deadline=None, suppress_health_check=SLOW, database=None)
    def answered(case):
        # Words that fit the description may still be refused: a theme that does not exist, a day to come.
        case.call_and_validate(headers=everything, excluded_checks=[positive_data_acceptance])

    answered()


def test_every_route_is_described_and_every_description_has_a_route(app):
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(openapi.PREFIX)))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(f"{openapi.PREFIX}/") and not rule.rule.endswith("openapi.json")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert routes == {(call.method, call.path) for call in openapi.CALLS}


def test_names_of_calls_are_unique():
    names = [call.name for call in openapi.CALLS]
    assert len(names) == len(set(names))


def test_the_document_names_the_portals_own_address(client):
    document = client.get("/api/v1/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "http://portal.test/api/v1"}]
