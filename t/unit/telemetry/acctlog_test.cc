// Golden lines of the accounting log, and what hostile fields cannot do to them.
#include "telemetry/acctlog.h"

#include "temp_dir.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>

using namespace impulse;
using namespace std::string_literals;
using telemetry::Account;
using telemetry::Acctlog;

namespace {

const Account sample{WallTime(std::chrono::seconds(1160503811)), "*:2025", "10.80.116.126:37162", "ec-user"};

class AcctlogTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AcctlogTest);
  CPPUNIT_TEST(the_manuals_lines);
  CPPUNIT_TEST(hostile_fields);
  CPPUNIT_TEST(long_fields_are_cut);
  CPPUNIT_TEST(no_path_no_log);
  CPPUNIT_TEST_SUITE_END();

  void the_manuals_lines() {
    Scratch<Acctlog> scratch;
    const Account local{sample.time, "/tmp/2025", "", "ec-user"};
    scratch.log().authentication(local, true);
    scratch.log().command(local, true, "summary", "users");
    scratch.log().command(sample, false, "shutdown", "");
    scratch.log().authentication(sample, false);
    scratch.log().timeout({sample.time, sample.listen, sample.peer, ""});
    CPPUNIT_ASSERT_EQUAL(
        "1160503811@N@/tmp/2025@@ec-user@1\n"
        "1160503811@Z@/tmp/2025@@ec-user@1@summary@users\n"
        "1160503811@Z@*:2025@10.80.116.126:37162@ec-user@0@shutdown\n"
        "1160503811@N@*:2025@10.80.116.126:37162@ec-user@0\n"
        "1160503811@T@*:2025@10.80.116.126:37162@@0\n"s,
        scratch.text());
  }
  void hostile_fields() {
    Scratch<Acctlog> scratch;
    Account account = sample;
    account.user = "a@b\\c\n1160503811@Z@\x1b[2J\x7f";
    scratch.log().command(account, false, "bytes \xff\xfe and \xc3\xa9", "");
    account.user = "\xc3\xa9";
    scratch.log().authentication(account, true);
    account.user =
        "\xc2\x9b"
        "2J\xc2\xa9";  // C1: a terminal's CSI, and one that is harmless
    scratch.log().authentication(account, false);
    CPPUNIT_ASSERT_EQUAL(
        "1160503811@Z@*:2025@10.80.116.126:37162@a\\@b\\\\c\\n1160503811\\@Z\\@\\x1B[2J\\x7F@0@"
        "bytes \\xFF\\xFE and \\xC3\\xA9\n"
        "1160503811@N@*:2025@10.80.116.126:37162@\xc3\xa9@1\n"
        "1160503811@N@*:2025@10.80.116.126:37162@\\xC2\\x9B2J\xc2\xa9@0\n"s,
        scratch.text());
  }
  void long_fields_are_cut() {
    Scratch<Acctlog> scratch;
    scratch.log().command(sample, true, std::string(100000, 'x'), "r");
    const std::string text = scratch.text();
    CPPUNIT_ASSERT(text.size() < 1200);
    CPPUNIT_ASSERT(text.ends_with("x...@r\n"));
  }
  void no_path_no_log() {
    auto log = std::move(Acctlog::open("").value());
    log->command(sample, true, "summary", "");
    log->flush();
    CPPUNIT_ASSERT(log->reopen());
    CPPUNIT_ASSERT(!Acctlog::open("/nonexistent/folder/acctlog"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(AcctlogTest);

}  // namespace
