"""Completion scripts for bash, zsh and fish, made from the parsers of all commands."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from carpool.cli import COMMANDS
from carpool.cli.parsers import parsers

LISTED = {"CODE": "findings", "CODE,...": "codes", "GROUP": "groups", "IFACE": "interfaces"}
"""Metavars of what `carpool completion --list` tells."""


@dataclass(frozen=True, slots=True)
class Value:
    """What an option or operand takes: one of `words`, what `listed` lists, or a file."""

    name: str
    words: tuple[str, ...] = ()
    listed: str | None = None
    file: bool = False
    directory: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """An option; ``value`` is None if it takes none."""

    names: tuple[str, ...]
    value: Value | None
    help: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class Form:
    """One thing that carpool does. Of its operands the last may be repeated."""

    words: tuple[str, ...]
    """The command, and the word that says which of the things that it does."""
    options: tuple[Option, ...]
    operands: tuple[Value, ...]


def forms() -> list[Form]:
    """Return all that carpool does, each command with the words that its next one may be."""
    found = []
    for command, made in parsers():
        beneath = {word: parser for word, parser in made.items() if word and word.islower()}
        plain = [parser for word, parser in made.items() if word not in beneath]
        if beneath:  # then a command without such a word is the last of them: carpool lab FILE
            *_, last = beneath.values()
            form = _form((command,), [last])
            first = Value("what", tuple(beneath), file=True)
            found.append(Form(form.words, form.options, (first, *form.operands[1:])))
            found += [_form((command, word), [parser]) for word, parser in beneath.items()]
        else:
            found.append(_form((command,), plain))
    return found


def _form(words: tuple[str, ...], made: Sequence[argparse.ArgumentParser]) -> Form:
    """Return the form that any of the parsers reads."""
    actions = [action for parser in made for action in parser._actions]  # noqa: SLF001
    shown = [action for action in actions if action.help != argparse.SUPPRESS]
    options = {
        tuple(action.option_strings): Option(
            tuple(action.option_strings),
            None if action.nargs == 0 else _value(action, made[0]),
            _help(action),
            isinstance(action, argparse._AppendAction | argparse._ExtendAction),  # noqa: SLF001
        )
        for action in shown
        if action.option_strings
    }
    operands = [_value(action, made[0]) for action in made[0]._actions if not action.option_strings]  # noqa: SLF001
    return Form(words, tuple(options.values()), tuple(operands))


def _value(action: argparse.Action, parser: argparse.ArgumentParser) -> Value:
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    listed = LISTED.get(name)
    if "--node" in action.option_strings and parser.get_default("run_dir") is None:
        asks = any("--run-dir" in one.option_strings for one in parser._actions)  # noqa: SLF001
        listed = "nodes" if asks else None
    elif name == "NAME" and "--group" in action.option_strings:
        listed = "groups"
    return Value(
        name,
        tuple(str(getattr(choice, "value", choice)) for choice in action.choices or ()),
        listed,
        file=action.type is Path or name.endswith("FILE"),
        directory=name == "DIR",
    )


def _help(action: argparse.Action) -> str:
    if isinstance(action, argparse._HelpAction):  # noqa: SLF001
        return "show the help of this command"
    return " ".join((action.help or "").replace("%%", "%").split())


def bash() -> str:
    """Return the script for bash, 3.2 and later."""
    found = forms()
    beneath = [" ".join(form.words) for form in found if len(form.words) > 1]
    taking = [
        (_either(form, option), option.value)
        for form in found
        for option in form.options
        if option.value is not None
    ]
    values = [f"        {names}) {_bash_value(value)}; return;;" for names, value in taking]
    options = [
        f"            {quote(' '.join(form.words))}) _carpool_words "
        f"{quote(' '.join(name for option in form.options for name in option.names))};;"
        for form in found
    ]
    operands = [
        f"        {pattern}) {_bash_value(value)};;"
        for form in found
        for pattern, value in _places(form)
    ]
    return BASH.format(
        commands=" ".join(COMMANDS),
        beneath="|".join(map(quote, beneath)),
        taking="|".join(names for names, _ in taking),
        values="\n".join(values),
        options="\n".join(options),
        operands="\n".join(operands),
    )


def _either(form: Form, option: Option) -> str:
    return "|".join(quote(" ".join((*form.words, name))) for name in option.names)


def _places(form: Form) -> Iterator[tuple[str, Value]]:
    """Yield a pattern of the form and the number of operands before, and what comes there."""
    name = quote(" ".join(form.words))
    for place, value in enumerate(form.operands):
        last = place == len(form.operands) - 1
        yield f'{name}" "{"[0-9]*" if last else place}', value


def _bash_value(value: Value) -> str:
    parts = []
    if value.listed:
        parts.append(f"_carpool_list {value.listed}")
    if value.file or value.directory:
        parts.append(f"_carpool_files {'-d' if value.directory else '-f'}")
    if value.words:
        parts.append(f"_carpool_words {quote(' '.join(value.words))}")
    return "; ".join(parts) or ":"


BASH = """\
# bash completion for carpool; made by: carpool completion bash

_carpool_words() {{
    COMPREPLY+=($(compgen -W "$1" -- "$cur"))
}}

_carpool_list() {{
    local word
    # Names that others chose: nothing may expand them, neither here nor on the command line.
    while IFS= read -r word; do
        if [[ -n $word && $word == "$cur"* ]]; then
            COMPREPLY+=("$(printf %q "$word")")
        fi
    done <<<"$("${{COMP_WORDS[0]}}" completion --list "$1" 2>/dev/null)"
}}

