"""Cards whose memory outlives processes, on a machine that has none: a stand-in for libcuda.so.1."""
