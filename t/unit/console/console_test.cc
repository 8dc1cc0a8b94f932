// The console's parts: places and carets, history, candidates, passwords,
// lines that nobody has asked for.
#include "console/batch.h"
#include "console/candidates.h"
#include "console/command_line.h"
#include "console/history.h"
#include "console/password.h"
#include "console/place.h"
#include "console/printer.h"
#include "kit.h"

#include "base/files.h"
#include "base/text.h"
#include "config/catalogue.h"

#include <sys/stat.h>

#include <cstdlib>
#include <functional>
#include <thread>

using namespace impulse;
using namespace impulse::console;
using namespace impulse::console::test;
using namespace std::string_literals;

namespace {

class ConsoleTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConsoleTest);
  CPPUNIT_TEST(places);
  CPPUNIT_TEST(carets);
  CPPUNIT_TEST(printed_places);
  CPPUNIT_TEST(scripts_name_their_lines);
  CPPUNIT_TEST(colours);
  CPPUNIT_TEST(history);
  CPPUNIT_TEST(history_is_cut);
  CPPUNIT_TEST(history_keeps_no_secrets);
  CPPUNIT_TEST(candidates);
  CPPUNIT_TEST(candidate_lists);
  CPPUNIT_TEST(stored_passwords);
  CPPUNIT_TEST(unasked_lines);
  CPPUNIT_TEST(settling);
  CPPUNIT_TEST_SUITE_END();

  void places() {
    const auto place = read_place("console:2:41: no option");
    CPPUNIT_ASSERT(place);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, place->line);
    CPPUNIT_ASSERT_EQUAL(size_t{41}, place->column);
    CPPUNIT_ASSERT_EQUAL("no option"s, std::string(place->text));
    for (const auto text : {"", "console", "console:", "console:1: x", "console:0:1: x", "console:1:0: x",
                            "console:x:1: y", "impulse.conf:1:2: x", "console:99999999999:1: x"})
      CPPUNIT_ASSERT_MESSAGE(text, !read_place(text));
  }
  void carets() {
    CPPUNIT_ASSERT_EQUAL("  abc\n   ^"s, caret("abc", 2));
    CPPUNIT_ASSERT_EQUAL("  abc\n     ^"s, caret("abc", 4));  // behind the end
    CPPUNIT_ASSERT_EQUAL(""s, caret("abc", 5));
    CPPUNIT_ASSERT_EQUAL(""s, caret("abc", 0));
    CPPUNIT_ASSERT_EQUAL("  \u00fc\tx\n   \t^"s, caret("\u00fc\tx", 4));  // columns are bytes
    const std::string longer = std::string(1000, 'a') + "X" + std::string(1000, 'b');
    const std::string shown = caret(longer, 1001);
    const auto shown_lines = split(shown, '\n');
    CPPUNIT_ASSERT(shown_lines[0].size() < 200);
    CPPUNIT_ASSERT_EQUAL('X', shown_lines[0][shown_lines[1].find('^')]);
  }
  static std::string printed(const std::function<void(Printer&)>& work, bool terminal = false) {
    std::FILE* file = std::tmpfile();
    Printer printer(file, file, terminal, terminal);
    work(printer);
    std::rewind(file);
    char block[4096];
    const size_t got = std::fread(block, 1, sizeof block, file);
    std::fclose(file);
    return std::string(block, got);
  }
  void printed_places() {
    const ReplyLine notice = *read_reply_line("!error config-x console:1:19: what is 'x'?");
    CPPUNIT_ASSERT_EQUAL("error: console:1:19: what is 'x'? [config-x]\n  config set x\n             ^\n"s,
                         printed([&](Printer& printer) {
                           printer.request("config set x", 7);  // "--json " was sent in front of it
                           printer.notice(notice);
                         }));
  }
  void scripts_name_their_lines() {
    const std::string said = printed([](Printer& printer) {
      printer.script("a.txt", 12);
      printer.notice(*read_reply_line("!error config-x console:1:12: what?"));
      printer.notice(*read_reply_line("!warning config-y console:3:1: in the payload"));
      printer.notice(*read_reply_line("!error config-z refused"));
      printer.error("lost");
    });
    CPPUNIT_ASSERT_EQUAL(
        "error: a.txt:12:12: what? [config-x]\nwarning: a.txt:12: console:3:1: in the payload [config-y]\n"
        "error: a.txt:12: refused [config-z]\nec_console: a.txt:12: lost\n"s,
        said);
  }
  void colours() {
    const auto say = [](bool on) {
      return [on](Printer& printer) {
        printer.colour(on);
        printer.notice(*read_reply_line("!error x y\x1b[2J"));
      };
    };
    CPPUNIT_ASSERT_EQUAL("\x1b[31merror: y\\x1B[2J [x]\x1b[0m\n"s, printed(say(true), true));
    CPPUNIT_ASSERT_EQUAL("error: y\\x1B[2J [x]\n"s, printed(say(false), true));
    CPPUNIT_ASSERT(printed(say(true), false).starts_with("error: y"));  // no terminal
  }
  void history() {
    const Folder folder;
    const History history(folder.path("history"));
    CPPUNIT_ASSERT(history.load().empty());
    CPPUNIT_ASSERT(history.append("version"));
    CPPUNIT_ASSERT(history.append("two\nlines"));
    CPPUNIT_ASSERT(!history.append(" begins with a blank"));
    CPPUNIT_ASSERT(!history.append(""));
    CPPUNIT_ASSERT((history.load() == std::vector<std::string>{"version", "two lines"}));
    struct stat about{};
    CPPUNIT_ASSERT(::stat(folder.path("history").c_str(), &about) == 0);
    CPPUNIT_ASSERT_EQUAL(0600U, static_cast<unsigned>(about.st_mode & 07777));
    CPPUNIT_ASSERT(!History("").append("version") && History("").load().empty());
    CPPUNIT_ASSERT(!History("/nonexistent/history").append("version"));
  }
  void history_is_cut() {
    const Folder folder;
    std::string content;
    for (size_t i = 0; i < 2 * history_lines + 1; ++i) content += fmt::format("line {}\n", i);
    CPPUNIT_ASSERT(replace_file(folder.path("history"), content, 0600));
    const History history(folder.path("history"));
    auto lines = history.load();
    CPPUNIT_ASSERT_EQUAL(history_lines, lines.size());
    CPPUNIT_ASSERT_EQUAL("line 2000"s, lines.back());
    CPPUNIT_ASSERT(read_file(folder.path("history"))->starts_with("line 1001\n"));
  }
  void history_keeps_no_secrets() {
    for (const config::OptionDef& option : config::options())
      if (option.type == config::Type::secret)
        CPPUNIT_ASSERT_MESSAGE(std::string(option.name), !is_kept(fmt::format("config set {} x", option.name)));
    CPPUNIT_ASSERT(!is_kept("config set tls_key_passwrd hidden"));
    CPPUNIT_ASSERT(!is_kept("config set TLS_Key = \"-----BEGIN PRIVATE KEY-----"));
    CPPUNIT_ASSERT(is_kept("config set esmtp_listener listen :25 enable false"));
  }
  void candidates() {
    auto [ours, theirs] = a_pair();
    std::string asked;
    std::thread server([&, fd = std::move(ours)] {
      Lines lines(fd.get());
      lines.say(hello);
      lines.hear(asked);
      lines.say(" {\"word\":\"version\",\"help\":\"it\"}");
      lines.say(" not json");
      lines.say(" {\"word\":\"verify\",\"later\":[]}");
      lines.say("=0 ok candidates=2");
    });
    auto client = Client::over(std::move(theirs), {});
    const auto found = ask_candidates(*client, "ver");
    server.join();
    CPPUNIT_ASSERT_EQUAL("--json complete ver"s, asked);
    CPPUNIT_ASSERT(found && found->size() == 2);
    CPPUNIT_ASSERT_EQUAL("it"s, found->front().help);
    CPPUNIT_ASSERT_EQUAL("verify"s, found->back().word);
    CPPUNIT_ASSERT_EQUAL("veri"s, common_prefix({{"verify", ""}, {"verily", ""}}));
    CPPUNIT_ASSERT_EQUAL("ver"s, common_prefix(*found));
    CPPUNIT_ASSERT_EQUAL(""s, common_prefix({}));
  }
  void candidate_lists() {
    CPPUNIT_ASSERT_EQUAL("set   sets\nshow  shows\n"s, candidate_list({{"set", "sets"}, {"show", "shows"}}, 80, 10));
    CPPUNIT_ASSERT_EQUAL("a\n… and 1 more\n"s, candidate_list({{"a", ""}, {"b", ""}}, 80, 1));
    CPPUNIT_ASSERT_EQUAL("a  c\nb\n"s, candidate_list({{"a", ""}, {"b", ""}, {"c", ""}}, 6, 10));
    CPPUNIT_ASSERT_EQUAL("x\\x1B[2J  y\n"s, candidate_list({{"x\x1b[2J", "y"}}, 80, 10));
    CPPUNIT_ASSERT_EQUAL("set  hhhhhhhhhhhhhhhhhhhh\n"s, candidate_list({{"set", std::string(99, 'h')}}, 10, 10));
  }
  void stored_passwords() {
    const Folder folder;
    bool found = true;
    CPPUNIT_ASSERT(stored_password({}, found) && !found);
    const std::string file = folder.path("password");
    CPPUNIT_ASSERT(replace_file(file, "sesame \r\nmore", 0600));
    CPPUNIT_ASSERT_EQUAL("sesame "s, *stored_password({file}, found));
    CPPUNIT_ASSERT(found);
    ::chmod(file.c_str(), 0640);
    CPPUNIT_ASSERT_EQUAL(2, stored_password({file}, found).error().exit_status());
    CPPUNIT_ASSERT(!stored_password({"/nonexistent/password"}, found));
    ::setenv(password_variable, "from the environment", 1);
    CPPUNIT_ASSERT_EQUAL("from the environment"s, *stored_password({file}, found));
    ::unsetenv(password_variable);
  }
  void unasked_lines() {
    auto [ours, theirs] = a_pair();
    Lines lines(ours.get());
    lines.say(hello);
    auto client = Client::over(std::move(theirs), {});
    CPPUNIT_ASSERT(!client->unasked());
    lines.say("*something happened");
    CPPUNIT_ASSERT_EQUAL("something happened"s, client->unasked()->text);
    CPPUNIT_ASSERT(!client->unasked() && !client->peer_closed());
    lines.say("nonsense");
    CPPUNIT_ASSERT(!client->unasked() && client->peer_closed());
  }
  void settling() {
    auto [ours, theirs] = a_pair();
    Lines lines(ours.get());
    lines.say(hello);
    auto client = Client::over(std::move(theirs), {});
    CPPUNIT_ASSERT(client->settle(std::chrono::milliseconds(0)));  // nothing is owed
    CPPUNIT_ASSERT(client->send("help"));
    lines.say(" one");
    CPPUNIT_ASSERT(client->settle(std::chrono::milliseconds(1)).error().kind == Failure::Kind::timeout);
    CPPUNIT_ASSERT(client->owed());
    lines.say(" two");
    lines.say("=0 ok");
    CPPUNIT_ASSERT(client->settle(std::chrono::milliseconds(10000)));
    CPPUNIT_ASSERT(!client->owed());
    CPPUNIT_ASSERT(client->timeout() == std::chrono::milliseconds(60000));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConsoleTest);

}  // namespace
