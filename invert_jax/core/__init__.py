"""Pure functions of arrays: ranks, scores, search, significance.

Knows no names, files or models. Every jitted function lowers for CPU, GPU and TPU
without a 64-bit tensor.
"""
