"""Measurements as numbers: packed small, made coarser, put together, and when they mean idle."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from reservations.measured import Measured, coarser, idle_since, join
from reservations.packing import names_in, pack, unpack

DAY = datetime(2030, 1, 1, tzinfo=UTC)
LOAD = "utilisation_percent"


def week_of(seed: int) -> dict[str, list[float | None]]:
    """A busy day of four columns, the hardest to make small."""
    chance = random.Random(seed)
    return {
        LOAD: [min(100.0, max(0.0, chance.gauss(80, 15))) for _ in range(1440)],
        f"{LOAD}_max": [min(100.0, chance.gauss(95, 4)) for _ in range(1440)],
        "memory_used_mib": [chance.gauss(61000, 600) for _ in range(1440)],
        "power_w": [chance.gauss(450, 60) for _ in range(1440)],
    }


def test_a_busy_week_of_four_columns_takes_well_under_a_hundred_kibibytes() -> None:
    assert sum(len(pack(week_of(day))) for day in range(7)) < 80 * 1024


def test_what_was_packed_comes_back_within_a_thousandth() -> None:
    columns = week_of(1) | {"tiny": [1e-6, None, -3.5], "large": [81559.0, 2.0e12, 0.0]}
    for name, column in unpack(pack(columns)).items():
        for was, now in zip(columns[name], column, strict=True):
            assert now is None if was is None else now == pytest.approx(was, rel=1e-3)


def test_nothing_infinite_and_nothing_seen_survive_packing() -> None:
    assert unpack(pack({"a": [None, None], "b": []})) == {"a": [None, None], "b": []}
    assert unpack(b"") == {}
    assert names_in(b"") == []


def test_one_column_is_read_without_the_others() -> None:
    packed = pack(week_of(2))
    assert set(names_in(packed)) == set(week_of(2))
    assert list(unpack(packed, only=[LOAD])) == [LOAD]


def test_coarser_steps_are_means_of_what_was_seen() -> None:
    assert coarser([10.0, None, 30.0, None, None, None], by=3) == [20.0, None]
    assert coarser([10.0, None, 30.0], by=3, highest=True) == [30.0]


def test_days_are_joined_from_the_first_number_to_the_last() -> None:
    first = [None] * 1438 + [1.0, 2.0]
    third = [None, 5.0] + [None] * 1438
    joined = join([(DAY + timedelta(days=2), 60, {"a": third}), (DAY, 60, {"a": first})], step_s=60)
    assert joined.began_at == DAY + timedelta(minutes=1438)
    assert joined.ended_at == DAY + timedelta(days=2, minutes=2)
    assert joined.columns["a"] == [1.0, 2.0, *[None] * 1440, None, 5.0]


def test_a_day_that_was_folded_sets_the_step_of_all() -> None:
    minutes = [10.0] * 30 + [20.0] * 30 + [None] * 1380
    joined = join([(DAY, 3600, {"a": [7.0] * 24}), (DAY + timedelta(days=1), 60, {"a": minutes})], step_s=60)
    assert joined.step_s == 3600
    assert joined.columns["a"] == [7.0] * 24 + [15.0]


def test_nothing_measured_joins_to_nothing() -> None:
    assert join([], step_s=60).columns == {}
    assert join([(DAY, 60, {"a": [None] * 1440})], step_s=60).length == 0


def test_the_cards_of_a_host_are_put_together() -> None:
    host = Measured(
        began_at=DAY,
        step_s=60,
        columns={
            f"0000:65:00.0 {LOAD}": [10.0, None],
            f"0000:b1:00.0 {LOAD}": [50.0, None],
            f"0000:65:00.0 {LOAD}_max": [20.0, None],
            f"0000:b1:00.0 {LOAD}_max": [90.0, None],
            "0000:65:00.0 memory_used_mib": [1000.0, 5.0],
            "0000:b1:00.0 memory_used_mib": [2000.0, None],
            "cpu_seconds_per_s": [3.0, 3.0],
        },
    )
    assert host.together == {
        LOAD: [30.0, None],
        f"{LOAD}_max": [90.0, None],
        "memory_used_mib": [3000.0, 5.0],
        "cpu_seconds_per_s": [3.0, 3.0],
    }
    assert host.busiest == [50.0, None]
    assert sorted(host.cards) == ["0000:65:00.0", "0000:b1:00.0"]


def idle_after(loads: list[float | None], *, late: timedelta = timedelta(0)) -> datetime | None:
    measured = Measured(began_at=DAY, step_s=60, columns={LOAD: loads})
    return idle_since(measured, now=measured.ended_at + late)


def test_idle_begins_after_the_last_work() -> None:
    assert idle_after([80.0] * 10 + [0.0] * 40) == DAY + timedelta(minutes=10)


@pytest.mark.parametrize(
    "loads",
    [
        [80.0] * 10 + [0.0] * 20,
        [0.0] * 40 + [5.0],
        [],
        [None] * 60,
        [0.0] * 40 + [None] * 11 + [0.0] * 10,
    ],
    ids=["not for long", "at work now", "nothing measured", "nothing seen", "a hole that hides what was"],
)
def test_what_is_not_known_to_be_idle_is_not_idle(loads: list[float | None]) -> None:
    assert idle_after(loads) is None


def test_a_short_hole_does_not_hide_that_it_is_idle() -> None:
    assert idle_after([80.0] * 5 + [0.0] * 20 + [None] * 9 + [0.0] * 20) == DAY + timedelta(minutes=5)


def test_old_numbers_say_nothing_of_now() -> None:
    assert idle_after([0.0] * 60, late=timedelta(minutes=19)) == DAY
    assert idle_after([0.0] * 60, late=timedelta(minutes=21)) is None


def test_a_host_is_idle_only_when_all_its_cards_are() -> None:
    columns = {f"a {LOAD}": [0.0] * 60, f"b {LOAD}": [60.0] * 60}
    measured = Measured(began_at=DAY, step_s=60, columns=columns)
    assert idle_since(measured, now=measured.ended_at) is None