_carpool_files() {{
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen "$1" -- "$cur"))
}}

_carpool() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local form=${{COMP_WORDS[1]-}} first=2 place=0 word value=
    COMPREPLY=()
    # --option=value is three words here.
    if [[ $cur == '=' ]]; then
        cur=
    elif [[ $previous == '=' ]]; then
        previous=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    if ((COMP_CWORD == 1)); then
        _carpool_words '{commands} --help --version'
        return
    fi
    if ((COMP_CWORD > 2)); then
        case "$form ${{COMP_WORDS[2]}}" in
        {beneath})
            form+=" ${{COMP_WORDS[2]}}"
            first=3;;
        esac
    fi
    case "$form $previous" in
{values}
    esac
    if [[ $cur == -* ]]; then
        case $form in
{options}
        esac
        return
    fi
    for word in "${{COMP_WORDS[@]:first:COMP_CWORD-first}}"; do
        if [[ $word == '=' ]]; then
            continue
        elif [[ -n $value ]]; then
            value=
        elif [[ $word == -* ]]; then
            case "$form $word" in
            {taking}) value=1;;
            esac
        else
            ((place += 1))
        fi
    done
    case "$form $place" in
{operands}
    esac
}}

complete -F _carpool carpool
"""


def zsh() -> str:
    """Return the script for zsh, to be sourced or found in fpath as _carpool."""
    found = forms()
    cases = []
    for form in found:
        specs = [_zsh_option(option) for option in form.options]
        for place, value in enumerate(form.operands):
            last = place == len(form.operands) - 1
            specs.append(f"{'*' if last else place + 1}:{value.name}:{_zsh_value(value)}")
        listed = " \\\n            ".join(quote(spec) for spec in specs)
        cases.append(f"    {quote(' '.join(form.words))})\n        _arguments -S {listed};;")
    beneath = [" ".join(form.words) for form in found if len(form.words) > 1]
    commands = "\n".join(
        f"        {quote(_colons(name) + ':' + text)}" for name, text in COMMANDS.items()
    )
    return ZSH.format(
        commands=commands, cases="\n".join(cases), beneath="|".join(map(quote, beneath))
    )


def _colons(text: str) -> str:
    return text.replace(":", r"\:")


def _zsh_option(option: Option) -> str:
    """Return a spec of _arguments: (what it excludes)names[help]:value:action."""
    text = option.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    value = ""
    if option.value is not None:
        value = f":{_colons(option.value.name)}:{_zsh_value(option.value)}"
    name = option.names[-1]  # the long one
    joint = "=" if value and name.startswith("--") else ""
    return f"{'*' if option.repeated else ''}{name}{joint}[{text}]{value}"


def _zsh_value(value: Value) -> str:
    words = f"({' '.join(value.words)})" if value.words else ""
    if value.words and value.file:
        return f"_alternative {quote(f'words:word:{words}')} {quote('files:file:_files')}"
    if value.listed:
        return f" _carpool_list {value.listed}"  # a blank first: no further arguments
    if value.directory:
        return "_files -/"
    return "_files" if value.file else words or "( )"


ZSH = """\
#compdef carpool
# zsh completion for carpool; made by: carpool completion zsh

_carpool_list() {{
    local -a found
    found=(${{(f)"$(${{words_of_carpool[1]}} completion --list $1 2>/dev/null)"}})
    compadd -a found
}}

_carpool() {{
    local -a commands words_of_carpool
    local form
    words_of_carpool=($words)
    if ((CURRENT == 2)); then
        commands=(
{commands}
        )
        _describe command commands
        return
    fi
    form=$words[2]
    shift words
    ((CURRENT -= 1))
    if ((CURRENT > 2)); then
        case "$form $words[2]" in
        {beneath})
            form+=" $words[2]"
            shift words
            ((CURRENT -= 1));;
        esac
    fi
    case $form in
{cases}
    esac
}}

if [[ $funcstack[1] == _carpool ]]; then
    _carpool "$@"
else
    compdef _carpool carpool
fi
"""


def fish() -> str:
    """Return the script for fish."""
    lines = [
        "# fish completion for carpool; made by: carpool completion fish",
        "complete -c carpool -f",
        *(
            f"complete -c carpool -n __fish_use_subcommand -a {name} -d {quote(text)}"
            for name, text in COMMANDS.items()
        ),
    ]
    for form in forms():
        command, *beneath = form.words
        seen = f"__fish_seen_subcommand_from {command}"
        for word in beneath:
            seen += f"; and __fish_seen_subcommand_from {word}"
        start = f"complete -c carpool -n {quote(seen)}"
        for option in form.options:
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in option.names
            )
            value = "" if option.value is None else f" {_fish_value(option.value, 'option')}"
            lines.append(f"{start} {names}{value} -d {quote(option.help)}")
        lines += [f"{start} {_fish_value(value, 'operand')}" for value in form.operands]
    return "".join(f"{line}\n" for line in lines)


def _fish_value(value: Value, place: str) -> str:
    words = list(value.words)
    if value.listed:
        words.append(f"(carpool completion --list {value.listed} 2>/dev/null)")
    if value.directory:
        words.append("(__fish_complete_directories)")
    needs = {"option": "-r -F" if value.file else "-x", "operand": "-F" if value.file else "-f"}
    return f"{needs[place]} -a {quote(' '.join(words))}" if words else needs[place]


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
