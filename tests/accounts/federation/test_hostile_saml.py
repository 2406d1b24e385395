"""SAML answers that do not hold, and one that does: nobody gets in by any of the others."""

import base64
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse
from lxml import etree
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names

from accounts.models import HomeScope, IdentityProvider, User
from tests.accounts.federation.conftest import assert_nobody, census, who
from tests.factories import make_organisation
from tests.identity.keys import signing_key
from tests.identity.saml import PAIRWISE_ID, SUBJECT_ID, SamlPen, encoded, moment

ACS = "http://testserver/accounts/saml/acs/"
AUDIENCE = "http://testserver/accounts/saml/metadata/"


@pytest.fixture
def pen() -> SamlPen:
    """What University C’s provider writes with."""
    return SamlPen()


@pytest.fixture
def at_c(db: None, pen: SamlPen) -> IdentityProvider:
    """Our record of University C’s provider."""
    organisation = make_organisation("uni-c")
    record = IdentityProvider.objects.create(
        slug="uni-c",
        name="University C",
        protocol=IdentityProvider.Protocol.SAML,
        issuer=pen.entity_id,
        metadata=pen.metadata(),
        organisation=organisation,
    )
    HomeScope.objects.create(provider=record, scope="uni-c.example", organisation=organisation)
    return record


def begin(record: IdentityProvider, client: Client) -> str:
    """Press the button on the sign-in page; return the request’s name."""
    answer = client.post(reverse("saml_login", args=[record.slug]))
    assert answer.status_code == 200, answer.content.decode()
    asked = parse_qs(urlsplit(answer.context["address"]).query)["SAMLRequest"][0]
    return str(etree.fromstring(zlib.decompress(base64.b64decode(asked), -15)).get("ID"))


def come_back(client: Client, xml: str, **form: str) -> Any:
    """Return from the provider with a response."""
    kept = client.post(reverse("saml_acs"), {"SAMLResponse": encoded(xml)} | form)
    return client.get(kept["Location"]) if kept.status_code == 302 else kept


def honest(pen: SamlPen, request_id: str, **changes: Any) -> str:
    """Return a response with a signed assertion, changed as a test wants it."""
    assertion = pen.sign(pen.assertion(request_id, acs=ACS, audience=AUDIENCE, **changes))
    return pen.response(assertion, answers=request_id, destination=ACS)


def test_an_honest_answer_signs_in(at_c: IdentityProvider, pen: SamlPen):
    client = Client()
    pen.attributes |= {
        "urn:oid:2.16.840.1.113730.3.1.241": ["Researcher C"],
        "urn:oid:0.9.2342.19200300.100.1.3": ["researcher@uni-c.example"],
        "urn:oid:1.3.6.1.4.1.25178.1.2.9": ["uni-c.example"],
    }
    answer = come_back(client, honest(pen, begin(at_c, client)))
    assert answer.status_code == 302, answer.content.decode()
    user = who(client)
    assert user is not None
    assert (str(user), user.email) == ("Researcher C", "researcher@uni-c.example")
    assert SocialAccount.objects.get().uid == "subject-id:person-1@uni-c.example"


def test_an_answer_signed_as_a_whole_too_signs_in(at_c: IdentityProvider, pen: SamlPen):
    client = Client()
    request_id = begin(at_c, client)
    response = pen.sign(honest(pen, request_id))
    assert come_back(client, response).status_code == 302
    assert who(client) is not None


def test_a_relay_state_leads_nowhere(at_c: IdentityProvider, pen: SamlPen):
    client = Client()
    answer = come_back(client, honest(pen, begin(at_c, client)), RelayState="https://evil.example/")
    assert answer["Location"] == "/projects/"


def test_a_subject_without_case_is_one_person(at_c: IdentityProvider, pen: SamlPen):
    for subject in ("Person-1@Uni-C.example", "person-1@uni-c.example"):
        pen.attributes = {SUBJECT_ID: [subject]}
        client = Client()
        come_back(client, honest(pen, begin(at_c, client)))
        assert who(client) is not None
    assert User.objects.count() == 1


