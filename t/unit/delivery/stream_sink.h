// An ECStream server for tests: does frame by frame what its script says, and
// writes down what it got. Frames are cut and made here, not by the code under
// test; payloads are read by it.
#pragma once

#include "acceptor.h"
#include "ecstream/answers.h"
#include "ecstream/envelope_codec.h"
#include "ecstream/frame.h"
#include "ecstream/goaway.h"
#include "ecstream/hello.h"
#include "ecstream/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace impulse::delivery::test {

using ecstream::FrameType;
using ecstream::GoAway;

class StreamSink {
 public:
  struct Got {
    FrameType type{};
    uint8_t flags = 0;
    uint64_t sequence = 0;
    std::string payload{};
  };
  // With all of its CHUNKs; `aborted`: the last of them was ABORT.
  struct Message {
    uint64_t sequence = 0;
    ecstream::MessageHead head{};
    std::string body{};
    bool aborted = false;
    uint64_t octets = 0;  // of its frames
    size_t longest = 0;   // payload among them
    int connection = 0;
  };

  // A connection, as a script sees it. What it waits for may not come: then the script is over.
  class Talk {
   public:
    struct Over {};
    Talk(StreamSink& sink, int fd, int number)
        : connection(number), sink_(sink), wire_{fd, sink.acceptor_.stopping()} {}

    const int connection;  // from 1

    void raw(const std::string& bytes) {
      if (!wire_.write(bytes)) throw Over();
    }
    void send(FrameType type, uint64_t sequence = 0, const std::string& payload = {}, uint8_t flags = 0) {
      raw(frame(type, sequence, payload, flags));
    }
    static std::string frame(FrameType type, uint64_t sequence = 0, const std::string& payload = {},
                             uint8_t flags = 0) {
      std::string bytes;
      ecstream::put(bytes, static_cast<uint32_t>(payload.size()));
      bytes += static_cast<char>(type);
      bytes += static_cast<char>(flags);
      bytes += std::string(2, '\0');
      ecstream::put(bytes, sequence);
      return bytes + payload;
    }
    Got next() {
      need(16);
      Got got;
      const auto length = ecstream::get<uint32_t>(wire_.buffer);
      got.type = static_cast<FrameType>(wire_.buffer[4]);
      got.flags = static_cast<uint8_t>(wire_.buffer[5]);
      got.sequence = ecstream::get<uint64_t>(std::string_view(wire_.buffer).substr(8));
      need(16 + length);
      got.payload = wire_.buffer.substr(16, length);
      wire_.buffer.erase(0, 16 + length);
      const std::lock_guard lock(sink_.mutex_);
      sink_.frames_.push_back(got);
      return got;
    }
    Got next(FrameType type) {
      Got got = next();
      if (got.type != type) throw Over();
      return got;
    }

