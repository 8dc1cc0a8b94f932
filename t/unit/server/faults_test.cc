// Faults: each of the daemon's real participants fails in each phase, and each
// descriptor that a commit asks for is refused in turn. Then all is as it was:
// what the snapshot says, generation, history, descriptors, files, threads.
#include "../config/engine_kit.h"
#include "base/files.h"
#include "config.h"
#include "plant.h"

#include <sys/resource.h>

#include <functional>

using namespace impulse;
using namespace impulse::server;
using namespace impulse::server::test;
using config::Report;

namespace {

const char* const old_doors = "kept gone wide mail.sock control.sock -fresh -mail2.sock -control2.sock";
const char* const new_doors = "kept fresh wide mail2.sock control.sock control2.sock -gone -mail.sock";

// The limit of descriptors is `most`, until the end of the scope.
class FewDescriptors {
 public:
  explicit FewDescriptors(int most) {
    CPPUNIT_ASSERT_EQUAL(0, ::getrlimit(RLIMIT_NOFILE, &before_));
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(most);
    CPPUNIT_ASSERT_EQUAL(0, ::setrlimit(RLIMIT_NOFILE, &few));
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

  // The number that the next descriptor would get.
  static int next() {
    const int fd = ::open("/", O_RDONLY | O_CLOEXEC);
    ::close(fd);
    return fd;
  }

 private:
  rlimit before_{};
};

std::string said(const Report& report) { return config::test::all(report.diagnostics) + report.error; }

class FaultsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FaultsTest);
  CPPUNIT_TEST(every_participant_in_every_phase);
  CPPUNIT_TEST(a_transaction_and_a_revert);
// UBSan opens a pipe to look at a virtual table:
// without descriptors it takes sound objects for broken ones.
#ifndef HAVE_UBSAN
  CPPUNIT_TEST(every_descriptor_in_turn);
  CPPUNIT_TEST(every_descriptor_of_the_way_back);
  CPPUNIT_TEST(every_descriptor_of_a_writeback);
#endif
  CPPUNIT_TEST(what_is_taken_meanwhile);
  CPPUNIT_TEST_SUITE_END();

  using Way = std::function<Report(Plant&)>;

  static Report reload(Plant& plant) { return plant.engine().reload({false, plant.second}, {"test"}); }

  static void each_fault(Plant& plant, const Way& commit) {
    const std::string before = plant.resting();
    const uint64_t generation = plant.engine().current()->generation();
    const auto participants = plant.engine().participants();
    CPPUNIT_ASSERT_EQUAL(size_t{4}, participants.size());  // TLS, checks, listeners, and the daemon for the rest
    for (const std::string& who : participants)
      for (const char* phase : {"check", "prepare"})
        for (const bool after : {false, true}) {
          plant.fault = {who, phase, after, false};
          const std::string what = plant.fault.text();
          const Report report = commit(plant);
          CPPUNIT_ASSERT_MESSAGE(what, plant.fault.struck);
          plant.fault = {};
          CPPUNIT_ASSERT_MESSAGE(what, !report.ok && report.changes.empty() && report.generation == generation);
          ASSERT_HOLDS(what, said(report));
          CPPUNIT_ASSERT_EQUAL_MESSAGE(what, before, plant.settled(before));
          CPPUNIT_ASSERT_EQUAL_MESSAGE(what, std::string(), plant.doors(old_doors));
        }
    CPPUNIT_ASSERT_EQUAL(before, plant.settled(before));
  }

  // And without a fault, the same goes through.
  static void goes_through(Plant& plant, const Way& commit) {
    const std::string before = config::digest(*plant.engine().current());
    const Report report = commit(plant);
    CPPUNIT_ASSERT_MESSAGE(said(report), report.ok);
    CPPUNIT_ASSERT(before != config::digest(*plant.engine().current()));
    CPPUNIT_ASSERT_EQUAL(std::string(), plant.doors(new_doors));
  }

