"""The REST API keeps what its description promises, tried with generated requests."""

import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

from schemathesis.checks import not_a_server_error

from shary_portal.wsgi import application
from tests.factories import bearer, book_lease, make_artefact, make_project, make_site, make_superuser

# Each request opens and closes its own connection, as in a server.
pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

EXAMPLES = 10
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_no_generated_request_gets_an_answer_that_is_not_described() -> None:
    project = make_project()
    person = make_superuser()
    lease = book_lease(holder=person, project=project)
    make_artefact(project, uploaded_by=person)
    make_site(by_operator=True)
    headers = dict(bearer(person))
    described = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)
    tried, failures = 0, list[str]()
    for result in described.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), known=st.booleans())
        def attempt(case: Any, known: bool) -> None:
            if known and "id" in (case.path_parameters or {}):
                case.path_parameters["id"] = str(
                    lease.reservation_id if "reservations" in case.path else lease.pk
                )
            case.call_and_validate(headers=headers, checks=CHECKS)

        try:
            attempt()
        except Exception as failure:
            failures.append(
                f"{operation.label}: {[str(each) for each in getattr(failure, 'exceptions', [failure])]}"
            )
        tried += 1
    assert not failures, "\n".join(failures)
    assert tried > 30
