// What runs, written into the files: in place, and nothing else changed.
#include "config/writeback.h"

#include "writeback_kit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace impulse::config::test {
namespace {

const std::string sample =
    "# The mail injector of example.com\n"
    "\n"
    "Hostname = \"a.example\"   # the name\n"
    "Relay_Hosts ( 10.0.0.0/8\n"
    "              ::1 )\n"
    "\n"
    "ESMTP_Listener {\n"
    "\tIdle_Time = 30s  /* half a minute */\n"
    "\tListen \":25\" {\n"
    "\t\tListen_Backlog = 100\n"
    "\t}\n"
    "\n"
    "\t# nobody else\n"
    "\tPeer 10.0.0.0/8 { Idle_Time = 60 }\n"
    "}\n"
    "# the end\n";

std::string with(std::string text, const std::string& before, const std::string& after) {
  const size_t at = text.find(before);
  CPPUNIT_ASSERT_MESSAGE("no '" + before + "' in:\n" + text, at != std::string::npos);
  return text.replace(at, before.size(), after);
}

}  // namespace

class WritebackTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WritebackTest);
  CPPUNIT_TEST(nothing_changes);
  CPPUNIT_TEST(values_in_place);
  CPPUNIT_TEST(value_behind_odd_layout);
  CPPUNIT_TEST(new_options);
  CPPUNIT_TEST(new_options_in_tight_places);
  CPPUNIT_TEST(new_scopes);
  CPPUNIT_TEST(removed_options);
  CPPUNIT_TEST(removed_scopes);
  CPPUNIT_TEST(all_of_it_at_once);
  CPPUNIT_TEST(repeated_options);
  CPPUNIT_TEST(windows_line_ends);
  CPPUNIT_TEST(no_line_end_at_the_end);
  CPPUNIT_TEST(empty_file);
  CPPUNIT_TEST(file_that_set_it_last);
  CPPUNIT_TEST(read_only_file);
  CPPUNIT_TEST(overridden_by_a_later_file);
  CPPUNIT_TEST(scope_in_an_included_file);
  CPPUNIT_TEST(included_twice);
  CPPUNIT_TEST(removal_from_a_read_only_file);
  CPPUNIT_TEST(local_file_created);
  CPPUNIT_TEST(local_file_used_again);
  CPPUNIT_TEST(local_file_only);
  CPPUNIT_TEST(local_file_that_nobody_includes);
  CPPUNIT_TEST(local_file_overridden);
  CPPUNIT_TEST(include_goes_with_its_scope);
  CPPUNIT_TEST(mistakes_in_the_files);
  CPPUNIT_TEST(order_of_patterns);
  CPPUNIT_TEST(whole_configuration);
  CPPUNIT_TEST(files_are_replaced);
  CPPUNIT_TEST(files_that_changed);
  CPPUNIT_TEST(links_and_modes);
  CPPUNIT_TEST(no_half_written_files);
  CPPUNIT_TEST_SUITE_END();

 public:
  void nothing_changes() {
    Book book(sample);
    CPPUNIT_ASSERT(book.write().files.empty());
    book.set({}, "Hostname", "a.example").set({"esmtp_listener"}, "idle_time", "30");
    CPPUNIT_ASSERT(book.write().files.empty());  // another spelling of the same
  }

  void values_in_place() {
    Book book(sample);
    book.set({}, "Hostname", "b.example").set({"esmtp_listener"}, "Idle_Time", "5m");
    book.set({"esmtp_listener", "listen", "*:25"}, "Listen_Backlog", "7");
    book.set({"esmtp_listener", "peer", "10.0.0.0/8"}, "Idle_Time", "61");
    book.set({}, "Relay_Hosts", "( 192.0.2.1 )");
    const WritebackPlan plan = book.write();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, plan.files.size());
    CPPUNIT_ASSERT(plan.notes.empty());
    std::string text = with(sample, "a.example", "b.example");
    text = with(text, "30s", "5m");
    text = with(text, "100", "7");
    text = with(text, "60 }", "61 }");
    text = with(text, "( 10.0.0.0/8\n              ::1 )", "( 192.0.2.1 )");
    CPPUNIT_ASSERT_EQUAL(text, book["main.conf"]);
  }

  void value_behind_odd_layout() {
    Book book("Hostname =\n  \"a\"\nRelay_Hosts ( ::1 )# c\nESMTP_Listener = {Idle_Time=\"1\"Banner_Hostname=\"x\"}\n");
    book.set({}, "Hostname", "b").set({}, "Relay_Hosts", "10.0.0.1");
    book.set({"esmtp_listener"}, "Idle_Time", "2").set({"esmtp_listener"}, "Banner_Hostname", "y.z");
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname =\n  \"b\"\nRelay_Hosts = 10.0.0.1 # c\nESMTP_Listener = "
                                     "{Idle_Time=\"2\" Banner_Hostname=\"y.z\"}\n"),
                         book["main.conf"]);
  }

  void new_options() {
    Book book(sample);
    book.set({}, "Spoolbase", "\"/a \\\"b\\\"\"");
    book.set({"esmtp_listener", "listen", ":25"}, "Enable", "false");
    book.set({"esmtp_listener"}, "Banner_Hostname", "mx.example");
    book.write();
    std::string text = with(sample, "\t\tListen_Backlog = 100\n", "\t\tListen_Backlog = 100\n\t\tEnable = false\n");
    text = with(text, "60 }\n", "60 }\n\tBanner_Hostname = mx.example\n");
    text = with(text, "}\n# the", "}\nSpoolbase = \"/a \\\"b\\\"\"\n# the");
    CPPUNIT_ASSERT_EQUAL(text, book["main.conf"]);
  }

  void new_options_in_tight_places() {
    Book book(
        "ESMTP_Listener { Listen :25 { } Listen :26 {} Peer ::1 { Idle_Time = 1 }\nListen :27 {\n # none\n}\nListen "
        ":28 { # x\n }}\n");
    for (const char* listen : {":25", ":26", ":27", ":28"})
      book.set({"esmtp_listener", "listen", listen}, "Enable", "off");
    book.set({"esmtp_listener", "peer", "::1"}, "Deny", "on").set({"esmtp_listener"}, "Idle_Time", "2");
    book.write();
    CPPUNIT_ASSERT_EQUAL(
        std::string("ESMTP_Listener { Listen :25 {\n  Enable = off\n} Listen :26 {\n  Enable = off\n} Peer ::1 { "
                    "Idle_Time = 1 Deny = on }\nListen :27 {\n # none\n  Enable = off\n}\nListen :28 { # x\n  Enable "
                    "= off\n }\nIdle_Time = 2\n }\n"),
        book["main.conf"]);
  }

  void new_scopes() {
    Book book(sample);
    book.set({"esmtp_listener", "listen", "[::1]:587"}, "Enable", "off");
    book.set({"esmtp_listener", "listen", "[::1]:587", "peer", "::1"}, "Deny", "on");
    book.open({"esmtp_listener", "peer", "192.0.2.0/24"});
    book.set({"domain", "Example.COM"}, "Retry_Interval", "4");
    book.write();
    std::string text =
        with(sample, "60 }\n",
             "60 }\n\tListen \"[::1]:587\" {\n\t\tEnable = off\n\t\tPeer \"::1\" {\n\t\t\tDeny = on\n\t\t}\n"
             "\t}\n\tPeer \"192.0.2.0/24\" { }\n");
    text = with(text, "}\n# the", "}\n\nDomain \"example.com\" {\n\tRetry_Interval = 4\n}\n# the");
    CPPUNIT_ASSERT_EQUAL(text, book["main.conf"]);
  }

  void removed_options() {
    Book book(sample);
    book.unset({}, "Hostname").unset({}, "Relay_Hosts").unset({"esmtp_listener"}, "Idle_Time");
    book.unset({"esmtp_listener", "peer", "10.0.0.0/8"}, "Idle_Time");
    book.write();
    std::string text = with(sample, "Hostname = \"a.example\"   # the name\n", "# the name\n");
    text = with(text, "Relay_Hosts ( 10.0.0.0/8\n              ::1 )\n", "");
    text = with(text, "Idle_Time = 30s  /*", "/*");
    text = with(text, "{ Idle_Time = 60 }", "{ }");
    CPPUNIT_ASSERT_EQUAL(text, book["main.conf"]);
    Book line("Hostname = a ESMTP_Listener{ Idle_Time=\"1\"Banner_Hostname=b Enable=on } Nodename = c\n");
    line.unset({"esmtp_listener"}, "Banner_Hostname").unset({}, "Nodename");
    line.write();
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname = a ESMTP_Listener{ Idle_Time=\"1\" Enable=on }\n"), line["main.conf"]);
  }

  void removed_scopes() {
    Book book(sample + "ESMTP_Listener { Listen *:25 { Peer ::1 { } } }\n");
    book.drop({"esmtp_listener", "listen", "*:25"});
    book.write();
    CPPUNIT_ASSERT_EQUAL(
        with(sample, "\tListen \":25\" {\n\t\tListen_Backlog = 100\n\t}\n", "") + "ESMTP_Listener { }\n",
        book["main.conf"]);
  }

  void all_of_it_at_once() {
    Book book("ESMTP_Listener { Idle_Time = 1 Enable = on }\nHostname = a Nodename = b\n");
    book.unset({"esmtp_listener"}, "Enable").set({"esmtp_listener"}, "Banner_Hostname", "x");
    book.unset({}, "Nodename").set({}, "Hostname", "c").set({}, "Spoolbase", "/s");
    book.write();
    CPPUNIT_ASSERT_EQUAL(
        std::string("ESMTP_Listener { Idle_Time = 1 Banner_Hostname = x }\nHostname = c\nSpoolbase = /s\n"),
        book["main.conf"]);
    book.unset({"esmtp_listener"}, "Idle_Time").unset({"esmtp_listener"}, "Banner_Hostname");
    book.set({"esmtp_listener"}, "Enable", "no");
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("ESMTP_Listener {\n  Enable = no\n}\nHostname = c\nSpoolbase = /s\n"),
                         book["main.conf"]);
  }

  // An option repeated in a scope: the last one counts, and unset takes all away.
  void repeated_options() {
    Book book("Hostname = a\n/* one */ Hostname = b\n");
    book.set({}, "Hostname", "c");
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname = a\n/* one */ Hostname = c\n"), book["main.conf"]);
    book.unset({}, "Hostname");
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("/* one */\n"), book["main.conf"]);
  }

  void windows_line_ends() {
    Book book("Hostname = a\r\nESMTP_Listener {\r\n    Enable = on\r\n    Idle_Time = 1 Banner_Hostname = x\r\n}\r\n");
    book.set({}, "Nodename", "n").unset({"esmtp_listener"}, "Enable").unset({"esmtp_listener"}, "Banner_Hostname");
    book.set({"esmtp_listener", "peer", "::1"}, "Deny", "on");
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname = a\r\nESMTP_Listener {\r\n    Idle_Time = 1\r\n    Peer \"::1\" {\r\n"
                                     "        Deny = on\r\n    }\r\n}\r\nNodename = n\r\n"),
                         book["main.conf"]);
  }

  void no_line_end_at_the_end() {
    Book book("Hostname = a # name");
    book.set({}, "Nodename", "n");
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname = a # name\nNodename = n\n"), book["main.conf"]);
  }

  void empty_file() {
    Book book("# nothing");
    book.set({}, "Nodename", "n").open({"esmtp_listener"});
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("# nothing\nNodename = n\nESMTP_Listener { }\n"), book["main.conf"]);
  }

  void file_that_set_it_last() {
    Book book({{"main.conf", "Hostname = a\ninclude b.conf\ninclude c.conf\n"},
               {"b.conf", "Hostname = b\n"},
               {"c.conf", "# none\n"}});
    book.set({}, "Hostname", "z").set({}, "Nodename", "n");
    const WritebackPlan plan = book.write();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, plan.files.size());
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname = z\n"), book["b.conf"]);
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname = a\ninclude b.conf\ninclude c.conf\nNodename = n\n"),
                         book["main.conf"]);
  }

  void read_only_file() {
    for (const bool by_permission : {false, true}) {
      Book book({{"main.conf", by_permission ? "include b.conf\n" : "readonly_include b.conf\n"},
                 {"b.conf", "Hostname = b\nESMTP_Listener { Idle_Time = 1 }\n"}});
      if (by_permission) book.locked = {"b.conf"};
      book.set({}, "Hostname", "z").set({"esmtp_listener"}, "Idle_Time", "2");
      const WritebackPlan plan = book.write();
      CPPUNIT_ASSERT_EQUAL(size_t{1}, plan.files.size());
      ASSERT_HOLDS("b.conf\nHostname = z\nESMTP_Listener {\n  Idle_Time = 2\n}\n", book["main.conf"]);
      CPPUNIT_ASSERT_EQUAL(std::string("Hostname: goes to main.conf (b.conf is read-only)"), plan.notes.at(0));
      CPPUNIT_ASSERT_EQUAL(size_t{2}, plan.notes.size());
    }
  }

  // The first file that opened the scope comes before the one that sets the option.
  void overridden_by_a_later_file() {
    Book book({{"main.conf", "include a.conf\nreadonly_include b.conf\ninclude c.conf\n"},
               {"a.conf", "ESMTP_Listener {\n}\n"},
               {"b.conf", "ESMTP_Listener { Idle_Time = 1 }\n"},
               {"c.conf", "ESMTP_Listener {\n}\n"}});
    book.set({"esmtp_listener"}, "Idle_Time", "2").set({"esmtp_listener"}, "Enable", "no");
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("ESMTP_Listener {\n  Enable = no\n}\n"), book["a.conf"]);
    CPPUNIT_ASSERT_EQUAL(std::string("ESMTP_Listener {\n  Idle_Time = 2\n}\n"), book["c.conf"]);
    book.locked = {"c.conf", "main.conf"};
    book.set({"esmtp_listener"}, "Enable", "yes").set({"esmtp_listener"}, "Idle_Time", "3");
    ASSERT_HOLDS("no file that may be written comes behind c.conf", book.refusal());
  }

  void scope_in_an_included_file() {
    Book book({{"main.conf", "ESMTP_Listener {\n  include l.conf\n}\n"}, {"l.conf", "Idle_Time = 1\n"}});
    book.locked = {"main.conf"};
    book.set({"esmtp_listener"}, "Enable", "no").set({"esmtp_listener", "peer", "::1"}, "Deny", "yes");
    book.set({"esmtp_listener"}, "Idle_Time", "2");
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("Idle_Time = 2\nEnable = no\nPeer \"::1\" {\n  Deny = yes\n}\n"), book["l.conf"]);
    book.set({}, "Hostname", "a");
    ASSERT_HOLDS("Hostname: no file of the configuration may be written", book.refusal());
  }

  void included_twice() {
    Book book(
        {{"main.conf", "ESMTP_Listener {\n  Peer ::1 { include p.conf }\n  Peer 10.0.0.0/8 { include p.conf }\n}\n"},
         {"p.conf", "Idle_Time = 1\n"}});
    book.set({"esmtp_listener", "peer", "::1"}, "Idle_Time", "2");
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("Idle_Time = 1\n"), book["p.conf"]);
    ASSERT_HOLDS("Peer ::1 { include p.conf Idle_Time = 2 }", book["main.conf"]);
  }

  void removal_from_a_read_only_file() {
    Book book({{"main.conf", "Hostname = a\nreadonly_include b.conf\n"}, {"b.conf", "\nHostname = b\n"}});
    book.unset({}, "Hostname");
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname was removed, but b.conf:2 says it, and that file is read-only"),
                         book.refusal());
  }

  void local_file_created() {
    Book book({{"main.conf", "Hostname = a\nreadonly_include b.conf\n"},
               {"b.conf", "ESMTP_Listener { Listen :25 { Enable = on } }\n"}});
    book.rules.local_changes_file = "local.conf";
    book.set({"esmtp_listener", "listen", ":25"}, "Enable", "off").set({"esmtp_listener"}, "Idle_Time", "1");
    const WritebackPlan plan = book.write();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, plan.files.size());
    CPPUNIT_ASSERT_EQUAL(std::string("local.conf"), plan.files.front().path);  // before somebody includes it
    CPPUNIT_ASSERT(plan.files.front().created);
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname = a\nreadonly_include b.conf\ninclude \"local.conf\"\n"),
                         book["main.conf"]);
    ASSERT_HOLDS("# What was changed", book["local.conf"]);
    ASSERT_HOLDS("\n\nESMTP_Listener {\n  Idle_Time = 1\n  Listen \"*:25\" {\n    Enable = off\n  }\n}\n",
                 book["local.conf"]);
    ASSERT_HOLDS("goes to local.conf (b.conf is read-only)", plan.notes.at(0));
  }

  void local_file_used_again() {
    Book book({{"main.conf", "readonly_include b.conf\ninclude local.conf\n"},
               {"b.conf", "ESMTP_Listener { Idle_Time = 1 Listen :25 { Enable = on } }\n"},
               {"local.conf", "# mine\nESMTP_Listener {\n  Idle_Time = 2\n}\n"}});
    book.rules.local_changes_file = "./local.conf";
    book.set({"esmtp_listener"}, "Idle_Time", "3").set({"esmtp_listener", "listen", ":25"}, "Enable", "off");
    book.write();
    CPPUNIT_ASSERT_EQUAL(
        std::string("# mine\nESMTP_Listener {\n  Idle_Time = 3\n  Listen \"*:25\" {\n    Enable = off\n"
                    "  }\n}\n"),
        book["local.conf"]);
  }

  void local_file_only() {
    Book book(sample);
    book.rules = {"local.conf", true, {}, {}};
    book.set({}, "Hostname", "b.example").set({"domain", "example.com"}, "Retry_Interval", "4");
    const WritebackPlan plan = book.write();
    CPPUNIT_ASSERT_EQUAL(with(sample, "}\n# the", "}\ninclude \"local.conf\"\n# the"), book["main.conf"]);
    ASSERT_HOLDS("\n\nHostname = b.example\nDomain \"example.com\" {\n  Retry_Interval = 4\n}\n", book["local.conf"]);
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname: goes to local.conf (main.conf stays as it is: Local_Changes_Only)"),
                         plan.notes.at(0));
    book.unset({}, "Relay_Hosts");
    ASSERT_HOLDS("Local_Changes_Only forbids", book.refusal());
    Book nowhere(sample);
    nowhere.rules.local_changes_only = true;
    nowhere.set({}, "Hostname", "b");
    ASSERT_HOLDS("Local_Changes_File is not", nowhere.refusal());
  }

  void local_file_that_nobody_includes() {
    Book book({{"main.conf", "Hostname = a\n"}, {"local.conf", "Hostname = old\n"}});
    book.rules = {"local.conf", true, {}, {}};
    book.set({}, "Hostname", "b");
    ASSERT_HOLDS("nothing includes it", book.refusal());
    book["local.conf"] = "# only a comment";
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("# only a comment\n\nHostname = b\n"), book["local.conf"]);
    Book locked("Hostname = a\n");
    locked.rules = {"local.conf", true, {}, {}};
    locked.locked = {"main.conf"};
    locked.set({}, "Hostname", "b");
    ASSERT_HOLDS("local.conf is included nowhere, and main.conf is read-only", locked.refusal());
  }

  void local_file_overridden() {
    Book book({{"main.conf", "include local.conf\nHostname = a\n"}, {"local.conf", "Nodename = n\n"}});
    book.rules = {"local.conf", true, {}, {}};
    book.set({}, "Hostname", "b");
    ASSERT_HOLDS("no file that may be written comes behind main.conf", book.refusal());
  }

  void include_goes_with_its_scope() {
    Book book({{"main.conf", "ESMTP_Listener {\n  Peer ::1 {\n    include p.conf\n  }\n  include q.conf\n}\n"},
               {"p.conf", "Idle_Time = 1\n"},
               {"q.conf", "Idle_Time = 2\n"}});
    book.drop({"esmtp_listener", "peer", "::1"}).set({"esmtp_listener"}, "Idle_Time", "3");
    book.write();
    CPPUNIT_ASSERT_EQUAL(std::string("ESMTP_Listener {\n  include q.conf\n}\n"), book["main.conf"]);
    CPPUNIT_ASSERT_EQUAL(std::string("Idle_Time = 3\n"), book["q.conf"]);
  }

  void mistakes_in_the_files() {
    Book book("Hostname = a\n");
    book.wanted();
    book["main.conf"] += "Nonsense = 1\n";
    ASSERT_HOLDS("the files have mistakes: main.conf:2:1: unknown option", book.refusal());
  }

  void order_of_patterns() {
    const auto lines = [](std::vector<std::string> have, std::vector<std::string> wanted) {
      std::string text;
      for (const std::string& one : out_of_order(have, wanted)) text += one + " ";
      return text;
    };
    CPPUNIT_ASSERT_EQUAL(std::string(), lines({"/a/", "/b/"}, {"/a/", "/b/", "/c/"}));
    CPPUNIT_ASSERT_EQUAL(std::string(), lines({"/a/", "/b/", "/c/"}, {"/a/", "/c/"}));
    CPPUNIT_ASSERT_EQUAL(std::string("/a/ "), lines({"/a/", "/b/", "/c/"}, {"/b/", "/c/", "/a/"}));
    CPPUNIT_ASSERT_EQUAL(std::string("/b/ "), lines({"/a/", "/b/"}, {"/a/", "/n/", "/b/"}));
  }

  void whole_configuration() {
    const ScopePtr root = tree(sample);
    const std::string text = write_config(root);
    CPPUNIT_ASSERT(diff(tree(text), root).empty());
    CPPUNIT_ASSERT_EQUAL(text, write_config(tree(text)));
    ASSERT_HOLDS("\n\nESMTP_Listener {\n  Idle_Time = 30s\n  Listen \"*:25\" {\n    Listen_Backlog = 100\n  }\n", text);
    CPPUNIT_ASSERT_EQUAL(std::string(), write_config(tree("")));
  }

  void files_are_replaced() {
    write("a", "old a");
    const Result<> done = write_files({{at("a"), "old a", "new a", false}, {at("b"), "", "new b", true}});
    CPPUNIT_ASSERT_MESSAGE(done ? "" : done.error().message, done.has_value());
    CPPUNIT_ASSERT_EQUAL(std::string("new a"), read("a"));
    CPPUNIT_ASSERT_EQUAL(std::string("new b"), read("b"));
    CPPUNIT_ASSERT_EQUAL(0640, mode("b"));
    CPPUNIT_ASSERT_EQUAL(2, entries());
  }

  void files_that_changed() {
    write("a", "old a");
    write("b", "changed");
    const auto refuses = [&](const std::vector<FileEdit>& files, const std::string& why) {
      const Result<> done = write_files(files);
      CPPUNIT_ASSERT(!done.has_value());
      CPPUNIT_ASSERT(done.error().code == Errc::conflict);
      ASSERT_HOLDS(why, done.error().message);
      CPPUNIT_ASSERT_EQUAL(std::string("old a"), read("a"));
      CPPUNIT_ASSERT_EQUAL(2, entries());
    };
    const FileEdit a{at("a"), "old a", "new a", false};
    refuses({a, {at("b"), "as it was", "new b", false}}, "b has changed since it was read");
    refuses({a, {at("c"), "as it was", "new c", false}}, "c is gone since it was read");
    refuses({a, {at("b"), "", "new b", true}}, "b is there already");
  }

  void links_and_modes() {
    write("a", "old");
    CPPUNIT_ASSERT_EQUAL(0, ::chmod(at("a").c_str(), 0604));
    CPPUNIT_ASSERT_EQUAL(0, ::symlink("a", at("link").c_str()));
    CPPUNIT_ASSERT(write_files({{at("link"), "old", "new", false}}).has_value());
    CPPUNIT_ASSERT_EQUAL(std::string("new"), read("a"));
    CPPUNIT_ASSERT(std::filesystem::is_symlink(at("link")));
    CPPUNIT_ASSERT_EQUAL(0604, mode("a"));
    CPPUNIT_ASSERT_EQUAL(2, entries());
  }

  // The second file cannot be made: the first is as it was.
  void no_half_written_files() {
    write("a", "old a");
    const Result<> done = write_files({{at("a"), "old a", "new a", false}, {at("none/b"), "", "new b", true}});
    CPPUNIT_ASSERT(!done.has_value());
    CPPUNIT_ASSERT_EQUAL(std::string("old a"), read("a"));
    CPPUNIT_ASSERT_EQUAL(1, entries());
  }

  void tearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

 private:
  std::string at(const std::string& name) {
    if (folder_.empty()) {
      char pattern[] = "/tmp/impulse-writeback.XXXXXX";
      folder_ = ::mkdtemp(pattern);
    }
    return folder_ + "/" + name;
  }
  void write(const std::string& name, const std::string& text) { std::ofstream(at(name)) << text; }
  std::string read(const std::string& name) { return read_whole(at(name)); }
  static std::string read_whole(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  int mode(const std::string& name) {
    struct stat status{};
    CPPUNIT_ASSERT_EQUAL(0, ::stat(at(name).c_str(), &status));
    return static_cast<int>(status.st_mode & 07777);
  }
  int entries() const { return static_cast<int>(std::distance(std::filesystem::directory_iterator(folder_), {})); }

  std::string folder_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(WritebackTest);

}  // namespace impulse::config::test
