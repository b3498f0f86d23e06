"""Our kernels beside their peers, on the same shapes and threads: ``python -m benchmarks.kernels``.

The peers run in a process of their own (`peer_process`), so that their threads, memory and packages do not touch ours,
and turns are taken (`clock`), so that a change of the machine's speed hits both sides.
"""
