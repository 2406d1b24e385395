"""When a device can be occupied, read from its sorted busy intervals."""

from bisect import bisect_left
from collections.abc import Sequence

from scheduling.asks import Busy, Candidate, Interval, Moment


def is_free(intervals: Sequence[Interval], start: Moment, end: Moment) -> bool:
    """Whether nothing in these intervals touches [start, end)."""
    place = bisect_left(intervals, (end,))
    return place == 0 or intervals[place - 1][1] <= start


def can_carry(candidate: Candidate, busy: Busy, *, starts_at: Moment, ends_at: Moment) -> bool:
    """Whether the candidate is free for the window, its preparation and its clean-up."""
    intervals = busy.get(candidate.id)
    return not intervals or is_free(
        intervals, starts_at - candidate.preparation_s, ends_at + candidate.cleanup_s
    )


def rounded_up(moment: Moment, step_s: int, phase_s: int = 0) -> Moment:
    """The first moment of the grid that is not before this one."""
    return moment + (phase_s - moment) % step_s


def rounded_down(moment: Moment, step_s: int, phase_s: int = 0) -> Moment:
    """The last moment of the grid that is not after this one."""
    return moment - (moment - phase_s) % step_s
