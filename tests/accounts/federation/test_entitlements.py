"""Group names of federations: which are read, and which are refused."""

import pytest

from accounts.federation.entitlements import Entitlement, Malformed, read_entitlement

READ = {
    "urn:geant:uni-a.example:group:network": (("network",), "", ""),
    "urn:geant:uni-a.example:group:network:p4": (("network", "p4"), "", ""),
    "urn:geant:uni-a.example:group:network:role=admin": (("network",), "admin", ""),
    "urn:geant:uni-a.example:group:network#proxy.uni-a.example": (("network",), "", "proxy.uni-a.example"),
    "urn:geant:uni-a.example:group:a:b:c:role=vm%20operator#x": (("a", "b", "c"), "vm operator", "x"),
    "URN:GEANT:uni-a.example:group:network": (("network",), "", ""),
    "urn:geant:uni-a.example:group:caf%C3%A9": (("café",), "", ""),
    "urn:geant:uni-a.example:group:once%2525": (("once%25",), "", ""),
    "urn:geant:uni-a.example:group:with%3Acolon": (("with:colon",), "", ""),
    "urn:geant:uni-a.example:group:group:group:x": (("group", "group", "x"), "", ""),
}


@pytest.mark.parametrize("text", READ)
def test_a_group_is_taken_apart_and_decoded_once(text: str):
    path, role, authority = READ[text]
    assert read_entitlement(text) == Entitlement(
        namespace="urn:geant:uni-a.example", path=path, role=role, authority=authority
    )


REFUSED = [
    "",
    "network",
    "urn",
    "urn:geant:uni-a.example",
    "urn:geant:uni-a.example:group:",
    "urn:geant:uni-a.example:group::network",
    "urn:geant:uni-a.example:group:network:",
    "urn:geant:uni-a.example:group:role=admin",
    "urn:geant:uni-a.example:group:network:role=",
    "urn:geant:uni-a.example:group:role=admin:network",
    "urn:geant:uni-a.example:group:network#",
    "urn:geant:uni-a.example:group:network#a#b",
    "urn:geant:group:network",
    "urn::uni-a.example:group:network",
    "urn:-x:uni-a.example:group:network",
    "http://uni-a.example:group:network",
    "xurn:geant:uni-a.example:group:network",
    " urn:geant:uni-a.example:group:network",
    "urn:geant:uni-a.example:group:two words",
    "urn:geant:uni-a.example:group:net\nwork",
    "urn:geant:uni-a.example:group:café",
    "urn:geant:uni-a.example:group:%",
    "urn:geant:uni-a.example:group:%4",
    "urn:geant:uni-a.example:group:%zz",
    "urn:geant:uni-a.example:group:%ff",
    "urn:geant:uni-a.example:group:net%00work",
    "urn:geant:uni-a.example:group:net%0Awork",
    "urn:geant:uni-a.example:group:%E2%80%AEkrowten",
    "urn:geant:uni-a.example:group:net%E2%80%8Bwork",
    "urn:geant:uni-a.example:group:" + "x" * 1100,
]


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_keeps_not_to_the_grammar_is_refused(text: str):
    with pytest.raises(Malformed):
        read_entitlement(text)
