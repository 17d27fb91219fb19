"""Why there are two masters, or none: what is gathered, and pure rules that judge it.

`gather` fills an `observation.Observation`; the rules of `diagnosis` go from there to findings.
"""
