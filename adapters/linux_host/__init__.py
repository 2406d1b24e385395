"""What adapters share that ask a small program of ours on a Linux host: the wire, the build, looks and deeds."""