def test_a_pairwise_id_and_a_persistent_name_are_enough(at_c: IdentityProvider, pen: SamlPen):
    for attributes, name_id in (
        ({PAIRWISE_ID: ["ABC=@uni-c.example"]}, (Names.NAMEID_TRANSIENT, "x")),
        ({}, (Names.NAMEID_PERSISTENT, "lasting-name")),
    ):
        pen.attributes = attributes
        client = Client()
        answer = come_back(client, honest(pen, begin(at_c, client), name_id=name_id))
        assert answer.status_code == 302, answer.content.decode()
        assert who(client) is not None
    assert User.objects.count() == 2


Forge = Callable[[SamlPen, str], str]


def asserted(**changes: Any) -> Forge:
    return lambda pen, request_id: honest(pen, request_id, **changes)


def wrapped(**changes: Any) -> Forge:
    """Return the forgery of a good assertion in a changed, unsigned response."""

    def forge(pen: SamlPen, request_id: str) -> str:
        assertion = pen.sign(pen.assertion(request_id, acs=ACS, audience=AUDIENCE))
        return pen.response(assertion, **({"answers": request_id, "destination": ACS} | changes))

    return forge


def signed_with(**how: Any) -> Forge:
    def forge(pen: SamlPen, request_id: str) -> str:
        assertion = pen.sign(pen.assertion(request_id, acs=ACS, audience=AUDIENCE), **how)
        return pen.response(assertion, answers=request_id, destination=ACS)

    return forge


def unsigned(pen: SamlPen, request_id: str) -> str:
    assertion = pen.assertion(request_id, acs=ACS, audience=AUDIENCE)
    return pen.response(assertion, answers=request_id, destination=ACS)


def signed_outside_only(pen: SamlPen, request_id: str) -> str:
    return pen.sign(unsigned(pen, request_id))


def changed_after_signing(pen: SamlPen, request_id: str) -> str:
    return honest(pen, request_id).replace("person-1@", "director@")


def commented(pen: SamlPen, request_id: str) -> str:
    # Canonical XML drops comments: a reader that takes the text up to one reads another name than was signed.
    pen.attributes = {SUBJECT_ID: ["director@uni-c.example.evil.example"]}
    return honest(pen, request_id).replace("uni-c.example.evil", "uni-c.example<!-- -->.evil")


def _two(pen: SamlPen, request_id: str) -> tuple[str, str]:
    good = pen.sign(pen.assertion(request_id, acs=ACS, audience=AUDIENCE, identifier="_good"))
    pen.attributes = {SUBJECT_ID: ["director@uni-c.example"]}
    evil = pen.assertion(request_id, acs=ACS, audience=AUDIENCE, identifier="_evil")
    return good, evil


def evil_beside_good(pen: SamlPen, request_id: str) -> str:
    good, evil = _two(pen, request_id)
    return pen.response(evil + good, answers=request_id, destination=ACS)


def good_beside_evil(pen: SamlPen, request_id: str) -> str:
    good, evil = _two(pen, request_id)
    return pen.response(good + evil, answers=request_id, destination=ACS)


def good_within_evil(pen: SamlPen, request_id: str) -> str:
    good, evil = _two(pen, request_id)
    return pen.response(
        evil.replace("</saml:Assertion>", f"<saml:Advice>{good}</saml:Advice></saml:Assertion>"),
        answers=request_id,
        destination=ACS,
    )


def good_within_the_signature_of_evil(pen: SamlPen, request_id: str) -> str:
    good, evil = _two(pen, request_id)
    start, end = good.index("<ds:Signature"), good.index("</ds:Signature>")
    signature = good[start:end] + f"<ds:Object>{good}</ds:Object></ds:Signature>"
    at = evil.index("<saml:Subject>")
    return pen.response(evil[:at] + signature + evil[at:], answers=request_id, destination=ACS)


