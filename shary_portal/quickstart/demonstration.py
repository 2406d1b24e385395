"""Loads the demonstration federation into the portal's database."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from allauth.account.models import EmailAddress
from django.db import transaction

from accounts.keys import add_ssh_key
from accounts.models import (
    HomeScope,
    IdentityProvider,
    MappingRule,
    Membership,
    Organisation,
    Project,
    User,
)
from adapters.catalogue import CATALOGUE
from resources.models import ModelSpeed, Operatorship, Price, Resource, Site
from resources.services.cabling import describe_cables
from shary_portal.quickstart import federation
from shary_portal.quickstart.bookings import make_bookings


def is_loaded() -> bool:
    """Tell whether the demonstration was loaded before."""
    return Site.objects.filter(slug__in=[site.slug for site in federation.SITES]).exists()


@transaction.atomic
def load(*, inventory: Mapping[str, Any], password: str, now: datetime) -> None:
    """Make organisations, people, projects, sites, devices and a few bookings."""
    organisations = {
        entry.slug: Organisation.objects.get_or_create(slug=entry.slug, defaults={"name": entry.name})[0]
        for entry in federation.ORGANISATIONS
    }
    projects = {
        entry.slug: Project.objects.create(
            slug=entry.slug, name=entry.name, organisation=organisations[entry.organisation]
        )
        for entry in federation.PROJECTS
    }
    sites = {
        entry.slug: Site.objects.create(
            slug=entry.slug,
            name=entry.name,
            organisation=organisations[entry.organisation],
            time_zone=entry.time_zone,
            latitude=entry.latitude,
            longitude=entry.longitude,
            contact_email=f"testbed@{entry.slug}.example",
            approval=Site.Approval.OPERATOR if entry.by_operator else Site.Approval.AUTOMATIC,
            public_key=inventory["public_keys"][entry.slug],
            vlan_pool=entry.vlan_pool,
        )
        for entry in federation.SITES
    }
    for person in federation.PEOPLE:
        user = _make_user(person, organisations[person.organisation], password)
        if person.leads:
            add_ssh_key(user=user, public_key=inventory["ssh_key"], name="demonstration")
        for slug in (*person.leads, *person.projects):
            role = Membership.Role.LEADER if slug in person.leads else Membership.Role.MEMBER
            Membership.objects.create(project=projects[slug], user=user, role=role)
        for slug in person.operates:
            Operatorship.objects.create(site=sites[slug], user=user)
    for device in inventory["devices"]:
        _make_device(device, site=sites[device["site"]], parent=None)
    manager = User.objects.filter(is_superuser=True).earliest("pk")
    for entry in federation.SITES:
        describe_cables(site=sites[entry.slug], text=entry.cables, actor=manager)
    _set_prices(sites, now=now)
    make_bookings(now=now)
    join_home(inventory.get("home"))


@transaction.atomic
def join_home(home: Mapping[str, Any] | None) -> None:
    """Join the demonstration's home institution, or tell the portal where it answers now."""
    organisation = Organisation.objects.filter(slug=federation.HOME.organisation).first()
    if home is None or organisation is None:
        return
    record, is_new = IdentityProvider.objects.update_or_create(
        slug=federation.HOME.slug,
        defaults={
            "issuer": home["issuer"],
            "client_id": home["client_id"],
            "client_secret": home["client_secret"],
        },
        create_defaults={
            "issuer": home["issuer"],
            "client_id": home["client_id"],
            "client_secret": home["client_secret"],
            "name": federation.HOME.name,
            "protocol": IdentityProvider.Protocol.OIDC,
            "organisation": organisation,
            "entitlement_namespaces": federation.HOME.namespace,
        },
    )
    if not is_new:
        return
    HomeScope.objects.create(provider=record, scope=federation.HOME.scope, organisation=organisation)
    for group, slug in federation.HOME.rules:
        project = Project.objects.filter(slug=slug).first()
        if project is not None:
            MappingRule.objects.create(provider=record, value=group, project=project)


def _set_prices(sites: Mapping[str, Site], *, now: datetime) -> None:
    prices = [
        (slug, kind, "", each) for slug, kinds in federation.PRICES.items() for kind, each in kinds.items()
    ]
    prices += [
        (slug, kind, federation.CARD_NAMES[model], each)
        for (slug, kind, model), each in federation.MODEL_PRICES.items()
    ]
    for slug, kind, model, each in prices:
        Price.objects.create(
            site=sites[slug], kind=kind, model=model, credits_per_hour=Decimal(each), valid_from=now
        )
    for model, factor in federation.SPEEDS.items():
        ModelSpeed.objects.create(
            kind="gpu",
            model=federation.CARD_NAMES[model],
            factor=Decimal(factor),
            source=federation.SPEED_SOURCE,
        )


@transaction.atomic
def update_addresses(*, inventory: Mapping[str, Any]) -> None:
    """Tell the portal where the emulated devices listen now, and with which keys their sites sign."""
    join_home(inventory.get("home"))
    for slug, key in inventory["public_keys"].items():
        Site.objects.filter(slug=slug).exclude(public_key=key).update(public_key=key)
    for device in inventory["devices"]:
        resource = Resource.objects.filter(site__slug=device["site"], name=device["name"]).first()
        if resource is None:  # an operator removed it
            continue
        settings = resource.settings | device["settings"]
        if settings != resource.settings:
            resource.settings = settings
            resource.save(update_fields=["settings"])


def _make_user(person: federation.Person, organisation: Organisation, password: str) -> User:
    user = User.objects.create_user(
        username=person.email.partition("@")[0],
        email=person.email,
        password=password,
        first_name=person.first_name,
        last_name=person.last_name,
        home_organisation=organisation,
        time_zone=person.time_zone,
        is_staff=person.is_manager,
        is_superuser=person.is_manager,
    )
    EmailAddress.objects.create(user=user, email=person.email, verified=True, primary=True)
    return user


def _make_device(device: Mapping[str, Any], *, site: Site, parent: Resource | None) -> None:
    description = CATALOGUE[device["adapter"]]
    resource = Resource.objects.create(
        site=site,
        parent=parent,
        name=device["name"],
        kind=device["kind"],
        adapter=device["adapter"],
        attributes=device["attributes"],
        settings=device["settings"],
        preparation_s=int(description.preparation.total_seconds()),
        cleanup_s=int(description.cleanup.total_seconds()),
    )
    for part in device["parts"]:
        _make_device(part, site=site, parent=resource)
