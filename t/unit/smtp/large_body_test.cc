// Bodies that are too large for memory: what is kept, what goes to a sink, and
// what becomes of both.
#include "support.h"

#include "smtp/data_receiver.h"

#include <cppunit/extensions/HelperMacros.h>

#include <optional>

using namespace smtp_test;

namespace {

using Verdict = DataReceiver::Verdict;

// What sinks were told, which outlives them.
struct Disk {
  std::string content;
  int begun = 0;
  int open = 0;
  std::optional<Errc> refuses_begin;
  std::optional<Errc> refuses;
  size_t room = SIZE_MAX;
};

class Sink final : public message::BodySink {
 public:
  explicit Sink(Disk& disk) : disk_(disk) {
    ++disk_.begun;
    ++disk_.open;
    disk_.content.clear();
  }
  ~Sink() override { --disk_.open; }
  Result<> append(std::string_view bytes) override {
    if (disk_.content.size() + bytes.size() > disk_.room) return fail(*disk_.refuses, "no room");
    disk_.content += bytes;
    return {};
  }
  uint64_t size() const override { return disk_.content.size(); }

 private:
  Disk& disk_;
};

message::BeginBody onto(Disk& disk) {
  return [&disk]() -> Result<std::unique_ptr<message::BodySink>> {
    if (disk.refuses_begin) return fail(*disk.refuses_begin, "no");
    return std::make_unique<Sink>(disk);
  };
}

class Host final : public FakeHost {
 public:
  explicit Host(Disk& disk) : disk_(disk) {}
  Result<std::unique_ptr<message::BodySink>> large_body() override { return onto(disk_)(); }

 private:
  Disk& disk_;
};

// A session of somebody who has said EHLO, over a disk.
struct Greeted {
  explicit Greeted(const Policy& policy) : session(std::make_shared<const Policy>(policy), client(), host) {
    session.start(std::nullopt, out);
    session.feed("EHLO x\r\n", out);
  }
  // One transaction to the end of its data; returns the last reply.
  std::string transact(std::string_view data, size_t piece = SIZE_MAX) {
    session.feed("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n", out);
    out.reply.clear();
    for (size_t at = 0; at < data.size(); at += std::min(piece, data.size())) session.feed(data.substr(at, piece), out);
    return out.reply;
  }
  static ClientInfo client() {
    ClientInfo client;
    client.address = IpAddress::v4(0x7F000001);
    return client;
  }

