"""OpenID Connect, with the checks that hostile providers call for."""
