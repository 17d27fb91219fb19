"""The bench's own arithmetic, its verdicts, and what it writes; nothing is timed here."""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from bench.__main__ import PAGE, README, RESULTS, chosen
from bench.measure import Round, Settings
from bench.measures import MEASURES
from bench.measures.intervals import STEPS
from bench.measures.outages import FAST
from bench.measures.steady import changes_of_master
from bench.musts import MUSTS, Must, bounds, judge
from bench.observer import Kind, Seen, first_announced, last_advertised
from bench.peers import PEERS, VIP, Setup, vips
from bench.performance_page import page, pictures
from bench.performance_readme import renewed, summary
from bench.processes import file_pages
from bench.results import Results, Spread

from bench import noise, svg
from carpool.cluster.load import load


def results(**measures: dict[str, list[dict[str, float]]]) -> Results:
    """Return results with the figures of rounds, by measure (_ for -) and daemon."""
    found = Results()
    found.data["versions"] = {"ucarp": "1.5.2", "keepalived": "2.2.7", "carpool": "1"}
    for name, by_peer in measures.items():
        rounds = {
            peer: [{"figures": figures, "noise": {"p99": 0.5}} for figures in of_peer]
            for peer, of_peer in by_peer.items()
        }
        entry: dict[str, Any] = {"rounds": rounds, "failed": {}, "minutes": None, "seconds": 9}
        found.add(name.replace("_", "-"), entry)
    return found


def outages(*milliseconds: float) -> list[dict[str, float]]:
    return [{"outage": one} for one in milliseconds]


# Statistics.


def test_a_spread_is_median_least_and_most() -> None:
    assert Spread.of([3, 1, 10, 2]) == Spread(2.5, 1, 10, 4)


def test_noise_is_told_by_its_99th_percentile() -> None:
    delays = [float(delay) for delay in range(1, 201)]
    assert noise.of(delays) == noise.Noise(100.5, 199.0, 200.0)
    assert noise.of([7.0]) == noise.Noise(7.0, 7.0, 7.0)


def test_results_are_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "results" / "file.json"
    written = results(death={"carpool": outages(2500, 2600, 2400)})
    written.save(path)
    read = Results.load(path)
    assert read.data == written.data
    assert read.spread("death", "carpool", "outage") == Spread(2500, 2400, 2600, 3)
    assert read.spread("death", "ucarp", "outage") is None
    assert [*path.parent.iterdir()] == [path]
    assert Results.load(tmp_path / "absent").measures == {}


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0"), (0.00997, "0.00997"), (2.6666, "2.67"), (99.96, "100"), (3616.4, "3,616")],
)
def test_three_digits_count(value: float, told: str) -> None:
    assert svg.told(value) == told


def test_a_file_counts_once_and_without_the_pages_that_were_changed() -> None:
    smaps = """\
55fc-55fd r-xp 00003000 fe:00 260850                     /usr/bin/python3.11
Size:                 80 kB
Rss:                  80 kB
Pss:                  40 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
55fe-55ff rw-p 00003000 fe:00 260850                     /usr/bin/python3.11
Rss:                  20 kB
Anonymous:            16 kB
7f00-7f01 rw-p 00000000 00:00 0                          [heap]
Rss:                 500 kB
Anonymous:           500 kB
7f02-7f03 rw-p 00000000 00:00 0
Rss:                   8 kB
Anonymous:             8 kB
"""
    assert file_pages(smaps) == {"/usr/bin/python3.11": 84}


# Rounds.


def test_rounds_divide_the_interval_and_both_nodes_start_at_any_moment(tmp_path: Path) -> None:
    count = 12
    rounds = [
        Round(PEERS["ucarp"], index, count, tmp_path, Settings(), 1) for index in range(count)
    ]
    phases = [one.phase for one in rounds]
    assert [int(phase * count) for phase in phases] == [*range(count)]
    lags = sorted(one.lag for one in rounds)
    assert all(0 <= lag < 1 for lag in lags)
    steps = [after - before for before, after in itertools.pairwise([*lags, lags[0] + 1])]
    assert max(steps) < 0.25


@pytest.mark.parametrize(
    "interval", [FAST["carpool"], *(Fraction(step, 256) for step in STEPS.values())]
)
def test_what_carpool_is_given_has_no_mistake(interval: Fraction, tmp_path: Path) -> None:
    setup = Setup(tmp_path, {"a": 0, "b": 20}, {}, vips(3), interval)
    (command,) = PEERS["carpool"].prepare(setup, "b")
    file = Path(command[command.index("run") + 1])
    loaded = load(file)
    assert loaded.findings == ()
    assert loaded.cluster is not None
    assert {group.vhid for group in loaded.cluster.groups} == {1, 2, 3}


def test_ucarp_has_a_process_for_each_address(tmp_path: Path) -> None:
    assert vips(1) == {42: VIP}
    commands = PEERS["ucarp"].prepare(Setup(tmp_path, {"a": 0}, {}, vips(255)), "a")
    assert len({command[command.index("-a") + 1] for command in commands}) == 255


