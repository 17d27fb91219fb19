"""The stand-in commands, a small module each: `main(words)` returns the exit code.

`of_global_zone` and `of_zone` say which are where.
"""
