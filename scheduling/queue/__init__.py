"""The demand queue: who gets which cards now, who gives way, and why somebody waits.

- `requests`: the values that go in and come out.
- `policies`: the named policies; `federated` is the one to take.
- `planner.Planner`: the state, told of each event, asked for decisions.
- `pools`, `waiting`, `shares`, `hosts`: what it keeps, each changed in place by each event.
"""
