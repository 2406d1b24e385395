"""The wire: whom the client believes, and what becomes of what goes wrong on it."""

import pytest
import requests

from adapters.emulators.lxd import Fault, HostCard, LxdEmulator, self_signed
from adapters.errors import DeviceRefused, DeviceUnreachable, InvalidSettings, OutcomeUnknown
from adapters.gpu_lxd.adapter import GpuLxd


def test_only_the_pinned_certificate_is_believed(secrets_of, lxd, client_pair, target):
    other = self_signed("lxd-emulator", hosts=["127.0.0.1"])
    secrets = secrets_of(
        {"lxd.crt": client_pair.certificate, "lxd.key": client_pair.key, "lxd-server.crt": other.certificate}
    )

    with pytest.raises(InvalidSettings, match="another certificate"):
        GpuLxd(secrets=secrets).observe(target)


def test_a_bundle_in_the_environment_does_not_take_the_place_of_the_pin(adapter, target, tmp_path, monkeypatch):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(self_signed("some authority").certificate)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(bundle))

    assert adapter.observe(target).healthy
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(target.settings["endpoint"], timeout=30)


def test_a_proxy_in_the_environment_is_not_used(adapter, target, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert adapter.observe(target).healthy


def test_a_certificate_that_was_struck_off_is_a_matter_for_the_operator(adapter, lxd, target):
    lxd.trust.clients.clear()

    with pytest.raises(InvalidSettings, match="lxc config trust add"):
        adapter.observe(target)


@pytest.mark.parametrize("name", ["lxd.crt", "lxd.key", "lxd-server.crt"])
def test_a_secret_that_is_no_certificate_is_named(secrets, target, name):
    (secrets.folder / name).write_text("not PEM")

    with pytest.raises(InvalidSettings, match=name.replace(".", r"\.")):
        GpuLxd(secrets=secrets).observe(target)


def test_a_secret_that_the_site_does_not_have_is_named(adapter, target_for):
    with pytest.raises(InvalidSettings, match="“nowhere”"):
        adapter.observe(target_for(key_secret="nowhere", pci="65:00.0"))


def test_a_project_that_the_certificate_may_not_use_is_a_matter_for_the_operator(
    adapter, lxd, client_pair, target_for, order_for
):
    lxd.trust.add(client_pair.certificate, projects=["lent"])

    with pytest.raises(InvalidSettings, match="not authorized"):
        adapter.provision(order_for(target_for(pci="65:00.0", project="private")))


def test_a_server_that_starts_up_is_out_of_reach_for_now(adapter, lxd, target, order_for):
    lxd.faults.add(Fault("refuse", match="POST /1.0/instances$", status=503, words="LXD is starting up"))

    with pytest.raises(DeviceUnreachable, match="starting up"):
        adapter.provision(order_for(target))


def test_a_gateway_that_gave_up_on_a_change_leaves_the_outcome_unknown(adapter, lxd, target, order_for):
    lxd.faults.add(Fault("refuse", match="POST /1.0/instances$", status=504, words="Gateway Timeout"))

    with pytest.raises(OutcomeUnknown):
        adapter.provision(order_for(target))


def test_an_operation_that_fails_is_refused_with_its_words(adapter, lxd, target, order_for):
    order = order_for(target)
    lxd.faults.add(Fault("refuse", match="PUT .*/state$", status=400, words="No space left on device"))

    with pytest.raises(DeviceRefused, match="No space left on device"):
        adapter.provision(order)


def test_an_operation_that_never_ends_is_an_unknown_outcome(secrets, client_pair, target_for, order_for):
    with LxdEmulator(
        trust=[client_pair.certificate],
        cards=[HostCard(pci="0000:65:00.0")],
        folder=secrets.folder / "slow",
        delay_s=0.4,
    ) as slow:
        (secrets.folder / "lxd-server.crt").write_text(slow.certificate)
        target = target_for(pci="65:00.0", endpoint=slow.url, settle_s=0.2)

        with pytest.raises(OutcomeUnknown, match="did not finish"):
            GpuLxd(secrets=secrets).provision(order_for(target))
