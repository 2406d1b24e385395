"""Where: the worker beside a site's devices, its journal, its clock, its dead-man's switch."""
