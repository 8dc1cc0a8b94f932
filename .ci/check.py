"""The stages of ./check: each builds or tests something, logs to build/check/,
and is counted. Closes with the plain line 'N passed, N failed'."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LOGS = TOP / "build" / "check"
CORES = os.cpu_count() or 1

ASAN = "--enable-sanitizers=address,undefined"
# Compiling is most of the time: what need not be fast is not optimised, and
# has line numbers, but no variables, for the debugger.
QUICK = "CXXFLAGS=-O0 -g1"

# name, what it shows, command lines; a command is a list of words.
STAGES = [
    ("build", "release build, warnings are errors",
     [[".ci/build", "build", "--enable-werror", "--enable-silent-rules", "--", "all"],
      [".ci/build", "build", "--enable-werror", "--enable-silent-rules", "--", "test-programs", QUICK]]),
    ("style", "layers, formatting, what must not be in the tree", [["python3", "t/style/run"]]),
    ("unit", "unit tests, release build", [["t/unit/run", "build"]]),
    ("e2e", "end-to-end tests, release build", [["t/e2e/run", "--bindir", "build"]]),
    ("install", "make install into a folder; make dist", [["t/style/install"]]),
    ("build-asan", "ASan and UBSan build",
     # `all` would run a second make beside the one for test-programs, and both
     # would write the same objects; `all-am` is the same without.
     [[".ci/build", "build-asan", "--enable-werror", "--enable-silent-rules", ASAN, QUICK, "--", "all-am",
       "test-programs"]]),
    ("unit-asan", "unit tests under ASan and UBSan", [["t/unit/run", "build-asan"]]),
    ("e2e-asan", "end-to-end tests under ASan and UBSan", [["t/e2e/run", "--bindir", "build-asan"]]),
    ("build-tsan", "TSan build of what crosses threads",
     [[".ci/build", "build-tsan", "--enable-werror", "--enable-silent-rules", "--enable-sanitizers=thread",
       QUICK, "--", "impulsed", "ec_console", "threaded-test-programs"]]),
    ("unit-tsan", "unit tests under TSan", [["t/unit/run", "build-tsan"]]),
    ("e2e-tsan", "mail through the daemon under TSan", [["t/e2e/run", "--bindir", "build-tsan", "test_smtp_basic", "test_delivery", "test_live_listener"]]),
    ("fuzz", "fuzz targets over their seeds, and some seconds beyond", [["fuzz/run"]]),
    ("tidy", "clang-tidy's enforced checks", [["t/style/tidy"]]),
]

COUNT = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def run(name, commands):
    """Runs a stage; returns (passed, failed, skipped, seconds, what it printed)."""
    began = time.monotonic()
    passed = failed = skipped = 0
    log = LOGS / f"{name}.log"
    with log.open("w") as out:
        for command in commands:
            code = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT).returncode
            if code != 0:
                break
    text = log.read_text(errors="replace")
    for match in COUNT.finditer(text):
        passed += int(match[1])
        failed += int(match[2])
        skipped += int(match[3] or 0)
    if code != 0 and failed == 0:
        failed = 1
    if code == 0 and passed + failed == 0:
        passed = 1  # a stage that builds counts as one
    return passed, failed, skipped, time.monotonic() - began, text


class Lanes:
    """Compiling keeps every core busy, testing mostly waits: so builds run one
    after the other in one lane, and tests in another, each behind its build."""

    def __init__(self, stages):
        self.stages = stages
        self.lock = threading.Lock()
        self.ended = {name: threading.Event() for name, _, _ in stages}
        self.broken = set()
        self.sums = [0, 0, 0]

    def run(self):
        lanes = [[s for s in self.stages if is_build(s[0])], [s for s in self.stages if not is_build(s[0])]]
        threads = [threading.Thread(target=self.lane, args=(lane,)) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.sums

    def lane(self, stages):
        for name, shows, commands in stages:
            build = build_of(name)
            if build in self.ended:
                self.ended[build].wait()
            if build in self.broken:
                # Tests of a build that failed would only repeat the news.
                self.report(name, shows, 0, 1, 0, 0, "not run: its build failed")
            else:
                self.report(name, shows, *run(name, commands))
            self.ended[name].set()

    def report(self, name, shows, passed, failed, skipped, seconds, text):
        with self.lock:
            if failed:
                self.broken.add(name)
                print(f"--- {name} failed; the end of build/check/{name}.log:")
                print("\n".join(text.splitlines()[-60:]) + "\n---")
            verdict = "FAILED" if failed else "ok"
            notes = f", {skipped} skipped" if skipped else ""
            print(f"{name:12} {verdict:6} {passed:5} passed, {failed} failed{notes}  {seconds:5.0f} s   {shows}", flush=True)
            self.sums = [a + b for a, b in zip(self.sums, (passed, failed, skipped))]


def is_build(name):
    return name.startswith("build") or name in ("fuzz", "tidy")


def build_of(name):
    """The build that a stage needs; its own name when it needs none."""
    if is_build(name):
        return "build" if name == "tidy" else None
    kind = name.partition("-")[2]
    return f"build-{kind}" if kind else "build"


def main():
    names = [stage[0] for stage in STAGES]
    if sys.argv[1:] == ["--list"]:
        for name, shows, _ in STAGES:
            print(f"{name:12} {shows}")
        return 0
    wanted = sys.argv[1:] or names
    unknown = [name for name in wanted if name not in names]
    if unknown:
        print(f"no such stage: {', '.join(unknown)}; ./check --list shows them", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    total_passed, total_failed, total_skipped = Lanes([stage for stage in STAGES if stage[0] in wanted]).run()
    print()
    print(f"{total_passed} passed, {total_failed} failed" + (f", {total_skipped} skipped" if total_skipped else ""))
    return 1 if total_failed or not total_passed else 0


sys.exit(main())
