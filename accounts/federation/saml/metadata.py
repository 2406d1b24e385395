"""What SAML providers say of themselves: read strictly, one entity out of however many."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import requests
import structlog
import xmlsec
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from lxml import etree
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.utils import OneLogin_Saml2_Utils
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

from accounts.federation.fetching import CannotAsk, address_problem, fetch_text
from accounts.models import IdentityProvider

log = structlog.get_logger(__name__)

MOST_CHARACTERS = 4 * 1024 * 1024
DEEPEST = 60
_DS = f"{{{Names.NS_DS}}}"
_ENTITY = f"{{{Names.NS_MD}}}EntityDescriptor"
_ENTITIES = f"{{{Names.NS_MD}}}EntitiesDescriptor"


class BadMetadata(ValueError):
    """The metadata cannot be used; the words say why and what would do."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One provider's part of the metadata."""

    xml: str
    settings: dict[str, Any]
    valid_until: datetime | None


def parse_xml(text: str, *, most: int = MOST_CHARACTERS) -> Any:
    """Return the root of a document without entities, of bounded size and depth; raise `BadMetadata`."""
    if len(text) > most:
        raise BadMetadata(_("It is longer than is read (%(most)d characters).") % {"most": most})
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise BadMetadata(_("It declares a document type, which is not read; SAML needs none."))
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, dtd_validation=False
    )
    try:
        root = etree.fromstring(text.strip().encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadMetadata(_("It is not well-formed XML.")) from error
    if root.getroottree().docinfo.doctype or _depth_exceeds(root):
        raise BadMetadata(_("It is no plain XML document."))
    return root


def read_descriptor(text: str, *, entity_id: str, certificate: str = "", now: datetime) -> Descriptor:
    """Return a provider's own descriptor out of metadata; raise `BadMetadata` for what cannot be relied on."""
    root = parse_xml(text)
    if root.tag not in (_ENTITY, _ENTITIES):
        raise BadMetadata(_("It is no SAML metadata: the outermost element is another one."))
    if certificate.strip():
        _check_signature(text, certificate)
    found = [node for node in root.iter(_ENTITY) if node.get("entityID") == entity_id]
    if len(found) != 1:
        raise BadMetadata(
            _("It describes %(count)d entities named “%(entity)s”; it must be exactly one.")
            % {"count": len(found), "entity": entity_id}
        )
    until = _valid_until(found[0])
    if until is not None and until <= now:
        raise BadMetadata(
            _("It was valid until %(until)s; fetch it anew.") % {"until": f"{until:%d %b %Y %H:%M} UTC"}
        )
    xml = etree.tostring(found[0], encoding="unicode")
    return Descriptor(xml=xml, settings=_settings(xml, entity_id), valid_until=until)


def descriptor_of(record: IdentityProvider, *, now: datetime) -> Descriptor:
    """Return the descriptor that is kept of a provider."""
    return read_descriptor(record.metadata, entity_id=record.issuer, now=now)


def refresh_metadata(record: IdentityProvider, *, now: datetime) -> None:
    """Read a provider's metadata from its address; what was kept stays when that fails."""
    try:
        text = fetch_text(record.metadata_url)
    except CannotAsk as error:
        raise BadMetadata(str(error)) from error
    except requests.RequestException as error:
        raise BadMetadata(_("%(address)s cannot be reached.") % {"address": record.metadata_url}) from error
    record.metadata = read_descriptor(
        text, entity_id=record.issuer, certificate=record.metadata_certificate, now=now
    ).xml
    record.metadata_read_at = now


def refresh_all(*, now: datetime) -> None:
    """Read the metadata of all providers that have an address for it; one that fails stays as it was."""
    for record in IdentityProvider.objects.filter(is_enabled=True).exclude(metadata_url=""):
        try:
            refresh_metadata(record, now=now)
        except BadMetadata as error:
            log.warning("metadata.not_refreshed", provider=record.slug, why=str(error))
        else:
            record.save(update_fields=["metadata", "metadata_read_at"])


def _settings(xml: str, entity_id: str) -> dict[str, Any]:
    try:
        found = OneLogin_Saml2_IdPMetadataParser.parse(xml, entity_id=entity_id)
    except Exception as error:  # the library lets any of its own and of lxml's errors through
        raise BadMetadata(_("Its description of the provider cannot be read.")) from error
    idp = cast(dict[str, Any], found.get("idp") or {})
    where = idp.get("singleSignOnService", {}).get("url", "")
    if not where or address_problem(where):
        raise BadMetadata(_("It names no encrypted address at which to sign in (HTTP-Redirect)."))
    if not idp.get("x509cert") and not idp.get("x509certMulti", {}).get("signing"):
        raise BadMetadata(_("It has no certificate for signatures."))
    # Only what a sign-in needs: nothing else that the metadata says is to change how we check.
    kept: dict[str, Any] = {name: idp[name] for name in ("x509cert", "x509certMulti") if name in idp}
    return {"entityId": entity_id, "singleSignOnService": idp["singleSignOnService"], **kept}


def _check_signature(text: str, certificate: str) -> None:
    pem = OneLogin_Saml2_Utils.format_cert(certificate.strip(), True)
    document = OneLogin_Saml2_XML.to_etree(text.strip().encode())
    signatures = document.findall(f"{_DS}Signature")
    references = [node.get("URI") for signature in signatures for node in signature.iter(f"{_DS}Reference")]
    whole = ("", f"#{document.get('ID')}") if document.get("ID") else ("",)
    methods = [
        node.get("Algorithm", "")
        for signature in signatures
        for kind in ("SignatureMethod", "DigestMethod")
        for node in signature.iter(f"{_DS}{kind}")
    ]
    if len(signatures) != 1 or len(references) != 1 or references[0] not in whole:
        raise BadMetadata(_("It is not signed as a whole by the federation."))
    if any(method.endswith(("sha1", "md5")) for method in methods):
        raise BadMetadata(_("Its signature is made with SHA-1, which others can forge."))
    try:
        xmlsec.tree.add_ids(document, ["ID"])
        holds = OneLogin_Saml2_Utils.validate_node_sign(
            signatures[0], document, cert=pem, validatecert=False, raise_exceptions=True
        )
    except Exception as error:  # whatever xmlsec says, it is not signed by them
        raise BadMetadata(_("The federation’s certificate did not sign it.")) from error
    if not holds:
        raise BadMetadata(_("The federation’s certificate did not sign it."))


def _valid_until(node: Any) -> datetime | None:
    found = []
    for place in (node, *node.iterancestors()):
        text = place.get("validUntil")
        if not text:
            continue
        try:
            moment = parse_datetime(text)
        except ValueError:
            moment = None
        if moment is None:
            raise BadMetadata(_("It says until when it is valid in a way that cannot be read."))
        found.append(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return min(found, default=None)


def _depth_exceeds(root: Any) -> bool:
    level = [root]
    for _step in range(DEEPEST):
        level = [child for node in level for child in node]
        if not level:
            return False
    return True
