"""``make fuzz``: every target with a million inputs, guided by coverage where atheris is there (extra ``fuzz``).

    python tests/fuzz/run.py [--runs N] [--plain] [TARGET ...]

Each target runs in a process of its own. An input that raises, or takes longer than the limit, is written to
``build/fuzz`` and named; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]
FOUND = ROOT / "build" / "fuzz"
LIMIT_S = 5.0
LONGEST = 2048
SEED = 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        return inside(args.targets[0], args.runs, plain=args.plain)
    sys.path.insert(0, str(ROOT))
    from tests.fuzz.targets import TARGETS

    wanted = args.targets or list(TARGETS)
    for name in wanted:
        if name not in TARGETS:
            print(f"no target {name!r}: there is {', '.join(TARGETS)}", file=sys.stderr)
            return 2
    plain = args.plain or importlib.util.find_spec("atheris") is None
    how = "with inputs changed at random (no atheris)" if plain else "guided by coverage (atheris)"
    print(f"{len(wanted)} targets, {args.runs} inputs each, {how}")
    FOUND.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in wanted:
        words = [sys.executable, __file__, "--inside", "--runs", str(args.runs), *(["--plain"] if plain else []), name]
        began_s = time.monotonic()
        log = FOUND / f"{name}.log"
        with log.open("w") as out:
            code = subprocess.run(words, stdout=out, stderr=subprocess.STDOUT, check=False, cwd=ROOT).returncode
        print(f"{name}: {'FAILED, see ' + str(log) if code else 'ok'}, {time.monotonic() - began_s:.0f} s", flush=True)
        if code:
            failed.append(name)
            print("\n".join(log.read_text(errors="replace").splitlines()[-15:]))
    return 1 if failed else 0


def inside(name: str, runs: int, *, plain: bool) -> int:
    """One target, in this process."""
    sys.path.insert(0, str(ROOT))
    if plain:
        return changed_at_random(name, runs)
    import atheris

    with atheris.instrument_imports(include=["cell", "sim", "yaml", "pydantic"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    corpus = FOUND / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    flags = [f"-runs={runs}", f"-seed={SEED}", f"-timeout={LIMIT_S:.0f}", f"-max_len={LONGEST}"]
    flags += [f"-artifact_prefix={FOUND}/{name}-", "-rss_limit_mb=4096", "-print_final_stats=1"]
    atheris.Setup([name, *flags, str(corpus)], target.run)
    atheris.Fuzz()
    return 0


def changed_at_random(name: str, runs: int) -> int:
    """Without coverage: seeds, and what changes make of them."""
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    draw = random.Random(f"{SEED} {name}")

    def too_long(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"longer than {LIMIT_S} s")

    signal.signal(signal.SIGALRM, too_long)
    began_s = time.monotonic()
    for number in range(runs):
        data = changed(draw, target.seeds, text=target.text)
        signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
        try:
            target.run(data)
        except BaseException:
            FOUND.mkdir(parents=True, exist_ok=True)
            file = FOUND / f"{name}-crash"
            file.write_bytes(data)
            print(f"{name}: input {number}, kept as {file}: {data[:200]!r}", file=sys.stderr)
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
    print(f"{runs} inputs in {time.monotonic() - began_s:.0f} s, none raised or hung")
    return 0


WORDS = (
    b"null", b"true", b"-1", b"0", b"1e999", b".nan", b"2147483648", b"!!python/object:os.system", b"&a", b"*a",
    b"<<:", b"{", b"}", b"[", b"]", b": ", b"- ", b"\n", b"  ", b"'", b'"', b"|", b">", b"$(var a)", b"$(", b"%",
    b"\xc3\xa9", b"\xff", b"\x00", b"\t", b"name", b"launch:", b"ros__parameters:", b"x" * 300,
)  # fmt: skip
"""What parsers of text stumble over."""


def changed(draw: random.Random, seeds: tuple[bytes, ...], *, text: bool) -> bytes:
    """A seed after a few changes; now and then nothing but noise."""
    if draw.random() < 0.05:
        return draw.randbytes(draw.randrange(80))
    data = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        at = draw.randrange(len(data) + 1)
        kind = draw.randrange(7)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[at:at] = draw.randbytes(draw.randint(1, 4))
        elif kind == 2:
            del data[at : at + draw.randint(1, 8)]
        elif kind == 3:
            other = draw.choice(seeds)
            start = draw.randrange(len(other))
            data[at:at] = other[start : start + draw.randint(1, 40)]
        elif kind == 4:
            end = min(at + draw.randint(1, 20), len(data))
            data[at:at] = data[at:end]
        elif kind == 5 and text:
            data[at : at + draw.randrange(5)] = draw.choice(WORDS)
        elif text:
            lines = data.split(b"\n")
            draw.shuffle(lines)
            data = bytearray(b"\n".join(lines))
    return bytes(data[:LONGEST])


if __name__ == "__main__":
    sys.exit(main())