  Disk disk;
  Host host{disk};
  Output out;
  ServerSession session;
};

const std::string header = "Subject: large\r\nTo: somebody\r\n\r\n";

std::string lines(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += "line " + std::to_string(i) + "\r\n";
  return text;
}

class LargeBodyTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LargeBodyTest);
  CPPUNIT_TEST(the_whole_is_what_it_was_however_it_is_cut);
  CPPUNIT_TEST(small_ones_need_no_disk);
  CPPUNIT_TEST(header_fields_stay_in_memory);
  CPPUNIT_TEST(a_header_without_end_is_refused);
  CPPUNIT_TEST(fix_ups_reach_all_of_the_header);
  CPPUNIT_TEST(binary_chunks);
  CPPUNIT_TEST(failures_are_verdicts);
  CPPUNIT_TEST(without_a_place_it_is_memory);
  CPPUNIT_TEST(a_fault_gives_the_disk_back);
  CPPUNIT_TEST(size_limit_counts_both_parts);
  CPPUNIT_TEST(session_hands_both_parts_in);
  CPPUNIT_TEST(session_says_452_and_goes_on);
  CPPUNIT_TEST_SUITE_END();

  static Policy policy(uint64_t in_memory) {
    Policy made = usual_policy();
    made.large_message = in_memory;
    return made;
  }

  static void receive(DataReceiver& receiver, std::string_view input, Cutting cutting) {
    while (!input.empty() && !receiver.done())
      input.remove_prefix(receiver.feed(input.substr(0, std::min(cutting(input.size()), input.size()))));
  }

  void the_whole_is_what_it_was_however_it_is_cut() {
    const std::string body = header + lines(200) + ".leading dot\r\n";
    const std::string wire = header + lines(200) + "..leading dot\r\n.\r\n";
    for (const uint64_t in_memory : {0UL, 1UL, 50UL, 500UL, 2000UL})
      for (unsigned seed = 0; seed < 6; ++seed) {
        Disk disk;
        DataReceiver receiver;
        receiver.begin(policy(in_memory), onto(disk));
        receive(receiver, wire, seed == 0 ? whole() : seed == 1 ? bytes() : random_cuts(seed));
        CPPUNIT_ASSERT(receiver.done() && receiver.verdict() == Verdict::good);
        CPPUNIT_ASSERT_EQUAL(uint64_t{body.size()}, receiver.size());
        const std::string kept = receiver.take_body().to_string();
        const auto rest = receiver.take_rest();
        CPPUNIT_ASSERT_EQUAL(body, kept + (rest ? disk.content : ""));
        CPPUNIT_ASSERT_EQUAL(rest ? 1 : 0, disk.open);
        CPPUNIT_ASSERT(rest || in_memory >= body.size());
        CPPUNIT_ASSERT(kept.size() <= std::max<uint64_t>(in_memory, header.size()) || seed == 0);
      }
  }

  void small_ones_need_no_disk() {
    Disk disk;
    DataReceiver receiver;
    receiver.begin(policy(100), onto(disk));
    receive(receiver, std::string(98, 'x') + "\r\n.\r\n", bytes());
    CPPUNIT_ASSERT_EQUAL(size_t{100}, receiver.body().size());
    CPPUNIT_ASSERT_EQUAL(0, disk.begun);
    CPPUNIT_ASSERT(!receiver.take_rest());
  }

  void header_fields_stay_in_memory() {
    Disk disk;
    DataReceiver receiver;
    receiver.begin(policy(0), onto(disk));
    receive(receiver, header + "text\r\n.\r\n", bytes());
    CPPUNIT_ASSERT(receiver.body().to_string().starts_with(header));
    CPPUNIT_ASSERT_EQUAL(header + "text\r\n", receiver.body().to_string() + disk.content);
    CPPUNIT_ASSERT_EQUAL(1, disk.begun);
  }

  void a_header_without_end_is_refused() {
    Disk disk;
    DataReceiver receiver;
    receiver.begin(policy(1000), onto(disk));
    const std::string field = "X-Field: " + std::string(60, 'x') + "\r\n";
    for (int i = 0; i < 40000; ++i) receiver.feed(field);
    CPPUNIT_ASSERT(receiver.verdict() == Verdict::header_too_big);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, receiver.size());
    CPPUNIT_ASSERT_EQUAL(0, disk.begun);
  }
  // Whatever goes to the disk, and however the bytes were cut.
  void fix_ups_reach_all_of_the_header() {
    std::string fields = "Authentication-Results: mx.example; spf=pass\r\n";
    while (fields.size() < 3000) fields += "X-Field: " + std::string(60, 'x') + "\r\n";
    fields += "Authentication-Results: mx.example; dkim=pass\r\n";
    for (const size_t piece : {size_t{1}, size_t{700}, size_t{16384}}) {
      Greeted here(policy(1000));
      const std::string message = fields + "\r\n" + lines(100) + ".\r\n";
      here.transact(message, piece);
      CPPUNIT_ASSERT(here.out.next == Next::submit);
      const Submission submission = here.session.take_submission();
      const std::string kept = submission.body.to_string();
      CPPUNIT_ASSERT(!kept.contains("Authentication-Results") && kept.contains("X-Field"));
      CPPUNIT_ASSERT((kept + here.disk.content).ends_with("\r\n\r\n" + lines(100)));
    }
  }

  void binary_chunks() {
    Disk disk;
    DataReceiver receiver;
    receiver.begin_chunks(policy(10), true, onto(disk));
    const std::string content = header + std::string("\0\n\r.\r\nbinary", 12);
    for (const char byte : content) receiver.feed_chunk({&byte, 1});
    receiver.end_chunks();
    CPPUNIT_ASSERT_EQUAL(content, receiver.body().to_string() + disk.content);
    // Text that lies on the disk already ends in CRLF all the same.
    DataReceiver text;
    text.begin_chunks(policy(0), false, onto(disk));
    text.feed_chunk(header);
    text.feed_chunk("no line end");
    text.end_chunks();
    CPPUNIT_ASSERT_EQUAL(header + "no line end\r\n", text.body().to_string() + disk.content);
  }

  void failures_are_verdicts() {
    for (const auto& [code, verdict] : {std::pair{Errc::no_space, Verdict::no_space},
                                        {Errc::no_files, Verdict::no_files},
                                        {Errc::io, Verdict::trouble}}) {
      for (const bool at_begin : {true, false}) {
        Disk disk;
        if (at_begin) disk.refuses_begin = code;
        disk.refuses = code;
        disk.room = 100;
        DataReceiver receiver;
        receiver.begin(policy(50), onto(disk));
        receive(receiver, header + lines(500) + ".\r\n", random_cuts(1));
        CPPUNIT_ASSERT(receiver.done());
        CPPUNIT_ASSERT(receiver.verdict() == verdict);
        CPPUNIT_ASSERT_EQUAL(uint64_t{0}, receiver.size());
        CPPUNIT_ASSERT_EQUAL(0, disk.open);
      }
    }
  }

  void without_a_place_it_is_memory() {
    Disk disk;
    disk.refuses_begin = Errc::unavailable;
    DataReceiver receiver;
    receiver.begin(policy(10), onto(disk));
    receive(receiver, header + lines(50) + ".\r\n", random_cuts(1));
    CPPUNIT_ASSERT_EQUAL(header + lines(50), receiver.body().to_string());
  }

  void a_fault_gives_the_disk_back() {
    Disk disk;
    DataReceiver receiver;
    receiver.begin(policy(10), onto(disk));
    receiver.feed(header + lines(10));
    CPPUNIT_ASSERT_EQUAL(1, disk.open);
    receiver.feed("lone\nLF");
    CPPUNIT_ASSERT(receiver.verdict() == Verdict::lone_lf);
    CPPUNIT_ASSERT_EQUAL(0, disk.open);
    receiver.begin(policy(10), onto(disk));
    receiver.feed(header + lines(10));
    CPPUNIT_ASSERT_EQUAL(1, disk.open);
    receiver.begin(policy(10), onto(disk));  // another message
    CPPUNIT_ASSERT_EQUAL(0, disk.open);
  }

  void size_limit_counts_both_parts() {
    Disk disk;
    Policy limited = policy(20);
    limited.max_message_size = header.size() + 100;
    for (const size_t extra : {0U, 1U}) {
      DataReceiver receiver;
      receiver.begin(limited, onto(disk));
      receive(receiver, header + std::string(98 + extra, 'x') + "\r\n.\r\n", bytes());
      CPPUNIT_ASSERT(receiver.verdict() == (extra == 0 ? Verdict::good : Verdict::too_big));
    }
  }

  void session_hands_both_parts_in() {
    Greeted here(policy(40));
    here.transact(header + lines(100) + ".\r\n");
    CPPUNIT_ASSERT(here.out.next == Next::submit);
    const Submission submission = here.session.take_submission();
    CPPUNIT_ASSERT(submission.rest != nullptr);
    CPPUNIT_ASSERT_EQUAL(header + lines(100), submission.body.to_string() + here.disk.content);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, here.session.held());
    here.session.submitted(MessageId{1, 2}, "n", here.out);
    CPPUNIT_ASSERT_EQUAL(1, here.disk.open);  // the submission has it, and nobody else
  }

  void session_says_452_and_goes_on() {
    Greeted here(policy(40));
    here.disk.refuses = Errc::no_space;
    here.disk.room = 10;
    CPPUNIT_ASSERT(here.transact(header + lines(100) + ".\r\n").starts_with("452 4.3.1"));
    here.disk.refuses = Errc::io;
    CPPUNIT_ASSERT(here.transact(header + lines(100) + ".\r\n").starts_with("451 4.3."));
    CPPUNIT_ASSERT_EQUAL(0, here.disk.open);
    here.transact("small\r\n.\r\n");
    CPPUNIT_ASSERT(here.out.next == Next::submit);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LargeBodyTest);

}  // namespace
