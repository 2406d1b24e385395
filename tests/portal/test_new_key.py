"""`manage.py new_key`."""

from io import StringIO

from django.core.management import call_command

from adapters.contract.wire import private_key, public_text


def printed() -> dict[str, str]:
    out = StringIO()
    call_command("new_key", stdout=out)
    return dict(line.split() for line in out.getvalue().splitlines())


def test_the_two_halves_belong_together():
    keys = printed()
    assert public_text(private_key(keys["private"])) == keys["public"]


def test_no_two_are_alike():
    assert printed()["private"] != printed()["private"]
