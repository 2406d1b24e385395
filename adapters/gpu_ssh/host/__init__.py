"""The program `shary-gpu-host`: what a site worker may do on a machine with graphics cards, and no more.

It travels alone, as one file for the system's own Python from 3.9 on (`adapters.gpu_ssh.build`).
So it imports nothing but the standard library, and what travels with it: `adapters.linux_host.host`.
"""

NAME = "shary-gpu-host"
PROTOCOL = 1
"""What the adapter and this program must agree on; raised with every change that the other side sees."""

VERSION = "1.0"
