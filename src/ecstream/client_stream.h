// ClientStream: the messages of one stream from the client's side, across
// connections: what was sent and is not acknowledged is kept, so that a new
// connection can go on where the last one broke (doc/ecstream.md §6).
#pragma once

#include "base/result.h"
#include "ecstream/envelope_codec.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::ecstream {

class ClientStream {
 public:
  // `name`: empty, or 1 to 64 octets from '!' to '~'. `acknowledged`: how far it
  // has come, as far as the caller remembers, who then adds what comes behind
  // that again; nothing: the caller does not know, and has to wait for OPENED
  // before it adds anything, as it would number what comes wrongly.
  ClientStream(std::string name, std::optional<uint64_t> acknowledged);
  // One that nobody can know yet (NEW); or without a name, and so without memory.
  static ClientStream fresh(std::string name);

  // Takes a message; its sequence. The body is kept until it is acknowledged; not
  // at all when the server has that sequence already (it was told by OPENED). `rest`:
  // octets of the body that follow, and are given to ClientSession::more() whenever it
  // wants them: on each connection from the beginning.
  // Errc::invalid: an envelope that no frame can carry; Errc::busy: OPENED has to come first.
  Result<uint64_t> add(const MessageHead& head, std::string body, bool want_id, uint64_t rest = 0);
  // The time that it has left by now (deliver_by), seconds; where it has one, and is not refused. Before
  // any of it is written: ClientSession::begun().
  void set_deliver_by(uint64_t sequence, int32_t seconds);
  // Its sequence is used up all the same (SKIP), unless it is acknowledged already.
  void give_up(uint64_t sequence);

  const std::string& name() const { return name_; }
  uint64_t acknowledged() const { return done_; }
  uint64_t last() const { return next_ - 1; }         // the highest sequence that was given out
  size_t waiting() const { return entries_.size(); }  // messages not acknowledged, refused ones included
  size_t bytes() const { return bytes_; }             // of memory for them
  bool numbered() const { return numbered_; }         // add() can be called
  // Where the frames of a message that is not acknowledged stand in what the latest
  // session has written, octets from its start. Empty: it has written none of them.
  struct Span {
    uint64_t from = 0;
    uint64_t to = 0;
  };
  Span span(uint64_t sequence);

 private:
  friend class ClientSession;
  struct Entry {
    std::string envelope;  // encoded
    std::string body;
    uint64_t rest = 0;  // octets behind it, that others have
    Span span{};
    bool want_id = false;
    bool skip = false;     // refused, or given up: SKIP stands in its place
    bool refused = false;  // … by the server, which was told to the application
  };
  Entry* find(uint64_t sequence);
  void clear(Entry& entry);  // its bytes are not needed any more
  void done(uint64_t sequence);

  std::string name_;
  bool fresh_ = false;
  bool numbered_ = true;              // done_ is known
  std::optional<uint64_t> furthest_;  // sent on any connection, or known to the server at first; nothing: not open yet
  uint64_t done_ = 0;
  uint64_t next_ = 1;          // is given out next; at most done_ where the server has it already
  std::deque<Entry> entries_;  // of done_ + 1 and on
  size_t bytes_ = 0;
};

}  // namespace impulse::ecstream
