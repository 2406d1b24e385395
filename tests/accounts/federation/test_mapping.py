"""What attributes give: by the provider’s own rules, and by nothing else."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.federation.attributes import SignOnRefused, read_attributes
from accounts.federation.consequences import end_expired_memberships
from accounts.federation.mapping import judge
from accounts.federation.preview import CannotPreview, preview, read_pasted
from accounts.models import HomeScope, IdentityProvider, MappingRule, Membership, MembershipEvent, Project, User
from resources.models import OperatorRule, Operatorship
from resources.services.operator_rules import end_stale_operatorships
from tests.accounts.federation.conftest import sign_in, who
from tests.factories import make_organisation, make_project, make_site
from tests.identity.oidc import OidcProvider

GROUP = "urn:geant:uni-a.example:group:network"
LEADER, MEMBER = Membership.Role.LEADER, Membership.Role.MEMBER


@pytest.fixture
def project(at_a: IdentityProvider) -> Project:
    """A project that the group “network” of University A is in, led by the group’s admins."""
    project = make_project("network-lab")
    MappingRule.objects.create(provider=at_a, value="network", project=project)
    MappingRule.objects.create(provider=at_a, value="network", role_there="admin", project=project, role=LEADER)
    return project


def given(record: IdentityProvider, **said: Any) -> dict[str, str]:
    """Return the roles by project that a sign-in would give."""
    verdict = judge(record, read_attributes("person-1", said))
    return {project.slug: role for project, role in verdict.memberships.items()}


def test_a_group_gives_a_place_in_a_project(at_a: IdentityProvider, project: Project):
    assert given(at_a, eduperson_entitlement=[GROUP]) == {"network-lab": MEMBER}
    assert given(at_a, entitlements=[GROUP]) == {"network-lab": MEMBER}
    assert given(at_a, **{"urn:oid:1.3.6.1.4.1.5923.1.1.1.7": [GROUP]}) == {"network-lab": MEMBER}
    assert given(at_a, eduperson_entitlement=GROUP) == {"network-lab": MEMBER}


def test_a_role_in_the_group_gives_the_higher_role(at_a: IdentityProvider, project: Project):
    assert given(at_a, entitlements=[GROUP, f"{GROUP}:role=admin"]) == {"network-lab": LEADER}
    assert given(at_a, entitlements=[f"{GROUP}:role=admin", GROUP]) == {"network-lab": LEADER}
    assert given(at_a, entitlements=[f"{GROUP}:role=Admin"]) == {"network-lab": MEMBER}


WORTHLESS = {
    "another namespace": "urn:geant:uni-b.example:group:network",
    "a namespace below ours": "urn:geant:uni-a.example:sub:group:network",
    "a namespace above ours": "urn:geant:group:network",
    "our namespace in capitals": "urn:geant:UNI-A.example:group:network",
    "a subgroup": f"{GROUP}:p4",
    "another group": "urn:geant:uni-a.example:group:networks",
    "a group with an encoded colon": "urn:geant:uni-a.example:group:x%3Anetwork",
    "an authority that it has not": f"{GROUP}#proxy.uni-b.example",
    "malformed": f"{GROUP}:",
    "twice encoded": "urn:geant:uni-a.example:group:%256Eetwork",
    "a plain word": "network",
}


@pytest.mark.parametrize("name", WORTHLESS)
def test_what_the_provider_may_not_say_gives_nothing(at_a: IdentityProvider, project: Project, name: str):
    assert given(at_a, entitlements=[WORTHLESS[name]]) == {}


def test_where_authorities_are_listed_only_theirs_count(at_a: IdentityProvider, project: Project):
    at_a.entitlement_authorities = "proxy.uni-a.example\n"
    assert given(at_a, entitlements=[GROUP]) == {}
    assert given(at_a, entitlements=[f"{GROUP}#proxy.uni-b.example"]) == {}
    assert given(at_a, entitlements=[f"{GROUP}#proxy.uni-a.example"]) == {"network-lab": MEMBER}


def test_the_rules_of_one_provider_are_nothing_to_another(
    at_a: IdentityProvider, at_b: IdentityProvider, project: Project
):
    at_b.entitlement_namespaces = at_a.entitlement_namespaces
    assert given(at_b, entitlements=[GROUP]) == {}


def test_an_affiliation_counts_with_a_domain_that_the_provider_may_name(at_a: IdentityProvider):
    staff = make_project("staff-lab")
    MappingRule.objects.create(provider=at_a, kind="affiliation", value="Staff", project=staff)
    assert given(at_a, eduperson_scoped_affiliation=["staff@UNI-A.example"]) == {"staff-lab": MEMBER}
    for worthless in ("staff", "staff@", "@uni-a.example", "staff@uni-b.example", "student@uni-a.example"):
        assert given(at_a, eduperson_scoped_affiliation=[worthless]) == {}


def test_an_affiliation_makes_no_leaders(at_a: IdentityProvider):
    rule = MappingRule(provider=at_a, kind="affiliation", value="staff", project=make_project(), role=LEADER)
    with pytest.raises(ValidationError, match="members only"):
        rule.full_clean()


def test_the_home_organisation_is_one_that_the_provider_may_name(at_a: IdentityProvider):
    other = make_organisation("uni-z")
    HomeScope.objects.create(provider=at_a, scope="uni-z.example", organisation=other)

    def home(*values: str) -> Any:
        return judge(at_a, read_attributes("x", {"schac_home_organization": list(values)})).home_organisation

    assert home("uni-z.example") == other
    assert home("UNI-Z.example") == other
    assert home() == at_a.organisation
    assert home("uni-q.example") is None
    assert home("evil.uni-z.example") is None
    assert home("uni-z.example", "uni-z.example") == other
    # Of two, neither: then it is as if none was named.
    assert home("uni-z.example", "uni-a.example") == at_a.organisation


ODD: dict[str, dict[str, Any]] = {
    "two names": {"name": ["Researcher A", "Director A"]},
    "a name of 4 KiB": {"name": "x" * 4096},
    "a name with a control character": {"name": "Researcher\x07"},
    "a name with a line break": {"name": "Researcher\nA"},
    "a name that turns its direction": {"name": "\u202eA rehcraeseR"},
    "a number for a name": {"name": 7},
    "an object for a name": {"name": {"first": "Researcher"}},
    "an empty name": {"name": ""},
    "a name of spaces": {"name": "   "},
    "no name": {"name": None},
    "two addresses": {"email": ["a@uni-a.example", "b@uni-a.example"]},
    "an address that is none": {"email": "researcher"},
    "an address with a line break": {"email": "a@uni-a.example\nBcc: b@uni-b.example"},
    "an address of 4 KiB": {"email": "x" * 4090 + "@a.example"},
    "an address with a name": {"email": "Researcher <a@uni-a.example>"},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_attributes_are_left_out_and_do_not_stop_the_sign_in(
    uni_a: OidcProvider, at_a: IdentityProvider, name: str
):
    client, _ = sign_in(uni_a, at_a, **ODD[name])
    user = who(client)
    assert user is not None
    assert (user.first_name, user.last_name, user.email) == ("", "", "")


def test_names_of_all_writings_are_kept_as_they_are(uni_a: OidcProvider, at_a: IdentityProvider):
    client, _ = sign_in(uni_a, at_a, given_name="ليلى", family_name="O\u2019Brien-Žižková 山田")
    user = who(client)
    assert user is not None
    assert (user.first_name, user.last_name) == ("ليلى", "O\u2019Brien-Žižková 山田")


def test_a_thousand_groups_are_read_as_far_as_is_sensible(at_a: IdentityProvider, project: Project):
    many = [f"urn:geant:uni-a.example:group:g{number}" for number in range(1000)]
    attributes = read_attributes("x", {"entitlements": many})
    assert len(attributes.all("entitlements")) == 500
    assert attributes.notes
    assert given(at_a, entitlements=[GROUP, *many]) == {"network-lab": MEMBER}


def test_memberships_come_and_go_with_the_groups(uni_a: OidcProvider, at_a: IdentityProvider, project: Project):
    client, _ = sign_in(uni_a, at_a, eduperson_entitlement=[f"{GROUP}:role=admin"])
    membership = Membership.objects.get()
    assert (membership.user, membership.role, membership.source) == (who(client), LEADER, "uni-a")
    assert membership.expires_at is not None
    sign_in(uni_a, at_a, eduperson_entitlement=[GROUP])
    membership.refresh_from_db()
    assert membership.role == MEMBER
    sign_in(uni_a, at_a)
    assert not Membership.objects.exists()
    event = MembershipEvent.objects.get(what=MembershipEvent.What.REMOVED)
    assert event.actor is None
    assert "no longer names" in event.words


def test_what_people_gave_no_provider_takes_or_changes(
    uni_a: OidcProvider, at_a: IdentityProvider, project: Project
):
    sign_in(uni_a, at_a)
    by_hand = Membership.objects.create(project=project, user=User.objects.get(), role=LEADER)
    sign_in(uni_a, at_a, eduperson_entitlement=[GROUP])
    sign_in(uni_a, at_a)
    by_hand.refresh_from_db()
    assert (by_hand.role, by_hand.source, by_hand.expires_at) == (LEADER, "manual", None)


def test_a_membership_ends_when_nobody_signed_in_for_long(
    uni_a: OidcProvider, at_a: IdentityProvider, project: Project
):
    sign_in(uni_a, at_a, eduperson_entitlement=[GROUP])
    now = timezone.now()
    assert end_expired_memberships(now=now + timedelta(days=29)) == 0
    assert end_expired_memberships(now=now + timedelta(days=31)) == 1
    assert not Membership.objects.exists()
    assert "30 days ago" in MembershipEvent.objects.get(what=MembershipEvent.What.REMOVED).words


ESCALATIONS = [
    {"is_superuser": True, "is_staff": True, "is_auditor": True},
    {"eduperson_entitlement": [f"{GROUP}:role=superuser", "urn:geant:uni-a.example:group:shary:role=admin"]},
    {"eduperson_entitlement": ["urn:geant:uni-a.example:group:superuser"]},
    {"groups": ["admin", "superuser"], "roles": ["admin"], "role": "manager"},
    {"user": {"is_superuser": True}, "id": 1, "pk": 1},
]


@pytest.mark.parametrize("said", ESCALATIONS, ids=range(len(ESCALATIONS)))
def test_no_claim_makes_a_manager_an_auditor_or_an_operator(
    uni_a: OidcProvider, at_a: IdentityProvider, said: dict[str, Any]
):
    client, _ = sign_in(uni_a, at_a, **said)
    user = who(client)
    assert user is not None
    assert (user.is_superuser, user.is_staff, user.is_auditor) == (False, False, False)
    assert not Operatorship.objects.exists()
    assert not Membership.objects.exists()


def test_a_group_runs_a_site_where_the_sites_rule_says_so(
    uni_a: OidcProvider, at_a: IdentityProvider, at_b: IdentityProvider
):
    site, by_hand = make_site("rome"), make_site("turin")
    OperatorRule.objects.create(site=site, provider=at_a, group="testbed:operators", role_there="member")
    OperatorRule.objects.create(site=by_hand, provider=at_b, group="testbed:operators")
    group = "urn:geant:uni-a.example:group:testbed:operators"
    client, _ = sign_in(uni_a, at_a, eduperson_entitlement=[f"{group}:role=member"])
    user = who(client)
    assert user is not None
    assert list(Operatorship.objects.values_list("site__slug", "source")) == [("rome", "uni-a")]
    Operatorship.objects.create(site=by_hand, user=user)
    shown = preview(at_a, read_pasted(f'{{"entitlements": ["{group}:role=member"]}}'))
    assert shown.granted == (f"Operator of {site}",)
    sign_in(uni_a, at_a, eduperson_entitlement=[group])
    assert list(Operatorship.objects.values_list("site__slug", flat=True)) == ["turin"]


def test_running_a_site_ends_when_nobody_signed_in_for_long(uni_a: OidcProvider, at_a: IdentityProvider):
    OperatorRule.objects.create(site=make_site(), provider=at_a, group="operators")
    sign_in(uni_a, at_a, eduperson_entitlement=["urn:geant:uni-a.example:group:operators"])
    now = timezone.now()
    assert end_stale_operatorships(now=now + timedelta(days=29)) == 0
    assert end_stale_operatorships(now=now + timedelta(days=31)) == 1
    assert not Operatorship.objects.exists()


def test_the_preview_says_what_would_change_and_changes_nothing(
    uni_a: OidcProvider, at_a: IdentityProvider, project: Project
):
    found = preview(at_a, read_pasted(f'{{"eduperson_entitlement": ["{GROUP}", "nonsense"]}}'))
    assert [(change.what, change.now, change.then) for change in found.changes] == [
        (str(project), "", "Member")
    ]
    assert [line.counts for line in found.verdict.lines if line.said == "nonsense"] == [False]
    assert not Membership.objects.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "7", '{"sub": "test@MyAccessID.org"}', "{" * 70_000, '{"a": ' * 9_000], ids=range(6)
)
def test_what_cannot_be_previewed_is_refused_in_words(db: None, text: str):
    with pytest.raises(CannotPreview):
        read_pasted(text)


@pytest.mark.parametrize("subject", [None, "", " ", "x" * 256, "a\nb", "é", 7, ["a"], {"a": 1}, True])
def test_a_subject_that_cannot_be_told_apart_is_refused(subject: object):
    with pytest.raises(SignOnRefused):
        read_attributes(subject, {})