    void tls(const net::TlsContextPtr& context) {
      if (!wire_.accept_tls(context)) throw Over();
    }
    static ecstream::Hello hello() {
      ecstream::Hello hello;
      hello.max_frame = 1 << 20;
      hello.window = 1000;
      hello.hostname = "sink.example";
      return hello;
    }
    void greet(const ecstream::Hello& said = hello()) {
      next(FrameType::hello);
      send(FrameType::hello, 0, encode(said, ecstream::From::server));
    }
    // Up to OPENED, which says how far it was by then; below 0: as OPEN said.
    Got open(const ecstream::Hello& said = hello(), int64_t done = -1) {
      greet(said);
      Got open = next(FrameType::open);
      send(FrameType::opened, done < 0 ? open.sequence : static_cast<uint64_t>(done), {}, done < 0 ? 0 : 1);
      return open;
    }
    // The next one; SKIP, too, which has no recipients.
    Message message() {
      Message message;
      for (;;) {
        const Got got = next();
        if (got.type == FrameType::skip) return {.sequence = got.sequence, .connection = connection};
        if (got.type != FrameType::message && got.type != FrameType::chunk) continue;
        ecstream::Reader reader(got.payload);
        if (got.type == FrameType::message)
          message.head = ecstream::decode_envelope(reader.take(reader.number<uint32_t>())).head;
        message.sequence = got.sequence;
        message.body += reader.rest();
        message.octets += 16 + got.payload.size();
        message.longest = std::max(message.longest, got.payload.size());
        message.aborted = got.type == FrameType::chunk && (got.flags & ecstream::flag::chunk_abort) != 0;
        if ((got.flags & ecstream::flag::more) == 0) break;
      }
      message.connection = connection;
      return message;
    }
    void ack(uint64_t sequence) { send(FrameType::ack, sequence); }
    void nak(uint64_t sequence, uint16_t code, const std::string& enhanced, const std::string& text = "no",
             uint32_t recipient = UINT32_MAX) {
      send(FrameType::nak, sequence, ecstream::encode(ecstream::Nak{code, recipient, enhanced, text}));
    }
    void goaway(GoAway code, const std::string& text = "away") {
      send(FrameType::goaway, 0, ecstream::encode_farewell(code, text));
    }
    // Takes it: what was acknowledged is there once.
    void take(const Message& message) {
      {
        const std::lock_guard lock(sink_.mutex_);
        if (!message.head.recipients.empty() && !message.aborted) sink_.taken_.push_back(message);
      }
      ack(message.sequence);
    }
    // Everything that comes from now on.
    void take_all() {
      for (;;) take(message());
    }
    void mute() { wire_.mute(); }
    // The client has gone, though nothing was read.
    bool gone() const {
      pollfd wait{wire_.fd, POLLRDHUP, 0};
      return ::poll(&wait, 1, 5) > 0 || wire_.stopping;
    }

   private:
    void need(size_t bytes) {
      while (wire_.buffer.size() < bytes)
        if (!wire_.fill()) throw Over();
    }

    StreamSink& sink_;
    Wire wire_;
  };
  using Script = std::function<void(Talk&)>;

  explicit StreamSink(Script script = good) : script_(std::move(script)) {}
  StreamSink(const StreamSink&) = delete;
  StreamSink& operator=(const StreamSink&) = delete;

  static void good(Talk& talk) {
    talk.open();
    talk.take_all();
  }

  uint16_t port() const { return acceptor_.port(); }
  int connections() const { return acceptor_.connections(); }
  void stop() { acceptor_.stop(); }
  void resume() { acceptor_.resume(); }

  std::vector<Message> taken() const {
    const std::lock_guard lock(mutex_);
    return taken_;
  }
  std::vector<Got> frames(FrameType type) const {
    const std::lock_guard lock(mutex_);
    std::vector<Got> found;
    std::ranges::copy_if(frames_, std::back_inserter(found), [&](const Got& each) { return each.type == type; });
    return found;
  }

 private:
  void accepted(UniqueFd fd, int number) {
    Talk talk(*this, fd.get(), number);
    try {
      script_(talk);
    } catch (const Talk::Over&) {
    }
  }

  const Script script_;
  mutable std::mutex mutex_;
  std::vector<Got> frames_;
  std::vector<Message> taken_;
  Acceptor acceptor_{[this](UniqueFd fd, int number) { accepted(std::move(fd), number); }};
};

// The configuration that sends everything to `sink`, in plain and with retries soon.
// A server that says of no limit in HELLO, and refuses messages for more than three.
inline void takes_three_recipients(StreamSink::Talk& talk) {
  talk.open();
  for (;;) {
    const auto message = talk.message();
    if (message.head.recipients.size() <= 3) {
      talk.take(message);
      continue;
    }
    talk.nak(message.sequence, 552, "5.5.3", "Too many recipients", 3);
    talk.ack(message.sequence);
  }
}

inline std::vector<std::string> many(int count, const std::string& domain = "y.example") {
  std::vector<std::string> found;
  for (int i = 0; i < count; ++i) found.push_back(fmt::format("u{}@{}", i, domain));
  return found;
}

inline std::string by_stream(const StreamSink& sink, const std::string& more = "") {
  return fmt::format("Delivery_Method = ecstream\nGateway = \"127.0.0.1:{}\"\nRetry_Interval = 1\nTLS = no\n{}\n",
                     sink.port(), more);
}

}  // namespace impulse::delivery::test
