"""The stages of ./check: each builds or tests something, logs to build/check/,
and is counted. Closes with the plain line 'N passed, N failed'."""

import os
import re
import subprocess
import sys
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
     [[".ci/build", "build-asan", "--enable-werror", "--enable-silent-rules", ASAN, QUICK, "--", "all",
       "test-programs"]]),
    ("unit-asan", "unit tests under ASan and UBSan", [["t/unit/run", "build-asan"]]),
    ("e2e-asan", "end-to-end tests under ASan and UBSan", [["t/e2e/run", "--bindir", "build-asan"]]),
    ("build-tsan", "TSan build of what crosses threads",
     [[".ci/build", "build-tsan", "--enable-werror", "--enable-silent-rules", "--enable-sanitizers=thread",
       QUICK, "--", "impulsed", "ec_console", "threaded-test-programs"]]),
    ("unit-tsan", "unit tests under TSan", [["t/unit/run", "build-tsan"]]),
    ("e2e-tsan", "mail through the daemon under TSan", [["t/e2e/run", "--bindir", "build-tsan", "test_smtp_basic", "test_live_listener"]]),
    ("fuzz", "fuzz targets over their seeds, and some seconds beyond", [["fuzz/run"]]),
    ("tidy", "clang-tidy's enforced checks", [["t/style/tidy"]]),
]

COUNT = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def run(name, commands):
    """Runs a stage; returns (passed, failed, skipped, seconds)."""
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
    if failed:
        sys.stdout.write(f"--- {name} failed; the end of build/check/{name}.log:\n")
        sys.stdout.write("\n".join(text.splitlines()[-60:]) + "\n---\n")
    return passed, failed, skipped, time.monotonic() - began


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
    total_passed = total_failed = total_skipped = 0
    broken = set()
    for name, shows, commands in STAGES:
        if name not in wanted:
            continue
        # Tests of a build that failed would only repeat the news.
        kind = name.partition("-")[2]
        if not name.startswith("build") and f"build{'-' + kind if kind else ''}" in broken:
            print(f"{name:12} not run: its build failed", flush=True)
            total_failed += 1
            continue
        passed, failed, skipped, seconds = run(name, commands)
        if failed and name.startswith("build"):
            broken.add(name)
        verdict = "FAILED" if failed else "ok"
        notes = f", {skipped} skipped" if skipped else ""
        print(f"{name:12} {verdict:6} {passed:5} passed, {failed} failed{notes}  {seconds:5.0f} s   {shows}", flush=True)
        total_passed += passed
        total_failed += failed
        total_skipped += skipped
    print()
    print(f"{total_passed} passed, {total_failed} failed" + (f", {total_skipped} skipped" if total_skipped else ""))
    return 1 if total_failed or not total_passed else 0


sys.exit(main())
