"""Leases of a network card's virtual functions, set up through the kernel's netlink."""
