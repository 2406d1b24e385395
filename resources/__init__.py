"""What: sites, resources and their parts, maintenance windows, health."""
