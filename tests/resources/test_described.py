"""What the database puts together is what the API shows elsewhere."""

import json
from datetime import UTC, datetime

import pytest
from rest_framework.renderers import JSONRenderer

from resources.api.resources import ResourceShape
from resources.described import described
from resources.models import Resource
from resources.selectors import described_resources
from tests.factories import make_resource

pytestmark = pytest.mark.django_db


def test_it_says_the_same_as_the_list_of_resources() -> None:
    host = make_resource(kind="gpu_host", observed_at=datetime(2030, 1, 7, 9, 30, 0, 1500, tzinfo=UTC))
    card = make_resource(parent=host, health=Resource.Health.UNHEALTHY, health_detail="ECC errors")
    odd = make_resource(adapter="unheard-of", quarantined_at=datetime.now(UTC), quarantine_reason="Not clean")
    keys = [odd.pk, card.pk, host.pk]
    shown = {resource.pk: resource for resource in described_resources().filter(pk__in=keys)}
    expected = JSONRenderer().render(ResourceShape([shown[key] for key in keys], many=True).data)
    assert json.loads(described(keys)) == json.loads(expected)


def test_nothing_is_described_as_an_empty_list() -> None:
    assert described([]) == "[]"
