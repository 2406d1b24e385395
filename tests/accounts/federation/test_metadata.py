"""Metadata of SAML providers: what is read, and what is refused."""

from datetime import UTC, datetime

import pytest
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from accounts.federation.saml.metadata import BadMetadata, read_descriptor
from tests.identity.keys import signing_key
from tests.identity.saml import SamlPen, moment

NOW = datetime.now(UTC)


def aggregate(*entities: str, until: str = "", identifier: str = "_all") -> str:
    return (
        f'<md:EntitiesDescriptor xmlns:md="{Names.NS_MD}" ID="{identifier}" validUntil="{until or moment(3600)}">'
        + "".join(entities)
        + "</md:EntitiesDescriptor>"
    )


def federation_signed(xml: str, *, key: str = "federation", algorithm: str = Names.RSA_SHA256) -> str:
    signer = signing_key(key)
    signed = OneLogin_Saml2_Utils.add_sign(
        xml, signer.key_pem, signer.certificate_pem, sign_algorithm=algorithm, digest_algorithm=Names.SHA256
    )
    return signed.decode() if isinstance(signed, bytes) else signed


def test_one_entity_is_taken_out_of_a_federations_signed_list():
    pen, other = SamlPen(), SamlPen(entity_id="https://idp.uni-d.example/saml", key_name="uni-d")
    text = federation_signed(aggregate(other.metadata(), pen.metadata()))
    found = read_descriptor(
        text, entity_id=pen.entity_id, certificate=signing_key("federation").certificate_pem, now=NOW
    )
    assert found.settings["singleSignOnService"]["url"] == "https://idp.uni-c.example/sso"
    assert other.entity_id not in found.xml
    assert found.valid_until is not None


def test_the_certificate_of_a_federation_may_be_pasted_without_its_frame():
    pen = SamlPen()
    text = federation_signed(aggregate(pen.metadata()))
    bare = signing_key("federation").certificate_text
    assert read_descriptor(text, entity_id=pen.entity_id, certificate=bare, now=NOW).xml


PEN = SamlPen()
BAD = {
    "nothing": "",
    "a page": "<html><body>Sign in</body></html>",
    "half of it": PEN.metadata()[:-40],
    "another provider’s": SamlPen(entity_id="https://other.example/").metadata(),
    "two of one name": aggregate(PEN.metadata(), PEN.metadata()),
    "no longer valid": PEN.metadata(valid_until=moment(-60)),
    "a list that is no longer valid": aggregate(PEN.metadata(), until=moment(-60)),
    "valid until whenever": PEN.metadata(valid_until="tomorrow"),
    "a sign-in page without encryption": PEN.metadata(sso="http://idp.uni-c.example/sso"),
    "a sign-in page that is a script": PEN.metadata(sso="javascript:alert(1)"),
    "no certificate": PEN.metadata().replace(PEN.key.certificate_text, ""),
    "a document type": "<!DOCTYPE a>" + PEN.metadata(),
    "an external entity": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + PEN.metadata(),
    "a parameter entity": '<!DOCTYPE a [<!ENTITY % e SYSTEM "http://127.0.0.1:1/">%e;]>' + PEN.metadata(),
    "eight megabytes": PEN.metadata() + " " * (8 * 1024 * 1024),
    "five thousand levels": aggregate("<x>" * 5000 + "</x>" * 5000 + PEN.metadata()),
}


@pytest.mark.parametrize("name", BAD)
def test_metadata_that_cannot_be_relied_on_is_refused(name: str):
    with pytest.raises(BadMetadata):
        read_descriptor(BAD[name], entity_id=PEN.entity_id, now=NOW)


SIGNED_BADLY = {
    "not at all": aggregate(PEN.metadata()),
    "by somebody else": federation_signed(aggregate(PEN.metadata()), key="attacker"),
    "with SHA-1": federation_signed(aggregate(PEN.metadata()), algorithm=Names.RSA_SHA1),
    "and changed": federation_signed(aggregate(PEN.metadata())).replace("/sso", "/evil"),
    "another part of it": aggregate(
        federation_signed(
            aggregate(SamlPen(entity_id="https://other.example/").metadata(), identifier="_part")
        ),
        PEN.metadata(),
    ),
}


@pytest.mark.parametrize("name", SIGNED_BADLY)
def test_metadata_that_the_federation_did_not_sign_is_refused(name: str):
    with pytest.raises(BadMetadata):
        read_descriptor(
            SIGNED_BADLY[name],
            entity_id=PEN.entity_id,
            certificate=signing_key("federation").certificate_pem,
            now=NOW,
        )
