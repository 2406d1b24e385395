"""Other testbeds: what their own tools ask us, answered in their own words."""
