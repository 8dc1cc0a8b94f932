// The snapshot that follows another: what it takes over, and what a session
// would miss.
#include "snapshot_kit.h"

#include <random>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;
using namespace std::string_literals;

namespace {

SnapshotPtr edited(const SnapshotPtr& now, std::vector<std::string> words, const OptionDef& option, const char* value) {
  auto setting = std::make_shared<Setting>();
  setting->option = &option;
  setting->value = convert(word(value), option).value();
  Diagnostics diagnostics;
  SnapshotPtr made = compile(edit_scope(now->root(), path(std::move(words)), {},
                                        [&](const ScopePtr& scope) { return scope->with_setting(setting); }),
                             now->generation() + 1, diagnostics, now);
  CPPUNIT_ASSERT_MESSAGE(all(diagnostics), made);
  return made;
}

class SnapshotNextTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SnapshotNextTest);
  CPPUNIT_TEST(equivalence_minds_what_a_session_would_miss);
  CPPUNIT_TEST(unchanged_listens_are_taken_over);
  CPPUNIT_TEST(a_changed_certificate_renews_the_listens);
  CPPUNIT_TEST(peer_edits_reach_their_clients);
  CPPUNIT_TEST(taken_over_listens_know_their_new_lines);
  CPPUNIT_TEST(restart_options_keep_running);
  CPPUNIT_TEST_SUITE_END();

  void equivalence_minds_what_a_session_would_miss() {
    const char* with = "ESMTP_Listener {{ Listen \":25\" {{ {} }} }}";
    const auto options_of = [&](const char* body) { return snapshot(fmt::format(fmt::runtime(with), body)); };
    const auto equal = [&](const char* a, const char* b) {
      const SnapshotPtr one = options_of(a), two = options_of(b);
      return one->listens().front()->options().equivalent(two->listens().front()->options());
    };
    CPPUNIT_ASSERT(equal("Max_Errors = 5", "Max_Errors = 5"));
    CPPUNIT_ASSERT(equal("", "Max_Errors = 20"));               // said or not, it is the same
    CPPUNIT_ASSERT(!equal("", "Max_Errors = 21"));              // next-message
    CPPUNIT_ASSERT(!equal("", "Banner_Hostname = x.example"));  // next-session
    const auto bound = [&](const char* a, const char* b) {
      const SnapshotPtr one = options_of(a), two = options_of(b);
      return one->listens().front()->options().equivalent_for_session(two->listens().front()->options());
    };
    CPPUNIT_ASSERT(bound("", "Max_Errors = 21"));
    CPPUNIT_ASSERT(!bound("", "Banner_Hostname = x.example"));
    CPPUNIT_ASSERT(equal("", "Listen_Backlog = 7"));       // live
    CPPUNIT_ASSERT(equal("Deny = false", "Deny = true"));  // live
    // What only new sockets, or a new process, would notice: sessions go on.
    CPPUNIT_ASSERT(equal("", "Concurrency = 4"));  // relisten
    CPPUNIT_ASSERT(equal("", "TCP_Recv_Buffer_Size = 65536"));
    CPPUNIT_ASSERT(!equal("", "Concurrency = 4 Max_Errors = 21"));
    const auto first = [](const char* global) { return snapshot(global + "ESMTP_Listener { Listen \":25\" { } }"s); };
    CPPUNIT_ASSERT(first("Pidfile = /run/a\n")
                       ->listens()
                       .front()
                       ->options()
                       .equivalent(first("Pidfile = /run/b\n")->listens().front()->options()));  // restart
  }
  void unchanged_listens_are_taken_over() {
    const std::string text =
        "Hostname = {}\nDomain a.example {{ Max_Retries = {} }}\nESMTP_Listener {{ Peer 10.0.0.0/8 {{ Max_Errors = {} "
        "}}\n"
        "Listen \":25\" {{ Max_Errors = {} }} Listen \":26\" {{ }} }}\nControl_Listener {{ Listen \"/c\" {{ }} }}\n";
    const auto with = [&](const char* host, int retries, int peer, int listen) {
      return fmt::format(fmt::runtime(text), host, retries, peer, listen);
    };
    const SnapshotPtr first = snapshot(with("a.example", 1, 1, 1));
    const Options* const base25 = &first->listens()[0]->options();
    const Options* const base26 = &first->listens()[1]->options();
    const Options* const peer26 = &client(first, ":26", "10.0.0.1");
    const Options* const control = &first->listens()[2]->options();

    // A Domain: no listener notices.
    SnapshotPtr then = next(first, with("a.example", 2, 1, 1));
    CPPUNIT_ASSERT(&then->listens()[0]->options() == base25 && &client(then, ":26", "10.0.0.1") == peer26);
    CPPUNIT_ASSERT(&then->global() == &first->global());
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, then->for_domain("a.example")[key::max_retries]);
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, first->for_domain("a.example")[key::max_retries]);
    // A Listen: its neighbour does not notice.
    then = next(first, with("a.example", 1, 1, 2));
    CPPUNIT_ASSERT(&then->listens()[0]->options() != base25 && &then->listens()[1]->options() == base26);
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, then->listens()[0]->options()[key::max_errors]);
    // A Peer of the listener: both its Listens do, the other listener does not.
    then = next(first, with("a.example", 1, 9, 1));
    CPPUNIT_ASSERT_EQUAL(int64_t{9}, client(then, ":26", "10.0.0.1")[key::max_errors]);
    CPPUNIT_ASSERT(&then->listens()[2]->options() == control);
    // The global scope: all do.
    then = next(first, with("b.example", 1, 1, 1));
    CPPUNIT_ASSERT(&then->listens()[2]->options() != control);
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"), client(then, ":26", "10.0.0.1")[key::hostname]);
    // What was taken over outlives the snapshot it comes from.
    then = next(first, with("a.example", 2, 1, 1));
    SnapshotPtr last = next(then, with("a.example", 3, 1, 1));
    then = nullptr;
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, client(last, ":26", "10.0.0.1")[key::max_errors]);
  }
  // What is derived of a Listen's options may hold the certificate.
  void a_changed_certificate_renews_the_listens() {
    const auto text = [](const char* cert) {
      return fmt::format(
          "Certificate main {{ Cert = {} Private_Key = /k.pem }}\nTLS_Certificate = main\n"
          "ESMTP_Listener {{ Listen \":25\" {{ }} }}\n",
          cert);
    };
    const SnapshotPtr first = snapshot(text("/a.pem"));
    CPPUNIT_ASSERT(&next(first, text("/a.pem"))->listens()[0]->options() == &first->listens()[0]->options());
    const SnapshotPtr then = next(first, text("/b.pem"));
    CPPUNIT_ASSERT(&then->listens()[0]->options() != &first->listens()[0]->options());
    CPPUNIT_ASSERT(&then->global() != &first->global());
    CPPUNIT_ASSERT_EQUAL(std::string("/b.pem"), (*then->certificate("main"))[key::cert]);
  }
  void peer_edits_reach_their_clients() {
    SnapshotPtr now = snapshot("ESMTP_Listener { Listen \":25\" { } Listen \":26\" { } }\n");
    std::mt19937 random(5);
    std::map<uint32_t, int64_t> model;
    for (int i = 1; i <= 300; ++i) {
      const uint32_t address = 0x0A000000 + random() % 100;
      const std::string name = IpAddress::v4(address).to_string();
      now = edited(now, {"esmtp_listener", "listen", ":25", "peer", name}, definition(key::max_errors),
                   std::to_string(i).c_str());
      model[address] = i;
      CPPUNIT_ASSERT_EQUAL(int64_t{i}, client(now, ":25", name.c_str())[key::max_errors]);
      CPPUNIT_ASSERT_EQUAL(int64_t{20}, client(now, ":26", name.c_str())[key::max_errors]);
    }
    for (uint32_t i = 0; i < 100; ++i) {
      const auto found = model.find(0x0A000000 + i);
      CPPUNIT_ASSERT_EQUAL(found == model.end() ? 20 : found->second,
                           client(now, ":25", IpAddress::v4(0x0A000000 + i).to_string().c_str())[key::max_errors]);
    }
  }
  void taken_over_listens_know_their_new_lines() {
    const SnapshotPtr first = snapshot("ESMTP_Listener { Listen \":25\" { Peer 10.0.0.1 { Max_Errors = 3 } } }\n");
    const SnapshotPtr then =
        next(first, "\n\nESMTP_Listener { Listen \":25\" { Peer 10.0.0.1 { Max_Errors = 3 } } }\n");
    CPPUNIT_ASSERT(&then->listens()[0]->options() == &first->listens()[0]->options());
    CPPUNIT_ASSERT_EQUAL(std::string("test.conf:3:18"), then->listens()[0]->origin().to_string());
    const auto rungs =
        then->explain(path({"esmtp_listener", "listen", ":25", "peer", "10.0.0.1"}), definition(key::max_errors));
    CPPUNIT_ASSERT_EQUAL(uint32_t{3}, rungs[0].origin.place.line);
  }
  void restart_options_keep_running() {
    const OptionDef& base = definition(key::spoolbase);
    SnapshotPtr now = snapshot("Spoolbase = /a\nESMTP_Listener { Listen \":25\" { } }\n");
    CPPUNIT_ASSERT(!now->pending(base));
    now = next(now, "Spoolbase = /b\nESMTP_Listener { Listen \":25\" { } }\n");
    CPPUNIT_ASSERT_EQUAL(std::string("/a"), now->global()[key::spoolbase]);
    CPPUNIT_ASSERT_EQUAL(std::string("/a"), client(now, ":25", "10.0.0.1")[key::spoolbase]);
    CPPUNIT_ASSERT_EQUAL(std::string("/a"), std::get<std::string>(now->eval({}, base)));
    CPPUNIT_ASSERT_EQUAL(std::string("/b"), std::get<std::string>(now->pending(base).value()));
    CPPUNIT_ASSERT_EQUAL(std::string("running until restart=/a*, global=/b, default=/var/spool/impulse"),
                         ladder(now, {}, base));
    now = next(now, "");  // back to the default, later
    CPPUNIT_ASSERT_EQUAL(std::string("/a"), now->global()[key::spoolbase]);
    CPPUNIT_ASSERT_EQUAL(std::string("/var/spool/impulse"), std::get<std::string>(now->pending(base).value()));
    now = next(now, "Spoolbase = /a\nNodename = n1\n");  // never mind
    CPPUNIT_ASSERT(!now->pending(base));
    CPPUNIT_ASSERT(!now->global().is_set(key::nodename));
    CPPUNIT_ASSERT_EQUAL(std::string("n1"), std::get<std::string>(now->pending(definition(key::nodename)).value()));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SnapshotNextTest);

}  // namespace