  void every_participant_in_every_phase() {
    Plant plant;
    each_fault(plant, reload);
    goes_through(plant, reload);
    // Reuse_Port: one for each of the loops that came by the same commit.
    CPPUNIT_ASSERT_EQUAL(size_t{3}, plant.sockets("fresh"));
  }

  void a_transaction_and_a_revert() {
    Plant plant;
    auto open = plant.engine().begin({}, {"test"}).value();
    for (const char* line :
         {"hostname x.example", "eventloop default concurrency 2", "debug_flags debug ALL",
          "certificate new cert @dir@/b.pem", "certificate new private_key @dir@/b.pem",
          "esmtp_listener tls_certificate new", "esmtp_listener listen 127.0.0.1:@fresh@ enable true",
          "esmtp_listener listen 127.0.0.1:@gone@ enable false", "esmtp_listener listen @dir@/mail.sock enable false",
          "esmtp_listener listen @dir@/mail2.sock enable true",
          "control_listener listen @dir@/control2.sock enable true",
          "control_listener listen @dir@/control.sock file_mode 0600"}) {
      const Report report = config::test::Rig::set(*open, plant.filled(line));
      CPPUNIT_ASSERT_MESSAGE(line + said(report), report.ok);
    }
    const std::string first = config::digest(*plant.engine().current());
    const Way commit = [&](Plant&) { return open->commit({"test"}); };
    each_fault(plant, commit);
    CPPUNIT_ASSERT(!open->ended() && !open->operations().empty());
    goes_through(plant, commit);

    // The way back is as narrow.
    const std::string before = plant.resting();
    for (const std::string& who : plant.engine().participants()) {
      plant.fault = {who, "prepare", true, false};
      const Report report = plant.engine().revert(1, {"test"});
      CPPUNIT_ASSERT_MESSAGE(who, plant.fault.struck && !report.ok);
      plant.fault = {};
      CPPUNIT_ASSERT_EQUAL_MESSAGE(who, before, plant.settled(before));
    }
    const Report report = plant.engine().revert(1, {"test"});
    CPPUNIT_ASSERT_MESSAGE(said(report), report.ok);
    CPPUNIT_ASSERT_EQUAL(first, config::digest(*plant.engine().current()));
    CPPUNIT_ASSERT_EQUAL(std::string(), plant.doors(old_doors));
  }

  // One descriptor more each time, until it is done; how often it was not.
  static int sweep(Plant& plant, const std::string& doors, const Way& commit) {
    const std::string before = plant.resting();
    const uint64_t generation = plant.engine().current()->generation();
    for (int refusals = 0, limit = FewDescriptors::next();; ++refusals, ++limit) {
      Report report;
      {
        const FewDescriptors few(limit);
        report = commit(plant);
      }
      if (report.ok) return refusals;
      const std::string what = fmt::format("{} descriptors: {}", limit, said(report));
      CPPUNIT_ASSERT_MESSAGE(what, report.changes.empty() && report.generation == generation);
      ASSERT_HOLDS("Too many open files", what);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(what, before, plant.settled(before));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(what, std::string(), plant.doors(doors));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(what, before, plant.settled(before));
    }
  }

  void every_descriptor_in_turn() {
    Plant plant;
    const int refusals = sweep(plant, old_doors, reload);
    // Three loops more, the sockets, two locks.
    CPPUNIT_ASSERT_MESSAGE(std::to_string(refusals), refusals >= 12);
    CPPUNIT_ASSERT_EQUAL(std::string(), plant.doors(new_doors));
    // Wholly: as it is when nothing is scarce.
    const std::string scarce = config::digest(*plant.engine().current());
    CPPUNIT_ASSERT(plant.engine().revert(1, {"test"}).ok);
    CPPUNIT_ASSERT_EQUAL(std::string(), plant.doors(old_doors));
    CPPUNIT_ASSERT(reload(plant).ok);
    CPPUNIT_ASSERT_EQUAL(config::digest(*plant.engine().current()), scarce);
    CPPUNIT_ASSERT_EQUAL(std::string(), plant.doors(new_doors));
  }

