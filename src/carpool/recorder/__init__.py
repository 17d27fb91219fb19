"""The flight recorder: what a virtual host was told, kept in little memory, and told again.

`recorded` is a virtual host that keeps a `tape` of its inputs; `trace` is the file that tapes are
written to, and `reading` takes it apart; `rerun` lets the shipped core decide once more, and
`story` says it in words. Nothing here reads a clock or opens a file.
"""
