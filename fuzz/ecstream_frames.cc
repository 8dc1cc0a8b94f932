// Feeds the ECStream server engine anything, twice: at once and in pieces, with
// every commit done as soon as it is asked for. No message may be stored twice
// or out of order, what is acknowledged is stored, refused or skipped; the
// answers are frames, and both ways the session ends alike. Then the client
// engine gets the same bytes as if a server had sent them.
//
// The first byte chooses the policy and whether HELLO and OPEN are written for
// the input, the second seeds the pieces. The rest is what the peer sends.
#include "ecstream/answers.h"
#include "ecstream/client_session.h"
#include "ecstream/server_session.h"
#include "kit.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace impulse;
using namespace impulse::ecstream;
using fuzz::check;

class Host : public ServerHost {
 public:
  Result<std::shared_ptr<const Policy>> safe_point() override { return nullptr; }
  std::optional<HostRefusal> admit(uint64_t) override { return std::nullopt; }
  std::optional<HostRefusal> admit_recipient(std::string_view, std::string_view recipient, bool) override {
    if (recipient.size() % 7 != 0) return std::nullopt;
    return HostRefusal{550, "5.7.1", "relay", "no"};
  }
  WallTime now() override { return WallTime(std::chrono::seconds(1700000000)); }
};

struct Outcome {
  uint64_t done = 0;
  bool closed = false;
};

Outcome run_server(std::string_view bytes, const std::shared_ptr<const Policy>& policy, uint32_t seed) {
  Host host;
  ServerSession session(policy, {}, host);
  Output out;
  Outcome outcome;
  FrameReader reader(Side::server, smallest_max_frame);
  std::set<uint64_t> answered;
  uint64_t stored = 0;
  bool hello = false;
  const auto answers = [&] {
    std::string said = std::exchange(out.reply, {});
    std::string_view rest = said;
    while (!rest.empty()) {
      const auto read = reader.feed(rest);
      check(read.event == FrameReader::Event::frame, "an answer is no frame");
      rest.remove_prefix(read.used);
      if (read.frame.type == FrameType::hello) {
        check(!std::exchange(hello, true), "two HELLOs");
        reader.expect_checksums((decode_hello(read.frame.payload)->features & feature::checksums) != 0);
      }
      if (read.frame.type == FrameType::ack) {
        check(read.frame.sequence >= outcome.done, "ACK goes back");
        outcome.done = read.frame.sequence;
      }
      if (read.frame.type == FrameType::nak) {
        check(answered.insert(read.frame.sequence).second, "answered twice");
        check(decode_nak(read.frame.payload).has_value(), "NAK that is none");
      }
    }
  };
  const auto carry_out = [&] {
    while (true) {
      answers();
      if (out.next == Next::open) {
        session.opened(StreamMemory{}, out);
      } else if (out.next == Next::submit) {
        const Submission submission = session.take_submission();
        std::vector<MessageId> ids;
        for (const TakenMessage& message : submission.messages) {
          check(message.sequence > stored && message.sequence <= submission.last, "out of order");
          check(answered.insert(message.sequence).second, "taken though it was refused");
          check(!message.envelope.recipients.empty(), "nobody gets it");
          const std::string body = message.body.to_string();
          check(message.envelope.body_type == message::BodyType::binary_mime || body.ends_with("\r\n"),
                "no line's end");
          stored = message.sequence;
          ids.push_back({1, static_cast<uint32_t>(stored)});
        }
        check(submission.stream.empty() || StreamMemory::decode(submission.receipt)->done == submission.last,
              "a memory of something else");
        session.submitted(ids, "n", out);
      } else {
        outcome.closed = out.next == Next::close;
        return;
      }
    }
  };
  session.start(std::nullopt, out);
  carry_out();
  fuzz::Cuts cuts(seed);
  std::string waiting;
  while ((!bytes.empty() || !waiting.empty()) && !outcome.closed) {
    const size_t piece = cuts.next(bytes.size());
    waiting += bytes.substr(0, piece);
    bytes.remove_prefix(piece);
    const size_t used = session.feed(waiting, out);
    waiting.erase(0, used);
    carry_out();
    check(session.held() < (size_t{2} << 20), "it holds too much");
  }
  return outcome;
}

void run_client(std::string_view bytes, bool checksums, uint32_t seed) {
  ClientStream stream("s", 0);
  ClientSettings settings;
  settings.checksums = checksums;
  ClientSession session(settings, stream, nullptr);
  ClientOutput out;
  for (int n = 0; n < 3; ++n) {
    MessageHead head;
    head.recipients.push_back({"b@example.com"});
    check(stream.add(head, std::string(n == 1 ? 40000 : 10, 'x'), true).has_value(), "not taken");
  }
  session.start(out);
  fuzz::Cuts cuts(seed);
  while (!bytes.empty() && !out.close) {
    const size_t piece = cuts.next(bytes.size());
    session.feed(bytes.substr(0, piece), out);
    bytes.remove_prefix(piece);
    session.send(out);
    check(out.reply.size() < (size_t{1} << 20), "it says too much");
    out.reply.clear();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Policy policy;
  policy.received_hostname = "mx.example";
  policy.max_frame = smallest_max_frame;
  policy.window = (data[0] & 1) != 0 ? 3 : 100;
  policy.max_batch = 2;
  policy.large_message = 200;
  policy.lone_lf_body = policy.lone_lf_headers = static_cast<Policy::LoneLf>((data[0] >> 1) % 3);
  std::string bytes(fuzz::text_of(data + 2, size - 2));
  if ((data[0] & 16) != 0) {
    std::string start;
    append_frame(start, {FrameType::hello, 0, 0, encode(Hello{}, From::client)}, false);
    append_frame(start, {FrameType::open, 0, 0, (data[0] & 32) != 0 ? "" : "s"}, false);
    bytes = start + bytes;
  }
  const auto shared = std::make_shared<const Policy>(policy);
  const Outcome whole = run_server(bytes, shared, 0);
  const Outcome cut = run_server(bytes, shared, uint32_t{data[1]} + 1);
  // A repetition counts as one only when its message is done: that depends on
  // when the commit was, and so on the cuts. Whatever else happens may not.
  if (whole.closed == cut.closed) check(whole.closed || whole.done == cut.done, "the cut made a difference");
  run_client(std::string_view(bytes), (data[0] & 64) != 0, data[1]);
  return 0;
}
