"""Recorded demand, run through the same queue under a virtual clock.

- `traces.read_trace`: the demand, from CSV; `capacities`: the sites, by load or from CSV.
- `engine.replay`: the run; `figures.figures_of`: what it comes to; `plots`: as a drawing.
- `oracle`: what could be reached by somebody who knows all lengths and moves work about for nothing.
"""
