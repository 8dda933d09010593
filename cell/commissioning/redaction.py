"""Takes secrets out of text before others see it: by what they are called, by what they look like, and by value.

Three passes. *Names*: the value behind a word such as ``password`` or ``token``, in YAML, JSON, ini files,
environments, command lines, headers and URLs. *Shapes*: keys and tokens that are known by their form, private keys,
one-time links, long random words. *Values*: whatever the first two found anywhere is looked for everywhere, also in
base64, hexadecimal, percent-encoding, with escapes, and split over lines or quotation marks.

Kept on purpose: SHA-256 and commit hashes, serial numbers of devices (two adapters are told apart by nothing else),
host names and addresses of machines. People's names are not: home folders, e-mail addresses and login names go.
"""

from __future__ import annotations

import base64
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote

REDACTED: Final = "REDACTED"
"""A plain word, so that YAML and JSON stay what they are."""

LEAST: Final = 6
"""A shorter value may be a word of its own elsewhere (``admin``); it goes where it stands, and not everywhere."""

SPLIT_LEAST: Final = 10
"""From this length on a value is looked for in pieces."""

NAME: Final = (
    r"(?:[A-Za-z0-9]{1,40}[_.-]){0,12}(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|"
    r"private[_-]?key|secret[_-]?key|signing[_-]?key|encryption[_-]?key|credentials?|authorization|auth|cookie|"
    r"session[_-]?id|bearer|psk|pin|wpa|community|dsn|connection[_-]?string)(?:[_.-]?(?:value|text|key|id|hash|[0-9]+))?"
)
_PLAIN: Final = (
    "true false null none yes no on off { [ | > |- >- {} [] required optional enabled disabled missing invalid expired"
    " failed unknown changed string renewed accepted refused default bearer basic digest redacted"
)
PLAIN_WORDS: Final = frozenset(("", *_PLAIN.split()))
"""What stands behind a telling name and is no secret."""

_NAMED: Final = re.compile(
    # The name, perhaps in quotation marks that are themselves escaped, then = or :, or --name and a blank.
    r"(?P<head>(?<![A-Za-z0-9\\])(?:(?P<quote>\\{0,8}[\"']?)" + NAME + r"(?P=quote)\s*[:=]\s*|--" + NAME + r"[ \t]+))"
    r"(?:(?P<open>\\{0,8}[\"'])(?P<quoted>(?:(?!(?P=open)).){1,4096}?)(?P=open)|(?P<bare>[^\s,;&\"'}\]](?:[^\s,;\"'}\]]|[,;](?=[^\s\"'}\]]))*))",
    re.IGNORECASE,
)
_BLOCK: Final = re.compile(
    r"^(?P<indent>[ \t]*)(?P<head>[\"']?" + NAME + r"[\"']?[ \t]*:[ \t]*(?:[|>][+-]?[0-9]?|\[|\{)?[ \t]*(?:#.*)?)\n"
    r"(?P<body>(?:(?P=indent)[ \t]+\S.*(?:\n|\Z)|[ \t]*\n)+|(?:(?P=indent)[ \t]*-[ \t].*(?:\n|\Z))+)",
    re.IGNORECASE | re.MULTILINE,
)
_LINE: Final = re.compile(
    # YAML, ini and environment files: a name begins the line, and all that follows is its value.
    r"^(?P<head>[ \t]*(?:-[ \t]+)?(?:export[ \t]+)?" + NAME + r"[ \t]*(?::[ \t]|=)[ \t]*)"
    r"(?P<value>[^\s\"'{\[|>#][^\n]*?)(?P<tail>[ \t]+#[^\n]*|[ \t\r]*)$",
    re.IGNORECASE | re.MULTILINE,
)
_GROUP: Final = re.compile(
    r"(?P<head>(?<![A-Za-z0-9\\])(?P<quote>\\{0,8}[\"']?)" + NAME + r"(?P=quote)\s*[:=]\s*)"
    r"(?P<body>\[[^\]\[]{0,8192}\]|\{[^{}]{0,8192}\})",
    re.IGNORECASE,
)
_WORKING_FOLDER: Final = re.compile(r"(?:OLD)?PWD=/")
"""A shell's own variable, named like a password."""

