// Large messages on their way to a next host, piece by piece.
#include "house.h"
#include "sink.h"
#include "spool_before.h"

#include <condition_variable>
#include <mutex>

namespace impulse::delivery {
namespace {

using namespace test;
using telemetry::Counter;

constexpr size_t pieces = 200;
// 16 KiB in lines, some of which begin with dots.
const std::string piece = [] {
  std::string text;
  while (text.size() < 16384) text += "." + std::string(text.size() % 70 + 5, 'x') + "\r\n";
  return text;
}();

// A gate that threads wait at, and who opens it knows how many do.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  int waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

// A test that fails leaves no thread waiting; stands behind the House.
struct OpensAtLast {
  explicit OpensAtLast(Gate& gate_in) : gate(gate_in) {}
  ~OpensAtLast() { gate.open(); }
  OpensAtLast(const OpensAtLast&) = delete;
  OpensAtLast& operator=(const OpensAtLast&) = delete;
  Gate& gate;
};

// The rest of a body, which goes through a gate at its second reading: the first one measures.
class Rest final : public message::BodySource {
 public:
  explicit Rest(Gate* gate) : gate_(gate) {}
  uint64_t size() const override { return pieces * piece.size(); }
  std::unique_ptr<message::BodyReader> reader() const override {
    struct Reader final : message::BodyReader {
      explicit Reader(Gate* gate) : gate(gate) {}
      Result<std::string_view> next() override {
        if (gate != nullptr && turn == pieces / 2) gate->pass();
        return turn++ < pieces ? std::string_view(piece) : std::string_view();
      }
      Gate* gate;
      size_t turn = 0;
    };
    return std::make_unique<Reader>(readings_++ == 0 ? nullptr : gate_);
  }

 private:
  Gate* const gate_;
  mutable std::atomic<int> readings_ = 0;
};

// Gives messages of large@x.example a rest; those of slow@x.example are read behind a gate.
class Doctored final : public SpoolBefore {
 public:
  Doctored(std::unique_ptr<spool::Spool> real, Gate* within, Gate* before)
      : SpoolBefore(std::move(real)), within_(within), before_(before) {}
  Result<spool::Stored> open(MessageId id) const override {
    auto stored = SpoolBefore::open(id);
    if (stored && stored->envelope.sender == "large@x.example") stored->rest = std::make_shared<Rest>(within_);
    if (stored && stored->envelope.sender == "slow@x.example" && before_ != nullptr) before_->pass();
    return stored;
  }

 private:
  Gate* within_;
  Gate* before_;
};

House::Wrap doctored(Gate* within = nullptr, Gate* before = nullptr) {
  return
      [=](std::unique_ptr<spool::Spool> real) { return std::make_unique<Doctored>(std::move(real), within, before); };
}

// The log's only line of that kind.
std::string line_of(House& house, char kind) {
  std::istringstream text(house.mails());
  for (std::string line; std::getline(text, line);)
    if (holds(line, std::string("@") + kind + "@")) return line;
  return {};
}

class StreamTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(StreamTest);
  CPPUNIT_TEST(refused_in_the_middle);
  CPPUNIT_TEST(pieces_do_not_wait_for_other_messages);
  CPPUNIT_TEST(a_disk_that_stands_still);
  CPPUNIT_TEST(stopped_in_the_middle);
  CPPUNIT_TEST_SUITE_END();

  net::test::Identity identity_;

  Script with_tls() const {
    net::TlsSettings settings;
    settings.certificate = identity_.certificate();
    settings.key = identity_.key();
    Script script;
    script.tls = net::TlsContext::server(settings).value();
    return script;
  }

  // The other side says so, and is gone with what was on its way to it: it is an answer all the same.
  void refused_in_the_middle() {
    for (const bool tls : {false, true}) {
      Script script = tls ? with_tls() : Script();
      script.within = [](const Letter& letter) -> std::string {
        return letter.data.size() > 300000 ? "552 5.3.4 too large for me" : "";
      };
      Sink sink(script);
      House house(fmt::format("Gateway = \"127.0.0.1:{}\"\nTLS = {}\nGenerate_Bounces = false\n", sink.port(),
                              tls ? "required" : "no"),
                  doctored());
      house.dispatcher->start();
      house.submit("large@x.example", {"a@y.example"});
      house.run_until([&] { return house.counter(Counter::permanent_failures) == 1; }, "a refusal");
      CPPUNIT_ASSERT(holds(line_of(house, 'P'), "552 5.3.4 too large for me"));
      CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
      CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
    }
  }

  void pieces_do_not_wait_for_other_messages() {
    Gate within;
    Gate before;
    Sink sink;
    House house(gateway(sink, "Max_Outbound_Connections = 10"), doctored(&within, &before));
    const OpensAtLast first(within);
    const OpensAtLast second(before);
    house.dispatcher->start();
    house.submit("large@x.example", {"a@y.example"});
    house.run_until([&] { return within.waiting() == 1; }, "its second half");
    for (int i = 0; i < 4; ++i) house.submit("slow@x.example", {"b@y.example"});
    house.run_until([&] { return before.waiting() == 2; }, "all readers busy");
    within.open();
    house.run_until([&] { return sink.count() == 1; }, "the large one at the sink");
    CPPUNIT_ASSERT_EQUAL(2, before.waiting());
    const std::string data = sink.letters()[0].data;
    const size_t head = data.find("\r\n\r\nbody\r\n") + 10;
    CPPUNIT_ASSERT_EQUAL(head + pieces * piece.size(), data.size());
    for (size_t at = head; at < data.size(); at += piece.size()) CPPUNIT_ASSERT(data.substr(at, piece.size()) == piece);
    before.open();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{5}, sink.count());
  }

  // It is not the other side that is late.
  void a_disk_that_stands_still() {
    Gate within;
    Sink sink;
    House house(gateway(sink, "Body_Timeout = 2s"), doctored(&within));
    const OpensAtLast opens(within);
    house.dispatcher->start();
    house.submit("large@x.example", {"a@y.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; }, "a time-out");
    CPPUNIT_ASSERT(holds(line_of(house, 'T'), "the rest of the body was not read from the disk in time"));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
    house.reconfigure(gateway(sink, "Body_Timeout = 1m"));  // a slow machine has time from here on
    within.open();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
  }

  // What is being read comes back to nobody; the message is there at the next start.
  void stopped_in_the_middle() {
    Gate within;
    Sink sink;
    {
      House house(gateway(sink), doctored(&within));
      const OpensAtLast opens(within);
      house.dispatcher->start();
      house.submit("large@x.example", {"a@y.example"});
      house.run_until([&] { return within.waiting() == 1; }, "its second half");
      bool idle = false;
      house.dispatcher->stop(std::chrono::milliseconds(1), [&] { idle = true; });
      house.run_until([&] { return idle; }, "the end of patience");
      within.open();
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.spool->status().messages);
    }
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StreamTest);

}  // namespace
}  // namespace impulse::delivery
