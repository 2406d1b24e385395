"""Lets the package run as a program."""

import sys

from adapters.gpu_probe.program import main

sys.exit(main(sys.argv[1:]))
