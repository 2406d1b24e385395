"""The next step of a lease, for any lease at any time."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from adapters.contract.wire import Failure, to_json
from site_worker.config import Policy
from site_worker.lease import OVER, Lease, next_step
from site_worker.outcomes import Outcome, apply_outcome

MOMENTS = st.integers(0, 400).map(float)
FAILURE = to_json(Failure(error="DeviceBusy", remedy="retry", verb="provision", message="It is busy."))


@st.composite
def leases(draw: st.DrawFn) -> Lease:
    starts_at = draw(st.integers(100, 200).map(float))
    phase = draw(st.sampled_from(["new", "ready", "open", "isolated", "clean", "fenced"]))
    return Lease(
        lease_id="a",
        epoch=1,
        revision=1,
        resource_id="r",
        adapter="file",
        starts_at=starts_at,
        ends_at=starts_at + draw(st.integers(1, 100)),
        wanted=draw(st.sampled_from(["held", "released", "closed"])),
        phase=phase,
        may_be_open=phase == "open" or draw(st.booleans()),
        unsure=draw(st.booleans()),
        renew=draw(st.booleans()),
        gave_up=draw(st.booleans()),
        attempts=draw(st.integers(0, 9)),
        tried=draw(st.sampled_from(["", "isolate", "provision", "release"])),
        retry_at=draw(MOMENTS),
        access='{"instructions": "x"}' if phase != "new" else None,
        failure=draw(st.sampled_from([None, FAILURE])),
    )


@given(lease=leases(), now=MOMENTS)
def test_access_is_never_opened_before_the_start_nor_after_the_end(lease, now):
    step = next_step(lease, now)
    if step and step.verb == "admit":
        assert step.due_at >= lease.starts_at
        assert now < lease.ends_at
        assert lease.wanted == "held"


@given(lease=leases(), now=MOMENTS)
def test_what_may_be_open_is_looked_at_no_later_than_its_end(lease, now):
    if not lease.may_be_open or lease.phase in OVER:
        return
    step = next_step(lease, now)
    assert step is not None
    if now >= lease.ends_at or lease.wanted != "held":
        assert step.verb == "isolate"
        waited = lease.retry_at if lease.tried == "isolate" else 0.0
        assert step.due_at <= max(lease.ends_at, waited)
    else:
        assert step.due_at <= max(lease.ends_at, lease.retry_at if lease.tried == "isolate" else 0.0)


@given(lease=leases(), now=MOMENTS)
def test_nothing_is_cleaned_while_access_may_be_open(lease, now):
    step = next_step(lease, now)
    if step and step.verb == "release":
        assert not lease.may_be_open
        assert lease.phase == "isolated"
        assert lease.wanted == "released"


@given(
    lease=leases(),
    now=MOMENTS,
    error=st.sampled_from(
        ["InvalidSettings", "DeviceRefused", "DeviceUnreachable", "DeviceBusy", "OutcomeUnknown"]
    ),
)
def test_after_any_failure_there_is_a_next_step_or_a_final_word_to_the_hub(lease, now, error):
    step = next_step(lease, now)
    if step is None:
        return
    outcome = Outcome(at=now, error=error, message="It failed.")
    change = apply_outcome(site="uni-a", lease=lease, verb=step.verb, outcome=outcome, policy=Policy())
    final = any(report.final for report in change.reports)
    assert final or next_step(change.lease, now) is not None
    if lease.may_be_open:
        assert change.lease.may_be_open
        assert next_step(change.lease, now) is not None


@given(lease=leases(), now=MOMENTS)
def test_an_unknown_outcome_is_followed_by_a_look_or_by_closing(lease, now):
    for verb in ("provision", "admit", "release"):
        outcome = Outcome(at=now, error="OutcomeUnknown", message="No answer.")
        held = replace(lease, wanted="held", gave_up=False, renew=False)
        change = apply_outcome(site="uni-a", lease=held, verb=verb, outcome=outcome, policy=Policy())
        step = next_step(change.lease, now)
        if step is not None and not change.lease.gave_up:
            assert step.verb in {"observe", "isolate"}
