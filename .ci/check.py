"""The stages of ./check: each builds or tests something, logs to build/check/,
and is counted. Closes with what failed, in brief, and the plain line
'N passed, N failed'."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).resolve().parent.parent
LOGS = TOP / "build" / "check"

# Compiling is most of the time: tests need not be fast, so they are not
# optimised, and have line numbers, but no variables, for the debugger.
QUICK = ["CXXFLAGS=-O0 -g1", "PCH=quick"]

TSAN = [".ci/build", "--joined", "build-tsan", "--enable-werror", "--enable-silent-rules", "--enable-pch",
        "--enable-sanitizers=thread", "CXX=clang++-19", "CXXFLAGS=-O1 -g1", "--"]

# What ./check tries a few of, tried as often as "nothing is lost" wants it.
PROOF = ["IMPULSE_CRASH_ROUNDS=200", "IMPULSE_CRASH_CALLS=0", "IMPULSE_POWER_POINTS=500", "IMPULSE_DAMAGE_FLIPS=1000",
         "IMPULSE_DAMAGE_BYTES=0"]


class Stage(NamedTuple):
    name: str
    shows: str
    commands: list  # of lists of words
    needs: str = ""  # the stage that has to be good before
    lane: str = "test"  # see Lanes
    asked: bool = False  # runs only when it is named


STAGES = [
    Stage("build", "release build, warnings are errors",
          # File by file, so that none lives on what another one includes.
          [[".ci/build", "build", "--enable-werror", "--enable-silent-rules", "--", "all"],
           [".ci/build", "--joined-tests", "build", "--enable-werror", "--enable-silent-rules", "--", "test-programs", *QUICK]],
          lane="build"),
    Stage("style", "layers, formatting, what must not be in the tree", [["python3", "t/style/run"]]),
    Stage("unit", "unit tests, release build", [["t/unit/run", "build"]], needs="build"),
    Stage("e2e", "end-to-end tests, release build", [["t/e2e/run", "--bindir", "build"]], needs="build"),
    Stage("install", "make install into a folder; make dist", [["t/style/install"]], needs="build"),
    Stage("build-asan", "ASan and UBSan build, fuzz targets",
          # `all` would run a second make beside the one for fuzz-targets, and both
          # would write the same objects; `all-am` is the same without.
          [[".ci/build-asan", "--", "all-am", "fuzz-targets"], [".ci/build-asan", "--", "test-programs", *QUICK]],
          lane="build"),
    Stage("unit-asan", "unit tests under ASan and UBSan", [["t/unit/run", "build-asan"]], needs="build-asan"),
    Stage("build-tsan", "TSan build of what crosses threads",
          [[*TSAN, "impulsed", "ec_console", "t/e2e/ecstream_client"], [*TSAN, "threaded-test-programs", *QUICK]],
          lane="build"),
    Stage("e2e-asan", "end-to-end tests under ASan and UBSan", [["t/e2e/run", "--bindir", "build-asan"]],
          needs="build-asan"),
    Stage("unit-tsan", "unit tests under TSan", [["t/unit/run", "build-tsan"]], needs="build-tsan"),
    Stage("e2e-tsan", "mail through the daemon under TSan",
          [["t/e2e/run", "--bindir", "build-tsan", "test_smtp_basic", "test_delivery", "test_live_listener",
           "test_ecstream_resume"]],
          needs="build-tsan"),
    Stage("fuzz", "fuzz targets over their seeds, and some seconds beyond", [["fuzz/run"]], needs="build-asan",
          lane="build"),
    Stage("tidy", "clang-tidy's enforced checks", [["t/style/tidy"]], needs="build", lane="build"),
    Stage("proof", "crashes, power cuts and damage at their full sizes (bench/README.md), release build",
          [["env", *PROOF, "t/e2e/run", "--bindir", "build", "test_crash", "test_power", "test_damage", "test_sick_disk"],
           ["build/t/unit/spool_tests"]],
          needs="build", asked=True),
]

BRIEF = 50  # lines of what failed in a stage, repeated at the end
COUNT = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def run(stage):
    """Runs a stage; returns (passed, failed, skipped, seconds, what it printed)."""
    began = time.monotonic()
    passed = failed = skipped = 0
    log = LOGS / f"{stage.name}.log"
    with log.open("w") as out:
        for command in stage.commands:
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


def in_brief(text):
    """What a runner says of its failures at its end, or a log's last lines; no screenful."""
    told = text.rfind("--- in brief:\n")
    lines = text[told:].splitlines()[1:] if told >= 0 else text.splitlines()[-20:]
    return "\n".join(lines[:BRIEF] + (["  …"] if len(lines) > BRIEF else []))


class Lanes:
    """Compiling keeps every core busy, testing mostly waits: so builds run one
    after the other in one lane, and tests in another, each behind its build."""

    def __init__(self, stages):
        self.stages = stages
        self.lock = threading.Lock()
        self.ended = {stage.name: threading.Event() for stage in stages}
        self.broken = set()
        self.sums = [0, 0, 0]
        self.brief = []

    def run(self):
        threads = [threading.Thread(target=self.lane, args=(name,)) for name in ("build", "test")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.sums

    def lane(self, name):
        for stage in [stage for stage in self.stages if stage.lane == name]:
            if stage.needs in self.ended:
                self.ended[stage.needs].wait()
            if stage.needs in self.broken:
                # Tests of a build that failed would only repeat the news.
                self.report(stage, 0, 1, 0, 0, "not run: its build failed")
            else:
                self.report(stage, *run(stage))
            self.ended[stage.name].set()

    def report(self, stage, passed, failed, skipped, seconds, text):
        name = stage.name
        with self.lock:
            if failed:
                self.broken.add(name)
                print(f"--- {name} failed; the end of build/check/{name}.log:")
                print("\n".join(text.splitlines()[-60:]) + "\n---")
                self.brief.append(f"{name}: {in_brief(text)}")
            verdict = "FAILED" if failed else "ok"
            notes = f", {skipped} skipped" if skipped else ""
            print(f"{name:12} {verdict:6} {passed:5} passed, {failed} failed{notes}  {seconds:5.0f} s   {stage.shows}", flush=True)
            self.sums = [a + b for a, b in zip(self.sums, (passed, failed, skipped))]


def main():
    names = [stage.name for stage in STAGES]
    if sys.argv[1:] == ["--list"]:
        for stage in STAGES:
            print(f"{stage.name:12} {stage.shows}{' (only when it is named)' if stage.asked else ''}")
        return 0
    wanted = sys.argv[1:] or [stage.name for stage in STAGES if not stage.asked]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        print(f"no such stage: {', '.join(unknown)}; ./check --list shows them", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    for sanitizer in ("ASAN", "TSAN", "UBSAN"):  # clang's want it to name the lines
        os.environ.setdefault(f"{sanitizer}_SYMBOLIZER_PATH", "/usr/bin/llvm-symbolizer-19")
    lanes = Lanes([stage for stage in STAGES if stage.name in wanted])
    total_passed, total_failed, total_skipped = lanes.run()
    print()
    for what in lanes.brief:  # who sees only the end of this sees it
        print(f"--- failed in {what}")
    print(f"{total_passed} passed, {total_failed} failed" + (f", {total_skipped} skipped" if total_skipped else ""))
    return 1 if total_failed or not total_passed else 0


sys.exit(main())
