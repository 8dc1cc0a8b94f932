// NoteReader: what the JSON log says of a message itself (telemetry/note.h), for an
// outcome that is told while the message is not at hand, such as that of a host that
// is down. It is read from the spool, without its body, away from the loop. Loop thread.
#pragma once

#include "base/id.h"
#include "delivery/dispatcher.h"
#include "delivery/workers.h"
#include "telemetry/note.h"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace impulse::delivery {

class NoteReader {
 public:
  // Null: it cannot be read, or the process ends.
  using Got = std::function<void(telemetry::NotePtr)>;

  // Both borrowed.
  NoteReader(Parts& parts, Workers& workers) : parts_(parts), workers_(workers) {}
  NoteReader(const NoteReader&) = delete;
  NoteReader& operator=(const NoteReader&) = delete;

  // Whether the logs want any of it; else there is nothing to fetch.
  bool wanted() const { return parts_.mainlog.choice() != nullptr; }
  // Calls `got` once, from the loop, never at once but after close(). Who asks
  // meanwhile for the same message is told with the first.
  void fetch(MessageId id, Got got);
  size_t pending() const { return pending_; }  // that have not been told
  // Tells all of them, with nothing.
  void close();

 private:
  void tell(MessageId id, const telemetry::NotePtr& note);

  Parts& parts_;
  Workers& workers_;
  std::map<MessageId, std::vector<Got>> asked_;
  size_t pending_ = 0;
  bool closed_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