_SCHEME: Final = re.compile(r"\b(?P<kind>bearer|basic|digest|token)\s+(?P<value>[A-Za-z0-9+/_~.=-]{8,})", re.IGNORECASE)
_USERINFO: Final = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]{1,20}://)(?P<user>[^\s/@:\"'<>]*)(?::(?P<word>[^\s/@\"'<>]*))?@"
)
_QUERY: Final = re.compile(
    r"(?P<head>[?&;](?:token|key|sig|signature|code|auth|password|secret|access_token|session|otp)=)(?P<value>[^\s&\"'<>#]+)",
    re.IGNORECASE,
)
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]*PRIVATE KEY)-----.*?(?:-----END (?P=kind)-----|\Z)", re.DOTALL
)
_KEY_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_KEY_LINE: Final = re.compile(r"[A-Za-z0-9+/=]{16,}")
_SHAPES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # JSON web tokens
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{20,}\b",
        r"\bgithub_pat_[A-Za-z0-9_]{20,}\b",
        r"\bglpat-[A-Za-z0-9_-]{16,}",
        r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
        r"\bsk-[A-Za-z0-9_-]{20,}",
        r"\bpypi-[A-Za-z0-9_-]{16,}",
        r"\bAIza[A-Za-z0-9_-]{30,}",
    )
)
_RANDOM: Final = re.compile(r"(?<![A-Za-z0-9_+/=.-])[A-Za-z0-9_+/-]{28,128}={0,2}(?![A-Za-z0-9_+/=-])")
_HASH: Final = re.compile(r"[0-9a-fA-F]+")
_EMAIL: Final = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
_HOME: Final = re.compile(r"(?P<base>/(?:home|Users))/(?P<who>[^/\s:\"',;)\]}]+)")
_SEPARATORS: Final = re.compile(r"(?:\\[nrt]|[\s\"'\\+,])+")
"""What may stand between the pieces of a value that was split."""

BITS: Final = 3.6
"""Entropy of a character from which a long word with letters of both cases and digits counts as random."""


class Redactor:
    """Collects secrets with ``learn``, then takes them out with ``clean``.

    Args:
        people: login names, which go as well.
    """

    def __init__(self, people: Iterable[str] = ()) -> None:
        self.known: set[str] = set()
        self.count = 0
        self._people = [name for name in people if len(name) >= 3 and name != "root"]
        self._made = 0
        self._all: list[tuple[list[str], str]] = []

    def learn(self, text: str) -> None:
        """Note the secrets in a text, so that they are known in every other text."""
        self._names_and_shapes(text)

    def learn_value(self, value: str) -> None:
        """Note a secret by itself, for example a variable of the environment that is called a password."""
        self._note(value)

    def clean(self, text: str) -> str:
        """The text without its secrets and without those of all texts that were learnt."""
        text = self._values(self._names_and_shapes(text))
        text = _HOME.sub(lambda found: f"{found['base']}/USER", text)
        text = _EMAIL.sub("E-MAIL", text)
        for name in self._people:
            text = re.sub(rf"(?<![A-Za-z0-9_-]){re.escape(name)}(?![A-Za-z0-9_-])", "USER", text)
        return text

    def leaks(self, text: str) -> bool:
        """A known secret still stands in a text, as it is or encoded; asked of what is about to leave."""
        squeezed = _SEPARATORS.sub("", text)
        return any(
            any(form in text for form in forms) or (bool(core) and core in squeezed) for forms, core in self._forms()
        )

    def _values(self, text: str) -> str:
        """Known secrets in all their forms, and in pieces."""
        squeezed: str | None = None
        for forms, core in self._forms():
            for form in forms:
                if form in text:
                    self.count += text.count(form)
                    text = text.replace(form, REDACTED)
                    squeezed = None
            if not core:
                continue
            squeezed = _SEPARATORS.sub("", text) if squeezed is None else squeezed
            while core in squeezed:
                text = _without_pieces(text, squeezed.index(core), len(core))
                squeezed = _SEPARATORS.sub("", text)
                self.count += 1
        return text

    def _forms(self) -> list[tuple[list[str], str]]:
        """By secret, the longest first: its forms, and what is left of it without separators, where it is long enough
        to be looked for in pieces."""
        if self._made != len(self.known):
            self._made = len(self.known)
            self._all = []
            for secret in sorted(self.known, key=len, reverse=True):
                core = _SEPARATORS.sub("", secret)
                pieces = core if len(core) >= SPLIT_LEAST else ""
                self._all.append((sorted(encoded(secret), key=len, reverse=True), pieces))
        return self._all

    def _note(self, value: str) -> None:
        for part in {value, unquote(value), value.replace("\\/", "/")}:
            bare = part.strip().strip("\"'\\")
            if (
                len(bare) >= LEAST
                and bare.lower() not in PLAIN_WORDS
                and REDACTED not in bare
                and bare not in self.known
            ):
                self.known.add(bare)

    def _hide(self, value: str) -> str:
        if value.strip().lower() in PLAIN_WORDS or REDACTED in value:
            return value
        self._note(value)
        self.count += 1
        return REDACTED

    def _names_and_shapes(self, text: str) -> str:
        text = _PRIVATE_KEY.sub(lambda found: self._key(found[0]), text)
        text = self._key_tails(text)
        text = _USERINFO.sub(self._userinfo, text)
        text = _QUERY.sub(lambda found: found["head"] + self._hide(found["value"]), text)
        text = _SCHEME.sub(lambda found: f"{found['kind']} {self._credentials(found['value'])}", text)
        text = _BLOCK.sub(self._block, text)
        text = _GROUP.sub(self._group, text)
        text = _LINE.sub(self._line, text)
        text = _NAMED.sub(self._named, text)
        for shape in _SHAPES:
            text = shape.sub(lambda found: self._hide(found[0]), text)
        return _RANDOM.sub(lambda found: self._hide(found[0]) if _is_random(found[0]) else found[0], text)

    def _key(self, text: str) -> str:
        # Each line of a key is a secret of its own: it may stand elsewhere without its frame.
        for line in re.split(r"\\n|\s+", text):
            if len(line) >= 32 and "-----" not in line:
                self._note(line)
        self.count += 1
        return f"{REDACTED} (a private key)"

    def _key_tails(self, text: str) -> str:
        """Keys whose beginning was cut off: the lines before their end."""
        while (found := _KEY_END.search(text)) is not None:
            begin = text.rfind("\n", 0, found.start()) + 1
            while begin > 0:
                above = text.rfind("\n", 0, begin - 1) + 1
                if not _KEY_LINE.fullmatch(text[above : begin - 1].strip()):
                    break
                begin = above
            text = text[:begin] + self._key(text[begin : found.end()]) + text[found.end() :]
        return text

    def _userinfo(self, found: re.Match[str]) -> str:
        if found["word"] is not None:
            self._hide(found["word"])
        elif len(found["user"]) >= 16:
            self._note(found["user"])
        return f"{found['scheme']}{REDACTED}@"

    def _credentials(self, value: str) -> str:
        """Of an Authorization header; base64 of ``user:password`` gives the password away, too."""
        try:
            _, colon, word = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode().partition(":")
            if colon:
                self._note(word)
        except (ValueError, UnicodeDecodeError):
            pass
        return self._hide(value)

    def _block(self, found: re.Match[str]) -> str:
        """A YAML block scalar, list or group under a telling name."""
        head, body = found["head"], found["body"]
        lines = [re.sub(r"^-\s+|^[\w.-]+:\s+", "", line.strip()) for line in body.splitlines() if line.strip()]
        for line in lines:
            self._note(line)
        self._note("".join(lines))
        self._note(" ".join(lines))
        self.count += 1
        opening = re.sub(r"[|>\[{].*$", "", head).rstrip()
        return f"{found['indent']}{opening} {REDACTED}\n"

    def _group(self, found: re.Match[str]) -> str:
        """A list or a group in brackets under a telling name: all of it."""
        if REDACTED in found["body"]:
            return found[0]
        parts = [one or two for one, two in re.findall(r"\"((?:[^\"\\]|\\.)*)\"|([^\s,:\[\]{}\"']+)", found["body"])]
        for part in parts:
            self._note(part)
        self._note("".join(parts))
        self.count += 1
        return f'{found["head"]}"{REDACTED}"'

    def _line(self, found: re.Match[str]) -> str:
        if _WORKING_FOLDER.match(found[0]):
            return found[0]
        return f"{found['head']}{self._hide(found['value'])}{found['tail']}"

    def _named(self, found: re.Match[str]) -> str:
        if _WORKING_FOLDER.match(found[0]):
            return found[0]
        quoted = found["quoted"]
        if quoted is not None:
            return f"{found['head']}{found['open']}{self._hide(quoted)}{found['open']}"
        hidden = self._hide(found["bare"])
        # A bare value behind a name in quotation marks is JSON, and stays JSON.
        mark = found["quote"] if found["quote"] and hidden == REDACTED else ""
        return f"{found['head']}{mark}{hidden}{mark}"