# What was seen.


def advertised(when: int, node: int) -> Seen:
    return Seen(when, Kind.ADVERTISED, bytes((10, 0, 0, node)) + bytes.fromhex("212a000700000000"))


def test_a_change_of_master_is_another_one_that_advertises() -> None:
    second = 1_000_000_000
    interval = Fraction(1, 100)
    steady = [advertised(n * second // 100, 1) for n in range(100)]
    after = [advertised(n * second // 100, 2) for n in range(100, 120)]
    other = advertised(second // 2, 2)

    def changes(*seen: Seen) -> int:
        return changes_of_master(seen, -1, interval)

    assert changes(*steady) == 0
    assert changes(*steady, *after) == 1
    assert changes(*steady[:50], other, *steady[50:]) == 1, "a hasty backup, and nobody yields"
    assert changes(*steady[:50], other, *steady[62:]) == 2, "there and back"
    assert changes(*steady[:50], *steady[70:]) == 0, "a silence alone"


def test_an_address_has_moved_when_it_was_first_announced() -> None:
    def announced(when: int, last: int) -> Seen:
        return Seen(when, Kind.ANNOUNCED, bytes(6) + bytes((10, 0, 1, last)) + bytes(4))

    seen = [announced(1, 7), announced(5, 8), announced(6, 7), announced(9, 8)]
    assert first_announced(seen, 2) == {bytes((10, 0, 1, 8)): 5, bytes((10, 0, 1, 7)): 6}


def test_each_group_has_its_own_last_advertisement() -> None:
    def of_group(when: int, vhid: int) -> Seen:
        return Seen(when, Kind.ADVERTISED, bytes((10, 0, 0, 1, 0x21, vhid)) + bytes(8))

    seen = [of_group(1, 7), of_group(2, 8), of_group(5, 7), of_group(9, 8)]
    assert last_advertised(seen, 9) == {7: 5, 8: 2}


# Verdicts.


def verdict(must: Must, found: Results) -> tuple[bool | None, str]:
    judged = judge(must, found)
    return judged.met, judged.lacking


def test_a_bound_on_the_figure_itself() -> None:
    must = Must("stop", "outage", "", at_most=5)
    assert verdict(must, results(stop={"carpool": outages(4, 5, 90)})) == (True, "")
    assert verdict(must, results(stop={"carpool": outages(4, 5.1, 90)})) == (False, "")
    most = Must("stop", "outage", "", "most", at_most=5)
    assert verdict(most, results(stop={"carpool": outages(4, 5, 90)})) == (False, "")
    assert verdict(most, results()) == (None, "not measured")


def test_bounds_in_parts_of_the_peers() -> None:
    must = Must("death", "outage", "", ratios={"ucarp": 0.8, "keepalived": 0.9})
    peers = {"ucarp": outages(3600), "keepalived": outages(3000)}
    good = results(death={**peers, "carpool": outages(2600)})
    assert verdict(must, good) == (True, "")
    assert judge(must, good).ratios == {"ucarp": 2600 / 3600, "keepalived": 2600 / 3000}
    assert verdict(must, results(death={**peers, "carpool": outages(2800)})) == (False, "")
    alone = results(death={"carpool": outages(2600), "ucarp": outages(3600)})
    assert verdict(must, alone) == (None, "no keepalived")
    alone = results(death={"carpool": outages(2900), "ucarp": outages(3600)})
    assert verdict(must, alone) == (False, "no keepalived")


def test_bounds_from_below() -> None:
    must = Must("flood-bad-hmac", "drained", "", least_ratios={"ucarp": 1})
    for own, met in ((100_000, True), (99_999, False)):
        found = results(
            flood_bad_hmac={"carpool": [{"drained": own}], "ucarp": [{"drained": 100_000}]}
        )
        assert judge(must, found).met is met


def test_a_bound_in_parts_of_what_one_address_takes() -> None:
    must = Must("addresses-255", "moved_last", "", beside=("addresses-1", 1.1))
    crowd = {"carpool": [{"moved_last": 2750.0}]}
    assert verdict(must, results(addresses_255=crowd)) == (None, "no addresses-1")
    one = {"carpool": [{"moved_last": 2500.0}]}
    assert verdict(must, results(addresses_255=crowd, addresses_1=one)) == (True, "")
    one = {"carpool": [{"moved_last": 2400.0}]}
    assert verdict(must, results(addresses_255=crowd, addresses_1=one)) == (False, "")


def test_too_few_rounds_or_minutes_prove_nothing_but_a_failure() -> None:
    must = Must("partition", "dead", "", "in all", at_most=0, rounds=20)
    good, bad = [{"dead": 0.0}], [{"dead": 1.0}]
    assert verdict(must, results(partition={"carpool": good * 20})) == (True, "")
    assert verdict(must, results(partition={"carpool": good * 19})) == (None, "19 of 20 rounds")
    assert verdict(must, results(partition={"carpool": good + bad})) == (False, "2 of 20 rounds")
    long = Must("steady-idle", "changes", "", "in all", at_most=0, minutes=10)
    found = results(steady_idle={"carpool": [{"changes": 0}]})
    assert verdict(long, found) == (None, "0 of 10 minutes")
    found.measures["steady-idle"]["minutes"] = 10
    assert verdict(long, found) == (True, "")


def test_what_is_asked_for_is_told() -> None:
    must = Must("x", "y", "", at_most=45, ratios={"keepalived": 1, "ucarp": 1 / 12}, unit="MiB")
    assert bounds(must) == "<= 45 MiB, <= keepalived's, <= 1/12 of ucarp's"
    assert bounds(Must("x", "y", "", "most", at_most=50, rounds=20)) == "<= 50 ms, most, 20 rounds"
    assert bounds(Must("x", "y", "", least_ratios={"ucarp": 1})) == ">= ucarp's"


def test_every_must_is_of_a_figure_that_is_measured() -> None:
    for must in MUSTS:
        assert must.figure in MEASURES[must.measure].units, must.title
        assert {*must.ratios, *must.least_ratios} <= {*MEASURES[must.measure].peers}, must.title
        if must.beside:
            assert must.figure in MEASURES[must.beside[0]].units


# Pages and pictures.


def sample() -> Results:
    return results(
        death={
            "carpool": outages(2600, 2500, 2700),
            "ucarp": outages(3600, 3500, 3700),
        },
        interval_1000={"carpool": [{"master_cpu": 0.03, "backup_cpu": 0.02}]},
        interval_4={"carpool": [{"master_cpu": 4, "backup_cpu": 3}]},
    )


def test_the_page_has_verdicts_cells_and_empty_columns() -> None:
    text = page(sample(), {"performance-outages.svg"})
    row = "| node death, defaults | <= 0.8 x ucarp's, <= 0.9 x keepalived's "
    assert f"{row}| 2,600 | 3,600 | - | 0.722 (ucarp) | - (no keepalived) |" in text
    assert "| node death | outage | ms | 2,600 (2,500-2,700) | 3,600 (3,500-3,700) | - |" in text
    assert "| 4 ms | master cpu | % of a core | 4 | - | - |" in text
    assert "![Outages](img/performance-outages.svg)" in text
    assert "performance-intervals.svg" not in text, "it was not drawn"
    assert "failed" not in text
    alone = sample()
    del alone.data["versions"]["keepalived"]
    assert page(alone, {"performance-outages.svg"}).count("\n|") == text.count("\n|")


def test_a_round_that_failed_and_one_on_a_noisy_machine_are_told() -> None:
    found = sample()
    found.measures["death"]["failed"] = {"ucarp": ["no address\nmore", "again"]}
    found.measures["death"]["rounds"]["carpool"][0]["noisy"] = "late"
    text = page(found, set())
    assert "- death, ucarp: 2 rounds; no address" in text
    assert "(1 of 8 rounds here)" in text


def test_pictures_are_svg() -> None:
    found = pictures(sample())
    assert {*found} == {f"performance-{name}.svg" for name in ("outages", "intervals")}
    for text in found.values():
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    bars = ET.fromstring(found["performance-outages.svg"])
    assert len(bars.findall("{*}rect")) == 1 + 2 + 2, "background, legend and two bars"


def test_a_scale_has_whole_decades() -> None:
    scale = svg.Scale([0.0, 2.0, 300.0], 100, 400)
    assert [label for _, label in scale.ticks()] == ["1", "10", "100", "1,000"]
    assert [scale.at(value) for value in (0, 1, 10, 1000)] == pytest.approx([100, 100, 200, 400])
    assert [label for _, label in svg.Scale([], 0, 1).ticks()] == ["1", "10"]


def test_names_are_globs() -> None:
    assert chosen([]) == [*MEASURES]
    assert {"death", "stop", "start"} < {*chosen([], quick=True)} < {*MEASURES}
    assert chosen(["addresses-*", "death"]) == [
        name for name in MEASURES if name == "death" or name.startswith("addresses-")
    ]
    with pytest.raises(ValueError, match="no such measure: nonsense"):
        chosen(["nonsense"])


def test_the_readme_has_its_figures_between_marks() -> None:
    text = "before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n"
    assert renewed(text, "| new |") == "before\n<!-- bench -->\n| new |\n<!-- /bench -->\nafter\n"
    assert "| node death | 2,600 ms (2,500-2,700) | 3,600 ms (3,500-3,700) | - |" in summary(
        sample()
    )


@pytest.mark.skipif(not RESULTS.exists(), reason="no full run is kept here")
def test_what_is_told_is_what_was_measured() -> None:
    found = Results.load(RESULTS)
    drawn = pictures(found)
    assert PAGE.read_text() == page(found, {*drawn}), "python -m bench --report writes it"
    for name, text in drawn.items():
        assert (PAGE.parent / "img" / name).read_text() == text
    readme = README.read_text()
    assert renewed(readme, summary(found)) == readme
