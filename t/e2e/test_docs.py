"""What is generated from the catalogue is current; validate_config is
impulsed --check by another name."""

import json
import re
import subprocess
import unittest

from harness import BASE_CONFIG, BINDIR, SCALE, TOP, Daemon, TestCase, needs


class OptionDocs(TestCase):
    def dump(self, form):
        done = subprocess.run([str(BINDIR / "impulsed"), f"--dump-options={form}"], capture_output=True, text=True,
                              timeout=60 * SCALE)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def test_committed_pages_are_current(self):
        done = subprocess.run([str(TOP / "t/style/option_docs"), str(BINDIR / "impulsed"), "--check"],
                              capture_output=True, text=True, timeout=60 * SCALE)
        self.assertEqual((0, ""), (done.returncode, done.stdout + done.stderr))

    def test_all_forms_tell_of_all_options(self):
        catalogue = json.loads(self.dump("json"))
        names = [option["name"] for option in catalogue["options"]]
        scopes = {scope["name"] for scope in catalogue["scopes"]}
        self.assertGreater(len(names), 200)
        self.assertEqual(len(names), len(set(names)))
        markdown, man = self.dump("markdown").replace("\\", ""), self.dump("man")
        for option in catalogue["options"]:
            self.assertRegex(markdown, rf"(?m)^(### |\| ){option['name']}( \||$)")
            self.assertIn(f"\n.B {option['name']}\n", man)
            self.assertLessEqual(set(option["scopes"]), scopes)
            self.assertTrue(option["help"])
        backlog = next(option for option in catalogue["options"] if option["name"] == "Listen_Backlog")
        self.assertEqual(("integer", "500", 1, "live", "listening"),
                         tuple(backlog[key] for key in ("type", "default", "min", "applies", "area")))

    @needs("groff")
    def test_the_man_page_is_well_formed(self):
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z"], input=self.dump("man"), capture_output=True,
                              text=True, timeout=60 * SCALE)
        self.assertEqual("", done.stderr)

    def test_another_form_is_refused(self):
        done = subprocess.run([str(BINDIR / "impulsed"), "--dump-options=html"], capture_output=True, text=True,
                              timeout=60 * SCALE)
        self.assertEqual(2, done.returncode)
        self.assertIn("expected markdown, json or man, got 'html'", done.stderr)


class ManPages(TestCase):
    pages = sorted(path for path in (TOP / "doc").iterdir() if re.fullmatch(r".+\.[158]", path.name))

    @needs("groff")
    def test_they_are_well_formed(self):
        self.assertGreater(len(self.pages), 5)
        for page in self.pages:
            done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", page], capture_output=True, text=True,
                                  timeout=60 * SCALE)
            self.assertEqual("", done.stderr, page)

    def test_nothing_stands_twice(self):
        for page in self.pages:
            sections = re.findall(r"(?m)^\.SH +(.*)$", page.read_text())
            self.assertEqual(len(set(sections)), len(sections), f"{page.name}: {sections}")

    def test_the_console_page_knows_all_commands(self):
        daemon = Daemon(self).start()
        names = [json.loads(line)["command"] for line in daemon.console("--json", "help").stdout.splitlines()]
        self.assertGreater(len(names), 90)
        page = re.sub(r"\\f.", "", (TOP / "doc/ec_console.1").read_text())
        known = set(re.findall(r"[a-z_]+", page))
        # These two ec_console says itself.
        self.assertEqual(["authenticate", "complete"], [name for name in names if not set(name.split()) <= known])


class Examples(TestCase):
    def test_consoles_go_where_the_shipped_file_listens(self):
        shipped = re.search(r'Control_Listener \{.*?Listen "([^"]+)"', (TOP / "conf/impulse.conf").read_text(), re.S)[1]
        stem = shipped.removesuffix(".sock")
        named = {(page.name, path.rstrip("."))
                 for page in sorted((TOP / "doc").iterdir()) if page.suffix in (".md", ".1", ".5", ".8")
                 for path in re.findall(rf"{stem}[\w./-]*", page.read_text().replace("\\", ""))}
        self.assertGreater(len(named), 3)
        self.assertEqual([], [(page, path) for page, path in sorted(named) if path != shipped])


class ValidateConfig(TestCase):
    def validate(self, daemon, *arguments):
        program = daemon.dir / "validate_config"
        if not program.is_symlink():
            program.symlink_to((BINDIR / "impulsed").resolve())
        return subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True,
                              timeout=60 * SCALE, stdin=subprocess.DEVNULL, cwd=daemon.dir)

    def test_good(self):
        daemon = Daemon(self)
        done = self.validate(daemon, daemon.config_file)
        self.assertEqual((0, f"{daemon.config_file}: well\n"), (done.returncode, done.stdout), done.stderr)
        self.assertEqual(0, self.validate(daemon, "-c", daemon.config_file).returncode)

    def test_mistakes_are_named(self):
        daemon = Daemon(self, BASE_CONFIG + "\nHostnam = a\n\nDeny = on\n")
        done = self.validate(daemon, daemon.config_file)
        self.assertEqual(1, done.returncode)
        for said in ("unknown option 'Hostnam'", "did you mean 'Hostname'", "Deny may not stand in the global scope"):
            self.assertIn(said, done.stderr)
        self.assertEqual(2, len(re.findall(r": error: ", done.stderr)), done.stderr)

    def test_usage(self):
        daemon = Daemon(self)
        done = self.validate(daemon, "a", "b")
        self.assertEqual(2, done.returncode)
        self.assertIn("validate_config: unexpected argument", done.stderr)
        self.assertIn("usage: validate_config", self.validate(daemon, "--help").stdout)
        self.assertRegex(self.validate(daemon, "--version").stdout, r"^validate_config \d")
        self.assertEqual(1, self.validate(daemon, daemon.dir / "none.conf").returncode)


if __name__ == "__main__":
    unittest.main()
