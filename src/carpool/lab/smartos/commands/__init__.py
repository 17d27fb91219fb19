"""The stand-in commands, a small module each: `main(words)` returns the exit code.

`of_global_zone`, `of_zone` and `of_lx_zone` say which are where.
"""
