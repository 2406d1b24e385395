"""Who gets what when, as pure functions: numbers in, decisions out.

Nothing here knows Django, a database, a network or the clock. The portal and the replay of recorded
traces call the same code, so what is decided can be repeated and explained.

- `asks`: the values: what is wished for, what there is, when it is taken.
- `matching.choose`: which devices meet the asks, all of them or none.
- `windows.free_windows`: when that is possible first; `windows.nearest_windows`: just before and after.
- `refusals.explain`: why it is not possible in a given window, and until when.

Moments are whole seconds since the epoch and windows are half-open. The caller converts.
"""
