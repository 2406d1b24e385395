"""Rows of the adapter that is called `smart_nic_bluefield` now, there and back."""

from importlib import import_module

import pytest
from django.apps import apps

from resources.models import Resource
from tests.factories import make_resource, make_site

migration = import_module("reservations.migrations.0009_smart_nic_bluefield")


@pytest.mark.django_db
def test_cards_keep_their_settings_under_the_new_name_and_under_the_old_one_again():
    card = make_resource(make_site(), kind="smart_nic", adapter="smart_nic_bluefield", attributes={})
    other = make_resource(card.site, name="Another device")
    given = {"bmc": "https://192.0.2.7", "generation": 2}
    before = (other.adapter, other.settings)
    Resource.objects.filter(pk=card.pk).update(adapter=migration.OLD, settings=given)

    migration.forwards(apps, None)
    card.refresh_from_db()
    assert (card.adapter, card.settings) == ("smart_nic_bluefield", given | {"without_image": "accept"})

    Resource.objects.filter(pk=card.pk).update(settings=card.settings | {"image": "http://192.0.2.1/a.bfb"})
    migration.backwards(apps, None)
    card.refresh_from_db()
    other.refresh_from_db()
    assert (card.adapter, card.settings) == (migration.OLD, given)
    assert (other.adapter, other.settings) == before
