"""The program `shary-switch-host`: what a site worker may do on a switch's control processor, and no more.

It travels alone, as one file for the system's own Python from 3.9 on (`adapters.p4_tofino_ssh.build`).
"""

NAME = "shary-switch-host"
PROTOCOL = 1
"""What the adapter and this program must agree on; raised with every change that the other side sees."""

VERSION = "1.0"
