// The daemon as a process: threads, memory, logs, counters, certificates.
#include "fake_system.h"

#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

namespace {

nlohmann::json document_of(const std::string& reply, size_t index = 0) {
  for (const auto line : split(reply, '\n'))
    if (line.starts_with(' ') && index-- == 0) return nlohmann::json::parse(line.substr(1));
  return {};
}

void has(const std::string& reply, std::string_view part) {
  CPPUNIT_ASSERT_MESSAGE(std::string(part) + " not in\n" + reply, reply.find(part) != std::string::npos);
}

class ProcessCommandsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ProcessCommandsTest);
  CPPUNIT_TEST(threads);
  CPPUNIT_TEST(memory);
  CPPUNIT_TEST(sysinfo);
  CPPUNIT_TEST(uptime);
  CPPUNIT_TEST(paniclog);
  CPPUNIT_TEST(reopening_logs);
  CPPUNIT_TEST(logs_and_their_rotation);
  CPPUNIT_TEST(counters_are_listed);
  CPPUNIT_TEST(one_counter);
  CPPUNIT_TEST(counters_begin_anew);
  CPPUNIT_TEST(summary_begins_anew);
  CPPUNIT_TEST(levels_are_shown);
  CPPUNIT_TEST(a_level_is_set_as_a_commit);
  CPPUNIT_TEST(the_last_area_at_a_level_takes_the_option_away);
  CPPUNIT_TEST(all_areas_at_once);
  CPPUNIT_TEST(wrong_levels);
  CPPUNIT_TEST(certificates);
  CPPUNIT_TEST(certificates_are_checked);
  CPPUNIT_TEST(certificates_are_renewed);
  CPPUNIT_TEST(too_many_words);
  CPPUNIT_TEST_SUITE_END();

  void threads() {
    Console console;
    console.system.processes.rows = {
        {4711, "impulsed", 'S', std::chrono::milliseconds(1250), std::chrono::milliseconds(500), std::nullopt},
        {4712, "default-0\x1b[2J", 'R', Duration(0), Duration(0), ThreadStatus::Load{3, 17, Duration(4250)}}};
    const std::string reply = console("threads");
    has(reply, " impulsed            4711     S         1.25         0.50         -         -         -\n");
    has(reply, "        3        17      4.25\n");
    CPPUNIT_ASSERT(reply.find('\x1b') == std::string::npos);
    CPPUNIT_ASSERT_EQUAL(std::string("=0 ok threads=2"), status_of(reply));
    const auto first = document_of(console("--json threads"));
    CPPUNIT_ASSERT_EQUAL(1.25, first["user"].get<double>());
    CPPUNIT_ASSERT(!first.contains("sessions"));
    CPPUNIT_ASSERT_EQUAL(17, document_of(console("--json threads"), 1)["events"].get<int>());
    CPPUNIT_ASSERT_EQUAL(0.00425, document_of(console("--json threads"), 1)["longest"].get<double>());
    CPPUNIT_ASSERT_EQUAL(std::string("=0 ok"), status_of(console("threads reset")));
    CPPUNIT_ASSERT_EQUAL(0.0, document_of(console("--json threads"), 1)["longest"].get<double>());
  }

  void memory() {
    Console console;
    console.system.processes.used = {
        8658726, 9000000, 1000000000, 519536640,
        6927918, 5000000, 1927918,    {{"inbound_sessions", 3, 12345}, {"queued_recipients", 7, std::nullopt}}};
    const std::string reply = console("memory");
    has(reply, "              inbound_sessions            3             12,345\n");
    has(reply, "             queued_recipients            7                  -\n");
    has(reply, "RSS:                      8658726              8,658,726   1.67%\n");
    const auto document = document_of(console("--json memory"));
    CPPUNIT_ASSERT_EQUAL(8658726, document["resident"].get<int>());
    CPPUNIT_ASSERT_EQUAL(12345, document["parts"]["inbound_sessions"]["bytes"].get<int>());
    CPPUNIT_ASSERT(!document["parts"]["queued_recipients"].contains("bytes"));
  }

  void sysinfo() {
    Console console;
    SystemInfo& info = console.system.processes.info;
    info.compiler = "GCC 12";
    info.libraries = {{"OpenSSL", "3.0.1"}};
    info.kernel = "Linux host 6.1";
    info.descriptors = 31;
    info.descriptor_limit = 1024;
    info.user = "impulse";
    const std::string reply = console("sysinfo");
    for (const auto line : {"Impulse Version: 1.2.3 (", "library OpenSSL: 3.0.1\n", "kernel: Linux host 6.1\n",
                            "descriptors: 31 in use, 1024 allowed\n", "user: impulse\n", "features: none\n",
                            "capabilities: none\n", "uptime: 100 seconds\n"})
      has(reply, line);
    const auto document = document_of(console("--json sysinfo"));
    CPPUNIT_ASSERT(document["libraries"]["OpenSSL"] == "3.0.1");
    CPPUNIT_ASSERT_EQUAL(100, document["uptime"].get<int>());
  }

  void uptime() {
    Console console;
    has(console("uptime"), "Uptime: 100 seconds (1m40s), since 20");
    CPPUNIT_ASSERT_EQUAL(100, document_of(console("--json uptime"))["uptime"].get<int>());
  }

  void paniclog() {
    Console console;
    console.system.processes.lines = {{1, Level::error, "… error spool spool: \x07sick"}, {2, Level::notice, "well"}};
    const std::string reply = console("paniclog");
    CPPUNIT_ASSERT_EQUAL(size_t{10}, console.system.processes.asked_lines);
    has(reply, " well\n");
    CPPUNIT_ASSERT(reply.find('\x07') == std::string::npos);
    CPPUNIT_ASSERT(document_of(console("--json paniclog 100"))["level"] == "error");
    CPPUNIT_ASSERT_EQUAL(size_t{100}, console.system.processes.asked_lines);
    for (const auto wrong : {"paniclog 0", "paniclog 101", "paniclog x", "paniclog -1", "paniclog 5 5"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(wrong, std::string("=2 usage"), status_of(console(wrong)));
  }

  void reopening_logs() {
    Console console;
    console.system.processes.reopened.emplace_back("Mainlog", Result<>{});
    CPPUNIT_ASSERT_EQUAL(std::string("=0 ok"), status_of(console("reopen logs")));
    console.system.processes.reopened.emplace_back("Diagnostic_Log", fail(Errc::denied, "cannot open log x: no"));
    const std::string reply = console("reopen logs");
    has(reply, " Mainlog: reopened\n");
    has(reply, "!error log-reopen-failed cannot open log x: no\n");
    CPPUNIT_ASSERT_EQUAL(std::string("=5 degraded"), status_of(reply));
  }

  void logs_and_their_rotation() {
    Console console;
    console.system.processes.files.push_back({"Diagnostic_Log", "", 0, 0, 0, 0, ""});
    console.system.processes.files.push_back(
        {"Mainlog", "/var/log/mainlog", 1234, 56, 7, 2, "No space left on device"});
    const std::string reply = console("logs");
    has(reply, " Diagnostic_Log: standard error, 0 bytes, 0 bytes waiting, 0 lines lost, rotated 0 times\n");
    has(reply,
        " Mainlog: /var/log/mainlog, 1234 bytes, 56 bytes waiting, 7 lines lost, rotated 2 times; cannot be written: "
        "No space left on device\n");
    const auto document = document_of(console("--json logs"), 1);
    CPPUNIT_ASSERT(document["log"] == "Mainlog" && document["lost"] == 7 && document["waiting"] == 56);
    CPPUNIT_ASSERT_EQUAL(0, console.system.processes.rotated);
    CPPUNIT_ASSERT_EQUAL(std::string("=0 ok"), status_of(console("rotate logs")));
    CPPUNIT_ASSERT_EQUAL(1, console.system.processes.rotated);
    for (const auto wrong : {"logs now", "rotate logs now"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(wrong, std::string("=2 usage"), status_of(console(wrong)));
    CPPUNIT_ASSERT_EQUAL(1, console.system.processes.rotated);
  }

  void counters_are_listed() {
    Console console;
    console.system.counts.add(Counter::deliveries, 1024);
    const std::string reply = console("counter list");
    has(reply, " VALUE        RESET_TIME           SEMANTICS COUNTER\n");
    has(reply, " 1024         never                counter   deliveries\n");
    has(reply, " 0            never                gauge     sessions_open\n");
    has(reply, fmt::format(" {} counters listed.\n", telemetry::counter_defs().size()));
    has(console("counter list DELIV"), " 1 counter listed.\n");
    CPPUNIT_ASSERT_EQUAL(std::string("=3 not-found counters=0"), status_of(console("counter list nothing")));
  }

  void one_counter() {
    Console console;
    console.system.counts.add(Counter::deliveries, 5);
    console.system.counts.reset(Counter::deliveries, test_now());
    console.system.counts.add(Counter::deliveries, 2);
    const auto document = document_of(console("--json counter show deliveries"));
    CPPUNIT_ASSERT_EQUAL(2, document["value"].get<int>());
    CPPUNIT_ASSERT_EQUAL(7, document["total"].get<int>());
    has(console("counter show deliveries"), " recipients delivered\n");
    const std::string reply = console("counter show delivery");
    has(reply, "no counter is called 'delivery'; did you mean 'deliveries'?");
    CPPUNIT_ASSERT_EQUAL(std::string("=3 not-found"), status_of(reply));
    CPPUNIT_ASSERT_EQUAL(std::string("=2 usage"), status_of(console("counter show")));
  }

  void counters_begin_anew() {
    Console console;
    console.system.counts.add(Counter::deliveries, 5);
    console.system.counts.add(Counter::bytes_received, 5);
    CPPUNIT_ASSERT_EQUAL(std::string("=0 ok"), status_of(console("counter reset deliveries")));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, console.system.counts.shown(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{5}, console.system.counts.value(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{5}, console.system.counts.shown(Counter::bytes_received));
    has(console("counter list deliveries"), "2019-12-20@00:01:40");
    console("counter reset");
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, console.system.counts.shown(Counter::bytes_received));
    CPPUNIT_ASSERT_EQUAL(std::string("=1 failed"), status_of(console("counter reset sessions_open")));
    CPPUNIT_ASSERT_EQUAL(std::string("=3 not-found"), status_of(console("counter reset nothing")));
  }

  void summary_begins_anew() {
    Console console;
    console.system.counts.add(Counter::deliveries, 5);
    console.system.counts.add(Counter::sessions_open, 3);
    has(console("summary"), "Statistics Last Reset: 100 seconds\n");
    CPPUNIT_ASSERT_EQUAL(std::string("=0 ok"), status_of(console("summary reset")));
    const std::string reply = console("summary");
    has(reply, "Successfully Delivered Messages: 0\n");
    has(reply, "Inbound Concurrency: 3\n");
    has(reply, "Statistics Last Reset: 0 seconds\n");
    const auto document = document_of(console("--json summary"));
    CPPUNIT_ASSERT_EQUAL(5, document["counters"]["deliveries"].get<int>());
    CPPUNIT_ASSERT_EQUAL(0, document["since_reset"]["deliveries"].get<int>());
  }

  void levels_are_shown() {
    Console console;
    console.system.processes.levels[static_cast<size_t>(Area::smtp)] = Level::debug;
    const std::string reply = console("debug_flags");
    has(reply, " smtp       debug\n");
    has(reply, " net        notice\n");
    CPPUNIT_ASSERT(document_of(console("--json debug_flags"))["area"] == "server");
  }

  static std::string shown(Console& console) { return console("config show debug_flags"); }

  void a_level_is_set_as_a_commit() {
    Console console("Debug_Flags { Debug = \"smtp\" }");
    console.system.processes.levels[static_cast<size_t>(Area::smtp)] = Level::debug;
    const uint64_t before = console.system.engine().current()->generation();
    const std::string reply = console("debug_flags net info");
    CPPUNIT_ASSERT_EQUAL_MESSAGE(reply, '0', status_of(reply)[1]);
    CPPUNIT_ASSERT_EQUAL(before + 1, console.system.engine().current()->generation());
    has(shown(console), "net");
    has(shown(console), "smtp");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, console.system.engine().current()->debug_flags()[config::key::info].size());
  }

  void the_last_area_at_a_level_takes_the_option_away() {
    Console console("Debug_Flags { Debug = \"smtp\" }");
    console.system.processes.levels[static_cast<size_t>(Area::smtp)] = Level::debug;
    console("debug_flags SMTP Error");
    const config::Options& flags = console.system.engine().current()->debug_flags();
    CPPUNIT_ASSERT(flags[config::key::debug].empty());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, flags[config::key::error].size());
  }

  void all_areas_at_once() {
    Console console;
    console("debug_flags all debug");
    const config::Options& flags = console.system.engine().current()->debug_flags();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, flags[config::key::debug].size());
    CPPUNIT_ASSERT_EQUAL(std::string("ALL"), flags[config::key::debug].front());
  }

  void wrong_levels() {
    Console console;
    has(console("debug_flags nowhere debug"), "no area is called 'nowhere'; expected server, config,");
    has(console("debug_flags smtp loud"), "no level is called 'loud'; expected critical, error,");
    CPPUNIT_ASSERT_EQUAL(std::string("=2 usage"), status_of(console("debug_flags smtp")));
    CPPUNIT_ASSERT_EQUAL(std::string("=2 usage"), status_of(console("debug_flags smtp debug now")));
  }

  void certificates() {
    Console console;
    CertificateStatus row;
    row.name = "mx";
    row.subject = "CN=mx.example.com";
    row.names = {"DNS:mx.example.com", "DNS:a\nb"};
    row.expires = test_now() + std::chrono::hours(24 * 40);
    row.used_by = {"ESMTP_Listener Listen *:25 (impulse.conf:3:3)"};
    console.system.processes.served = {row};
    const std::string reply = console("tls show");
    has(reply, "  names     DNS:mx.example.com, DNS:a\\nb\n");
    has(reply, "(40 days left)\n");
    has(reply, "  used by   ESMTP_Listener Listen *:25 (impulse.conf:3:3)\n");
    CPPUNIT_ASSERT_EQUAL(std::string("=0 ok certificates=1"), status_of(reply));
    CPPUNIT_ASSERT_EQUAL(40, document_of(console("--json tls show"))["days_left"].get<int>());
    CPPUNIT_ASSERT(reply.find("served to") == std::string::npos);
    // By server name, for clients with certificates; and by pre-shared keys alone.
    row.server_names = {"mx.example.com", "*.mx.example.com"};
    row.client_ca = "/etc/ca.pem";
    row.crl_expires = test_now();
    CertificateStatus keys;
    keys.name = "(pre-shared keys)";
    keys.psk_identities = 3;
    console.system.processes.served = {row, keys};
    const std::string more = console("tls show");
    has(more, "  served to mx.example.com, *.mx.example.com\n");
    has(more, "  clients   /etc/ca.pem\n");
    has(more, "  crl until ");
    has(more, "  keys      3 pre-shared keys\n");
  }

  void certificates_are_checked() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(std::string("=0 ok certificates=0 troubles=0"), status_of(console("tls check")));
    console.system.processes.troubles = {{"mx", "tls-expires", "it ends in 3 days"}};
    const std::string reply = console("tls check");
    has(reply, "!warning tls-expires mx: it ends in 3 days\n");
    CPPUNIT_ASSERT_EQUAL(std::string("=5 degraded certificates=0 troubles=1"), status_of(reply));
    CPPUNIT_ASSERT(document_of(console("--json tls check"))["id"] == "tls-expires");
  }

  void certificates_are_renewed() {
    Console console;
    console.system.processes.renewed = std::vector<std::string>{"mx"};
    const std::string reply = console("tls reload");
    has(reply, " mx: renewed\n");
    CPPUNIT_ASSERT_EQUAL(std::string("=0 ok renewed=1"), status_of(reply));
    console.system.processes.renewed = fail(Errc::invalid, "mx.crt: damaged certificate");
    CPPUNIT_ASSERT_EQUAL(std::string("=1 failed"), status_of(console("tls reload")));
  }

  void too_many_words() {
    Console console;
    for (const auto command : {"threads", "memory", "sysinfo", "uptime", "reopen logs", "summary reset", "tls show",
                               "tls check", "tls reload", "threads reset"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, std::string("=2 usage"), status_of(console(std::string(command) + " x")));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProcessCommandsTest);

}  // namespace
