"""A SAML provider’s pen: responses as a test wants them, signed by hand."""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from xml.sax.saxutils import escape, quoteattr

from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from tests.identity.keys import SigningKey, signing_key

SUBJECT_ID = "urn:oasis:names:tc:SAML:attribute:subject-id"
PAIRWISE_ID = "urn:oasis:names:tc:SAML:attribute:pairwise-id"


def moment(seconds: float = 0) -> str:
    """Return a moment as SAML writes it, from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class SamlPen:
    """Writes what a provider of this name would."""

    entity_id: str = "https://idp.uni-c.example/saml"
    key_name: str = "uni-c"
    attributes: dict[str, list[str]] = field(default_factory=lambda: {SUBJECT_ID: ["person-1@uni-c.example"]})

    @property
    def key(self) -> SigningKey:
        """The provider’s key."""
        return signing_key(self.key_name)

    def metadata(
        self, *, root: str = "", valid_until: str = "", sso: str = "https://idp.uni-c.example/sso"
    ) -> str:
        """Return the provider’s entity descriptor."""
        until = f' validUntil="{valid_until}"' if valid_until else ""
        return (
            f'<md:EntityDescriptor xmlns:md="{Names.NS_MD}" xmlns:ds="{Names.NS_DS}"'
            f" entityID={quoteattr(self.entity_id)}{until}{root}>"
            f'<md:IDPSSODescriptor protocolSupportEnumeration="{Names.NS_SAMLP}">'
            '<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>'
            f"{self.key.certificate_text}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            f'<md:SingleSignOnService Binding="{Names.BINDING_HTTP_REDIRECT}" Location="{sso}"/>'
            "</md:IDPSSODescriptor></md:EntityDescriptor>"
        )

    def assertion(
        self,
        request_id: str,
        *,
        acs: str,
        audience: str,
        issuer: str | None = None,
        identifier: str | None = None,
        confirms: str | None = None,
        recipient: str | None = None,
        not_before: str | None = None,
        not_on_or_after: str | None = None,
        confirmed_until: str | None = None,
        audiences: list[str] | None = None,
        conditions: bool = True,
        method: str = Names.CM_BEARER,
        name_id: tuple[str, str] = (Names.NAMEID_TRANSIENT, "opaque-of-today"),
        extra: str = "",
    ) -> str:
        """Return an assertion without a signature; an empty text takes a part away."""
        restriction = "".join(
            f"<saml:AudienceRestriction><saml:Audience>{escape(who)}</saml:Audience></saml:AudienceRestriction>"
            for who in ([audience] if audiences is None else audiences)
        )
        limits = (
            f'<saml:Conditions NotBefore="{not_before or moment(-60)}"'
            f' NotOnOrAfter="{not_on_or_after or moment(300)}">{restriction}</saml:Conditions>'
            if conditions
            else ""
        )
        told = {
            "InResponseTo": request_id if confirms is None else confirms,
            "Recipient": acs if recipient is None else recipient,
            "NotOnOrAfter": moment(300) if confirmed_until is None else confirmed_until,
        }
        confirmation = " ".join(f"{name}={quoteattr(value)}" for name, value in told.items() if value)
        statements = "".join(
            f'<saml:Attribute Name={quoteattr(name)} NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri">'
            + "".join(f"<saml:AttributeValue>{escape(value)}</saml:AttributeValue>" for value in values)
            + "</saml:Attribute>"
            for name, values in self.attributes.items()
        )
        said = f"<saml:AttributeStatement>{statements}</saml:AttributeStatement>" if statements else ""
        return (
            f'<saml:Assertion xmlns:saml="{Names.NS_SAML}" ID="{identifier or f"_{uuid4().hex}"}" Version="2.0"'
            f' IssueInstant="{moment()}"><saml:Issuer>{escape(issuer or self.entity_id)}</saml:Issuer>'
            f'<saml:Subject><saml:NameID Format="{name_id[0]}">{escape(name_id[1])}</saml:NameID>'
            f'<saml:SubjectConfirmation Method="{method}"><saml:SubjectConfirmationData {confirmation}/>'
            f"</saml:SubjectConfirmation></saml:Subject>{limits}"
            f'<saml:AuthnStatement AuthnInstant="{moment()}"><saml:AuthnContext><saml:AuthnContextClassRef>'
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef>"
            f"</saml:AuthnContext></saml:AuthnStatement>{said}{extra}</saml:Assertion>"
        )

    def response(
        self,
        assertion: str,
        *,
        answers: str,
        destination: str,
        issuer: str | None = None,
        status: str = Names.STATUS_SUCCESS,
        identifier: str | None = None,
    ) -> str:
        """Return a response around an assertion; an empty text takes a part away."""
        told = {"InResponseTo": answers, "Destination": destination}
        attributes = " ".join(f"{name}={quoteattr(value)}" for name, value in told.items() if value)
        return (
            f'<samlp:Response xmlns:samlp="{Names.NS_SAMLP}" xmlns:saml="{Names.NS_SAML}"'
            f' ID="{identifier or f"_{uuid4().hex}"}" Version="2.0" IssueInstant="{moment()}" {attributes}>'
            f"<saml:Issuer>{escape(issuer or self.entity_id)}</saml:Issuer>"
            f'<samlp:Status><samlp:StatusCode Value="{status}"/></samlp:Status>{assertion}</samlp:Response>'
        )

    def sign(
        self,
        xml: str,
        *,
        key: SigningKey | None = None,
        algorithm: str = Names.RSA_SHA256,
        digest: str = Names.SHA256,
    ) -> str:
        """Return a document with a signature on its outermost element."""
        signer = key or self.key
        signed = OneLogin_Saml2_Utils.add_sign(
            xml, signer.key_pem, signer.certificate_pem, sign_algorithm=algorithm, digest_algorithm=digest
        )
        return signed.decode() if isinstance(signed, bytes) else str(signed)


def encoded(xml: str) -> str:
    """Return a document as a form carries it."""
    return base64.b64encode(xml.encode()).decode()
