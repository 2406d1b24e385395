"""PCI addresses, however they are written."""

import pytest

from adapters.pci import normal_form


@pytest.mark.parametrize("written", ["0000:65:00.0", "00000000:65:00.0", "65:00.0", " 0000:65:0.0 "])
def test_the_spellings_of_one_address_have_one_normal_form(written):
    assert normal_form(written) == "0000:65:00.0"


def test_letters_are_small_and_the_domain_counts():
    assert normal_form("00010000:B3:1F.7") == "10000:b3:1f.7"


@pytest.mark.parametrize("junk", ["", "65:00", "65:00.8", "g5:00.0", "0000:65:00.0 and more", "0000/65/00.0"])
def test_what_is_no_address_is_refused_with_an_example(junk):
    with pytest.raises(ValueError, match=r"0000:65:00\.0"):
        normal_form(junk)
