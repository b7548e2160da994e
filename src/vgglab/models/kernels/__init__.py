"""Kernels that compute a layer on this machine: C++ for CPUs, packed weights, and their choice."""
