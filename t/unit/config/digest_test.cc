// The digest: the same for the same meaning, another for any other.
#include "config/digest.h"

#include "engine_kit.h"

#include <set>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

class DigestTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(DigestTest);
  CPPUNIT_TEST(the_layout_does_not_count);
  CPPUNIT_TEST(every_difference_counts);
  CPPUNIT_TEST(there_and_back);
  CPPUNIT_TEST(what_waits_for_a_restart_counts);
  CPPUNIT_TEST_SUITE_END();

  static std::string of(const std::string& text) { return digest(*snapshot(text)); }

  void the_layout_does_not_count() {
    const std::string one =
        of("Hostname = a.example\nMax_Retries = 3\nESMTP_Listener { Listen \":25\" { } Listen \":26\" { } }\n");
    CPPUNIT_ASSERT_EQUAL(size_t{16}, one.size());
    CPPUNIT_ASSERT_EQUAL(one, of("# another\nmax_retries=3\nESMTP_Listener { Listen \"*:26\" { } }\n"
                                 "ESMTP_Listener { Listen \":25\" { } }\nHostname = \"a.example\"\n"));
  }

  void every_difference_counts() {
    std::set<std::string> seen;
    const std::vector<std::string> texts{
        "", "Hostname = a.example", "Hostname = b.example", "Nodename = a", "ESMTP_Listener { }",
        "ESMTP_Listener { Listen \":25\" { } }", "ESMTP_Listener { Listen \":26\" { } }",
        "ESMTP_Listener { Listen \":25\" { Enable = true } }", "ESMTP_Listener { Listen \":25\" { Enable = false } }",
        "ESMTP_Listener { Enable = false Listen \":25\" { } }", "ESMTP_Listener { Peer \"10.0.0.1\" { Deny = true } }",
        "ESMTP_Listener { Listen \":25\" { Peer \"10.0.0.1\" { Deny = true } } }",
        "ESMTP_Listener { Peer \"10.0.0.1\" { Deny = true } Listen \":25\" { } }",
        // Secrets are not shown, and count.
        "ESMTP_Listener { TLS_Key_Password = one }", "ESMTP_Listener { TLS_Key_Password = two }",
        // The order of patterns means something.
        "Domain \"/a/\" { Max_Retries = 1 } Domain \"/b/\" { Max_Retries = 1 }",
        "Domain \"/b/\" { Max_Retries = 1 } Domain \"/a/\" { Max_Retries = 1 }"};
    for (const std::string& text : texts) CPPUNIT_ASSERT_MESSAGE(text, seen.insert(of(text)).second);
    CPPUNIT_ASSERT_EQUAL(of("Domain b.example { Max_Retries = 1 } Domain a.example { Max_Retries = 2 }"),
                         of("Domain a.example { Max_Retries = 2 } Domain b.example { Max_Retries = 1 }"));
  }

  void there_and_back() {
    Rig rig;
    rig.start("Hostname = a.example\n");
    const std::string before = digest(*rig.engine->current());
    ASSERT_OK(rig.set("esmtp_listener listen :25 peer 10.0.0.0/8 deny true"));
    CPPUNIT_ASSERT(before != digest(*rig.engine->current()));
    ASSERT_OK(rig.unset("esmtp_listener"));
    CPPUNIT_ASSERT_EQUAL(before, digest(*rig.engine->current()));
    ASSERT_OK(rig.set("max_retries 3"));
    ASSERT_OK(rig.engine->revert(1, {"test"}));
    CPPUNIT_ASSERT_EQUAL(before, digest(*rig.engine->current()));
    CPPUNIT_ASSERT(rig.generation() > 1);
  }

  void what_waits_for_a_restart_counts() {
    Rig rig;
    rig.start("Nodename = a\n");
    ASSERT_OK(rig.set("nodename b"));
    CPPUNIT_ASSERT(digest(*rig.engine->current()) != of("Nodename = b\n"));
    ASSERT_OK(rig.set("nodename a"));
    CPPUNIT_ASSERT_EQUAL(of("Nodename = a\n"), digest(*rig.engine->current()));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(DigestTest);

}  // namespace