def good_within_extensions(pen: SamlPen, request_id: str) -> str:
    good, evil = _two(pen, request_id)
    response = pen.response(evil, answers=request_id, destination=ACS)
    return response.replace("<samlp:Status>", f"<samlp:Extensions>{good}</samlp:Extensions><samlp:Status>", 1)


def same_name_twice(pen: SamlPen, request_id: str) -> str:
    good, evil = _two(pen, request_id)
    return pen.response(evil.replace("_evil", "_good") + good, answers=request_id, destination=ACS)


def with_a_document_type(pen: SamlPen, request_id: str) -> str:
    return '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + honest(pen, request_id)


def laughing(pen: SamlPen, request_id: str) -> str:
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    return f'<!DOCTYPE l [<!ENTITY l0 "ha">{laughs}]>' + honest(pen, request_id).replace("person-1", "&l9;")


def deep(pen: SamlPen, request_id: str) -> str:
    levels = "<saml:Advice>" + "<a>" * 5000 + "</a>" * 5000 + "</saml:Advice>"
    return honest(pen, request_id).replace("</saml:Assertion>", f"{levels}</saml:Assertion>")


FORGED: dict[str, Forge] = {
    "not signed": unsigned,
    "signed on the outside only": signed_outside_only,
    "changed after it was signed": changed_after_signing,
    "signed by somebody else": signed_with(key=signing_key("attacker")),
    "signed with SHA-1": signed_with(algorithm=Names.RSA_SHA1, digest=Names.SHA1),
    "signed with a digest of SHA-1": signed_with(digest=Names.SHA1),
    "another assertion in front": evil_beside_good,
    "another assertion behind": good_beside_evil,
    "wrapped in another assertion": good_within_evil,
    "wrapped in another signature": good_within_the_signature_of_evil,
    "wrapped in extensions": good_within_extensions,
    "two assertions of one name": same_name_twice,
    "an external entity": with_a_document_type,
    "a billion laughs": laughing,
    "five thousand levels": deep,
    "for another audience": asserted(audiences=["https://other.example/"]),
    "for no audience": asserted(audiences=[]),
    "for us and for another": asserted(audiences=[AUDIENCE, "https://other.example/"]),
    "without conditions": asserted(conditions=False),
    "by another issuer": asserted(issuer="https://login.evil.example"),
    "expired": asserted(not_on_or_after=moment(-3600)),
    "not yet valid": asserted(not_before=moment(3600)),
    "confirmed until a while ago": asserted(confirmed_until=moment(-60)),
    "confirmed for ever": asserted(confirmed_until=""),
    "for another recipient": asserted(recipient="https://other.example/acs/"),
    "for a recipient that begins like us": asserted(recipient=f"{ACS}evil"),
    "for a recipient that contains us": asserted(recipient=f"https://evil.example/?{ACS}"),
    "for no recipient": asserted(recipient=""),
    "an answer to another request within": asserted(confirms="_of-somebody-else"),
    "an answer to no request within": asserted(confirms=""),
    "held by a key": asserted(method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"),
    "an answer to another request": wrapped(answers="_of-somebody-else"),
    "an answer that nobody asked for": wrapped(answers=""),
    "sent to another portal": wrapped(destination="https://other.example/acs/"),
    "sent to an address that begins like ours": wrapped(destination=f"{ACS}evil"),
    "in a response of another issuer": wrapped(issuer="https://login.evil.example"),
    "in a response that failed": wrapped(status="urn:oasis:names:tc:SAML:2.0:status:Responder"),
    "known by an address": asserted(
        name_id=("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "a@b.c")
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_an_answer_that_does_not_hold_signs_nobody_in(at_c: IdentityProvider, pen: SamlPen, name: str):
    before = census()
    client = Client()
    if name == "known by an address":
        pen.attributes = {"urn:oid:0.9.2342.19200300.100.1.3": ["a@b.c"]}
    answer = come_back(client, FORGED[name](pen, begin(at_c, client)))
    assert answer.status_code == 401
    assert_nobody(client, before)


def test_a_comment_does_not_cut_a_name_short(at_c: IdentityProvider, pen: SamlPen):
    client = Client()
    come_back(client, commented(pen, begin(at_c, client)))
    known_by = set(SocialAccount.objects.values_list("uid", flat=True))
    assert known_by <= {"subject-id:director@uni-c.example.evil.example"}


SUBJECTS: dict[str, dict[str, list[str]]] = {
    "none but a transient name": {},
    "two": {SUBJECT_ID: ["person-1@uni-c.example", "person-2@uni-c.example"]},
    "one of 4 KiB": {SUBJECT_ID: ["x" * 4096]},
    "one with a line break": {SUBJECT_ID: ["person-1\n@uni-c.example"]},
    "one that reads from right to left": {SUBJECT_ID: ["person-\u202e1@uni-c.example"]},
    "one for tests": {
        SUBJECT_ID: ["person-1@uni-c.example"],
        "urn:oid:1.3.6.1.4.1.5923.1.1.1.6": ["test@MyAccessID.org"],
    },
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_that_cannot_be_used_signs_nobody_in(at_c: IdentityProvider, pen: SamlPen, name: str):
    before = census()
    client = Client()
    pen.attributes = SUBJECTS[name]
    assert come_back(client, honest(pen, begin(at_c, client))).status_code == 401
    assert_nobody(client, before)


def test_an_answer_is_taken_once(at_c: IdentityProvider, pen: SamlPen):
    client = Client()
    response = honest(pen, begin(at_c, client))
    assert come_back(client, response).status_code == 302
    client.logout()
    before = census()
    assert come_back(client, response).status_code == 401
    assert_nobody(client, before)


def test_an_answer_works_in_the_browser_that_asked_and_in_no_other(at_c: IdentityProvider, pen: SamlPen):
    before = census()
    response = honest(pen, begin(at_c, Client()))
    victim = Client()
    assert come_back(victim, response).status_code == 401
    assert_nobody(victim, before)


def test_an_assertion_of_another_sign_in_cannot_be_put_into_ones_own(at_c: IdentityProvider, pen: SamlPen):
    stolen = pen.sign(pen.assertion(begin(at_c, Client()), acs=ACS, audience=AUDIENCE))
    before = census()
    attacker = Client()
    mine = begin(at_c, attacker)
    assert come_back(attacker, pen.response(stolen, answers=mine, destination=ACS)).status_code == 401
    assert_nobody(attacker, before)


@pytest.mark.parametrize(
    "text", ["", "!", "bm8gWE1M", encoded("<a/>"), encoded("<a>"), "A" * 600_000], ids=range(6)
)
def test_what_is_no_answer_signs_nobody_in(at_c: IdentityProvider, text: str):
    before = census()
    client = Client()
    begin(at_c, client)
    kept = client.post(reverse("saml_acs"), {"SAMLResponse": text})
    answer = client.get(kept["Location"]) if kept.status_code == 302 else kept
    assert answer.status_code == 401
    assert_nobody(client, before)


def test_a_provider_that_was_switched_off_in_between_signs_nobody_in(at_c: IdentityProvider, pen: SamlPen):
    before = census()
    client = Client()
    response = honest(pen, begin(at_c, client))
    IdentityProvider.objects.update(is_enabled=False)
    assert come_back(client, response).status_code == 401
    assert_nobody(client, before)


def test_our_own_metadata_says_where_answers_are_taken(db: None):
    answer = Client().get(reverse("saml_metadata"))
    root = etree.fromstring(answer.content)
    assert root.get("entityID") == AUDIENCE
    service = root.find(f".//{{{Names.NS_MD}}}AssertionConsumerService")
    assert service is not None
    assert service.get("Location") == ACS
    described = root.find(f"{{{Names.NS_MD}}}SPSSODescriptor")
    assert described is not None
    assert described.get("WantAssertionsSigned") == "true"
