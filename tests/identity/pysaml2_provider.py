"""A real SAML provider: pysaml2’s, with Debian’s xmlsec1, in a process of its own.

`python -m tests.identity.pysaml2_provider FOLDER OUR_METADATA` prints its entity ID and its metadata once it
listens. There is one person, who signs in by pressing a button.
"""

import json
import shutil
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAME_FORMAT_URI, NAMEID_FORMAT_TRANSIENT, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

from tests.identity.keys import signing_key

PERSON = {
    "subject-id": "person-1@uni-c.example",
    "givenName": "Researcher",
    "sn": "C",
    "mail": "researcher@uni-c.example",
    "schacHomeOrganization": "uni-c.example",
    "eduPersonEntitlement": "urn:geant:uni-c.example:group:network",
}


def configured(folder: Path, our_metadata: Path, address: str) -> IdPConfig:
    """Return how the provider is set up."""
    key = signing_key("pysaml2")
    (folder / "key.pem").write_text(key.key_pem)
    (folder / "certificate.pem").write_text(key.certificate_pem)
    config = IdPConfig()
    config.load(
        {
            "entityid": f"{address}/metadata",
            "xmlsec_binary": shutil.which("xmlsec1"),
            "key_file": str(folder / "key.pem"),
            "cert_file": str(folder / "certificate.pem"),
            "metadata": {"local": [str(our_metadata)]},
            "service": {
                "idp": {
                    "name": "University C",
                    "endpoints": {"single_sign_on_service": [(f"{address}/sso", BINDING_HTTP_REDIRECT)]},
                    "policy": {"default": {"lifetime": {"minutes": 5}, "name_form": NAME_FORMAT_URI}},
                    "sign_assertion": True,
                    "sign_response": True,
                }
            },
        }
    )
    return config


def answer_to(server: Server, query: dict[str, list[str]]) -> str:
    """Return the page that carries the signed answer back."""
    asked = server.parse_authn_request(query["SAMLRequest"][0], BINDING_HTTP_REDIRECT)
    told: dict[str, Any] = server.response_args(asked.message, [BINDING_HTTP_POST])
    response = server.create_authn_response(
        PERSON,
        userid="person-1",
        name_id=NameID(format=NAMEID_FORMAT_TRANSIENT, text="today-only"),
        authn={"class_ref": PASSWORDPROTECTEDTRANSPORT},
        sign_assertion=True,
        sign_response=True,
        sign_alg=SIG_RSA_SHA256,
        digest_alg=DIGEST_SHA256,
        **{name: told[name] for name in ("in_response_to", "destination", "sp_entity_id")},
    )
    sent = server.apply_binding(
        BINDING_HTTP_POST, str(response), told["destination"], query.get("RelayState", [""])[0], response=True
    )
    data = sent["data"]
    return data if isinstance(data, str) else "".join(data)


def main(folder: Path, our_metadata: Path) -> None:
    """Serve until the process is ended."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = (
                "<!doctype html><html lang=en><title>University C</title><h1>University C</h1>"
                f'<form method="post" action="{self.path.replace("&", "&amp;")}"><button>Sign in here</button></form>'
            )
            self._say(page if urlsplit(self.path).path == "/sso" else "")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._say(answer_to(server, parse_qs(urlsplit(self.path).query)))

        def _say(self, page: str) -> None:
            body = page.encode()
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        address = f"http://127.0.0.1:{listening.server_port}"
        config = configured(folder, our_metadata, address)
        server = Server(config=config)
        described = {"issuer": f"{address}/metadata", "metadata": str(entity_descriptor(config))}
        sys.stdout.write(json.dumps(described) + "\n")
        sys.stdout.flush()
        listening.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
