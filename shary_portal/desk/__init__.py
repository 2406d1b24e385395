"""The operators' desk: Django's admin, for those who run a site or the federation."""