  // What the commit before replaced still takes handshakes that were under way,
  // and goes on doing so when the way back is refused.
  void every_descriptor_of_the_way_back() {
    Plant plant;
    CPPUNIT_ASSERT(reload(plant).ok);
    const int refusals = sweep(plant, new_doors, [](Plant& p) { return p.engine().revert(1, {"test"}); });
    CPPUNIT_ASSERT_MESSAGE(std::to_string(refusals), refusals >= 3);
    CPPUNIT_ASSERT_EQUAL(std::string(), plant.doors(old_doors));
  }

  void every_descriptor_of_a_writeback() {
    Plant plant;
    CPPUNIT_ASSERT(reload(plant).ok);
    // Edits that belong into two files.
    for (const char* line : {"hostname third.example", "domain example.net max_retries 3"}) {
      const config::test::Rig::Line edit = config::test::Rig::read(line);
      const Report report = plant.engine().set(edit.path, edit.option, edit.value, edit.source);
      CPPUNIT_ASSERT_MESSAGE(said(report), report.ok);
    }
    const std::string part = plant.dir / "parts/domains";
    const auto texts = [&] { return read_file(plant.second).value() + "\n====\n" + read_file(part).value(); };
    const std::string old_texts = texts();
    const std::string before = plant.resting();
    int refusals = 0;
    for (int limit = FewDescriptors::next();; ++limit) {
      config::WritebackReport report;
      {
        const FewDescriptors few(limit);
        report = plant.engine().writeback("", {"test"});
      }
      if (report.ok) {
        CPPUNIT_ASSERT_EQUAL(size_t{2}, report.files.size());
        break;
      }
      ++refusals;
      const std::string what = fmt::format("{} descriptors: {}", limit, report.error);
      ASSERT_HOLDS("Too many open files", what);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(what, old_texts, texts());
      CPPUNIT_ASSERT_EQUAL_MESSAGE(what, before, plant.settled(before));
    }
    CPPUNIT_ASSERT(refusals >= 2);
    ASSERT_HOLDS("third.example", read_file(plant.second).value());
    ASSERT_HOLDS("Max_Retries = 3", read_file(part).value());
    CPPUNIT_ASSERT(plant.engine().drift().changes.empty());
  }

  // A port, a name and a lock that somebody else has, a certificate that is gone.
  void what_is_taken_meanwhile() {
    Plant plant;
    const std::string before = plant.resting();
    const auto refused = [&](const std::string& why) {
      const Report report = reload(plant);
      CPPUNIT_ASSERT_MESSAGE(why, !report.ok);
      ASSERT_HOLDS(why, said(report));
    };
    {
      const UniqueFd taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<uint16_t>(plant.port("fresh")));
      CPPUNIT_ASSERT_EQUAL(0, ::bind(taken.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
      CPPUNIT_ASSERT_EQUAL(0, ::listen(taken.get(), 1));
      refused("Address already in use");
    }
    CPPUNIT_ASSERT_EQUAL(before, plant.settled(before));
    const std::string name = plant.dir / "mail2.sock";
    net::test::write_file(name, "precious");
    refused("is no socket");
    CPPUNIT_ASSERT_EQUAL(std::string("precious"), read_file(name).value());
    fs::remove(name);
    CPPUNIT_ASSERT_EQUAL(before, plant.settled(before));
    fs::rename(plant.dir / "b.pem", plant.dir / "c.pem");
    refused("b.pem");
    fs::rename(plant.dir / "c.pem", plant.dir / "b.pem");
    CPPUNIT_ASSERT_EQUAL(before, plant.settled(before));
    CPPUNIT_ASSERT_EQUAL(std::string(), plant.doors(old_doors));
    goes_through(plant, reload);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(FaultsTest);

}  // namespace