def _without_pieces(text: str, start: int, length: int) -> str:
    """Cut out the letters ``start`` to ``start + length`` as they are counted without separators."""
    begin = end = seen = at = 0
    for found in _SEPARATORS.finditer(text + " "):
        run = found.start() - at
        if seen <= start < seen + run:
            begin = at + start - seen
        if seen < start + length <= seen + run:
            end = at + start + length - seen
            break
        seen, at = seen + run, found.end()
    return text[:begin] + REDACTED + text[end:]


def encoded(secret: str) -> set[str]:
    """A secret as it may stand in a text: plain, escaped, percent-encoded, hexadecimal, and base64 of it at any place
    within a longer value."""
    raw = secret.encode()
    forms = {secret, quote(secret, safe=""), quote(secret), secret.replace("/", "\\/"), secret.replace('"', '\\"')}
    forms |= {secret.encode("unicode_escape").decode(), secret[::-1] if len(secret) >= SPLIT_LEAST else secret}
    forms |= {raw.hex(), raw.hex().upper(), raw.hex(" "), raw.hex(":")}
    for shift in range(3):
        # Letters at either end are mixed with their neighbours' bits; those in between are the secret's own.
        whole = base64.b64encode(b"\0" * shift + raw + b"\0" * (-(len(raw) + shift) % 3)).decode()
        first = math.ceil(8 * shift / 6)
        last = (8 * (shift + len(raw))) // 6
        core = whole[first:last]
        if len(core) >= LEAST + 1:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= LEAST}


def _is_random(word: str) -> bool:
    """A long word that nobody would write: letters of both cases and digits, evenly used; no hash, no path."""
    if _HASH.fullmatch(word) or word.count("/") > 2 or word.count("-") + word.count("_") > max(3, len(word) // 8):
        return False
    kinds = [any(test(letter) for letter in word) for test in (str.islower, str.isupper, str.isdigit)]
    if not all(kinds):
        return False
    size = len(word)
    return -sum(n / size * math.log2(n / size) for n in Counter(word).values()) >= BITS
