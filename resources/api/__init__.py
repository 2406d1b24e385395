"""The REST door to *what*: sites, resources, and what can be chosen of each kind."""
