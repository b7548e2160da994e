"""What computes a layer on this machine: C++ kernels for CPUs, packed weights, and their choice."""
