"""The door to a site's P4 switches: its own process, beside the switches, between them and their tenants.

Election ids order controllers that mean well; they keep nobody out (P4Runtime 1.5, “the server
trusts clients”). So tenants never reach a switch. They reach this gateway, with a certificate
that is theirs for one lease, and the gateway speaks to the switch in their place.
"""
