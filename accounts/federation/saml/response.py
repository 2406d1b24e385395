"""Reading what a SAML provider answers: the library's checks, and those that it leaves out."""

import base64
import binascii
import hashlib
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import gettext as _
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.response import OneLogin_Saml2_Response

from accounts.federation.attributes import PAIRWISE_ID, SUBJECT_ID, Attributes, SignOnRefused, read_attributes
from accounts.federation.saml.metadata import BadMetadata, Descriptor, parse_xml
from accounts.federation.saml.service import answers_at, as_library_reads, entity_id, saml_settings

MOST_CHARACTERS = 512 * 1024
USED_ASSERTIONS_KEPT_S = 24 * 3600
_SAML = f"{{{Names.NS_SAML}}}"


class BadResponse(SignOnRefused):
    """The provider's answer does not hold; `code` says which check failed."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(
            _(
                "Your home institution answered in a way that cannot be trusted: %(why)s."
                " Nobody was signed in; tell its help desk."
            )
            % {"why": why}
        )
        self.code = code


def decoded(text: str) -> str:
    """Return the document that a form carried; raise `BadResponse` for anything that is none."""
    if len(text) > MOST_CHARACTERS:
        raise BadResponse("too_long", _("it is longer than is read"))
    try:
        return base64.b64decode(text, validate=False).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise BadResponse("not_xml", _("it is no XML")) from error


def answered_request(text: str) -> str:
    """Return which of our requests a response says that it answers. That is not believed yet."""
    try:
        root = parse_xml(decoded(text), most=MOST_CHARACTERS)
    except BadMetadata as error:
        raise BadResponse("not_xml", str(error).rstrip(".")) from error
    if root.tag != f"{{{Names.NS_SAMLP}}}Response":
        raise BadResponse("not_response", _("it is no SAML response"))
    found = root.get("InResponseTo", "")
    if not found:
        raise BadResponse("unasked", _("nobody here had asked for it"))
    return str(found)


def read_response(request: HttpRequest, text: str, *, descriptor: Descriptor, request_id: str) -> Attributes:
    """Return what a response says of the person; raise `BadResponse` unless every check holds."""
    try:
        response = OneLogin_Saml2_Response(saml_settings(request, descriptor.settings), text)
        response.is_valid(
            as_library_reads(request, post={"SAMLResponse": text}), request_id, raise_exceptions=True
        )
        said = response.get_attributes()
    except (OneLogin_Saml2_ValidationError, OneLogin_Saml2_Error) as error:
        raise BadResponse(f"saml_{error.code}", str(error).rstrip(".")[:200]) from error
    except Exception as error:  # lxml's, xmlsec's: whatever it is, the answer does not hold
        raise BadResponse("saml_unreadable", _("it cannot be read")) from error
    document = response.decrypted_document if response.encrypted else response.document
    assertion = document.find(f"{_SAML}Assertion")
    if assertion is None:
        raise BadResponse("no_assertion", _("it asserts nothing"))
    _check_destination(response.document, request)
    _check_audience(assertion, request)
    _check_confirmation(assertion, request, request_id)
    subject = _subject(said, response)
    _use_once(descriptor.settings["entityId"], assertion)
    contexts = response.get_authn_contexts()
    return read_attributes(subject, said, acr=(contexts or [""])[0])


def _check_destination(document: Any, request: HttpRequest) -> None:
    if document.get("Destination") not in (None, answers_at(request)):
        raise BadResponse("destination", _("it was meant for another address"))


def _check_audience(assertion: Any, request: HttpRequest) -> None:
    """The library lets an assertion through that is for nobody in particular."""
    restrictions = assertion.findall(f"{_SAML}Conditions/{_SAML}AudienceRestriction")
    ours = entity_id(request)
    if not restrictions or not all(
        ours in [(audience.text or "").strip() for audience in restriction.findall(f"{_SAML}Audience")]
        for restriction in restrictions
    ):
        raise BadResponse("audience", _("it was made for somebody else"))


def _check_confirmation(assertion: Any, request: HttpRequest, request_id: str) -> None:
    """The library accepts a part of our address as the recipient, and an assertion that answers nothing.

    The response around the assertion is not signed, so which request it answers counts only inside.
    """
    for confirmation in assertion.findall(f"{_SAML}Subject/{_SAML}SubjectConfirmation"):
        told = confirmation.find(f"{_SAML}SubjectConfirmationData")
        if (
            confirmation.get("Method") == Names.CM_BEARER
            and told is not None
            and told.get("Recipient") == answers_at(request)
            and told.get("InResponseTo") == request_id
            and told.get("NotOnOrAfter")
        ):
            return
    raise BadResponse("confirmation", _("it answers another request, or another portal’s"))


def _subject(said: dict[str, list[str]], response: OneLogin_Saml2_Response) -> str:
    """Return what the person is known by: an identifier that lasts, which an address or a transient name is not."""
    for name, kind in ((SUBJECT_ID, "subject-id"), (PAIRWISE_ID, "pairwise-id")):
        values = said.get(name, [])
        if len(values) > 1:
            raise BadResponse("subjects", _("it names several people"))
        if values and isinstance(values[0], str):
            # These compare without case, says their specification.
            return f"{kind}:{values[0].lower()}"
    name_id = response.get_nameid_data() if response.get_nameid_format() else {}
    if name_id.get("Format") != Names.NAMEID_PERSISTENT or not name_id.get("Value"):
        raise SignOnRefused(
            _(
                "Your home institution sent nothing that says who you are for longer than today. Ask its help desk"
                " to release subject-id or pairwise-id to this portal."
            )
        )
    return f"persistent:{name_id['Value']}"


def _use_once(issuer: str, assertion: Any) -> None:
    name = hashlib.sha256(f"{issuer}\0{assertion.get('ID', '')}".encode()).hexdigest()
    if not cache.add(f"saml.used.{name}", 1, USED_ASSERTIONS_KEPT_S):
        raise BadResponse("replayed", _("it was used before"))
