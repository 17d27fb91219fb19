"""``carpool explain CODE``: what a finding of ``carpool check`` or ``carpool doctor`` means."""

import argparse
import json
import sys
import textwrap

from carpool.cluster.explanations import EXPLANATIONS, explain, markdown
from carpool.cluster.findings import Rule
from carpool.cluster.wording import choose_from
from carpool.doctor.faults import BY_CODE, Fault


def main(arguments: list[str]) -> int:
    """Print the explanation of each code, or the list of all. Return the exit code."""
    options = parser().parse_args(arguments)
    if options.markdown:
        print(markdown(), end="")
        return 0
    rules: dict[str, Rule | Fault] = {**{rule.code: rule for rule in Rule}, **BY_CODE}
    lower = {code.lower(): code for code in rules}
    wanted = [lower.get(code.lower(), code) for code in options.codes]
    unknown = [code for code in wanted if code not in rules]
    for code in unknown:
        mend = choose_from(code, rules)
        print(f"carpool explain: there is no code {code[:20]!r}; {mend}", file=sys.stderr)
    if unknown:
        return 2
    if options.json:
        print(json.dumps([_as_json(rules[code]) for code in wanted or rules], indent=2))
    elif wanted:
        print("\n".join(_wrapped(rules[code]) for code in wanted), end="")
    else:
        for rule in Rule:
            print(f"{rule.code}  {rule.severity:<7}  {rule.title}")
        for fault in Fault:
            print(f"{fault.code:<23}  {fault.title}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool explain",
        description="Tell what a finding of carpool check or carpool doctor means; without CODE, "
        "list all codes.",
        epilog="exit codes: 0 told; 2 there is no such code, or wrong usage.",
    )
    made.add_argument(
        "codes", nargs="*", default=[], metavar="CODE", help="such as CP515, or doctor-firewall"
    )
    made.add_argument("--json", action="store_true", help="print JSON, for programs")
    made.add_argument("--markdown", action="store_true", help="print the page docs/check.md")
    return made


def _wrapped(rule: Rule | Fault) -> str:
    if isinstance(rule, Fault):
        text = f"{rule.code}: {rule.title}\n\n{rule.means}\n\nmend: {rule.mend}\n"
    else:
        text = explain(rule)
    return "".join(textwrap.fill(line, 78) + "\n" for line in text.splitlines())


def _as_json(rule: Rule | Fault) -> dict[str, str]:
    if isinstance(rule, Fault):
        explained = {"explanation": rule.means, "mend": rule.mend}
        return {"code": rule.code, "title": rule.title, **explained}
    return {
        "code": rule.code,
        "severity": rule.severity.value,
        "title": rule.title,
        "explanation": EXPLANATIONS[rule],
    }
