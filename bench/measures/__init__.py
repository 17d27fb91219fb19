"""All measures of `make bench`, by name, in the order they are run and told in."""

from bench.measure import Measure
from bench.measures import crowds, floods, intervals, outages, starts, steady

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for module in (outages, crowds, starts, intervals, floods, steady)
    for measure in module.MEASURES
}
