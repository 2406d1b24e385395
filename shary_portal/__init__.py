"""The composition root: plugs the apps together. It may import everything, nobody imports it."""
