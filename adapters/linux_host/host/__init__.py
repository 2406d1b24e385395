"""What such programs share on the host. It travels with each of them, as one file for Python from 3.9 on.

So it imports nothing but the standard library, and itself by its full name.
"""
